"""Stores and the tree for the tests of statistics."""

from tests.support.roll_up import tree
from tests.support.stores import any_store, file_store, memory, postgres, postgres_url

__all__ = ["any_store", "file_store", "memory", "postgres", "postgres_url", "tree"]
