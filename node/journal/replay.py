"""Reading records again: requeue after an upgrade, and rebuild of everything derived (02, R8, R9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, delete, select, update

from node.journal import holdings, records
from node.journal.arrivals import arrivals_after
from node.journal.cutting import cut
from node.journal.entries import INVALID, NO_AUTHORITY, Batch, Entry, read_entry, read_leniently
from node.journal.tables import HELD_BACK, QUARANTINED, quarantine, record, stream_id_of
from node.standard.facts import facts_of
from node.standard.families import record_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from node.journal.entries import Projection
    from node.journal.holdings import Held
    from node.journal.records import StoredRecord
    from node.journal.store import Transaction
    from node.standard.seals import StreamName

REPLAY_RECORDS_MAX: Final = 500
"""Records replayed as one batch: as in a package, so that memory stays flat."""
_VALID: Final = (None, NO_AUTHORITY)
"""Quarantine reasons of records that follow the standard: their facts can be read."""


def entries_of(stored: Iterable[StoredRecord], *, reasons: dict[int, tuple[str, str]] | None = None) -> list[Entry]:
    """Return entries of records as held, with what projections set on them before.

    Applied records are only parsed: they were validated when they came in. A quarantined one gets its reason from
    ``reasons`` (by key; else ``invalid``), its element when the bytes are XML, and no facts unless it is valid.
    """
    return [_entry_of(one, (reasons or {}).get(one.key, (INVALID, ""))) for one in stored]


def requeue(transaction: Transaction, projections: Sequence[Projection], keys: Iterable[int]) -> list[int]:
    """Read quarantined records again and hand over those that follow the standard now; return their keys, sorted."""
    set_aside = _reasons(transaction, keys)
    ready: list[Entry] = []
    for one in records.records_at(transaction.connection, sorted(set_aside)):
        entry = read_entry(one.body or b"", leaf=one.leaf)
        entry.key, entry.position = one.key, one.position
        # What projections had linked it to stays until they say otherwise: a chain must not break here.
        entry.case_id, entry.previous, entry.state_after = one.case_id, one.previous, one.state_after
        if entry.quarantine:
            note_reason(transaction, entry)
        else:
            ready.append(entry)
    for held, entries in _by_stream(transaction, ready):
        _clear_flags(transaction, entries)
        batch = _batch(held, entries)
        for projection in projections:
            projection.requeued(transaction, batch)
    if ready:
        transaction.announce()
    return [entry.key for entry in ready]


def note_reason(transaction: Transaction, entry: Entry) -> None:
    """Keep the reason found this time; the type may be known by now although the record is still set aside."""
    transaction.connection.execute(
        update(quarantine)
        .where(quarantine.c.key == entry.key)
        .values(reason=entry.quarantine, detail=entry.detail, record_type=entry.record_type)
    )
    _number(transaction, [entry])


def rebuild(transaction: Transaction, projections: Sequence[Projection]) -> int:
    """Clear the projections, replay every record in order of arrival, save what they set; return how many."""
    for projection in projections:
        projection.clear(transaction)
    replayed = sum(count for _, count in replay_arrivals(transaction, projections))
    transaction.announce()
    return replayed


def replay_arrivals(
    transaction: Transaction, projections: Sequence[Projection], *, after: int = 0
) -> Iterator[tuple[int, int]]:
    """Replay what arrived after the arrival ``after``; yield (arrival reached, records) run by run.

    Outcomes are written where they are others than before.
    """
    cuts: frozenset[str] = frozenset().union(*(projection.cuts for projection in projections))
    streams = {held.stream_id: held for held in holdings.all_held(transaction.connection)}
    for run in _runs(transaction, after):
        stored = records.stored(transaction.connection, run.stream_id, run.first, run.last)
        keys = [one.key for one in stored if one.flags & QUARANTINED]
        entries = entries_of(stored, reasons=_reasons(transaction, keys) if keys else None)
        before = {one.key: (one.case_id, one.previous, one.state_after, one.flags) for one in stored}
        for entry in entries:
            entry.case_id = entry.previous = entry.state_after = None
            entry.held_back = False
        for group in cut(entries, cuts):
            batch = _batch(streams[run.stream_id], group)
            for projection in projections:
                projection.apply(transaction, [batch])
            records.save_outcomes(transaction, [one for one in group if before[one.key] != records.outcome_of(one)])
        yield run.number, len(entries)


@dataclass(slots=True, kw_only=True)
class _Run:
    """Positions of one stream that arrived one behind another, the last of them by the arrival ``number``."""

    number: int
    stream_id: int
    first: int
    last: int


def _runs(transaction: Transaction, after: int) -> Iterator[_Run]:
    """Yield all arrivals in order; neighbours of one stream are joined, up to REPLAY_RECORDS_MAX records."""
    open_run: _Run | None = None
    for number, stream_id, first, last in arrivals_after(transaction.connection, after):
        for low in range(first, last + 1, REPLAY_RECORDS_MAX):
            high = min(low + REPLAY_RECORDS_MAX - 1, last)
            if open_run and open_run.stream_id == stream_id and high - open_run.first < REPLAY_RECORDS_MAX:
                open_run.last, open_run.number = high, number
                continue
            if open_run:
                yield open_run
            open_run = _Run(number=number, stream_id=stream_id, first=low, last=high)
    if open_run:
        yield open_run


def _entry_of(one: StoredRecord, reason: tuple[str, str]) -> Entry:
    entry = Entry(
        record_type=one.record_type,
        body=one.body or b"",
        leaf=one.leaf,
        key=one.key,
        position=one.position,
        case_id=one.case_id,
        previous=one.previous,
        state_after=one.state_after,
        held_back=bool(one.flags & HELD_BACK),
    )
    if one.flags & QUARANTINED:
        entry.quarantine, entry.detail = reason
    if one.body is not None:
        read_leniently(entry)
        if entry.quarantine in _VALID and entry.element is not None:
            entry.facts = facts_of(entry.element)
    return entry


def _reasons(transaction: Transaction, keys: Iterable[int]) -> dict[int, tuple[str, str]]:
    wanted = list(keys)
    found: dict[int, tuple[str, str]] = {}
    for low in range(0, len(wanted), REPLAY_RECORDS_MAX):
        query = select(quarantine).where(quarantine.c.key.in_(wanted[low : low + REPLAY_RECORDS_MAX]))
        found.update({row.key: (row.reason, row.detail) for row in transaction.connection.execute(query)})
    return found


def _clear_flags(transaction: Transaction, entries: list[Entry]) -> None:
    keys = [entry.key for entry in entries]
    transaction.connection.execute(delete(quarantine).where(quarantine.c.key.in_(keys)))
    _number(transaction, entries)
    records.save_outcomes(transaction, entries)


def _number(transaction: Transaction, entries: list[Entry]) -> None:
    statement = update(record).where(record.c.key == bindparam("at")).values(type_number=bindparam("number"))
    rows = [{"at": entry.key, "number": record_number(entry.record_type)} for entry in entries]
    transaction.connection.execute(statement, rows)


def _by_stream(transaction: Transaction, entries: list[Entry]) -> Iterator[tuple[Held, list[Entry]]]:
    by_stream: dict[int, list[Entry]] = {}
    for entry in entries:
        by_stream.setdefault(stream_id_of(entry.key), []).append(entry)
    for held in holdings.with_ids(transaction.connection, by_stream):
        yield held, by_stream[held.stream_id]


def _batch(held: Held, entries: list[Entry]) -> Batch:
    stream: StreamName = held.stream
    return Batch(
        stream=stream,
        stream_id=held.stream_id,
        own=held.own,
        entries=entries,
        first=entries[0].position,
        last=entries[-1].position,
    )
