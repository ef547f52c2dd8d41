"""The summaries that a node holds: its own and, at an ancestor, those of everyone below.

``SummaryProjection`` asks the journal to cut batches at summaries, so that the counters stand at exactly the records
before one when it is compared. What cannot be compared yet (a quarantined or awaited record stands below it) stays
pending; ``node.statistics.verdict`` settles it later from the records.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, select

from node.journal.hash_only import first_awaited, is_redacted_across
from node.journal.records import stored
from node.journal.statements import upsert_sql
from node.journal.tables import QUARANTINED, position_of, quarantine, record_key, stream_id_of
from node.journal.tables import stream as stream_table
from node.standard.codec import parse_unvalidated
from node.standard.seals import ANCESTORS
from node.statistics.counters import day_number, figures_of_day, mark_days
from node.statistics.indicators import DEFINITION_VERSION, FigureKey, within_range
from node.statistics.stated import RECORD_TYPE, Stated, differing_keys, part_of, read_parts
from node.statistics.tables import changed_day, summary

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy.engine import Connection

    from node.journal.entries import Batch, Entry
    from node.journal.store import Transaction

PENDING = 0
AGREED = 1
DISPUTED = 2
ERASED = 3
"""Nobody can recompute it any more: a record that it counted was redacted after it (node.statistics.erasure)."""
WORDS = {PENDING: "pending", AGREED: "agreed", DISPUTED: "disputed", ERASED: "erased"}

DIFFERING_MAX = 200
"""How many differing figures a verdict names; chosen by us (the schema allows 1000)."""
PARTS_MAX = 1_000
"""How many parts a summary may have; chosen by us."""
PARTS_READ = 8
"""How many parts are read at once: some 2 MB. Chosen by us."""

Difference = tuple[str, str, str, str, str, int, int]
"""Division, department, item, channel, indicator, stated, computed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldSummary:
    """One complete summary as held; verdicts are ``PENDING``, ``AGREED``, ``DISPUTED`` or ``ERASED``."""

    stream_id: int
    first_position: int
    position: int
    day: int
    definition_version: int
    content_hash: bytes
    own_verdict: int
    own_differing: tuple[Difference, ...]


class SummaryProjection:
    """Lists summaries and compares own figures at exactly their position. Implements the journal's Projection."""

    name = "statistics"
    cuts: frozenset[str] = frozenset({RECORD_TYPE})

    def apply(self, transaction: Transaction, batches: Sequence[Batch]) -> None:
        """Take in summary records; only the last part of one changes anything."""
        for batch in batches:
            self._take(transaction, batch)

    def _take(self, transaction: Transaction, batch: Batch) -> None:
        if batch.stream.audience != ANCESTORS:
            return
        for entry in batch.entries:
            if entry.record_type != RECORD_TYPE or entry.quarantine is not None:
                continue
            element = _element(entry)
            part, parts = part_of(element)
            if part == parts <= PARTS_MAX:
                before = _elements(transaction.connection, entry.key - parts + 1, entry.key - 1)
                self._keep(transaction, batch, entry.key, read_parts(chain(before, [element])), parts, exact=True)

    def requeued(self, transaction: Transaction, batch: Batch) -> None:
        """Take in parts that can be applied now; the counters have moved on, so own figures wait for a recount."""
        if batch.stream.audience != ANCESTORS:
            return
        complete: set[tuple[int, int]] = set()
        for entry in batch.entries:
            if entry.record_type == RECORD_TYPE and entry.quarantine is None:
                part, parts = part_of(_element(entry))
                if parts <= PARTS_MAX:
                    complete.add((entry.key + parts - part, parts))
        for last_key, parts in sorted(complete):
            stated = read_parts(_elements(transaction.connection, last_key - parts + 1, last_key))
            self._keep(transaction, batch, last_key, stated, parts, exact=False)

    def clear(self, transaction: Transaction) -> None:
        """Drop what is derived from summaries."""
        transaction.connection.execute(delete(summary))
        transaction.connection.execute(delete(changed_day))

    def _keep(
        self, transaction: Transaction, batch: Batch, last_key: int, stated: Stated | None, parts: int, *, exact: bool
    ) -> None:
        """Write the row of a complete summary; parts that do not belong together (None) are no summary."""
        if stated is None:
            return
        connection = transaction.connection
        day = day_number(stated.day)
        known = stated.definition_version == DEFINITION_VERSION
        verdict = AGREED if batch.own else PENDING
        differing: list[Difference] = []
        if exact and known and not batch.own and not _unread_below(connection, last_key):
            verdict, differing = compare_own(
                connection, last_key, stated, figures_of_day(connection, batch.stream_id, day)
            )
        row = (
            last_key,
            last_key - parts + 1,
            batch.stream_id,
            batch.own,
            day,
            stated.definition_version,
            stated.content_hash(),
            verdict,
            json.dumps(differing),
            AGREED if batch.own else PENDING,
            "[]",
            # Nobody judges its own summary, nor one made with definitions that this program does not know.
            batch.own or not known,
        )
        put = tuple(column.name for column in summary.columns if column.name != "last_key")
        connection.exec_driver_sql(upsert_sql(summary, transaction.dialect, put=put), [row])
        if not batch.own:
            mark_days(transaction, {day})


