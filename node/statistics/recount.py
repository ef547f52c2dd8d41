"""Figures recomputed from records alone: a pure fold, independent of counters, cases and their tables.

It settles verdicts that had to wait, and it is what the invariants I3 and I4 are tested against. A stream may hold
millions of records, so it is read once, and of a case only what decides about its next record is remembered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from node.cases.history import CASE_RECORDS_MAX
from node.cases.rows import case_number_of_body
from node.journal.records import stored
from node.journal.tables import QUARANTINED
from node.standard.codec import parse_unvalidated
from node.standard.facts import facts_of
from node.standard.families import CASE_HEADER, RECORD_TYPES, case_header_of
from node.statistics.indicators import INDICATOR_NAMES, FigureKey, Figures, add_figures, contribution, within_range

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy.engine import Connection

    from node.journal.records import StoredRecord
    from node.standard.facts import Facts

T = TypeVar("T")

PAGE_RECORDS = 1_000
"""How many records are read at once."""

_Amounts = tuple[tuple[FigureKey, int], ...]
_Counted = tuple[str, _Amounts]
"""A day and what one record in effect adds to it."""


def figures_from_records(
    connection: Connection, stream_id: int, position: int, day: str | None = None
) -> dict[str, Figures]:
    """Return figures by day (YYYY-MM-DD) of the records at positions 1 … ``position - 1`` of an ``ancestors`` stream.

    With ``day`` only that day is returned (and an entry for it always). Records from the first quarantined one of a
    case on count nothing. Days without figures are left out.
    """
    recount = Recount()
    recount.take_all(_pages(connection, stream_id, 1, position - 1))
    if day is not None:
        return {day: recount.figures(day)}
    return {found: figures for found in recount.days() if (figures := recount.figures(found))}


def figures_at(connection: Connection, stream_id: int, wanted: Iterable[tuple[int, str]]) -> Iterator[Figures]:
    """Yield, for each (position, day) in ascending order, the figures of that day just before that position.

    However many are wanted, the stream is read once.
    """
    recount = Recount()
    first = 1
    for position, day in wanted:
        recount.take_all(_pages(connection, stream_id, first, position - 1))
        first = max(first, position)
        yield recount.figures(day)


class Recount:
    """Figures by day of the records taken so far, in stream order."""

    def __init__(self) -> None:
        self._cases: dict[str, _Case] = {}
        self._days: dict[str, Figures] = {}
        self._seen: dict[Any, Any] = {}

    def take_all(self, records: Iterable[StoredRecord]) -> None:
        """Take further records."""
        for record in records:
            self._take(record)

    def days(self) -> list[str]:
        """Return the days that any record counted on."""
        return sorted(self._days)

    def figures(self, day: str) -> Figures:
        """Return what a day's figures are now."""
        return {key: within_range(amount) for key, amount in self._days.get(day, {}).items()}

    def _take(self, record: StoredRecord) -> None:
        quarantined = bool(record.flags & QUARANTINED)
        known = RECORD_TYPES.get(record.record_type)
        if record.body is None or (not quarantined and (known is None or not known.case_record)):
            return
        if quarantined:
            if case_header_of(record.record_type) != CASE_HEADER:
                return
            number = case_number_of_body(record.body)
            if number is not None:
                # Whatever follows in this case is held back.
                self._case(number).left = 0
            return
        facts = facts_of(parse_unvalidated(record.body))
        case = self._case(facts.case_no or "")
        if case.left:
            case.left -= 1
            self._put(case, facts)

    def _case(self, number: str) -> _Case:
        case = self._cases.get(number)
        if case is None:
            case = self._cases[number] = _Case()
        return case

    def _put(self, case: _Case, facts: Facts) -> None:
        """Let a record take the place of an older version of it."""
        slot = self._once((facts.record_type, facts.sequence))
        version, before = case.slots.get(slot, (None, None))
        if version is not None and facts.data_version <= version:
            return
        counted = self._counted(facts)
        case.slots[slot] = self._once((facts.data_version, counted))
        if before is not None:
            day, amounts = before
            add_figures(self._days[day], {key: -amount for key, amount in amounts})
        if counted is not None:
            day, amounts = counted
            add_figures(self._days.setdefault(day, {}), dict(amounts))

    def _counted(self, facts: Facts) -> _Counted | None:
        amounts = contribution(facts)
        if not amounts or facts.event_day is None:
            return None
        prefix = (facts.division or "", facts.organisation or "", facts.task or "", facts.channel or "")
        keyed = tuple((FigureKey(*prefix, INDICATOR_NAMES[indicator]), amount) for indicator, amount in amounts)
        return facts.event_day, self._once(keyed)

    def _once(self, value: T) -> T:
        """Return an equal value that was seen before: most records of a day add the same few things."""
        known: T = self._seen.setdefault(value, value)
        return known


class _Case:
    """What is remembered of a case: how many more records count, and per type and Sequence the one in effect."""

    __slots__ = ("left", "slots")

    def __init__(self) -> None:
        self.left = CASE_RECORDS_MAX
        self.slots: dict[tuple[str, int], tuple[int, _Counted | None]] = {}


def _pages(connection: Connection, stream_id: int, first: int, last: int) -> Iterator[StoredRecord]:
    for low in range(first, last + 1, PAGE_RECORDS):
        yield from stored(connection, stream_id, low, min(last, low + PAGE_RECORDS - 1))
