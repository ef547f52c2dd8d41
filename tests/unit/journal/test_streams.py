from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, func, select, update

from node.errors import IntegrityError, SealMismatchError, StoreBusyError, StoreUnavailableError
from node.journal import holdings, records
from node.journal.alarms import alarms
from node.journal.checkpoints import announced, at, newest
from node.journal.cutting import Part, cut
from node.journal.entries import INVALID, NO_AUTHORITY, UNKNOWN_TYPE, Batch, pack
from node.journal.forks import FORK_ALARM, forks
from node.journal.merkle import EMPTY_ROOT, root_of
from node.journal.store import open_store
from node.journal.streams import Extension
from node.journal.tables import HELD_BACK, QUARANTINED, REDACTED, arrival, record, record_key, tile
from node.journal.tables import stream as stream_table
from node.standard.seals import StreamName
from tests.support.journals import (
    NOON,
    OTHER,
    OWN,
    TallyProjection,
    alarm_body,
    append,
    checkpoint,
    journal_on,
    plain_entries,
    real_entries,
)
from tests.support.stores import new_memory_store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.journal.entries import Entry
    from node.journal.store import Store, Transaction
    from node.journal.streams import Journal
    from node.standard.seals import Checkpoint


def _extend(
    journal: Journal, entries: list[Entry], signed: Checkpoint, announcing: tuple[Checkpoint, ...] = ()
) -> None:
    journal.store.write(lambda transaction: journal.extend(transaction, OTHER, entries, signed, announcing))


def _root(entries: list[Entry]) -> bytes:
    return root_of([entry.leaf for entry in entries])


def test_appended_records_get_positions_without_a_gap(any_store: Store) -> None:
    journal = journal_on(any_store)
    first, second = real_entries(1, 3), real_entries(4, 2)
    assert append(journal, first) == (1, 3)
    assert append(journal, second) == (4, 5)
    with any_store.reading() as connection:
        held = journal.held(connection, OWN)
        assert held is not None
        assert (held.size, held.sealed, held.own, held.stream) == (5, 0, True, OWN)
        assert held.root == _root(first + second)
        assert held.total_bytes == sum(len(entry.body) for entry in first + second)
        stored = journal.stored(connection, OWN, 1, 5)
        assert [one.position for one in stored] == [1, 2, 3, 4, 5]
        assert [one.body for one in stored] == [entry.body for entry in first + second]
        assert [one.leaf for one in stored] == journal.leaves(connection, OWN, 1, 5)
        assert [one.length for one in stored] == records.lengths(connection, held.stream_id, 1, 5)
        assert {one.record_type for one in stored} == {"Alarm"}
        assert journal.record_at(connection, stored[3].key) == stored[3]
        assert journal.stored(connection, OWN, 4, 9) == stored[3:]


def test_streams_are_listed_by_name_with_their_own_sizes(any_store: Store) -> None:
    journal = journal_on(any_store)
    directed = StreamName("360102", "360000")
    append(journal, plain_entries(1, 2))
    append(journal, plain_entries(3, 1), directed)
    with any_store.reading() as connection:
        assert [(str(held.stream), held.size) for held in journal.streams(connection)] == [
            ("360102/360000", 1),
            ("360102/ancestors", 2),
        ]
        assert journal.held(connection, OTHER) is None


def test_a_node_appends_to_its_own_streams_only(memory: Store) -> None:
    journal = journal_on(memory)
    with pytest.raises(ValueError, match="cannot append"):
        append(journal, plain_entries(1, 1), OTHER)
    with pytest.raises(ValueError, match="cannot append 0"):
        append(journal, [])


def test_a_node_does_not_extend_its_own_stream(memory: Store) -> None:
    journal = journal_on(memory)
    signed = checkpoint(1, b"r" * 32)
    with pytest.raises(ValueError, match="cannot extend"):
        memory.write(lambda transaction: journal.extend(transaction, OWN, plain_entries(1, 1), signed))
    with pytest.raises(ValueError, match="by 0 entries"):
        _extend(journal, [], signed)


