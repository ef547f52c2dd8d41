from __future__ import annotations

import itertools
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from node.clock import SetClock
from node.journal import checkpoints, holdings
from node.journal.cursors import advance
from node.journal.merkle import root_of
from node.journal.receipts import all_receipts, receipt_of, receipts_for, save_receipts
from node.journal.retention import Dropped, Mark, droppable, retain
from node.journal.seal import seal
from node.journal.sealing import SPAN_BYTES_MAX, SPAN_RECORDS_MAX, landmarks
from node.journal.tables import checkpoint as checkpoint_table
from node.standard.seals import Receipt, StreamName
from tests.support.journals import (
    NODE,
    NOON,
    OTHER,
    OWN,
    DoubleSigner,
    append,
    checkpoint,
    journal_on,
    plain_entries,
)

if TYPE_CHECKING:
    from datetime import datetime

    from node.journal.store import Store
    from node.journal.streams import Journal
    from node.standard.seals import Checkpoint


def _seal(journal: Journal, clock: SetClock | None = None, signer: DoubleSigner | None = None) -> list[Checkpoint]:
    return seal(journal.store, journal, signer or DoubleSigner(), clock or SetClock(NOON))


def test_one_seal_covers_all_that_is_committed_of_all_own_streams(any_store: Store) -> None:
    journal = journal_on(any_store)
    directed = StreamName(NODE, "360000")
    entries = plain_entries(1, 7)
    append(journal, entries[:3])
    append(journal, entries[3:5])
    append(journal, entries[5:], directed)
    signer = DoubleSigner()
    sealed = _seal(journal, SetClock(NOON.replace(microsecond=7)), signer)
    assert [(one.stream, one.size) for one in sealed] == [(directed, 2), (OWN, 5)]
    assert sealed[1].root == root_of([entry.leaf for entry in entries[:5]])
    assert sealed[1].sealed_at == NOON
    assert sealed[1].signer == signer.fingerprint
    assert sealed[1].text(signer.tree) in signer.signed
    with any_store.reading() as connection:
        assert checkpoints.newest(connection, OWN) == sealed[1]
        assert journal.unsealed(connection) == []
        assert checkpoints.newest_of_all(connection) == {directed: sealed[0], OWN: sealed[1]}
        assert checkpoints.newest_of_all(connection, [OWN, OTHER]) == {OWN: sealed[1]}
    assert _seal(journal) == []


def test_a_large_commit_is_sealed_at_every_500th_record(any_store: Store) -> None:
    journal = journal_on(any_store)
    entries = plain_entries(1, 1203)
    append(journal, entries[:2])
    _seal(journal)
    append(journal, entries[2:])
    with any_store.reading() as connection:
        points = journal.seal_points(connection, OWN)
    assert [size for size, _ in points] == [502, 1002, 1203]
    assert [root for _, root in points] == [root_of([entry.leaf for entry in entries[:size]]) for size, _ in points]
    assert [one.size for one in _seal(journal)] == [502, 1002, 1203]
    with any_store.reading() as connection:
        assert [one.size for one in checkpoints.between(connection, OWN, 2, 1002)] == [502, 1002]
        assert [one.size for one in checkpoints.between(connection, OWN, 0, 5000, limit=2)] == [2, 502]
        total = connection.scalars(select(checkpoint_table.c.bytes).order_by(checkpoint_table.c.size)).all()
        assert total == [80, 502 * 40, 1002 * 40, 1203 * 40]


def test_a_seal_comes_before_the_record_that_would_exceed_a_megabyte(any_store: Store) -> None:
    journal = journal_on(any_store)
    # Four records of 250,000 bytes fill 1 MB exactly; a fifth would exceed it.
    append(journal, plain_entries(1, 9, length=250_000))
    assert [one.size for one in _seal(journal)] == [4, 8, 9]


