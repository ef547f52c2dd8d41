"""Sources: nothing is open without a key, and a key is seen once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, text

from node.clock import SetClock
from node.departments import sources
from node.departments.callers import Callers
from node.departments.credentials import hash_of
from node.departments.source_changes import disable_source
from node.departments.sources import (
    CHANNELS,
    NewSource,
    SourceLimits,
    add_source,
    find_source,
    list_sources,
)
from node.departments.tables import source_credential
from node.errors import NotFoundError, StateConflictError, UsageError
from node.journal.schema import bring_up_to_date
from node.journal.store import open_store
from node.randomness import SystemRandomness
from tests.support.intake import NOW
from tests.support.stores import make_older

if TYPE_CHECKING:
    from pathlib import Path

    from node.journal.store import Store, Transaction

CLOCK = SetClock(NOW)


def add(store: Store, name: str, **options: Any) -> NewSource:
    return add_source(store, name, clock=CLOCK, randomness=SystemRandomness(), **options)


def test_a_key_opens_its_own_source_only(memory: Store) -> None:
    hall, tax = add(memory, "hall", label="大厅"), add(memory, "tax", channel="SERIAL", divisions=["369902"])
    assert len(hall.key) >= 40
    with memory.reading() as connection:
        assert Callers(connection, NOW).by_key(hall.key) == hall.source
        assert Callers(connection, NOW).by_key(tax.key) == tax.source
        for wrong in ("", hall.key[:-1], hall.key + "x", hall.key.swapcase(), "密钥", "\udcff"):
            assert Callers(connection, NOW).by_key(wrong) is None


def test_the_key_is_not_stored_and_not_shown(memory: Store) -> None:
    key = add(memory, "hall").key
    with memory.reading() as connection:
        row = connection.execute(select(source_credential)).one()
        (listed,) = list_sources(connection)
    assert key not in repr(tuple(row))
    assert key not in repr(listed.as_json())
    assert bytes(row.value) == hash_of(key)


def test_a_disabled_source_is_closed_and_stays_listed(memory: Store) -> None:
    key = add(memory, "hall").key
    assert disable_source(memory, "hall", clock=CLOCK).disabled_at == NOW
    CLOCK.advance(60)
    assert disable_source(memory, "hall", clock=CLOCK).disabled_at == NOW
    with memory.reading() as connection:
        assert Callers(connection, NOW).by_key(key) is None
        assert [one.as_json()["disabled_at"] for one in list_sources(connection)] == [NOW.isoformat()]
        with pytest.raises(NotFoundError, match="disabled"):
            find_source(connection, "hall")


def test_a_mistyped_source_is_not_taken_for_a_new_one(memory: Store) -> None:
    with memory.reading() as connection, pytest.raises(NotFoundError, match="no source named"):
        find_source(connection, "hal")
    with pytest.raises(NotFoundError):
        disable_source(memory, "hal", clock=CLOCK)


def test_the_operator_needs_no_source(memory: Store) -> None:
    with memory.reading() as connection:
        assert find_source(connection, "import").channel == "IMPORT"


@pytest.mark.parametrize("name", ["", "Hall", "hall ", "a" * 41, "大厅", "import", "node", "publish", "-a", "a/b"])
def test_a_name_that_does_not_do_is_refused(memory: Store, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name"):
        add(memory, name)


def test_a_name_is_given_once(memory: Store) -> None:
    add(memory, "hall")
    with pytest.raises(StateConflictError, match="already"):
        add(memory, "hall")


def test_an_unknown_channel_is_refused_and_the_known_ones_are_named(memory: Store) -> None:
    with pytest.raises(UsageError, match=", ".join(CHANNELS)):
        add(memory, "hall", channel="PIGEON")


def test_there_are_no_more_sources_than_allowed(memory: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "SOURCES_MAX", 1)
    add(memory, "hall")
    with pytest.raises(StateConflictError, match="1 sources already"):
        add(memory, "tax")


def test_a_source_of_an_older_database_keeps_its_key_and_speaks_for_the_system_of_its_name(tmp_path: Path) -> None:
    def work(transaction: Transaction) -> None:
        transaction.connection.execute(
            text(
                "INSERT INTO source (name, label, channel, key_hash, divisions, organisations, created_at) "
                "VALUES ('hall', '', 'API', :hashed, '', '', 1000000)"
            ),
            {"hashed": hash_of("the key")},
        )

    store = open_store("sqlite:///journal.db", home=tmp_path)
    make_older(store, "0009_divisions")
    store.write(work)
    assert bring_up_to_date(store)
    with store.reading() as connection:
        found = find_source(connection, "hall")
        assert (found.systems, found.modes, found.limits) == (("hall",), ("key",), SourceLimits())
        assert Callers(connection, NOW).by_key("the key") == found
    store.close()