def test_roots_at_every_size_come_from_tiles_and_leaves(any_store: Store) -> None:
    journal = journal_on(any_store)
    entries = plain_entries(1, 1100)
    for low, high in ((0, 7), (7, 255), (255, 600), (600, 1100)):
        append(journal, entries[low:high])
    with any_store.reading() as connection:
        for size in (0, 1, 2, 255, 256, 257, 511, 512, 513, 768, 1000, 1023, 1024, 1100):
            assert journal.root_at(connection, OWN, size) == _root(entries[:size]), size
        assert connection.scalar(select(func.count()).select_from(tile)) == 4
        for size in (-1, 1101):
            with pytest.raises(LookupError, match="holds 1100"):
                journal.root_at(connection, OWN, size)


@given(st.lists(st.integers(1, 300), min_size=1, max_size=6), st.integers(0, 1800))
def test_any_way_of_appending_gives_the_same_roots(counts: list[int], size: int) -> None:
    store = new_memory_store()
    journal = journal_on(store)
    entries = plain_entries(1, sum(counts))
    done = 0
    for count in counts:
        append(journal, entries[done : done + count])
        done += count
    with store.reading() as connection:
        held = journal.held(connection, OWN)
        assert held is not None
        assert held.root == _root(entries)
        assert journal.root_at(connection, OWN, min(size, done)) == _root(entries[:size])
    store.close()


def test_an_extended_root_is_computed_without_writing(memory: Store) -> None:
    journal = journal_on(memory)
    entries = plain_entries(1, 5)
    leaves = [entry.leaf for entry in entries]
    with memory.reading() as connection:
        assert journal.extended_root(connection, OWN, leaves[:2]) == root_of(leaves[:2])
        assert journal.extended_root(connection, OWN, []) == EMPTY_ROOT
    append(journal, entries[:3])
    with memory.reading() as connection:
        assert journal.extended_root(connection, OWN, leaves[3:]) == root_of(leaves)
        assert journal.leaves(connection, OWN, 1, 10) == leaves[:3]


def test_unknown_streams_and_records_are_said_to_be_unknown(memory: Store) -> None:
    journal = journal_on(memory)
    with memory.reading() as connection:
        for ask in (journal.stored, journal.leaves):
            with pytest.raises(LookupError, match="360102/ancestors is not held"):
                ask(connection, OWN, 1, 1)
        with pytest.raises(LookupError, match="no record"):
            journal.record_at(connection, 1)


# --- received slices ---------------------------------------------------------------------------------------------


def test_a_slice_is_taken_under_its_checkpoint(any_store: Store) -> None:
    journal = journal_on(any_store)
    entries = real_entries(1, 6)
    _extend(journal, entries[:4], checkpoint(4, _root(entries[:4])))
    _extend(journal, entries[4:], checkpoint(6, _root(entries)))
    with any_store.reading() as connection:
        held = journal.held(connection, OTHER)
        assert held is not None
        assert (held.size, held.sealed, held.own, held.root) == (6, 6, False, _root(entries))
        assert newest(connection, OTHER) == checkpoint(6, _root(entries))
        assert at(connection, OTHER, 4) == checkpoint(4, _root(entries[:4]))
        assert journal.unsealed(connection) == []


@pytest.mark.parametrize("size", [3, 5])
def test_a_slice_that_does_not_end_at_its_checkpoint_leaves_nothing(any_store: Store, size: int) -> None:
    journal = journal_on(any_store)
    entries = plain_entries(1, 4)
    with pytest.raises(SealMismatchError, match="records 1 to 4") as caught:
        _extend(journal, entries, checkpoint(size, _root(entries)))
    assert caught.value.reason == "root"
    with any_store.reading() as connection:
        assert journal.streams(connection) == []


def test_a_slice_with_another_root_leaves_nothing(any_store: Store) -> None:
    tally = TallyProjection()
    tally.make_table(any_store)
    journal = journal_on(any_store, tally)
    with pytest.raises(SealMismatchError):
        _extend(journal, plain_entries(1, 4), checkpoint(4, _root(plain_entries(2, 4))))
    with any_store.reading() as connection:
        assert journal.held(connection, OTHER) is None
        assert at(connection, OTHER, 4) is None
    assert tally.batches == []


