"""Upkeep (自检): whether what a node has derived and stored is still what its records say, and putting it right."""
