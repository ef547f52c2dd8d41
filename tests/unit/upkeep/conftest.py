"""Stores for the tests of rebuild and scrub, and a node in which every derived table has rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from node.journal.store import Store, open_store
from tests.support.filled_nodes import fill_node
from tests.support.stores import any_store, file_store, memory, postgres, postgres_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.case_nodes import CaseNode

__all__ = ["any_store", "file_store", "memory", "postgres", "postgres_url"]


@pytest.fixture
def postgres_store(postgres_url: str) -> Iterator[Store]:
    """A migrated, empty store in a real PostgreSQL."""
    store = open_store(postgres_url)
    yield store
    store.close()


@pytest.fixture
def filled(memory: Store) -> CaseNode:
    """A city in memory that holds something of everything."""
    return fill_node(memory)
