from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from node.journal import arrivals, quarantine
from node.journal.entries import INVALID, NEWER_VERSION, NO_AUTHORITY, UNKNOWN_TYPE, read_entry
from node.journal.merkle import leaf_hash, root_of
from node.journal.records import save_outcomes
from node.journal.replay import entries_of
from node.journal.tables import QUARANTINED, record, record_key
from node.journal.tables import quarantine as quarantine_table
from node.standard.seals import StreamName
from tests.support.journals import (
    NODE,
    OTHER,
    OWN,
    TallyProjection,
    alarm_body,
    append,
    checkpoint,
    journal_on,
    notice_body,
    plain_entries,
    real_entries,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.journal.entries import Batch
    from node.journal.store import Store, Transaction
    from node.journal.streams import Journal

NEWER = alarm_body(1).replace(b'Version="1.0"', b'Version="1.9"')
UNKNOWN = alarm_body(1).replace(b"Alarm", b"Prophecy")
BROKEN = alarm_body(1).replace(b"<Kind>OTHER</Kind>", b"")


def test_a_valid_record_is_read_with_its_facts() -> None:
    body = alarm_body(3)
    entry = read_entry(body)
    assert (entry.record_type, entry.quarantine, entry.leaf) == ("Alarm", None, leaf_hash(body))
    assert entry.facts is not None
    assert entry.facts.record_key == "alarm-3"
    assert read_entry(body, leaf=b"l" * 32).leaf == b"l" * 32


@pytest.mark.parametrize(
    ("body", "reason", "record_type"),
    [
        (NEWER, NEWER_VERSION, "Alarm"),
        (UNKNOWN, UNKNOWN_TYPE, "Prophecy"),
        (BROKEN, INVALID, "Alarm"),
        (b"not xml", INVALID, ""),
        (b"", INVALID, ""),
        (alarm_body(1).replace(b"urn:yizhan:standard:1", b"urn:other"), INVALID, "Alarm"),
    ],
)
def test_a_record_that_cannot_be_applied_is_read_with_its_reason(body: bytes, reason: str, record_type: str) -> None:
    entry = read_entry(body)
    assert (entry.quarantine, entry.record_type, entry.facts) == (reason, record_type, None)
    assert entry.detail
    assert (entry.element is not None) == bool(record_type)


def _tallied(store: Store, cuts: frozenset[str] = frozenset()) -> tuple[TallyProjection, Journal]:
    tally = TallyProjection(cuts=cuts)
    tally.make_table(store)
    return tally, journal_on(store, tally)


def _requeue(journal: Journal, keys: list[int]) -> list[int]:
    return journal.store.write(lambda transaction: journal.requeue(transaction, keys))


def test_a_requeued_record_is_handed_to_the_projections_and_loses_its_flag(any_store: Store) -> None:
    tally, journal = _tallied(any_store)
    entries = real_entries(1, 4)
    for entry in entries[1:3]:
        # As if an older version had not known the type.
        entry.record_type, entry.quarantine = "Prophecy", UNKNOWN_TYPE
    append(journal, entries)
    key = record_key(1, 0)
    assert tally.requeued_keys == []
    assert _requeue(journal, [key + 3, key + 2, key + 1, 999]) == [key + 2, key + 3]
    assert tally.requeued_keys == [key + 2, key + 3]
    with any_store.reading() as connection:
        stored = journal.stored(connection, OWN, 1, 4)
        assert [one.flags for one in stored] == [0, 0, 0, 0]
        assert [one.record_type for one in stored] == ["Alarm"] * 4
        assert [found for found, _ in tally.counted(connection)] == [key + 1, key + 2, key + 3, key + 4]
        assert quarantine.count(connection) == 0
    assert _requeue(journal, [key + 2]) == []


def test_a_record_that_still_cannot_be_applied_stays_with_the_reason_found_now(any_store: Store) -> None:
    tally, journal = _tallied(any_store)
    broken = read_entry(BROKEN)
    broken.record_type, broken.quarantine, broken.detail = "Prophecy", UNKNOWN_TYPE, "then"
    unreadable = read_entry(b"not xml")
    append(journal, [broken, unreadable])
    key = record_key(1, 1)
    assert _requeue(journal, [key, key + 1]) == []
    assert tally.requeued_keys == []
    with any_store.reading() as connection:
        one, two = journal.quarantined(connection)
        assert (one.reason, one.record_type) == (INVALID, "Alarm")
        assert "Kind" in one.detail
        assert (two.reason, two.record_type) == (INVALID, "")
        stored = journal.stored(connection, OWN, 1, 2)
        assert [(row.flags, row.record_type) for row in stored] == [(QUARANTINED, "Alarm"), (QUARANTINED, "")]


def test_what_waits_for_an_upgrade_is_counted_for_the_receipt(any_store: Store) -> None:
    _, journal = _tallied(any_store)
    entries = [*real_entries(1, 1), read_entry(UNKNOWN), read_entry(BROKEN), read_entry(NEWER)]
    append(journal, entries)
    with any_store.reading() as connection:
        assert quarantine.deferred(connection, OWN) == (2, 2)
        assert quarantine.deferred(connection, OTHER) is None
        assert quarantine.count(connection) == 3
        assert quarantine.count(connection, stream=OWN, reasons=(INVALID,)) == 1


def _filled(store: Store, cuts: frozenset[str]) -> tuple[TallyProjection, Journal]:
    """Fill a store with two interleaved streams, quarantined records and records that cut."""
    tally, journal = _tallied(store, cuts)
    forbidden = read_entry(alarm_body(50))
    forbidden.quarantine = NO_AUTHORITY
    notice = read_entry(notice_body(9))
    others = real_entries(100, 3)
    root = root_of([entry.leaf for entry in others])
    append(journal, [*real_entries(1, 2), forbidden, read_entry(BROKEN)])
    store.write(lambda transaction: journal.extend(transaction, OTHER, others, checkpoint(3, root)))
    append(journal, real_entries(3, 2))
    append(journal, [notice, *real_entries(5, 2)])
    append(journal, real_entries(7, 1), StreamName(NODE, "360000"))
    return tally, journal


@pytest.mark.parametrize("cuts", [frozenset(), frozenset({"StreamReturn"})])
def test_a_rebuild_gives_what_appending_gave(any_store: Store, cuts: frozenset[str]) -> None:
    tally, journal = _filled(any_store, cuts)
    with any_store.reading() as connection:
        counted = [key for key, _ in tally.counted(connection)]
        stored = [journal.stored(connection, stream, 1, 99) for stream in (OWN, OTHER)]
    any_store.write(lambda transaction: transaction.connection.execute(update(record).values(case_id=1, previous=2)))
    tally.batches.clear()
    assert journal.rebuild() == 13
    with any_store.reading() as connection:
        assert [key for key, _ in tally.counted(connection)] == counted
        assert [journal.stored(connection, stream, 1, 99) for stream in (OWN, OTHER)] == stored
    own, directed = "360102/ancestors", "360102/360000"
    joined = [(own, 5, 6), (own, 7, 7), (own, 8, 9)] if cuts else [(own, 5, 9)]
    assert tally.batches == [(own, 1, 4), (str(OTHER), 1, 3), *joined, (directed, 1, 1)]


def test_a_rebuild_knows_why_a_record_was_set_aside(memory: Store) -> None:
    seen: dict[int, tuple[str | None, bool]] = {}

    class Looking(TallyProjection):
        def apply(self, transaction: Transaction, batches: Sequence[Batch]) -> None:
            entries = [entry for batch in batches for entry in batch.entries]
            seen.update({entry.key: (entry.quarantine, entry.facts is not None) for entry in entries})
            super().apply(transaction, batches)

    _filled(memory, frozenset())
    looking = Looking("looking")
    looking.make_table(memory)
    assert journal_on(memory, looking).rebuild() == 13
    key = record_key(1, 0)
    assert [seen[key + position] for position in (1, 3, 4)] == [(None, True), (NO_AUTHORITY, True), (INVALID, False)]


def test_a_rebuild_reads_at_most_500_records_at_once(memory: Store) -> None:
    tally, journal = _tallied(memory)
    entries = real_entries(1, 1)
    filler = plain_entries(2, 1200)
    for entry in filler:
        entry.quarantine = INVALID
    append(journal, entries + filler)
    append(journal, real_entries(5000, 3))
    tally.batches.clear()
    journal.rebuild()
    assert [batch[1:] for batch in tally.batches] == [(1, 500), (501, 1000), (1001, 1204)]


def test_a_rebuild_reads_the_order_of_arrival_in_pages(memory: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrivals, "READ_MAX", 3)
    tally, journal = _tallied(memory)
    for number in range(1, 8):
        append(journal, real_entries(number, 1), OWN if number % 3 else StreamName(OWN.origin, "descendants"))
    before = list(tally.batches)
    tally.batches.clear()
    assert journal.rebuild() == 7
    assert [batch[0] for batch in tally.batches] == [
        before[0][0],
        before[2][0],
        before[3][0],
        before[5][0],
        before[6][0],
    ]


def test_an_empty_journal_is_rebuilt_to_nothing(memory: Store) -> None:
    _, journal = _tallied(memory)
    assert journal.rebuild() == 0


def test_records_are_entries_again_with_what_was_set_on_them(memory: Store) -> None:
    _, journal = _tallied(memory)
    append(journal, [*real_entries(1, 2), read_entry(BROKEN)])
    with memory.reading() as connection:
        stored = journal.stored(connection, OWN, 1, 3)
    entries = entries_of(stored)
    assert [(one.key, one.case_id, one.state_after) for one in entries] == [
        (stored[0].key, 7, 1),
        (stored[1].key, 7, 2),
        (stored[2].key, None, None),
    ]
    assert [one.quarantine for one in entries] == [None, None, INVALID]
    entries[0].held_back, entries[0].previous = True, 5

    def work(transaction: Transaction) -> None:
        save_outcomes(transaction, entries)
        save_outcomes(transaction, [])

    memory.write(work)
    with memory.reading() as connection:
        again = journal.stored(connection, OWN, 1, 3)
    assert entries_of(again)[0].held_back
    assert again[0].previous == 5
    assert again[2].flags == QUARANTINED


def test_a_redacted_record_is_an_entry_without_element(memory: Store) -> None:
    _, journal = _tallied(memory)
    gone = plain_entries(1, 1)
    gone[0].body = b""
    append(journal, gone)
    with memory.reading() as connection:
        (entry,) = entries_of(journal.stored(connection, OWN, 1, 1))
    assert (entry.body, entry.element, entry.facts, entry.quarantine) == (b"", None, None, None)


def test_a_quarantined_record_without_its_note_counts_as_invalid(memory: Store) -> None:
    _, journal = _tallied(memory)
    append(journal, [read_entry(BROKEN)])
    memory.write(lambda transaction: transaction.connection.execute(quarantine_table.delete()))
    with memory.reading() as connection:
        (entry,) = entries_of(journal.stored(connection, OWN, 1, 1))
    assert entry.quarantine == INVALID
