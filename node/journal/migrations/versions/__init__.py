"""One file a migration, in a linear chain: forward only, each harmless to the program before it."""
