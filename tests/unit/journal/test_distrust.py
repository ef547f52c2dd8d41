"""After a failed commit or flush nothing is read, written or signed before the store was opened anew and read back."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import delete, event, update
from sqlalchemy.exc import OperationalError

from node.clock import SetClock
from node.errors import IntegrityError, StoreUnavailableError
from node.journal.seal import seal
from node.journal.settings import save_setting, setting
from node.journal.tables import checkpoint as checkpoint_table
from node.journal.tables import record, record_key
from node.journal.tables import tile as tile_table
from tests.support.journals import NOON, OWN, DoubleSigner, append, journal_on, plain_entries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import Connection
    from sqlalchemy.sql import Executable

    from node.journal.store import Store
    from node.journal.streams import Journal


def failure() -> OperationalError:
    """What SQLAlchemy raises when the flush of a commit failed."""
    origin = sqlite3.OperationalError("disk I/O error")
    origin.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
    return OperationalError("COMMIT", None, origin)


@contextmanager
def failing_commits(store: Store) -> Iterator[None]:
    def fail(_: Connection) -> None:
        raise failure()

    event.listen(store.writer, "commit", fail)
    try:
        yield
    finally:
        event.remove(store.writer, "commit", fail)


def fail_once(store: Store) -> None:
    with failing_commits(store), pytest.raises(StoreUnavailableError, match="cannot be used"):
        store.write(lambda transaction: save_setting(transaction, "lost", "1"))
    assert store.distrusted


@pytest.fixture
def grown(any_store: Store) -> Journal:
    """A journal with a sealed stream of more than a tile."""
    journal = journal_on(any_store)
    append(journal, plain_entries(1, 300))
    seal(any_store, journal, DoubleSigner(), SetClock(NOON))
    return journal


def test_a_store_that_never_failed_is_not_read_back(any_store: Store) -> None:
    called: list[str] = []
    any_store.read_back(lambda _: called.append("no"))
    any_store.write(lambda transaction: save_setting(transaction, "a", "1"))
    assert not any_store.distrusted
    assert called == []


def test_a_mistake_of_the_work_makes_nobody_distrust(any_store: Store) -> None:
    def work(_: object) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError):
        any_store.write(work)
    assert not any_store.distrusted


def test_a_failed_commit_leaves_nothing_and_is_settled_at_the_next_use(any_store: Store) -> None:
    called: list[str | None] = []
    any_store.read_back(lambda connection: called.append(setting(connection, "lost")))
    fail_once(any_store)
    with any_store.reading() as connection:
        assert setting(connection, "lost") is None
    assert called == [None]
    assert not any_store.distrusted
    any_store.write(lambda transaction: save_setting(transaction, "a", "1"))
    assert called == [None]


def test_connections_are_opened_anew(file_store: Store) -> None:
    opened: list[str] = []
    assert file_store.reader is not None
    event.listen(file_store.writer, "connect", lambda *_: opened.append("writer"))
    event.listen(file_store.reader, "connect", lambda *_: opened.append("reader"))
    fail_once(file_store)
    opened.clear()
    file_store.write(lambda transaction: save_setting(transaction, "a", "1"))
    assert opened == ["reader", "writer"]


def test_nothing_is_signed_before_the_store_was_read_back(grown: Journal) -> None:
    signer = DoubleSigner()
    append(grown, plain_entries(301, 2))
    looked: list[int] = []
    grown.store.read_back(lambda _: looked.append(len(signer.signed)))
    fail_once(grown.store)
    sealed = seal(grown.store, grown, signer, SetClock(NOON))
    assert [one.size for one in sealed] == [302]
    assert looked == [0]


def test_a_check_that_fails_leaves_the_store_distrusted_until_it_passes(grown: Journal) -> None:
    signer = DoubleSigner()
    append(grown, plain_entries(301, 1))
    answers = iter([True, True, False])

    def check(_: Connection) -> None:
        if next(answers):
            raise IntegrityError("still broken")

    grown.store.read_back(check)
    fail_once(grown.store)
    for use in (lambda: seal(grown.store, grown, signer, SetClock(NOON)), lambda: grown.store.write(lambda _: None)):
        with pytest.raises(IntegrityError, match="still broken"):
            use()
    assert signer.signed == []
    assert len(seal(grown.store, grown, signer, SetClock(NOON))) == 1
    assert not grown.store.distrusted


def test_a_database_that_stays_away_leaves_the_store_distrusted(file_store: Store) -> None:
    journal_on(file_store)
    fail_once(file_store)
    assert file_store.reader is not None

    def refuse(*_: object) -> None:
        raise failure()

    # A node whose database is away refuses even to begin.
    event.listen(file_store.reader, "begin", refuse)
    with pytest.raises(StoreUnavailableError), file_store.reading():
        pass
    assert file_store.distrusted
    event.remove(file_store.reader, "begin", refuse)
    with file_store.reading():
        assert not file_store.distrusted


def test_a_memory_store_that_is_in_use_is_settled_afterwards(memory: Store) -> None:
    called: list[str] = []
    memory.read_back(lambda _: called.append("read back"))
    with pytest.raises(StoreUnavailableError), memory.reading():
        raise failure()
    with memory.reading(), memory.reading():
        assert called == ["read back"]

    def nested() -> None:
        with memory.reading():
            with pytest.raises(StoreUnavailableError), memory.reading():
                raise failure()
            with memory.reading():
                assert called == ["read back"]

    nested()
    with memory.reading():
        assert called == ["read back", "read back"]


def damage(journal: Journal, statement: Executable) -> None:
    journal.store.write(lambda transaction: transaction.connection.execute(statement))


def last_key(journal: Journal) -> int:
    with journal.store.reading() as connection:
        held = journal.held(connection, OWN)
    assert held is not None
    return record_key(held.stream_id, held.size)


DAMAGES: dict[str, tuple[Callable[[int], Executable], str]] = {
    "the last record is gone": (lambda key: delete(record).where(record.c.key == key), "not exactly those"),
    "a record beyond the size": (
        lambda key: update(record).where(record.c.key == key).values(key=key + 1),
        "not exactly those",
    ),
    "other bytes": (
        lambda key: update(record).where(record.c.key == key).values(leaf=b"\0" * 32),
        "bytes do not have their leaf hash",
    ),
    "another tile": (lambda _: update(tile_table).values(root=b"\0" * 32), "do not give its root"),
    "no checkpoint": (lambda _: delete(checkpoint_table), "the checkpoint at 300 is missing"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_tail_that_does_not_read_back_is_told(grown: Journal, name: str) -> None:
    statement, why = DAMAGES[name]
    damage(grown, statement(last_key(grown)))
    fail_once(grown.store)
    with pytest.raises(IntegrityError, match="does not read back") as told, grown.store.reading():
        pass
    assert why in told.value.why
    assert grown.store.distrusted


def test_what_was_written_reads_back(grown: Journal) -> None:
    fail_once(grown.store)
    with grown.store.reading() as connection:
        held = grown.held(connection, OWN)
    assert held is not None
    assert held.size == 300
