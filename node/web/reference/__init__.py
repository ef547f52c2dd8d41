"""The reference of the standard: pages in 中文 and English, and the bundle that a vendor takes home.

Everything that the pages say of records comes from the schema files, from the tables of node.standard and from the
dialects; ``words.toml`` holds the words around them. A build gives the same bytes every time.
"""
