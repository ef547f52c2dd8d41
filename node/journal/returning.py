"""Coming back (02, R12): an own stream takes again what others hold of it, and sets aside what contradicts that.

Only a node in doubt does this. A holder never shortens a stream by itself, only when the root has decided that another
version of it stands (02, R7); its origin may, as long as nobody else holds the tail that goes: whoever holds it would
have said so. What goes is given to the doors record by record, which offer it to
intake again; whatever was derived from it goes with a rebuild of the projections. The checkpoints that were signed over
it are told to everybody as abandoned (``StreamReturn``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

from sqlalchemy import delete, select, update

from node.journal import checkpoints, records, replay, roots
from node.journal.doubt import ABANDONED_MAX
from node.journal.merkle import TILE_BITS
from node.journal.source_keys import SourceKey
from node.journal.tables import arrival, checkpoint, cursor, quarantine, receipt, record, record_key, source_key, tile
from node.journal.tables import stream as stream_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy.engine import Connection

    from node.journal.entries import Entry, Projection
    from node.journal.holdings import Held
    from node.journal.records import StoredRecord
    from node.journal.store import Transaction
    from node.standard.seals import Checkpoint, StreamName

READ_RECORDS: Final = 500
"""Records that are set aside at a time: as in a package, so that memory stays flat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAside:
    """A record that left its stream, with the source key under which it had come, None where it had none."""

    stream: StreamName
    record: StoredRecord
    known_as: SourceKey | None


class Comeback(Protocol):
    """What the doors do with records that leave an own stream or come back to it (``node.departments.returned``)."""

    def set_aside(self, transaction: Transaction, records: Sequence[SetAside]) -> None:
        """Keep records that leave their stream, to offer them again."""

    def adopted(self, transaction: Transaction, entries: Sequence[Entry]) -> None:
        """Learn what the doors had known of records that come back: their keys, and the numbers they used."""


class NoDoors:
    """A ``Comeback`` for a node without doors: records of its own that leave are gone."""

    def set_aside(self, transaction: Transaction, records: Sequence[SetAside]) -> None:
        """Keep nothing."""

    def adopted(self, transaction: Transaction, entries: Sequence[Entry]) -> None:
        """Learn nothing."""


def common_size(connection: Connection, held: Held, first: int, leaves: Sequence[bytes]) -> int:
    """Return up to which position the held records agree with ``leaves``, which begin at position ``first``.

    ``first`` is at most the held size plus one.
    """
    ours = records.leaves(connection, held.stream_id, first, min(held.size, first + len(leaves) - 1))
    equal = 0
    for mine, theirs in zip(ours, leaves, strict=False):
        if mine != theirs:
            break
        equal += 1
    return first - 1 + equal


def cut_back(
    transaction: Transaction,
    held: Held,
    size: int,
    projections: Sequence[Projection],
    comeback: Comeback,
) -> tuple[Held, tuple[Checkpoint, ...]]:
    """Shorten a stream to ``size`` records; return how it stands then, and the checkpoints that go with its tail.

    Every record of an own stream's tail is given to ``comeback`` before it goes. Projections are rebuilt from the rest.
    """
    connection = transaction.connection
    abandoned = checkpoints.between(connection, held.stream, size, held.size, limit=ABANDONED_MAX)
    gone_bytes = records.bytes_between(connection, held.stream_id, size + 1, held.size)
    for some in _tail(connection, held, size):
        if held.own:
            comeback.set_aside(transaction, some)
    frontier = roots.frontier_at(connection, held.stream_id, size)
    _drop_tail(connection, held, size)
    shortened = replace(
        held,
        size=size,
        sealed=min(held.sealed, size),
        total_bytes=held.total_bytes - gone_bytes,
        frontier=frontier.to_bytes(),
    )
    connection.execute(
        update(stream_table)
        .where(stream_table.c.id == held.stream_id)
        .values(size=size, sealed=shortened.sealed, bytes=shortened.total_bytes, frontier=shortened.frontier)
    )
    replay.rebuild(transaction, projections)
    return shortened, tuple(abandoned)


def _tail(connection: Connection, held: Held, size: int) -> Iterator[list[SetAside]]:
    for first in range(size + 1, held.size + 1, READ_RECORDS):
        stored = records.stored(connection, held.stream_id, first, min(first + READ_RECORDS - 1, held.size))
        known = _source_keys(connection, [one.key for one in stored])
        yield [SetAside(stream=held.stream, record=one, known_as=known.get(one.key)) for one in stored]


def _source_keys(connection: Connection, keys: Sequence[int]) -> dict[int, SourceKey]:
    rows = connection.execute(select(source_key).where(source_key.c.record_key.in_(keys)))
    return {
        row.record_key: SourceKey(
            source=row.source, key=row.key, content_hash=bytes(row.content_hash), record_key=row.record_key
        )
        for row in rows
    }


def _drop_tail(connection: Connection, held: Held, size: int) -> None:
    low, high = record_key(held.stream_id, size + 1), record_key(held.stream_id, held.size)
    for table, column in ((record, record.c.key), (quarantine, quarantine.c.key)):
        connection.execute(delete(table).where(column.between(low, high)))
    connection.execute(delete(source_key).where(source_key.c.record_key.between(low, high)))
    for table in (checkpoint, receipt):
        connection.execute(delete(table).where(table.c.stream_id == held.stream_id, table.c.size > size))
    _lower(connection, held, size)
    for level in range(1, max(2, (held.size.bit_length() + TILE_BITS - 1) // TILE_BITS + 1)):
        whole = size >> (TILE_BITS * level)
        connection.execute(
            delete(tile).where(tile.c.stream_id == held.stream_id, tile.c.level == level, tile.c.number >= whole)
        )


def _lower(connection: Connection, held: Held, size: int) -> None:
    """Take the tail out of the cursors and of the order of arrival."""
    of_stream: Any = cursor.c.stream_id == held.stream_id
    connection.execute(update(cursor).where(of_stream, cursor.c.size > size).values(size=size))
    arrived: Any = arrival.c.stream_id == held.stream_id
    connection.execute(delete(arrival).where(arrived, arrival.c.first > size))
    connection.execute(update(arrival).where(arrived, arrival.c.last > size).values(last=size))
