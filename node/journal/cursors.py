"""Cursors: per link and stream, the highest size that the neighbour has receipted (02, R6).

A cursor only grows; the one thing that puts it back is the neighbour's own statement.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select, update

from node.journal import holdings
from node.journal.statements import insert_sql
from node.journal.tables import cursor as table

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from node.journal.store import Transaction
    from node.standard.seals import StreamName


def cursor(connection: Connection, peer: str, stream: StreamName) -> int:
    """Return the size that ``peer`` is known to hold of the stream; 0 when nothing is known."""
    query = select(table.c.size).where(table.c.peer == peer, table.c.stream_id == _id(connection, stream))
    return connection.scalar(query) or 0


def cursors_of(connection: Connection, peer: str) -> dict[StreamName, int]:
    """Return every cursor of a link that exists."""
    names = holdings.stream_names(connection)
    query = select(table.c.stream_id, table.c.size).where(table.c.peer == peer)
    return {names[row.stream_id]: row.size for row in connection.execute(query)}


def advance(transaction: Transaction, peer: str, stream: StreamName, size: int) -> bool:
    """Move a cursor up to ``size`` and tell whether it moved; a lower or equal size changes nothing."""
    present = cursor(transaction.connection, peer, stream)
    if size <= present:
        return False
    _set(transaction, peer, stream, size)
    return True


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


def set_shown(transaction: Transaction, peer: str, stream: StreamName, sealed_at: datetime) -> None:
    """Remember the sealing time of the newest checkpoint that the neighbour has acknowledged to see."""
    _ensure(transaction, peer, stream)
    transaction.connection.execute(
        update(table)
        .where(table.c.peer == peer, table.c.stream_id == _id(transaction.connection, stream))
        .values(shown_at=sealed_at)
    )


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
