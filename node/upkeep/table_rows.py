"""What is kept beside streams: arrivals, cursors, certificates, and rows that belong to no stream at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, func, insert, select, update

from node.exchange.opening import RETURNED_NOTE
from node.journal.entries import QUARANTINE_REASONS
from node.journal.tables import (
    arrival,
    checkpoint,
    cursor,
    link,
    quarantine,
    receipt,
    record,
    record_key,
    stream,
    stream_id_of,
    tile,
)
from node.upkeep.certificate_rows import check_certificates
from node.upkeep.damages import Damage, executing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Table
    from sqlalchemy.engine import Connection

    from node.journal.store import Transaction
    from node.upkeep.damages import Mend
    from node.upkeep.seal_rows import SealReader

_ROWS: Final = 1_000
_OWNED: Final = (tile, checkpoint, receipt, cursor, arrival)
_INTEGRITY_MAX: Final = 5
"""Complaints of SQLite that are told; one is enough to act."""


def check_tables(connection: Connection, reader: SealReader) -> Iterator[Damage]:
    """Yield what is damaged in every table that belongs to no single stream's walk."""
    names = {row.id: f"{row.origin}/{row.audience}" for row in connection.execute(select(stream))}
    yield from _check_arrivals(connection, names)
    yield from _check_cursors(connection, names)
    yield from check_certificates(connection, reader)
    yield from _check_quarantine(connection)
    for table in _OWNED:
        yield from _check_owned(connection, table, names)
    yield from _check_owned_records(connection, names)
    yield from _check_file(connection)


def _check_arrivals(connection: Connection, names: dict[int, str]) -> Iterator[Damage]:
    """Each record of a stream arrived once, in order."""
    ends = dict.fromkeys(names, 0)
    broken: set[int] = set()
    query = select(arrival.c.number, arrival.c.stream_id, arrival.c.first, arrival.c.last).order_by(arrival.c.number)
    after = -1
    while rows := connection.execute(query.where(arrival.c.number > after).limit(_ROWS)).all():
        after = rows[-1].number
        for row in rows:
            if row.stream_id not in ends:
                continue
            if row.first != ends[row.stream_id] + 1 or row.last < row.first:
                broken.add(row.stream_id)
            ends[row.stream_id] = max(ends[row.stream_id], row.last)
    sizes = {row.id: row.size for row in connection.execute(select(stream.c.id, stream.c.size))}
    for stream_id, name in names.items():
        if stream_id in broken or ends[stream_id] != sizes[stream_id]:
            said = f"The arrivals of {name} do not name each of its records once, in order."
            yield Damage(kind="arrival", subject=name, text=said, stream_id=stream_id, mend=_chaining(stream_id))


def _chaining(stream_id: int) -> Mend:
    """Return what makes the arrivals of a stream follow one another again; which came with which is a guess."""

    def mend(transaction: Transaction) -> None:
        connection = transaction.connection
        size = connection.scalar(select(stream.c.size).where(stream.c.id == stream_id)) or 0
        query = select(arrival).where(arrival.c.stream_id == stream_id).order_by(arrival.c.number)
        at = 0
        rows = connection.execute(query).all()
        for row in rows:
            last = min(row.last, size)
            where = arrival.c.number == row.number
            if last <= at:
                connection.execute(delete(arrival).where(where))
                continue
            if (row.first, row.last) != (at + 1, last):
                connection.execute(update(arrival).where(where).values(first=at + 1, last=last))
            at = last
        if at < size:
            at_time = rows[-1].arrived_at if rows else None
            now = at_time or connection.scalar(select(func.max(arrival.c.arrived_at)))
            values = {"stream_id": stream_id, "first": at + 1, "last": size, "arrived_at": now}
            connection.execute(insert(arrival).values(**values))

    return mend


