"""Which streams this node holds, how far, and under which root: the rows of ``stream``, read and made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import insert, select, update

from node.errors import IntegrityError, StoreBusyError
from node.journal.merkle import HASH_BYTES, CompactRange
from node.journal.statements import for_dialect, values_sql
from node.journal.tables import stream as stream_table
from node.standard.seals import StreamName

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from sqlalchemy.engine import Connection

    from node.journal.cutting import Part
    from node.journal.store import Transaction

_COLUMNS: Final = tuple(stream_table.columns)
_ALL: Final = select(*_COLUMNS).order_by(stream_table.c.origin, stream_table.c.audience)
_ALL_OWN: Final = _ALL.where(stream_table.c.own)
# Finding and moving a stream happens once a slice, and slices may be short: plain statements, as for records.
_FIND: Final = (
    "SELECT id, origin, audience, own, size, sealed, bytes, frontier FROM stream WHERE (origin, audience) IN "
)
_ANY_UNSEALED: Final = "SELECT 1 FROM stream WHERE own AND sealed < size LIMIT 1"
_MOVE: Final = "UPDATE stream SET size = ?, frontier = ?, bytes = ?, sealed = ? WHERE id = ? AND size = ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A stream as held: ``size`` records, ``sealed`` of them under a checkpoint.

    ``total_bytes`` counts raw record bytes; ``own`` tells whether this node is the origin; ``frontier`` is the compact
    range at ``size`` as ``CompactRange.to_bytes`` writes it.
    """

    stream: StreamName
    stream_id: int
    size: int
    sealed: int
    own: bool
    total_bytes: int
    frontier: bytes

    @property
    def root(self) -> bytes:
        """The Merkle root at ``size``, computed from the frontier."""
        return self.compact_range().root()

    def compact_range(self) -> CompactRange:
        """Return the frontier, ready to be extended."""
        return CompactRange.from_bytes(self.size, self.frontier)

    def extended_root(self, leaves: Sequence[bytes]) -> bytes:
        """Return the root that the stream would have with these leaf hashes appended."""
        frontier = self.compact_range()
        frontier.extend(leaves)
        return frontier.root()


def find(connection: Connection, stream: StreamName) -> Held | None:
    """Return the stream as held, None when nothing of it is known."""
    return find_many(connection, (stream,)).get(stream)


def find_many(connection: Connection, streams: Iterable[StreamName]) -> dict[StreamName, Held]:
    """Return those of ``streams`` (at most a package's) of which something is known, as held, with one statement."""
    wanted = list(dict.fromkeys(streams))
    if not wanted:
        return {}
    statement = for_dialect(_FIND + values_sql(2, len(wanted)), connection.dialect.name)
    parameters = tuple(part for stream in wanted for part in (stream.origin, stream.audience))
    found = map(_held, connection.exec_driver_sql(statement, parameters))
    return {held.stream: held for held in found}


def known(connection: Connection, stream: StreamName) -> Held:
    """Return the stream as held; LookupError when nothing of it is known."""
    return known_many(connection, (stream,))[stream]


def known_many(connection: Connection, streams: Collection[StreamName]) -> dict[StreamName, Held]:
    """Return ``streams`` (at most a package's) as held, with one statement; LookupError when one of them is unknown."""
    found = find_many(connection, streams)
    unknown = next((stream for stream in streams if stream not in found), None)
    if unknown is not None:
        message = f"{unknown} is not held"
        raise LookupError(message)
    return found


def all_held(connection: Connection) -> list[Held]:
    """Return every stream as held, sorted by name."""
    return [_held(row) for row in connection.execute(_ALL)]


def all_own(connection: Connection) -> list[Held]:
    """Return every stream of which this node is the origin, sorted by name: few among the many that it holds."""
    return [_held(row) for row in connection.execute(_ALL_OWN)]


def any_unsealed(connection: Connection) -> bool:
    """Tell whether an own stream holds records beyond its newest checkpoint."""
    return connection.exec_driver_sql(_ANY_UNSEALED).first() is not None


def with_ids(connection: Connection, ids: Collection[int]) -> list[Held]:
    """Return the streams with these ids as held, sorted by name."""
    query = select(*_COLUMNS).where(stream_table.c.id.in_(list(ids)))
    return [_held(row) for row in connection.execute(query.order_by(stream_table.c.origin, stream_table.c.audience))]


def stream_names(connection: Connection, ids: Collection[int] | None = None) -> dict[int, StreamName]:
    """Return the name of every stream, or of those with these ids, by its id."""
    query = select(stream_table.c.id, stream_table.c.origin, stream_table.c.audience)
    if ids is not None:
        query = query.where(stream_table.c.id.in_(list(ids)))
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


def move(transaction: Transaction, moves: Sequence[tuple[Held, int, Part]]) -> None:
    """Move streams, each from the size that was read to the end of its part.

    Raises StoreBusyError (the whole work is redone) when somebody else moved one, which only a store whose lock does
    not lock allows. A received stream is sealed as far as it goes: each slice ends at a checkpoint.
    """
    rows = [
        (part.size, part.frontier, part.total_bytes, held.sealed if held.own else part.size, held.stream_id, read)
        for held, read, part in moves
    ]
    moved = transaction.connection.exec_driver_sql(for_dialect(_MOVE, transaction.dialect), rows)
    if moved.rowcount != len(rows):
        raise StoreBusyError(
            f"{', '.join(str(held.stream) for held, _, _ in moves)} moved while it was written.",
            why="another process of this home wrote at the same moment",
            action="nothing to do: it is tried again",
        )


def set_sealed(transaction: Transaction, held: Held, size: int) -> bool:
    """Move ``sealed`` of an own stream if it still stands where ``held`` read it; tell whether it did."""
    moved = transaction.connection.execute(
        update(stream_table)
        .where(stream_table.c.id == held.stream_id, stream_table.c.sealed == held.sealed, stream_table.c.size >= size)
        .values(sealed=size)
    )
    return moved.rowcount == 1


def _held(row: Any) -> Held:
    stream_id, origin, audience, own, size, sealed, total_bytes, frontier = row
    stream = StreamName(origin, audience)
    if len(frontier) != HASH_BYTES * size.bit_count():
        raise IntegrityError(
            f"The frontier of {stream} is damaged.",
            why=f"{len(frontier)} bytes do not fit {size} records",
            action="stop the node and put the newest backup of its home in place",
        )
    return Held(
        stream=stream,
        stream_id=stream_id,
        size=size,
        sealed=sealed,
        own=bool(own),
        total_bytes=total_bytes,
        frontier=bytes(frontier),
    )