def test_announced_checkpoints_are_kept_until_they_are_reached(any_store: Store) -> None:
    journal = journal_on(any_store)
    entries = plain_entries(1, 9)
    ahead = tuple(checkpoint(size, _root(entries[:size])) for size in (5, 9))
    _extend(journal, entries[:3], checkpoint(3, _root(entries[:3])), ahead)
    with any_store.reading() as connection:
        assert [one.size for one in announced(connection, OTHER)] == [5, 9]
        found = newest(connection, OTHER)
        assert found is not None
        assert found.size == 3
    _extend(journal, entries[3:], ahead[1])
    with any_store.reading() as connection:
        assert announced(connection, OTHER) == []
        assert at(connection, OTHER, 5) == ahead[0]
        assert alarms(connection) == []


def test_an_announced_checkpoint_that_does_not_fit_is_evidence_of_a_fork(any_store: Store) -> None:
    journal = journal_on(any_store)
    entries = plain_entries(1, 9)
    lie = checkpoint(5, b"l" * 32)
    _extend(journal, entries[:3], checkpoint(3, _root(entries[:3])), (lie,))
    _extend(journal, entries[3:], checkpoint(9, _root(entries)))
    with any_store.reading() as connection:
        assert at(connection, OTHER, 5) is None
        (alarm,) = alarms(connection)
        assert (alarm.kind, alarm.stream) == (FORK_ALARM, OTHER)
        assert alarm.subject.startswith("360103/ancestors at 5 ")
        assert [fork.other for fork in forks(connection)] == [lie]
        assert lie.root.hex() in alarm.text
        held = journal.held(connection, OTHER)
        assert held is not None
        assert held.size == 9


def test_a_checkpoint_inside_a_slice_is_checked_on_the_way(any_store: Store) -> None:
    journal = journal_on(any_store)
    entries = plain_entries(1, 9)
    inside, lie = checkpoint(4, _root(entries[:4])), checkpoint(6, b"l" * 32)
    _extend(journal, entries, checkpoint(9, _root(entries)), (inside, lie))
    with any_store.reading() as connection:
        assert at(connection, OTHER, 4) == inside
        assert at(connection, OTHER, 6) is None
        assert [alarm.kind for alarm in alarms(connection)] == [FORK_ALARM]


def test_a_checkpoint_of_what_is_held_is_compared_with_what_is_held(any_store: Store) -> None:
    journal = journal_on(any_store)
    entries = plain_entries(1, 9)
    _extend(journal, entries[:6], checkpoint(6, _root(entries[:6])))
    good, lie = checkpoint(2, _root(entries[:2])), checkpoint(3, b"l" * 32)
    _extend(journal, entries[6:], checkpoint(9, _root(entries)), (good, lie))
    with any_store.reading() as connection:
        assert at(connection, OTHER, 2) == good
        assert at(connection, OTHER, 3) is None
        assert len(alarms(connection)) == 1


def test_checkpoints_may_come_without_records(any_store: Store) -> None:
    journal = journal_on(any_store)
    entries = plain_entries(1, 4)
    _extend(journal, entries, checkpoint(4, _root(entries)))
    later = checkpoint(4, _root(entries), sealed_at=NOON.replace(hour=9))
    beyond, contradiction, lie = checkpoint(8, b"a" * 32), checkpoint(8, b"b" * 32), checkpoint(2, b"l" * 32)

    def work(transaction: Transaction) -> None:
        journal.learn_announced(transaction, OTHER, [later, beyond, contradiction, lie])

    any_store.write(work)
    any_store.write(work)
    with any_store.reading() as connection:
        assert newest(connection, OTHER) == later
        assert announced(connection, OTHER) == [beyond]
        assert [alarm.subject.rpartition(" ")[0] for alarm in alarms(connection)] == [
            "360103/ancestors at 2",
            "360103/ancestors at 8",
        ]


# --- batches and projections -------------------------------------------------------------------------------------


