"""What the doors share that ask a department's system again and again: what was answered already."""
