"""The proof that the adapter works on the real Bluetooth stack of Linux, on a machine without Bluetooth: README.md."""
