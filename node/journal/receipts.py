"""Receipts (回执): what other nodes have signed to hold durably, of our streams and of those that pass through us."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select

from node.journal import holdings
from node.journal.statements import for_dialect, insert_sql, values_sql
from node.journal.tables import moment_number
from node.journal.tables import receipt as table
from node.journal.tables import stream as stream_table
from node.standard.seals import Receipt, StreamName

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from sqlalchemy import Select
    from sqlalchemy.engine import Connection

    from node.journal.holdings import Held
    from node.journal.store import Transaction

_NEWEST: Final = """
SELECT stream_id, holder, size, root FROM receipt WHERE (stream_id, holder) IN {} AND size = (
SELECT max(other.size) FROM receipt AS other WHERE other.stream_id = receipt.stream_id AND other.holder = receipt.holder
)
"""


def save_receipts(transaction: Transaction, receipts: Collection[Receipt]) -> None:
    """Save verified receipts of held streams; LookupError for an unknown stream.

    The first receipt of a holder for a size stays: it is the earliest witness.
    """
    helds = holdings.known_many(transaction.connection, [receipt.stream for receipt in receipts])
    rows = [
        (
            helds[receipt.stream].stream_id,
            receipt.holder,
            receipt.size,
            receipt.root,
            moment_number(receipt.received_at),
            receipt.signer,
            receipt.signature,
        )
        for receipt in receipts
    ]
    if rows:
        transaction.connection.exec_driver_sql(insert_sql(table, transaction.dialect, ignore=True), rows)


def newest_many(
    connection: Connection, wanted: Collection[tuple[str, Held]]
) -> dict[tuple[str, StreamName], tuple[int, bytes]]:
    """Return size and root of the receipt with the largest size of each holder and stream that has one."""
    if not wanted:
        return {}
    names = {held.stream_id: held.stream for _, held in wanted}
    statement = for_dialect(_NEWEST.format(values_sql(2, len(wanted))), connection.dialect.name)
    parameters = tuple(part for holder, held in wanted for part in (held.stream_id, holder))
    return {
        (holder, names[number]): (size, bytes(root))
        for number, holder, size, root in connection.exec_driver_sql(statement, parameters)
    }


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
