"""Which streams this node holds, how far, and under which root: the rows of ``stream``, read and made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import and_, insert, select, update

from node.errors import IntegrityError, StoreBusyError
from node.journal.merkle import CompactRange
from node.journal.tables import stream as stream_table
from node.standard.seals import StreamName

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Row
    from sqlalchemy.engine import Connection

    from node.journal.store import Transaction

_COLUMNS: Final = tuple(stream_table.columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A stream as held: ``size`` records under Merkle root ``root``, ``sealed`` of them under a checkpoint.

    ``total_bytes`` counts raw record bytes; ``own`` tells whether this node is the origin; ``frontier`` is the compact
    range at ``size`` as ``CompactRange.to_bytes`` writes it.
    """

    stream: StreamName
    stream_id: int
    size: int
    root: bytes
    sealed: int
    own: bool
    total_bytes: int
    frontier: bytes

    def compact_range(self) -> CompactRange:
        """Return the frontier, ready to be extended."""
        return CompactRange.from_bytes(self.size, self.frontier)


def find(connection: Connection, stream: StreamName) -> Held | None:
    """Return the stream as held, None when nothing of it is known."""
    row = connection.execute(select(*_COLUMNS).where(_named(stream))).one_or_none()
    return None if row is None else _held(row)


def known(connection: Connection, stream: StreamName) -> Held:
    """Return the stream as held; LookupError when nothing of it is known."""
    held = find(connection, stream)
    if held is None:
        message = f"{stream} is not held"
        raise LookupError(message)
    return held


def all_held(connection: Connection) -> list[Held]:
    """Return every stream as held, sorted by name."""
    query = select(*_COLUMNS).order_by(stream_table.c.origin, stream_table.c.audience)
    return [_held(row) for row in connection.execute(query)]


def stream_names(connection: Connection) -> dict[int, StreamName]:
    """Return the name of every stream by its id."""
    query = select(stream_table.c.id, stream_table.c.origin, stream_table.c.audience)
    return {row.id: StreamName(row.origin, row.audience) for row in connection.execute(query)}


def opened(transaction: Transaction, stream: StreamName, *, own: bool) -> Held:
    """Return the stream, made empty when it is new."""
    held = find(transaction.connection, stream)
    if held is not None:
        return held
    names = {"origin": stream.origin, "audience": stream.audience}
    empty = {"own": own, "size": 0, "sealed": 0, "bytes": 0, "frontier": b""}
    transaction.connection.execute(insert(stream_table).values(**names, **empty))
    return known(transaction.connection, stream)


def move(transaction: Transaction, held: Held, *, read: int, size: int, frontier: bytes, total_bytes: int) -> None:
    """Move a stream from the size that was read to a new one.

    Raises StoreBusyError (the whole work is redone) when somebody else moved it, which only a store whose lock does not
    lock allows. A received stream is sealed as far as it goes: each slice ends at a checkpoint.
    """
    values: dict[str, object] = {"size": size, "frontier": frontier, "bytes": total_bytes}
    if not held.own:
        values["sealed"] = size
    moved = transaction.connection.execute(
        update(stream_table).where(stream_table.c.id == held.stream_id, stream_table.c.size == read).values(**values)
    )
    if moved.rowcount != 1:
        raise StoreBusyError(f"{held.stream} moved while it was written.", action="it is tried again")


def set_sealed(transaction: Transaction, held: Held, size: int) -> bool:
    """Move ``sealed`` of an own stream if it still stands where ``held`` read it; tell whether it did."""
    moved = transaction.connection.execute(
        update(stream_table)
        .where(stream_table.c.id == held.stream_id, stream_table.c.sealed == held.sealed, stream_table.c.size >= size)
        .values(sealed=size)
    )
    return moved.rowcount == 1


def _named(stream: StreamName) -> ColumnElement[bool]:
    return and_(stream_table.c.origin == stream.origin, stream_table.c.audience == stream.audience)


def _held(row: Row[tuple[object, ...]]) -> Held:
    frontier = bytes(row.frontier)
    stream = StreamName(row.origin, row.audience)
    try:
        root = CompactRange.from_bytes(row.size, frontier).root()
    except ValueError as error:
        raise IntegrityError(
            f"The frontier of {stream} is damaged.", why=str(error), action="restore the newest backup (yizhan restore)"
        ) from error
    return Held(
        stream=stream,
        stream_id=row.id,
        size=row.size,
        root=root,
        sealed=row.sealed,
        own=bool(row.own),
        total_bytes=row.bytes,
        frontier=frontier,
    )
