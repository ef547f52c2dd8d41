"""Room on the disk: what is left, how fast it goes, and doors that close while the exchange can still go on."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from node.clock import SetClock
from node.errors import DiskLowError
from node.journal import room
from node.journal.room import DiskRoom, Room
from node.journal.schema import upgrade_schema
from node.journal.store import open_store
from tests.support.journals import NOON, append, journal_on, plain_entries

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from node.journal.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = open_store("sqlite:///journal.db", home=tmp_path)
    upgrade_schema(made)
    yield made
    made.close()


def measured(store: Store, now: Any, *, free_bytes_min: int = 0) -> Room:
    with store.reading() as connection:
        found = DiskRoom(store, free_bytes_min=free_bytes_min).measure(connection, now)
    assert found is not None
    return found


def test_bytes_are_those_of_the_file_and_of_its_disk(store: Store, tmp_path: Path) -> None:
    found = measured(store, NOON)
    assert found.database_bytes >= (tmp_path / "journal.db").stat().st_size > 0
    assert found.free_bytes > 0
    assert (found.bytes_per_day, found.days_left, found.low) == (None, None, False)


def test_growth_is_that_of_the_last_seven_days(store: Store) -> None:
    clock = SetClock(NOON)
    journal = journal_on(store, clock=clock)
    append(journal, plain_entries(1, 100))
    assert measured(store, clock.now() + timedelta(hours=23)).bytes_per_day is None
    # A hundred at first, then ten a day for ten days: seventy in the last seven.
    for day in range(1, 11):
        clock.advance(86_400)
        append(journal, plain_entries(91 + 10 * day, 10))
    found = measured(store, clock.now() + timedelta(seconds=1))
    assert found.bytes_per_day == int(70 * (found.database_bytes / 200) / 7)
    assert found.days_left == found.free_bytes // found.bytes_per_day


def test_what_stopped_growing_has_no_end(store: Store) -> None:
    clock = SetClock(NOON)
    append(journal_on(store, clock=clock), plain_entries(1, 3))
    found = measured(store, NOON + timedelta(days=30))
    assert (found.bytes_per_day, found.days_left) == (0, None)


def test_the_doors_close_below_what_is_kept_for_the_exchange(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_free_bytes", lambda _: 2_999_000_000)
    DiskRoom(store, free_bytes_min=2_999_000_000).check()
    with pytest.raises(DiskLowError, match="2,999 MB are free, 3,000 MB are kept") as caught:
        DiskRoom(store, free_bytes_min=3_000_000_000).check()
    assert caught.value.exit_code == 6
    assert measured(store, NOON, free_bytes_min=3_000_000_000).low


def test_a_store_without_a_file_has_no_disk_of_its_own(memory: Store) -> None:
    watched = DiskRoom(memory, free_bytes_min=1 << 60)
    watched.check()
    with memory.reading() as connection:
        assert watched.measure(connection, NOON) is None
