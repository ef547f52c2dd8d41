from __future__ import annotations

from tests.support.stores import any_store, file_store, memory, postgres, postgres_url

__all__ = ["any_store", "file_store", "memory", "postgres", "postgres_url"]