def test_projections_are_called_in_order_before_rows_stand_and_what_they_set_is_stored(any_store: Store) -> None:
    order: list[str] = []

    class Noting(TallyProjection):
        def apply(self, transaction: Transaction, batches: Sequence[Batch]) -> None:
            order.append(self.name)
            stored = transaction.connection.scalar(select(func.count()).select_from(record))
            assert stored == 0
            super().apply(transaction, batches)
            for entry in batches[0].entries:
                entry.previous = entry.key - 1 if entry.position > 1 else None
                entry.held_back = entry.position == 3

    one, two = Noting("one"), Noting("two")
    one.make_table(any_store)
    two.make_table(any_store)
    journal = journal_on(any_store, one, two)
    append(journal, real_entries(1, 3))
    assert order == ["one", "two"]
    with any_store.reading() as connection:
        stored = journal.stored(connection, OWN, 1, 3)
        assert [(row.case_id, row.state_after, row.flags) for row in stored] == [
            (7, 1, 0),
            (7, 2, 0),
            (7, 3, HELD_BACK),
        ]
        assert journal.history(connection, 7, stored[2].key) == stored
        assert journal.history(connection, 7, stored[1].key) == stored[:2]
        assert journal.history(connection, 7) == stored
        assert journal.history(connection, 8, stored[2].key) == []
    # A chain that a fault has closed into a ring is read once, not for ever.
    ring = update(record).where(record.c.key == stored[0].key).values(previous=stored[2].key)
    any_store.write(lambda transaction: transaction.connection.execute(ring))
    with any_store.reading() as connection:
        found = journal.history(connection, 7, stored[2].key)
    assert [one.position for one in found] == [one.position for one in stored]


def test_a_projection_that_fails_undoes_the_append(any_store: Store) -> None:
    class Failing(TallyProjection):
        def apply(self, transaction: Transaction, batches: Sequence[Batch]) -> None:
            super().apply(transaction, batches)
            if batches[0].first > 2:
                raise ArithmeticError("mine")

    tally = Failing()
    tally.make_table(any_store)
    journal = journal_on(any_store, tally)
    append(journal, plain_entries(1, 2))
    with pytest.raises(ArithmeticError):
        append(journal, plain_entries(3, 2))
    with any_store.reading() as connection:
        held = journal.held(connection, OWN)
        assert held is not None
        assert held.size == 2
        assert len(tally.counted(connection)) == 2
        assert journal.stored(connection, OWN, 1, 9)[-1].position == 2


def test_a_record_that_cuts_is_a_batch_of_its_own(any_store: Store) -> None:
    tally = TallyProjection(cuts=frozenset({"StatisticsSummary"}))
    tally.make_table(any_store)
    journal = journal_on(any_store, tally)
    entries = [
        *plain_entries(1, 2),
        *plain_entries(3, 2, record_type="StatisticsSummary"),
        *plain_entries(5, 3),
    ]
    append(journal, entries)
    assert [batch[1:] for batch in tally.batches] == [(1, 2), (3, 3), (4, 4), (5, 7)]
    with any_store.reading() as connection:
        arrived = connection.execute(select(arrival.c.first, arrival.c.last).order_by(arrival.c.number)).all()
        assert [tuple(row) for row in arrived] == [(1, 2), (3, 3), (4, 4), (5, 7)]
        held = journal.held(connection, OWN)
        assert held is not None
        assert held.root == _root(entries)


def test_a_cutting_record_sees_the_stream_as_it_stands_before_it(any_store: Store) -> None:
    seen: list[tuple[int, int, bytes]] = []

    class Looking(TallyProjection):
        def apply(self, transaction: Transaction, batches: Sequence[Batch]) -> None:
            for batch in batches:
                held = holdings.known(transaction.connection, batch.stream)
                seen.append((batch.first, held.size, held.root))
            super().apply(transaction, batches)

    tally = Looking(cuts=frozenset({"StatisticsSummary"}))
    tally.make_table(any_store)
    entries = [*plain_entries(1, 4), *plain_entries(5, 1, record_type="StatisticsSummary")]
    append(journal_on(any_store, tally), entries)
    assert seen == [(1, 0, EMPTY_ROOT), (5, 4, _root(entries[:4]))]


def test_nothing_is_cut_where_nothing_cuts() -> None:
    entries = plain_entries(1, 3)
    assert cut(entries, frozenset()) == [entries]
    assert cut([], frozenset({"Alarm"})) == []


