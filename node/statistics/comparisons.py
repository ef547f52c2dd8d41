"""The comparisons of disputed figures that a node holds: asked by it, answered by it, or between two nodes below.

``ComparisonProjection`` keeps one row a comparison, as the records of both sides say; every holder of the two directed
streams has it, so a province sees what its city found at a county.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, select

from node.journal.statements import upsert_sql
from node.standard.codec import parse_unvalidated
from node.standard.seals import ANCESTORS, DESCENDANTS, TRUST
from node.statistics.compared import ANSWER, QUESTION, NamedDifference, read_answer, read_question
from node.statistics.counters import day_number, day_text
from node.statistics.indicators import FigureKey
from node.statistics.tables import comparison

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy.engine import Connection

    from node.journal.entries import Batch, Entry
    from node.journal.store import Transaction

SHOWN_MAX: Final = 200
"""How many comparisons are shown at once; chosen by us."""
_PUT: Final = tuple(column.name for column in comparison.columns if not column.primary_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One comparison: ``asker`` narrows the figure that ``origin`` stated at ``position`` for ``day``.

    ``asked_number`` and ``answer_number`` count questions and answers held (keys: their records); ``outcome`` is empty
    while it goes on.
    """

    asker: str
    origin: str
    position: int
    day: str
    asked_number: int = 0
    asked_key: int = 0
    answer_number: int = 0
    answer_key: int = 0
    outcome: str = ""
    found: tuple[NamedDifference, ...] = ()


class ComparisonProjection:
    """Keeps the comparisons. Implements the journal's Projection."""

    name = "comparisons"
    cuts: frozenset[str] = frozenset()

    def apply(self, transaction: Transaction, batches: Sequence[Batch]) -> None:
        """Take in questions and answers; a question about another node's summary than the addressee's is none."""
        for batch in batches:
            self.requeued(transaction, batch)

    def requeued(self, transaction: Transaction, batch: Batch) -> None:
        """Take in questions and answers that can be applied now."""
        if batch.stream.audience in {ANCESTORS, DESCENDANTS, TRUST}:
            return
        for entry in batch.entries:
            if entry.quarantine is None and entry.record_type == QUESTION:
                self._take_question(transaction, batch, entry)
            elif entry.quarantine is None and entry.record_type == ANSWER:
                self._take_answer(transaction, batch, entry)

    def clear(self, transaction: Transaction) -> None:
        """Drop all comparisons."""
        transaction.connection.execute(delete(comparison))

    @staticmethod
    def _take_question(transaction: Transaction, batch: Batch, entry: Entry) -> None:
        said = read_question(_element(entry))
        if said.origin != batch.stream.audience:
            return
        held = _held(transaction.connection, batch.stream.origin, said.origin, said.position, said.day)
        found = {(one.case_no, one.key): one for one in (*held.found, *said.found)}
        held = dataclasses.replace(held, found=tuple(one for _, one in sorted(found.items())))
        if said.number > held.asked_number:
            held = dataclasses.replace(
                held, day=said.day, asked_number=said.number, asked_key=entry.key, outcome=said.outcome
            )
        _save(transaction, held)

    @staticmethod
    def _take_answer(transaction: Transaction, batch: Batch, entry: Entry) -> None:
        said = read_answer(_element(entry))
        held = _held(transaction.connection, batch.stream.audience, batch.stream.origin, said.position, said.day)
        if said.number > held.answer_number:
            _save(transaction, dataclasses.replace(held, answer_number=said.number, answer_key=entry.key))


def comparisons(
    connection: Connection,
    *,
    origin: str | None = None,
    positions: Collection[int] | None = None,
    days: tuple[str, str] | None = None,
) -> list[Comparison]:
    """Return the comparisons held, of one origin, of summaries at some positions, from a first day to a last."""
    query = select(comparison).order_by(comparison.c.day, comparison.c.origin, comparison.c.position)
    if origin is not None:
        query = query.where(comparison.c.origin == origin)
    if positions is not None:
        query = query.where(comparison.c.position.in_(sorted(positions)))
    if days is not None:
        query = query.where(comparison.c.day.between(day_number(days[0]), day_number(days[1])))
    asked = query.where(comparison.c.asked_number > 0).limit(SHOWN_MAX)
    return [_comparison(row) for row in connection.execute(asked)]


def open_comparisons(
    connection: Connection, *, asker: str | None = None, origin: str | None = None
) -> list[Comparison]:
    """Return the comparisons that go on, of one asker or origin."""
    query = select(comparison).where(comparison.c.outcome == "", comparison.c.asked_number > 0)
    if asker is not None:
        query = query.where(comparison.c.asker == asker)
    if origin is not None:
        query = query.where(comparison.c.origin == origin)
    ordered = query.order_by(comparison.c.asked_key).limit(SHOWN_MAX)
    return [_comparison(row) for row in connection.execute(ordered)]


def _element(entry: Entry) -> Any:
    return entry.element if entry.element is not None else parse_unvalidated(entry.body)


def _held(connection: Connection, asker: str, origin: str, position: int, day: str) -> Comparison:
    """Return the row of a comparison, or what it begins with."""
    named = (comparison.c.asker == asker, comparison.c.origin == origin, comparison.c.position == position)
    row = connection.execute(select(comparison).where(*named)).first()
    return Comparison(asker=asker, origin=origin, position=position, day=day) if row is None else _comparison(row)


def _save(transaction: Transaction, held: Comparison) -> None:
    row = (
        held.asker,
        held.origin,
        held.position,
        day_number(held.day),
        held.asked_number,
        held.asked_key,
        held.answer_number,
        held.answer_key,
        held.outcome,
        json.dumps([dataclasses.astuple(one) for one in held.found]),
    )
    transaction.connection.exec_driver_sql(upsert_sql(comparison, transaction.dialect, put=_PUT), [row])


def _comparison(row: Any) -> Comparison:
    return Comparison(
        asker=row.asker,
        origin=row.origin,
        position=row.position,
        day=day_text(row.day),
        asked_number=row.asked_number,
        asked_key=row.asked_key,
        answer_number=row.answer_number,
        answer_key=row.answer_key,
        outcome=row.outcome,
        found=tuple(_difference(*one) for one in json.loads(row.found)),
    )


def _difference(
    case_no: str, key: list[str], stated: int, computed: int, counted: int, cause: str, records: list[int]
) -> NamedDifference:
    return NamedDifference(
        case_no=case_no,
        key=FigureKey(*key),
        stated=stated,
        computed=computed,
        counted=counted,
        cause=cause,
        records=tuple(records),
    )
