"""Figures recomputed from records alone: a pure fold, independent of counters, cases and their tables.

It settles verdicts that had to wait, and it is what the invariants I3 and I4 are tested against.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.cases.history import Recorded, effective
from node.cases.rows import case_number_of_body
from node.journal.records import stored
from node.journal.tables import QUARANTINED
from node.standard.codec import parse_unvalidated
from node.standard.facts import facts_of
from node.standard.families import RECORD_TYPES
from node.statistics.indicators import INDICATOR_NAMES, FigureKey, Figures, contribution, within_range

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy.engine import Connection

    from node.journal.records import StoredRecord

PAGE_RECORDS = 1_000
"""How many records are read at once."""


def figures_from_records(
    connection: Connection, stream_id: int, position: int, day: str | None = None
) -> dict[str, Figures]:
    """Return figures by day (YYYY-MM-DD) of the records at positions 1 … ``position - 1`` of an ``ancestors`` stream.

    With ``day`` only that day is returned (and an entry for it always). Records from the first quarantined one of a
    case on count nothing. Days without figures are left out.
    """
    return figures_of_records(_pages(connection, stream_id, position - 1), day)


def figures_of_records(records: Iterable[StoredRecord], day: str | None = None) -> dict[str, Figures]:
    """Fold records, given in stream order, into figures by day; see ``figures_from_records``."""
    cases: dict[str, list[Recorded]] = {}
    for record in records:
        number, recorded = _recorded(record)
        if number is not None:
            cases.setdefault(number, []).append(recorded)
    days: dict[str, Figures] = {} if day is None else {day: {}}
    for history in cases.values():
        for recorded in effective(history):
            facts = recorded.facts
            if facts is None or facts.event_day is None or day not in {None, facts.event_day}:
                continue
            prefix = (facts.division or "", facts.organisation or "", facts.task or "", facts.channel or "")
            figures = days.setdefault(facts.event_day, {})
            for indicator, amount in contribution(facts):
                key = FigureKey(*prefix, INDICATOR_NAMES[indicator])
                figures[key] = figures.get(key, 0) + amount
    return {
        found: {key: within_range(amount) for key, amount in figures.items()}
        for found, figures in days.items()
        if figures or found == day
    }


def _recorded(record: StoredRecord) -> tuple[str | None, Recorded]:
    """Return a record's case number (None: it belongs to no case) and what the fold needs of it."""
    quarantined = bool(record.flags & QUARANTINED)
    known = RECORD_TYPES.get(record.record_type)
    if record.body is None or (not quarantined and (known is None or not known.case_record)):
        return None, Recorded(record.key, None, quarantined=quarantined)
    if quarantined:
        return case_number_of_body(record.body), Recorded(record.key, None, quarantined=True)
    facts = facts_of(parse_unvalidated(record.body))
    return facts.case_no, Recorded(record.key, facts, quarantined=False)


def _pages(connection: Connection, stream_id: int, last: int) -> Iterator[StoredRecord]:
    for first in range(1, last + 1, PAGE_RECORDS):
        yield from stored(connection, stream_id, first, min(last, first + PAGE_RECORDS - 1))
