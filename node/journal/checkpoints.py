"""Checkpoints of every stream: held ones (at most at the held size) and announced ones (beyond it).

Per stream and size one checkpoint is kept, the one sealed last: the daily re-sign replaces its predecessor. All have
the root that the stream had at that size; one with another root is evidence of a fork and never stored here.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, insert, select, update

from node.journal import holdings
from node.journal.alarms import raise_alarm
from node.journal.tables import checkpoint as table
from node.journal.tables import stream as stream_table
from node.standard.seals import Checkpoint, StreamName, time_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from sqlalchemy import Select
    from sqlalchemy.engine import Connection

    from node.journal.cutting import Standing
    from node.journal.store import Transaction

FORK_ALARM: Final = "fork"
"""Kind of the alarm when two signed checkpoints of one stream contradict each other (02, R7)."""
ANNOUNCED_MAX: Final = 1000
"""Announced checkpoints kept per stream (02, R19); our choice: half a million records ahead at 500 each."""


def save(transaction: Transaction, checkpoints: Iterable[Checkpoint], *, total_bytes: Mapping[int, int]) -> None:
    """Save checkpoints of streams that exist, whose roots were compared with what is held.

    ``total_bytes`` gives the stream's raw bytes by size, as far as known. At one size the newest seal stays; saving
    again what is saved changes nothing.
    """
    for checkpoint in checkpoints:
        held = holdings.known(transaction.connection, checkpoint.stream)
        present = transaction.connection.execute(
            select(table.c.sealed_at, table.c.bytes).where(
                table.c.stream_id == held.stream_id, table.c.size == checkpoint.size
            )
        ).one_or_none()
        values: dict[str, Any] = {
            "root": checkpoint.root,
            "sealed_at": checkpoint.sealed_at,
            "signer": checkpoint.signer,
            "signature": checkpoint.signature,
        }
        key = {"stream_id": held.stream_id, "size": checkpoint.size}
        known_bytes = total_bytes.get(checkpoint.size)
        if present is None:
            transaction.connection.execute(insert(table).values(**key, **values, bytes=known_bytes))
            continue
        if present.sealed_at >= checkpoint.sealed_at:
            values = {}
        if known_bytes is not None and present.bytes is None:
            values["bytes"] = known_bytes
        if values:
            transaction.connection.execute(update(table).filter_by(**key).values(**values))


def settle(
    transaction: Transaction,
    stream: StreamName,
    checkpoints: Iterable[Checkpoint],
    standings: Mapping[int, Standing],
) -> None:
    """Save what fits: checkpoints at sizes in ``standings`` must have the root there, others are announced.

    One that does not fit, validly signed as it is, raises a fork alarm with its whole text and signature, and is not
    kept. Announced ones beyond ANNOUNCED_MAX are not taken: they will be said again.
    """
    held = holdings.known(transaction.connection, stream)
    room = ANNOUNCED_MAX - len(announced(transaction.connection, stream))
    fitting = []
    for one in checkpoints:
        standing = standings.get(one.size)
        if standing is not None and standing.root != one.root:
            _alarm(transaction, one, standing.root)
            transaction.connection.execute(
                delete(table).where(
                    table.c.stream_id == held.stream_id, table.c.size == one.size, table.c.root != standing.root
                )
            )
        elif standing is not None:
            fitting.append(one)
        elif room > 0 and not _contradicts(transaction, one):
            fitting.append(one)
            room -= 1
    total_bytes = {size: found.total_bytes for size, found in standings.items() if found.total_bytes is not None}
    save(transaction, fitting, total_bytes=total_bytes)


def at(connection: Connection, stream: StreamName, size: int) -> Checkpoint | None:
    """Return the checkpoint at exactly this size, held or announced, None when there is none."""
    return _first(connection, _query(stream).where(table.c.size == size))


def newest(connection: Connection, stream: StreamName) -> Checkpoint | None:
    """Return the checkpoint with the largest size that is held whole, None when there is none."""
    query = _query(stream).where(table.c.size <= stream_table.c.size).order_by(table.c.size.desc()).limit(1)
    return _first(connection, query)


def between(connection: Connection, stream: StreamName, low: int, high: int, *, limit: int = 5000) -> list[Checkpoint]:
    """Return the held checkpoints with ``low`` < size <= ``high``, smallest size first, ``limit`` at most."""
    query = _query(stream).where(table.c.size > low, table.c.size <= high, table.c.size <= stream_table.c.size)
    return [_checkpoint(row) for row in connection.execute(query.order_by(table.c.size).limit(limit))]


def announced(connection: Connection, stream: StreamName) -> list[Checkpoint]:
    """Return the checkpoints beyond what is held, smallest size first."""
    query = _query(stream).where(table.c.size > stream_table.c.size).order_by(table.c.size)
    return [_checkpoint(row) for row in connection.execute(query)]


def newest_of_all(
    connection: Connection, streams: Collection[StreamName] | None = None
) -> dict[StreamName, Checkpoint]:
    """Return the newest held checkpoint of every stream (or of ``streams``) that has one."""
    names = holdings.stream_names(connection).values() if streams is None else streams
    found = {name: newest(connection, name) for name in names}
    return {name: checkpoint for name, checkpoint in found.items() if checkpoint is not None}


def _contradicts(transaction: Transaction, one: Checkpoint) -> bool:
    """Tell, with an alarm, whether another root was announced for the same size."""
    present = at(transaction.connection, one.stream, one.size)
    if present is None or present.root == one.root:
        return False
    _alarm(transaction, one, present.root)
    return True


def _alarm(transaction: Transaction, one: Checkpoint, root: bytes) -> None:
    raise_alarm(
        transaction,
        FORK_ALARM,
        subject=f"{one.stream} at {one.size}",
        text=(
            f"held root {root.hex()}; signed root {one.root.hex()} sealed {time_text(one.sealed_at)} "
            f"signer {one.signer} signature {base64.b64encode(one.signature).decode()}"
        ),
        stream=one.stream,
    )


def _query(stream: StreamName) -> Select[Any]:
    return (
        select(table, stream_table.c.origin, stream_table.c.audience)
        .join(stream_table, stream_table.c.id == table.c.stream_id)
        .where(stream_table.c.origin == stream.origin, stream_table.c.audience == stream.audience)
    )


def _first(connection: Connection, query: Select[Any]) -> Checkpoint | None:
    row = connection.execute(query).first()
    return None if row is None else _checkpoint(row)


def _checkpoint(row: Any) -> Checkpoint:
    return Checkpoint(
        stream=StreamName(row.origin, row.audience),
        size=row.size,
        root=bytes(row.root),
        sealed_at=row.sealed_at,
        signer=row.signer,
        signature=bytes(row.signature),
    )
