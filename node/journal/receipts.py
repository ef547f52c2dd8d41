"""Receipts (回执): what other nodes have signed to hold durably, of our streams and of those that pass through us."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from node.journal import holdings
from node.journal.statements import insert_sql
from node.journal.tables import moment_number
from node.journal.tables import receipt as table
from node.journal.tables import stream as stream_table
from node.standard.seals import Receipt, StreamName

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Select
    from sqlalchemy.engine import Connection

    from node.journal.store import Transaction

_COLUMNS = ("stream_id", "holder", "size", "root", "received_at", "signer", "signature")


def save_receipt(transaction: Transaction, receipt: Receipt) -> bool:
    """Save a verified receipt of a held stream and tell whether it is new.

    The first receipt of a holder for a size stays: it is the earliest witness. LookupError for an unknown stream.
    """
    held = holdings.known(transaction.connection, receipt.stream)
    row = (
        held.stream_id,
        receipt.holder,
        receipt.size,
        receipt.root,
        moment_number(receipt.received_at),
        receipt.signer,
        receipt.signature,
    )
    statement = insert_sql(table, transaction.dialect, _COLUMNS, ignore=True)
    return transaction.connection.exec_driver_sql(statement, row).rowcount == 1


def receipt_of(connection: Connection, holder: str, stream: StreamName, *, covering: int = 0) -> Receipt | None:
    """Return the holder's receipt with the largest size, None when there is none.

    With ``covering``, a position, the smallest receipt that covers it: the earliest witness.
    """
    query = _query(stream).where(table.c.holder == holder)
    if covering:
        query = query.where(table.c.size >= covering).order_by(table.c.size)
    else:
        query = query.order_by(table.c.size.desc())
    row = connection.execute(query.limit(1)).first()
    return None if row is None else _receipt(row)


def first_receipts(connection: Connection, stream: StreamName, position: int) -> list[Receipt]:
    """Return each holder's smallest receipt that covers a position, by holder: the earliest witness that is kept."""
    first: dict[str, Receipt] = {}
    query = _query(stream).where(table.c.size >= position).order_by(table.c.holder, table.c.size.desc())
    for row in connection.execute(query):
        first[row.holder] = _receipt(row)
    return list(first.values())


def receipts_for(connection: Connection, stream: StreamName) -> list[Receipt]:
    """Return each holder's receipt with the largest size, by holder."""
    newest: dict[str, Receipt] = {}
    for row in connection.execute(_query(stream).order_by(table.c.holder, table.c.size)):
        newest[row.holder] = _receipt(row)
    return list(newest.values())


def newest_at(connection: Connection, holder: str) -> datetime | None:
    """Return the newest time at which ``holder`` signed a receipt that is kept here, by its own clock; None: never."""
    newest: datetime | None = connection.scalar(select(func.max(table.c.received_at)).where(table.c.holder == holder))
    return newest


def all_receipts(connection: Connection, stream: StreamName) -> list[Receipt]:
    """Return every receipt kept for a stream, by holder and size."""
    return [_receipt(row) for row in connection.execute(_query(stream).order_by(table.c.holder, table.c.size))]


def _query(stream: StreamName) -> Select[Any]:
    return (
        select(table, stream_table.c.origin, stream_table.c.audience)
        .join(stream_table, stream_table.c.id == table.c.stream_id)
        .where(stream_table.c.origin == stream.origin, stream_table.c.audience == stream.audience)
    )


def _receipt(row: Any) -> Receipt:
    return Receipt(
        holder=row.holder,
        stream=StreamName(row.origin, row.audience),
        size=row.size,
        root=bytes(row.root),
        received_at=row.received_at,
        signer=row.signer,
        signature=bytes(row.signature),
    )
