"""The kind ``serial_bridge``: departments that reach the node over a serial line.

One adapter is one port. What is spoken on it is its mode: the record line with a terminal that runs our small program
(``record_mode``), files by ZMODEM or Kermit with machines that know those (``transfer_mode``), or text that a device
sends by itself (``capture_mode``). ``kind`` names the settings and opens adapters.
"""
