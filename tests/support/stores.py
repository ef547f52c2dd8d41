"""Stores for tests: in memory, in a file, and in a real PostgreSQL; each migrated to the newest version.

In a ``conftest.py``: ``from tests.support.stores import any_store, file_store, memory, postgres`` (a fixture counts
where its name is imported; ``any_store`` needs ``postgres``).
"""

from __future__ import annotations

import contextlib
from functools import lru_cache
from typing import TYPE_CHECKING

import pytest
from alembic import command

from node.journal import schema
from node.journal.memory import image_of, memory_store
from node.journal.schema import upgrade_schema
from node.journal.store import Store, Transaction, open_store
from tests.support.postgres import NoServerError, PostgresServer, postgres_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KINDS = ("memory", "file", "postgresql")


@lru_cache(maxsize=1)
def template_image() -> bytes:
    """Return the image of a migrated, empty memory store: cloning it costs microseconds."""
    store = memory_store()
    upgrade_schema(store)
    image = image_of(store)
    store.close()
    return image


def new_memory_store() -> Store:
    """Return a migrated, empty store in memory."""
    return memory_store(template_image())


def new_file_store(home: Path, *, lock_wait_s: float = 5.0) -> Store:
    """Return the migrated store ``journal.db`` in ``home``."""
    store = open_store("sqlite:///journal.db", home=home, lock_wait_s=lock_wait_s)
    upgrade_schema(store)
    return store


def make_older(store: Store, version: str) -> None:
    """Make in an empty store the schema of the program whose newest migration was ``version``."""

    def work(transaction: Transaction) -> None:
        config = schema._config()
        config.attributes["connection"] = transaction.connection
        command.upgrade(config, version)

    store.write(work)


@pytest.fixture
def memory() -> Iterator[Store]:
    store = new_memory_store()
    yield store
    store.close()


@pytest.fixture
def file_store(tmp_path: Path) -> Iterator[Store]:
    store = new_file_store(tmp_path)
    yield store
    store.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer | str]:
    """Give the session's PostgreSQL server, or the reason why there is none."""
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(postgres_server())
        except NoServerError as error:
            yield str(error)
            return
        template = open_store(server.database())
        upgrade_schema(template)
        template.close()
        yield server


@pytest.fixture
def postgres_url(postgres: PostgresServer | str) -> Iterator[str]:
    """Give the URL of a migrated, empty database that is dropped at the end."""
    if isinstance(postgres, str):
        pytest.skip(f"no PostgreSQL here: {postgres}")
    url = postgres.database(template="yizhan_1")
    yield url
    postgres.drop(url)


@pytest.fixture(params=KINDS)
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Give a migrated, empty store of each kind in turn."""
    if request.param == "memory":
        store = new_memory_store()
    elif request.param == "file":
        store = new_file_store(tmp_path)
    else:
        store = open_store(request.getfixturevalue("postgres_url"))
    yield store
    store.close()