def compare(stated: Mapping[FigureKey, int], computed: Mapping[FigureKey, int]) -> tuple[int, list[Difference]]:
    """Return the verdict on stated figures and the first ``DIFFERING_MAX`` differences.

    A figure beyond the range of a record's differs from every figure; the verdict names the nearest one in range.
    """
    keys = differing_keys(stated, computed)
    differing = [
        (*key, within_range(stated.get(key, 0)), within_range(computed.get(key, 0))) for key in keys[:DIFFERING_MAX]
    ]
    return (DISPUTED if keys else AGREED), differing


def compare_own(
    connection: Connection, last_key: int, stated: Stated, computed: Mapping[FigureKey, int]
) -> tuple[int, list[Difference]]:
    """Return the verdict on the own figures of the summary with this key, and the first differences.

    Where a record before it was redacted by something behind it, only agreement proves anything.
    """
    verdict, differing = compare(stated.own, computed)
    if verdict == DISPUTED and is_redacted_across(connection, stream_id_of(last_key), last_key):
        return ERASED, []
    return verdict, differing


def first_unread(connection: Connection, stream_id: int) -> int | None:
    """Return the key of the first record of a stream that may still count: quarantined, or awaited without its bytes.

    Held-back ones come behind a quarantined one.
    """
    keys = quarantine.c.key.between(record_key(stream_id, 0), record_key(stream_id + 1, 0) - 1)
    first = connection.scalar(select(func.min(quarantine.c.key)).where(keys))
    return min((key for key in (first, first_awaited(connection, stream_id)) if key is not None), default=None)


def newest_summary(connection: Connection, stream_id: int, day: int) -> HeldSummary | None:
    """Return the newest complete summary of a day in a stream, or None."""
    query = select(summary).where(summary.c.stream_id == stream_id, summary.c.day == day)
    row = connection.execute(query.order_by(summary.c.last_key.desc()).limit(1)).first()
    return None if row is None else held_summary(row)


def summary_at(connection: Connection, stream_id: int, position: int) -> HeldSummary | None:
    """Return the complete summary whose last part stands at ``position``, or None."""
    query = select(summary).where(summary.c.last_key == record_key(stream_id, position))
    row = connection.execute(query).first()
    return None if row is None else held_summary(row)


def stated_by(connection: Connection, held: HeldSummary) -> Stated:
    """Read a held summary from its records; raises LookupError when they cannot be read any more."""
    first_key, last_key = record_key(held.stream_id, held.first_position), record_key(held.stream_id, held.position)
    stated = read_parts(_elements(connection, first_key, last_key))
    if stated is None:
        message = f"the summary at position {held.position} of stream {held.stream_id} is not readable"
        raise LookupError(message)
    return stated


def stream_ids(connection: Connection) -> dict[str, int]:
    """Return the id of every held ``ancestors`` stream by the code of its origin."""
    query = select(stream_table.c.origin, stream_table.c.id).where(stream_table.c.audience == ANCESTORS)
    return {row.origin: row.id for row in connection.execute(query)}


def held_summary(row: Any) -> HeldSummary:
    """Return a row of the summary table as a value."""
    return HeldSummary(
        stream_id=row.stream_id,
        first_position=position_of(row.first_key),
        position=position_of(row.last_key),
        day=row.day,
        definition_version=row.definition_version,
        content_hash=bytes(row.content_hash),
        own_verdict=row.own_verdict,
        own_differing=tuple(tuple(difference) for difference in json.loads(row.own_differing)),
    )


def _unread_below(connection: Connection, key: int) -> bool:
    first = first_unread(connection, stream_id_of(key))
    return first is not None and first < key


def _elements(connection: Connection, first_key: int, last_key: int) -> Iterator[Any]:
    """Give the applied summary records among these keys of one stream, a page in memory at a time."""
    for low in range(first_key, last_key + 1, PARTS_READ):
        high = min(last_key, low + PARTS_READ - 1)
        for record in stored(connection, stream_id_of(low), position_of(low), position_of(high)):
            if record.record_type == RECORD_TYPE and record.body is not None and not record.flags & QUARANTINED:
                yield parse_unvalidated(record.body)


def _element(entry: Entry) -> Any:
    return entry.element if entry.element is not None else parse_unvalidated(entry.body)