def test_more_than_one_read_of_records_is_sealed_without_a_seam(memory: Store) -> None:
    journal = journal_on(memory)
    entries = plain_entries(1, 5600)
    append(journal, entries)
    sealed = _seal(journal)
    assert [one.size for one in sealed] == [*range(500, 5501, 500), 5600]
    assert sealed[-1].root == root_of([entry.leaf for entry in entries])


def test_the_newest_checkpoint_is_signed_again_after_a_day(any_store: Store) -> None:
    journal = journal_on(any_store)
    clock = SetClock(NOON)
    append(journal, plain_entries(1, 3))
    (first,) = _seal(journal, clock)
    clock.advance(86_399)
    assert _seal(journal, clock) == []
    clock.advance(1)
    (second,) = _seal(journal, clock)
    assert (second.size, second.root, second.sealed_at) == (3, first.root, NOON + timedelta(days=1))
    with any_store.reading() as connection:
        assert checkpoints.at(connection, OWN, 3) == second
        assert connection.scalar(select(func.count()).select_from(checkpoint_table)) == 1


def test_streams_of_others_and_empty_streams_are_not_signed(memory: Store) -> None:
    journal = journal_on(memory)
    entries = plain_entries(1, 2)
    signed = checkpoint(2, root_of([entry.leaf for entry in entries]))
    memory.write(lambda transaction: journal.extend(transaction, OTHER, entries, signed))
    assert _seal(journal, SetClock(NOON + timedelta(days=9))) == []


