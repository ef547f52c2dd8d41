"""Memory stores and their images: for the simulation and for tests, which clone many nodes from one template."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from node.journal.engines import memory_engine
from node.journal.store import LOCK_WAIT_S, Store

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine


def memory_store(image: bytes | None = None, *, lock_wait_s: float = LOCK_WAIT_S) -> Store:
    """Return a store in memory: empty, or with the content of ``image`` (``image_of``)."""
    return Store(memory_engine() if image is None else engine_of(image), lock_wait_s=lock_wait_s)


def engine_of(image: bytes) -> Engine:
    """Return an engine on a memory database with the content of ``image``; it ends with the store that gets it."""
    engine = memory_engine()
    with engine.connect() as connection:
        connection.rollback()
        _driver(connection).deserialize(image)
    return engine


def image_of(store: Store) -> bytes:
    """Return what a memory store has committed, as the bytes of an SQLite file; not inside a write."""
    with store.reading() as connection:
        connection.rollback()
        return _driver(connection).serialize()


def _driver(connection: Connection) -> sqlite3.Connection:
    driver = connection.connection.driver_connection
    if not isinstance(driver, sqlite3.Connection):
        message = "only a memory store of SQLite has an image"
        raise TypeError(message)
    return driver