def test_quarantined_records_hold_their_position_and_bytes(any_store: Store) -> None:
    tally = TallyProjection()
    tally.make_table(any_store)
    journal = journal_on(any_store, tally)
    entries = real_entries(1, 4)
    entries[1].quarantine, entries[1].detail = NO_AUTHORITY, "not its division"
    entries[2].quarantine, entries[2].record_type = UNKNOWN_TYPE, "FromTheFuture"
    append(journal, entries)
    with any_store.reading() as connection:
        stored = journal.stored(connection, OWN, 1, 4)
        assert [row.flags for row in stored] == [0, QUARANTINED, QUARANTINED, 0]
        assert [row.record_type for row in stored] == ["Alarm", "Alarm", "FromTheFuture", "Alarm"]
        assert stored[2].body == alarm_body(3)
        listed = journal.quarantined(connection)
        assert [(one.stream, one.position, one.reason, one.detail, one.quarantined_at) for one in listed] == [
            (OWN, 2, NO_AUTHORITY, "not its division", NOON),
            (OWN, 3, UNKNOWN_TYPE, "", NOON),
        ]
        assert [one.position for one in journal.quarantined(connection, reasons=(UNKNOWN_TYPE,))] == [3]
        assert journal.quarantined(connection, stream=OTHER) == []
        assert journal.quarantined(connection, reasons=(INVALID,)) == []
        assert len(journal.quarantined(connection, stream=OWN, limit=1)) == 1
        assert len(tally.counted(connection)) == 2


def test_a_redacted_record_is_stored_by_its_hash_alone(any_store: Store) -> None:
    journal = journal_on(any_store)
    entries = plain_entries(1, 3)
    root = _root(entries)
    entries[1].body = b""
    _extend(journal, entries, checkpoint(3, root))
    with any_store.reading() as connection:
        stored = journal.stored(connection, OTHER, 2, 2)[0]
        assert (stored.body, stored.flags, stored.leaf) == (None, REDACTED, entries[1].leaf)
        assert records.lengths(connection, holdings.known(connection, OTHER).stream_id, 1, 3) == [40, 0, 40]
        assert journal.root_at(connection, OTHER, 3) == root


def test_packing_before_the_lock_is_the_same_as_packing_inside(memory: Store) -> None:
    entries = plain_entries(1, 2)
    pack(entries)
    packed = entries[0].packed
    append(journal_on(memory), entries)
    assert entries[0].packed is packed
    with memory.reading() as connection:
        assert connection.scalars(select(record.c.body).order_by(record.c.key)).all()[0] == packed


def test_slices_of_several_streams_are_taken_together_round_by_round(any_store: Store) -> None:
    """The first parts of all streams of one audience go together; a record of a cut type still stands alone."""
    calls: list[list[tuple[str, int, int]]] = []

    class Noting(TallyProjection):
        def apply(self, transaction: Transaction, batches: Sequence[Batch]) -> None:
            calls.append([(str(batch.stream), batch.first, batch.last) for batch in batches])
            super().apply(transaction, batches)

    tally = Noting(cuts=frozenset({"StreamReturn"}))
    tally.make_table(any_store)
    journal = journal_on(any_store, tally)
    third = StreamName("360104", "ancestors")
    down = StreamName("360103", "descendants")
    streams = {
        OTHER: plain_entries(1, 2),
        third: [*plain_entries(3, 1), *plain_entries(4, 1, record_type="StreamReturn")],
        down: plain_entries(5, 1),
    }
    extensions = [
        Extension(
            stream=stream,
            entries=entries,
            checkpoint=checkpoint(len(entries), root_of([one.leaf for one in entries]), stream),
        )
        for stream, entries in streams.items()
    ]
    any_store.write(lambda transaction: journal.extend_all(transaction, extensions))
    assert calls[0] == [(str(OTHER), 1, 2), (str(third), 1, 1)]
    assert [(str(third), 2, 2)] in calls
    assert [(str(down), 1, 1)] in calls
    with any_store.reading() as connection:
        for stream, entries in streams.items():
            held = journal.held(connection, stream)
            assert held is not None
            assert (held.size, held.sealed) == (len(entries), len(entries))
            assert journal.leaves(connection, stream, 1, len(entries)) == [one.leaf for one in entries]
            assert newest(connection, stream) == checkpoint(len(entries), held.root, stream)


