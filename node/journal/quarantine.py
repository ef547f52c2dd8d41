"""The list of quarantined records (隔离): what holds a position but is not applied, and why (02, R8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select

from node.journal import holdings
from node.journal.entries import DEFERRED_REASONS
from node.journal.tables import position_of, record_key, stream_id_of
from node.journal.tables import quarantine as table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement
    from sqlalchemy.engine import Connection

    from node.standard.seals import StreamName

LISTED_MAX: Final = 1000
_PRIME: Final = 1_000_003
"""Keys are summed modulo this prime, so that a sum of millions stays a 64-bit number. Chosen by us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """One quarantined record: where it stands, its type as found, the reason and what exactly was found."""

    key: int
    stream: StreamName
    position: int
    reason: str
    record_type: str
    detail: str
    quarantined_at: datetime


def listed(
    connection: Connection,
    *,
    stream: StreamName | None = None,
    reasons: Sequence[str] = (),
    after: int = -1,
    limit: int = LISTED_MAX,
) -> list[Quarantined]:
    """Return quarantined records, smallest key first, of one stream or all, with one of ``reasons`` (none: any).

    ``after`` is the last key of the page before.
    """
    chosen = (table.c.key > after, *_filter(connection, stream, reasons))
    rows = connection.execute(select(table).where(*chosen).order_by(table.c.key).limit(limit)).all()
    names = holdings.stream_names(connection, {stream_id_of(row.key) for row in rows})
    return [
        Quarantined(
            key=row.key,
            stream=names[stream_id_of(row.key)],
            position=position_of(row.key),
            reason=row.reason,
            record_type=row.record_type,
            detail=row.detail,
            quarantined_at=row.quarantined_at,
        )
        for row in rows
    ]


def count(connection: Connection, *, stream: StreamName | None = None, reasons: Sequence[str] = ()) -> int:
    """Return how many records are quarantined."""
    query = select(func.count()).select_from(table).where(*_filter(connection, stream, reasons))
    return connection.scalar(query) or 0


def each(
    connection: Connection, *, stream: StreamName | None = None, reasons: Sequence[str] = ()
) -> Iterator[Quarantined]:
    """Yield every quarantined record, of one stream or all, with one of ``reasons`` (none: any), a page at a time."""
    after = -1
    while page := listed(connection, stream=stream, reasons=reasons, after=after):
        yield from page
        after = page[-1].key


def fingerprint(connection: Connection, *, reasons: Sequence[str]) -> tuple[object, ...]:
    """Return a value that changes when records with one of ``reasons`` come or go: cheap, for jobs that look again."""
    columns = (table.c.reason, func.count(), func.max(table.c.key), func.sum(table.c.key % _PRIME))
    query = select(*columns).where(*_filter(connection, None, reasons)).group_by(table.c.reason)
    return tuple(sorted(tuple(row) for row in connection.execute(query)))


def deferred(connection: Connection, stream: StreamName) -> tuple[int, int] | None:
    """Return count and first position of what waits for an upgrade of this node, None when nothing does."""
    chosen = _filter(connection, stream, DEFERRED_REASONS)
    row = connection.execute(select(func.count(), func.min(table.c.key)).where(*chosen)).one()
    return (row[0], position_of(row[1])) if row[0] else None


def _filter(connection: Connection, stream: StreamName | None, reasons: Sequence[str]) -> list[ColumnElement[bool]]:
    conditions: list[Any] = []
    if stream is not None:
        held = holdings.find(connection, stream)
        stream_id = 0 if held is None else held.stream_id
        conditions.append(table.c.key.between(record_key(stream_id, 0), record_key(stream_id + 1, 0) - 1))
    if reasons:
        conditions.append(table.c.reason.in_(list(reasons)))
    return conditions
