"""Real stores for the tests of the doors."""

from tests.support.stores import any_store, file_store, postgres, postgres_url

__all__ = ["any_store", "file_store", "postgres", "postgres_url"]
