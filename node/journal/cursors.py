"""Cursors: per link and stream, the highest size that the neighbour has receipted (02, R6).

A cursor only grows; the one thing that puts it back is the neighbour's own statement.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import func, select, update

from node.journal import holdings
from node.journal.statements import for_dialect, in_parameter, insert_sql, select_in_sql, upsert_sql
from node.journal.tables import cursor as table
from node.journal.tables import moment_number, moment_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from node.journal.holdings import Held
    from node.journal.store import Transaction
    from node.standard.seals import StreamName

_ADVANCE: Final = (
    "INSERT INTO cursor (peer, stream_id, size) VALUES (?, ?, ?) ON CONFLICT (peer, stream_id) "
    "DO UPDATE SET size = excluded.size WHERE excluded.size > cursor.size"
)
_NO_SIZE: Final = 0


class Cursor(NamedTuple):
    """Of one link and stream: the size receipted, and when the newest checkpoint was sealed that was shown."""

    size: int
    shown_at: datetime | None


def cursors_on(connection: Connection, peer: str, helds: Iterable[Held]) -> dict[StreamName, Cursor]:
    """Return the cursors of a link on these streams, as far as they exist, with one statement."""
    names = {held.stream_id: held.stream for held in helds}
    dialect = connection.dialect.name
    statement = select_in_sql(table, dialect, ("stream_id", "size", "shown_at"), key="stream_id", same="peer")
    found = connection.exec_driver_sql(statement, (peer, *in_parameter(dialect, sorted(names))))
    return {
        names[number]: Cursor(size, None if shown_at is None else moment_of(shown_at))
        for number, size, shown_at in found
    }


def cursor(connection: Connection, peer: str, stream: StreamName) -> int:
    """Return the size that ``peer`` is known to hold of the stream; 0 when nothing is known."""
    query = select(table.c.size).where(table.c.peer == peer, table.c.stream_id == _id(connection, stream))
    return connection.scalar(query) or 0


def cursors_of(connection: Connection, peer: str) -> dict[StreamName, int]:
    """Return every cursor of a link that exists."""
    names = holdings.stream_names(connection)
    query = select(table.c.stream_id, table.c.size).where(table.c.peer == peer)
    return {names[row.stream_id]: row.size for row in connection.execute(query)}


def advance(transaction: Transaction, peer: str, sizes: Mapping[StreamName, int]) -> None:
    """Move cursors of a link up to sizes; a lower or equal size changes nothing. LookupError for an unknown stream."""
    helds = holdings.known_many(transaction.connection, sizes)
    rows = [(peer, helds[stream].stream_id, size) for stream, size in sizes.items()]
    if rows:
        transaction.connection.exec_driver_sql(for_dialect(_ADVANCE, transaction.dialect), rows)


def put_back(transaction: Transaction, peer: str, stream: StreamName, size: int) -> bool:
    """Set a cursor to what the neighbour states to hold, lower too; tell whether it went back."""
    present = cursor(transaction.connection, peer, stream)
    if size != present:
        _set(transaction, peer, stream, size)
    return size < present


def shown_at(connection: Connection, peer: str, stream: StreamName) -> datetime | None:
    """Return the sealing time of the newest checkpoint that the neighbour was shown, None when none was."""
    return connection.scalar(
        select(table.c.shown_at).where(table.c.peer == peer, table.c.stream_id == _id(connection, stream))
    )


def set_shown(transaction: Transaction, peer: str, shown: Mapping[StreamName, datetime]) -> None:
    """Remember the sealing times of the newest checkpoints that the neighbour has acknowledged to see."""
    helds = holdings.known_many(transaction.connection, shown)
    statement = upsert_sql(table, transaction.dialect, put=("shown_at",))
    rows = [(peer, helds[stream].stream_id, _NO_SIZE, moment_number(at)) for stream, at in shown.items()]
    if rows:
        transaction.connection.exec_driver_sql(statement, rows)


def lowest(connection: Connection, stream: StreamName) -> int:
    """Return the smallest cursor of any link that has one on the stream; 0 when none has."""
    return connection.scalar(select(func.min(table.c.size)).where(table.c.stream_id == _id(connection, stream))) or 0


def lowest_of(connection: Connection, stream: StreamName, peers: Iterable[str]) -> int | None:
    """Return the smallest size that any of ``peers`` is known to hold, 0 for one unheard of; None without peers."""
    return min((cursor(connection, peer, stream) for peer in peers), default=None)


def _id(connection: Connection, stream: StreamName) -> int:
    held = holdings.find(connection, stream)
    return 0 if held is None else held.stream_id


def _ensure(transaction: Transaction, peer: str, stream: StreamName) -> int:
    stream_id = holdings.known(transaction.connection, stream).stream_id
    statement = insert_sql(table, transaction.dialect, ("peer", "stream_id", "size"), ignore=True)
    transaction.connection.exec_driver_sql(statement, (peer, stream_id, 0))
    return stream_id


def _set(transaction: Transaction, peer: str, stream: StreamName, size: int) -> None:
    stream_id = _ensure(transaction, peer, stream)
    transaction.connection.execute(
        update(table).where(table.c.peer == peer, table.c.stream_id == stream_id).values(size=size)
    )
