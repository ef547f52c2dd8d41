"""The record line: records and documents between one terminal and the node, over any line that carries bytes.

The serial bridge and the Bluetooth bridge run it, each over a ``BytePort`` of its own; the terminal's program is made
of the same modules (docs/reference/record-line.md). A bridge uses ``line.RecordLine`` and the texts of keys.
"""
