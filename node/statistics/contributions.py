"""What each case of a stream adds to figures, and which of its records do: the way down from a figure.

Counters are sums of what cases contribute (``node.statistics.counters``), so a figure is explained by the cases of its
stream, and a case by its records in effect. What a case contributes is read from its row as it is now; for a position
in the past the cases that were touched since are counted again from their records up to it. Reading only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from node.cases.history import CASE_RECORDS_MAX, Recorded, effective
from node.cases.tables import case_fact, case_state
from node.journal.records import history
from node.journal.tables import QUARANTINED, position_of, record, record_key
from node.standard.codec import parse_unvalidated
from node.standard.facts import facts_of
from node.statistics.counters import day_number, day_text, unpack
from node.statistics.indicators import INDICATOR_NAMES, FigureKey, Figures, contribution
from node.statistics.tables import dimension

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from sqlalchemy.engine import Connection

    from node.journal.records import StoredRecord

PAGE_CASES = 2_000
"""How many cases are read at once; chosen by us."""

Dated = dict[str, Figures]
"""Figures by day ``YYYY-MM-DD``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedCase:
    """One case and what it adds; ``record_count`` is how many of its records add something on the days asked for."""

    case_id: int
    case_no: str
    last_key: int
    figures: Dated
    record_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedRecord:
    """One record in effect and one amount that it adds: a count, or fen."""

    position: int
    record_type: str
    case_no: str
    day: str
    key: FigureKey
    amount: int


def counted_cases(
    connection: Connection, stream_id: int, days: Container[int], *, size: int | None = None, after: str = ""
) -> Iterator[CountedCase]:
    """Give the cases of an ``ancestors`` stream that add something on ``days`` (ordinals), in order of their numbers.

    ``size``: as the first ``size`` records of the stream have it; None: as the case rows have it now. ``after``: only
    numbers behind this one, in the order of the database. A page of cases is in memory, and the ids of those that were
    touched behind ``size``.
    """
    touched = _touched(connection, stream_id, size) if size is not None else frozenset()
    names = _Names(connection)
    for row in _rows(connection, stream_id, after):
        case = _counted_again(connection, row, days, size or 0) if row.id in touched else _as_stored(row, days, names)
        if case is not None:
            yield case


def counted_records(
    connection: Connection, case_id: int, last_key: int, *, size: int | None = None
) -> list[CountedRecord]:
    """Return what the records of a case add, in stream order; ``size`` and None as in ``counted_cases``."""
    return [
        CountedRecord(
            position=stored.position,
            record_type=stored.record_type,
            case_no=facts.case_no or "",
            day=facts.event_day,
            key=FigureKey(
                facts.division or "",
                facts.organisation or "",
                facts.task or "",
                facts.channel or "",
                INDICATOR_NAMES[indicator],
            ),
            amount=amount,
        )
        for stored, one in _in_effect(history(connection, case_id, last_key), size)
        if (facts := one.facts) is not None and facts.event_day is not None
        for indicator, amount in contribution(facts)
    ]


class _Names:
    """Figure keys by dimension and indicator, each read once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[tuple[int, int], FigureKey] = {}

    def key(self, number: int, indicator: int) -> FigureKey:
        known = self._known.get((number, indicator))
        if known is None:
            row = self._connection.execute(select(dimension).where(dimension.c.id == number)).first()
            name = INDICATOR_NAMES.get(indicator, "?")
            known = (
                FigureKey("?", "?", "?", "?", name)
                if row is None
                else FigureKey(row.division, row.organisation, row.task, row.channel, name)
            )
            self._known[number, indicator] = known
        return known


def _rows(connection: Connection, stream_id: int, after: str) -> Iterator[_Row]:
    query = (
        select(case_fact.c.id, case_fact.c.case_no, case_state.c.last_key, case_state.c.contribution)
        .join(case_state, case_state.c.id == case_fact.c.id)
        .where(case_fact.c.stream_id == stream_id)
        .order_by(case_fact.c.case_no)
        .limit(PAGE_CASES)
    )
    while True:
        page = connection.execute(query.where(case_fact.c.case_no > after)).all()
        for row in page:
            yield _Row(id=row.id, case_no=row.case_no, last_key=row.last_key, contribution=bytes(row.contribution))
        if len(page) < PAGE_CASES:
            return
        after = page[-1].case_no


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    id: int
    case_no: str
    last_key: int
    contribution: bytes


def _touched(connection: Connection, stream_id: int, size: int) -> frozenset[int]:
    """Return the ids of the cases that records behind ``size`` belong to."""
    keys = record.c.key.between(record_key(stream_id, size + 1), record_key(stream_id + 1, 0) - 1)
    query = select(record.c.case_id).where(keys, record.c.case_id.is_not(None)).distinct()
    return frozenset(connection.execute(query).scalars())


def _as_stored(row: _Row, days: Container[int], names: _Names) -> CountedCase | None:
    figures: Dated = {}
    count = 0
    for (day, number, indicator), amount in unpack(row.contribution):
        if day in days:
            _add(figures, day_text(day), names.key(number, indicator), amount)
            count += 1
    return _case(row, figures, count)


def _counted_again(connection: Connection, row: _Row, days: Container[int], size: int) -> CountedCase | None:
    figures: Dated = {}
    count = 0
    for one in counted_records(connection, row.id, row.last_key, size=size):
        if day_number(one.day) in days:
            _add(figures, one.day, one.key, one.amount)
            count += 1
    return _case(row, figures, count)


def _add(figures: Dated, day: str, key: FigureKey, amount: int) -> None:
    of_day = figures.setdefault(day, {})
    of_day[key] = of_day.get(key, 0) + amount


def _case(row: _Row, figures: Dated, count: int) -> CountedCase | None:
    if not count:
        return None
    return CountedCase(case_id=row.id, case_no=row.case_no, last_key=row.last_key, figures=figures, record_count=count)


def _in_effect(stored: list[StoredRecord], size: int | None) -> list[tuple[StoredRecord, Recorded]]:
    """Return the records in effect among the first ``size`` of the stream, each with its facts."""
    held = {one.key: one for one in stored if size is None or position_of(one.key) <= size}
    recorded = []
    for one in list(held.values())[: CASE_RECORDS_MAX + 1]:
        quarantined = bool(one.flags & QUARANTINED)
        facts = None if quarantined or one.body is None else facts_of(parse_unvalidated(one.body))
        recorded.append(Recorded(one.key, facts, quarantined=quarantined))
        if quarantined:
            break
    found = sorted(effective(recorded), key=lambda one: one.key)
    return [(held[one.key], one) for one in found]