def test_sealing_looks_at_own_streams_only(any_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = journal_on(any_store)
    others = plain_entries(1, 1)
    sealed_there = checkpoint(1, root_of([others[0].leaf]))
    any_store.write(lambda transaction: journal.extend(transaction, OTHER, others, sealed_there))
    append(journal, plain_entries(1, 2))
    with any_store.reading() as connection:
        assert [held.stream for held in journal.own_streams(connection)] == [OWN]
    # A province holds thousands of streams and seals at every commit.
    monkeypatch.setattr(holdings, "all_held", None)
    assert [one.stream for one in _seal(journal)] == [OWN]


def test_a_seal_that_was_overtaken_saves_nothing(any_store: Store) -> None:
    journal = journal_on(any_store)
    append(journal, plain_entries(1, 3))

    class Overtaken(DoubleSigner):
        def sign(self, text: bytes) -> bytes:
            if not self.signed:
                self.signed.append(b"")
                append(journal, plain_entries(4, 2))
                assert [one.size for one in _seal(journal)] == [5]
            return super().sign(text)

    assert _seal(journal, signer=Overtaken()) == []
    with any_store.reading() as connection:
        assert checkpoints.at(connection, OWN, 3) is None
        held = journal.held(connection, OWN)
        assert held is not None
        assert held.sealed == 5


def test_sealing_wakes_who_waits(memory: Store) -> None:
    journal = journal_on(memory)
    append(journal, plain_entries(1, 1))
    rung: list[int] = []
    memory.listen(lambda: rung.append(1))
    _seal(journal)
    assert rung == [1]


def test_an_older_seal_of_the_same_size_changes_nothing(any_store: Store) -> None:
    journal = journal_on(any_store)
    entries = plain_entries(1, 2)
    root = root_of([entry.leaf for entry in entries])
    later = checkpoint(2, root, sealed_at=NOON + timedelta(days=1))
    any_store.write(lambda transaction: journal.extend(transaction, OTHER, entries, later))
    any_store.write(lambda transaction: journal.learn_announced(transaction, OTHER, [checkpoint(2, root)]))
    with any_store.reading() as connection:
        assert checkpoints.at(connection, OTHER, 2) == later


def test_announced_checkpoints_have_a_limit(memory: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "ANNOUNCED_MAX", 2)
    journal = journal_on(memory)
    ahead = [checkpoint(size, b"a" * 32) for size in (1, 2, 3)]
    memory.write(lambda transaction: journal.learn_announced(transaction, OTHER, ahead))
    with memory.reading() as connection:
        assert [one.size for one in checkpoints.announced(connection, OTHER)] == [1, 2]


# --- receipts ----------------------------------------------------------------------------------------------------


def _receipt(size: int, holder: str = "360000", *, received_at: datetime = NOON) -> Receipt:
    return Receipt(
        holder=holder,
        stream=OWN,
        size=size,
        root=bytes([size % 256]) * 32,
        received_at=received_at,
        signer="6" * 64,
        signature=b"r",
    )


def test_receipts_are_found_by_holder_and_by_what_they_cover(any_store: Store) -> None:
    append(journal_on(any_store), plain_entries(1, 9))

    given = [_receipt(3), _receipt(9), _receipt(6), _receipt(4, "360100"), _receipt(9)]
    any_store.write(lambda transaction: save_receipts(transaction, given))
    with any_store.reading() as connection:
        assert receipt_of(connection, "360000", OWN) == _receipt(9)
        assert receipt_of(connection, "360000", OWN, covering=4) == _receipt(6)
        assert receipt_of(connection, "360000", OWN, covering=10) is None
        assert receipt_of(connection, "360103", OWN) is None
        assert receipts_for(connection, OWN) == [_receipt(9), _receipt(4, "360100")]
        assert len(all_receipts(connection, OWN)) == 4


def test_a_receipt_for_an_unknown_stream_is_not_kept(memory: Store) -> None:
    with pytest.raises(LookupError):
        memory.write(lambda transaction: save_receipts(transaction, [_receipt(1)]))


# --- retention ---------------------------------------------------------------------------------------------------


def _marks(*sizes: int, record_bytes: int = 10) -> list[Mark]:
    return [Mark(size=size, sealed_at=NOON, total_bytes=size * record_bytes) for size in sizes]


def test_checkpoints_are_dropped_as_long_as_neighbours_stay_500_records_apart() -> None:
    marks = _marks(100, 200, 300, 400, 500, 600, 900, 1200, 1300)
    # From 0 the farthest within 500 is 500, from there 900 (1200 is 700 away), then 1300 is near enough to 900.
    assert droppable(marks, below=10_000, needed=()) == [100, 200, 300, 400, 600, 1200]


def test_checkpoints_are_dropped_as_long_as_neighbours_stay_a_megabyte_apart() -> None:
    marks = _marks(1, 2, 3, 4, 5, 6, record_bytes=400_000)
    assert droppable(marks, below=10_000, needed=()) == [1, 3, 5]


def test_checkpoints_beyond_a_cursor_and_needed_ones_stay() -> None:
    marks = _marks(1, 2, 3, 4, 5, 6)
    assert droppable(marks, below=4, needed={2}) == [1, 3, 4]
    assert droppable(marks, below=0, needed=()) == []
    assert droppable([], below=9, needed=()) == []


def test_checkpoints_that_are_far_apart_already_all_stay() -> None:
    assert droppable(_marks(600, 1300, 2000, 2001), below=10_000, needed=()) == []


def test_the_last_checkpoint_of_each_day_stays() -> None:
    # 15:59 UTC is still the same day in the tree's zone (UTC+8), 16:00 the next.
    times = (NOON, NOON.replace(hour=15, minute=59), NOON.replace(hour=16), NOON.replace(hour=17))
    marks = [Mark(size=at, sealed_at=time, total_bytes=at) for at, time in enumerate(times, start=1)]
    assert droppable(marks, below=10_000, needed=()) == [1, 3]


def test_nothing_is_dropped_beside_a_checkpoint_of_unknown_weight() -> None:
    marks = _marks(1, 2, 3, 4)
    marks[1] = Mark(size=2, sealed_at=NOON, total_bytes=None)
    # 1 stays because nobody knows what lies between 0 and 2; 2 itself goes because 1 and 3 are near enough.
    assert droppable(marks, below=10_000, needed=()) == [2, 3]


def test_retention_keeps_what_proves_and_what_must_still_be_sent(any_store: Store) -> None:
    journal = journal_on(any_store)
    clock = SetClock(NOON)
    for number in range(1, 13):
        append(journal, plain_entries(number, 1))
        _seal(journal, clock)
        clock.advance(60)
    minutes = timedelta(minutes=1)
    given = [
        *(_receipt(size, received_at=NOON + size * minutes) for size in (2, 3, 5)),
        _receipt(1, received_at=NOON - timedelta(days=1)),
        _receipt(4, "360100"),
    ]
    any_store.write(lambda transaction: save_receipts(transaction, given))
    any_store.write(lambda transaction: advance(transaction, "360100", {OWN: 9}))
    # Receipts: 360000 keeps yesterday's last (1) and the newest (5); 2 and 3 go, but 3 is pinned. Checkpoints at 1, 3,
    # 4, 5 are proved by receipts, 10 and 11 are beyond the cursor, 12 is the newest; 2, 6, 7, 8, 9 go.
    dropped = any_store.write(lambda transaction: retain(transaction, OWN, pinned={3}))
    assert dropped == Dropped(checkpoints=5, receipts=1)
    with any_store.reading() as connection:
        assert [one.size for one in checkpoints.between(connection, OWN, 0, 99)] == [1, 3, 4, 5, 10, 11, 12]
        assert [(one.holder, one.size) for one in all_receipts(connection, OWN)] == [
            ("360000", 1),
            ("360000", 3),
            ("360000", 5),
            ("360100", 4),
        ]
    again = any_store.write(lambda transaction: retain(transaction, OWN, pinned={3}))
    assert again == Dropped(checkpoints=0, receipts=0)
    assert any_store.write(lambda transaction: retain(transaction, OWN, below=12)).checkpoints == 3


def test_retention_leaves_announced_checkpoints(memory: Store) -> None:
    journal = journal_on(memory)
    entries = plain_entries(1, 2)
    signed = checkpoint(2, root_of([entry.leaf for entry in entries]))
    ahead = (checkpoint(5, b"a" * 32), checkpoint(6, b"b" * 32))
    memory.write(lambda transaction: journal.extend(transaction, OTHER, entries, signed, ahead))
    assert memory.write(lambda transaction: retain(transaction, OTHER, below=99)).checkpoints == 0
    with memory.reading() as connection:
        assert len(checkpoints.announced(connection, OTHER)) == 2


# --- landmarks -------------------------------------------------------------------------------------------------------


def test_landmarks_stand_where_the_next_checkpoint_is_too_far() -> None:
    assert landmarks([500, 1_000, 1_200], [1] * 1_200, 0) == [500, 1_000]
    # Behind 100 already: 700 is 600 away, so 400 stays; 900 is 500 behind it.
    assert landmarks([400, 700, 900], [1] * 800, 100) == [400]
    assert landmarks([7], [1] * 7, 0) == []


def test_landmarks_count_bytes_as_well_as_records() -> None:
    # 300,000 bytes a record: three are within 1 MB, four are not.
    assert landmarks([1, 2, 3, 4, 5, 6, 7], [300_000] * 7, 0) == [3, 6]


@given(st.data())
def test_landmarks_leave_no_gap_that_a_checkpoint_could_close(data: st.DataObject) -> None:
    lengths = data.draw(st.lists(st.integers(0, 400_000), min_size=1, max_size=40))
    offset = data.draw(st.integers(0, 9))
    steps = data.draw(st.sets(st.integers(1, len(lengths)), min_size=1))
    lengths = lengths[: max(steps)]
    sizes = [offset + step for step in sorted(steps)]
    stops = [offset, *landmarks(sizes, lengths, offset), sizes[-1]]
    for left, right in itertools.pairwise(stops):
        near = right - left <= SPAN_RECORDS_MAX and sum(lengths[left - offset : right - offset]) <= SPAN_BYTES_MAX
        assert near or not [size for size in sizes if left < size < right]