def _check_cursors(connection: Connection, names: dict[int, str]) -> Iterator[Damage]:
    """A cursor is the newest receipt of the neighbour, but for one that has just said to hold less."""
    newest = {
        (row.holder, row.stream_id): row.size
        for row in connection.execute(
            select(receipt.c.holder, receipt.c.stream_id, func.max(receipt.c.size).label("size")).group_by(
                receipt.c.holder, receipt.c.stream_id
            )
        )
    }
    returned = set(connection.scalars(select(link.c.peer).where(link.c.note == RETURNED_NOTE)))
    for row in connection.execute(select(cursor)).all():
        if row.stream_id not in names:
            continue
        receipted = newest.get((row.peer, row.stream_id), 0)
        where = (cursor.c.peer == row.peer, cursor.c.stream_id == row.stream_id, cursor.c.size == row.size)
        values: dict[str, Any] = {}
        if row.size != receipted and not (row.peer in returned and row.size < receipted):
            values["size"] = receipted
        if row.shown_at is not None and row.shown_at.microsecond:
            values["shown_at"] = None
        if values:
            statement = update(cursor).where(*where).values(**values)
            yield Damage(
                kind="cursor",
                subject=f"{names[row.stream_id]} at {row.peer}",
                text=f"The cursor of {row.peer} on {names[row.stream_id]} is not what its receipts say.",
                stream_id=row.stream_id,
                mend=executing(statement),
            )


def _check_quarantine(connection: Connection) -> Iterator[Damage]:
    """Whatever is quarantined is a record, for a reason that there is; one whose row was lost is read again."""
    query = select(quarantine.c.key, quarantine.c.reason).join(record, record.c.key == quarantine.c.key)
    lonely = select(quarantine.c.key).outerjoin(record, record.c.key == quarantine.c.key).where(record.c.key.is_(None))
    for key in connection.scalars(lonely):
        statement = delete(quarantine).where(quarantine.c.key == key)
        yield Damage(
            kind="quarantine",
            subject=str(key),
            text="A quarantined record is not among the records.",
            mend=executing(statement),
        )
    for row in connection.execute(query.where(quarantine.c.reason.not_in(QUARANTINE_REASONS))):
        said = "A record is quarantined for a reason that does not exist."
        yield Damage(kind="quarantine", subject=f"{row.key} reason", text=said)


def _check_owned(connection: Connection, table: Table, names: dict[int, str]) -> Iterator[Damage]:
    """Rows of a stream that is not there."""
    found = connection.scalars(select(table.c.stream_id).where(table.c.stream_id.not_in(list(names))).distinct())
    for stream_id in found.all():
        statement = delete(table).where(table.c.stream_id == stream_id)
        yield Damage(
            kind="stray",
            subject=f"{table.name} {stream_id}",
            text=f"Rows of {table.name} belong to a stream that is not there.",
            mend=executing(statement),
        )


def _check_owned_records(connection: Connection, names: dict[int, str]) -> Iterator[Damage]:
    """Records of a stream that is not there, found by leaping from stream to stream."""
    after = -1
    while True:
        key = connection.scalar(select(func.min(record.c.key)).where(record.c.key > after))
        if key is None:
            return
        stream_id = stream_id_of(key)
        after = record_key(stream_id + 1, 0) - 1
        if stream_id not in names:
            statement = delete(record).where(record.c.key == key)
            after = key
            yield Damage(
                kind="stray",
                subject=f"record {key}",
                text="A record belongs to a stream that is not there.",
                mend=executing(statement),
            )


def _check_file(connection: Connection) -> Iterator[Damage]:
    """Ask SQLite itself; PostgreSQL's pages have checksums of their own where its cluster was made with them."""
    if connection.dialect.name != "sqlite":
        return
    for complaint in connection.exec_driver_sql(f"PRAGMA integrity_check({_INTEGRITY_MAX})").scalars().all():
        if complaint != "ok":
            yield Damage(kind="file", subject="database", text=f"SQLite says of the database file: {complaint}")
