"""The exchange (step 5 of a record's journey): how sealed streams reach the nodes that are to hold them.

``exchange.Exchange`` is what others use. ``sender`` and ``receiver`` open with essays; ``package``, ``head`` and
``signature`` are the bytes on the wire; ``links`` runs a child's link to its parent; ``carriers`` move packages. The
bytes, words and paths are in docs/reference/protocol.md.
"""