def test_leaf_hashes_of_many_ranges_are_those_of_each(any_store: Store) -> None:
    journal = journal_on(any_store)
    append(journal, plain_entries(1, 5))
    other = StreamName(OWN.origin, "descendants")
    append(journal, plain_entries(11, 3), other)
    ranges = [(other, 2, 3), (OWN, 1, 4), (OWN, 5, 5), (other, 1, 9)]
    with any_store.reading() as connection:
        held = journal.held_many(connection, (OWN, other))
        found = journal.leaves_many(connection, [(held[stream], first, last) for stream, first, last in ranges])
        assert found == [journal.leaves(connection, *one) for one in ranges]
        assert journal.leaves_many(connection, []) == []


def test_one_slice_that_does_not_end_at_its_checkpoint_keeps_all_of_them_out(memory: Store) -> None:
    journal = journal_on(memory)
    entries = plain_entries(1, 2)
    good = Extension(stream=OTHER, entries=entries, checkpoint=checkpoint(2, root_of([one.leaf for one in entries])))
    bad = replace(good, stream=StreamName("360104", "ancestors"), entries=plain_entries(5, 2))
    with pytest.raises(SealMismatchError):
        memory.write(lambda transaction: journal.extend_all(transaction, [good, bad]))
    with memory.reading() as connection:
        assert journal.streams(connection) == []


# --- what goes wrong ---------------------------------------------------------------------------------------------


def test_a_stream_that_moved_in_between_is_never_written(any_store: Store) -> None:
    journal = journal_on(any_store)
    append(journal, plain_entries(1, 2))

    def work(transaction: Transaction) -> None:
        held = holdings.known(transaction.connection, OWN)
        transaction.connection.execute(update(stream_table).values(size=3))
        with pytest.raises(StoreBusyError, match="moved"):
            holdings.move(transaction, [(held, 2, Part(entries=[], size=4, frontier=b"", total_bytes=0, tiles=[]))])
        raise LookupError

    with pytest.raises(LookupError):
        any_store.write(work)


def test_a_damaged_frontier_is_noticed(memory: Store) -> None:
    journal = journal_on(memory)
    append(journal, plain_entries(1, 3))
    memory.write(lambda transaction: transaction.connection.execute(update(stream_table).values(frontier=b"short")))
    with pytest.raises(IntegrityError, match="frontier of 360102/ancestors is damaged"), memory.reading() as connection:
        journal.held(connection, OWN)


def test_a_postgresql_that_goes_away_while_records_are_copied_is_unavailable(postgres_url: str) -> None:
    store, killer = open_store(postgres_url), open_store(postgres_url)

    class Pulling(TallyProjection):
        def apply(self, transaction: Transaction, batches: Sequence[Batch]) -> None:
            super().apply(transaction, batches)
            (pid,) = transaction.connection.exec_driver_sql("SELECT pg_backend_pid()").one()
            with killer.reading() as connection:
                connection.exec_driver_sql("SELECT pg_terminate_backend(%s, 5000)", (pid,))

    tally = Pulling()
    tally.make_table(store)
    with pytest.raises(StoreUnavailableError):
        append(journal_on(store, tally), plain_entries(1, 30))
    append(journal_on(store), plain_entries(1, 30))
    with store.reading() as connection:
        assert len(journal_on(store).stored(connection, OWN, 1, 99)) == 30
    store.close()
    killer.close()


def test_a_missing_tile_or_record_is_noticed(any_store: Store) -> None:
    journal = journal_on(any_store)
    append(journal, plain_entries(1, 300))
    any_store.write(lambda transaction: transaction.connection.execute(delete(tile)))
    with pytest.raises(IntegrityError, match="level 1"), any_store.reading() as connection:
        journal.root_at(connection, OWN, 300)
    any_store.write(
        lambda transaction: transaction.connection.execute(delete(record).where(record.c.key == record_key(1, 2)))
    )
    with pytest.raises(IntegrityError, match="level 0"), any_store.reading() as connection:
        journal.root_at(connection, OWN, 3)
