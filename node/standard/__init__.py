"""The data-exchange standard: schemas, the one safe XML parser, canonical bytes, codes, identifiers, signed texts.

Knows nothing of storage or networks.
"""
