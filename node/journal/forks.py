"""Forks (02, R7): two checkpoints that an origin validly signed and that no single stream can satisfy.

A fork stops its stream here: nothing more of it is taken until the root's ForkResolution says which checkpoint stands,
or the origin itself names the other one as abandoned (``StreamReturn``). What is held stays held. Kept is the
checkpoint that contradicts, and where it is known the first record in which the two versions differ.

An alarm tells of it, with both checkpoints as they were signed: its text can be checked with openssl, and another
holder that reads it in our ``Alarm`` record checks both signatures itself before it believes anything.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select, update

from node.journal import holdings, roots
from node.journal.alarms import raise_alarm
from node.journal.statements import insert_sql
from node.journal.tables import fork as table
from node.journal.tables import fork_resolution, moment_number
from node.standard.compression import compress_record, expand_record
from node.standard.seals import CHECKPOINT_DOMAIN, Checkpoint, StreamName, parse_time_text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from node.journal.holdings import Held
    from node.journal.store import Transaction

FORK_ALARM: Final = "fork"
"""Kind of the alarm when two signed checkpoints of one stream contradict each other."""
KEPT_MAX: Final = 100
"""Forks kept per stream (02, R19); chosen by us: one stops it."""
SIGNATURE: Final = "signature"
_TEXT: Final = re.compile(
    rf"{CHECKPOINT_DOMAIN}\ntree ([0-9a-f]{{64}})\nstream (\S+)\nsize (\d{{1,12}})\nroot ([0-9a-f]{{64}})\n"
    rf"time (\S+)\nsigner ([0-9a-f]{{64}})\n{SIGNATURE} ([A-Za-z0-9+/=]{{1,200}})(?:\n|\Z)"
)

# Asked of every package: a plain statement.
_ANY_STOPPED: Final = "SELECT 1 FROM fork WHERE resolved_at IS NULL LIMIT 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fork:
    """One fork: ``other`` contradicts what is held.

    ``position`` is the first record in which they differ, ``body`` what the other version says there; None where only
    the checkpoints are known. ``resolved_at`` is None while it stops its stream.
    """

    stream: StreamName
    other: Checkpoint
    position: int | None
    body: bytes | None
    found_at: datetime | None
    resolved_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """What the root decided: the stream goes on from ``size`` under ``root``."""

    size: int
    root: bytes


def keep_fork(
    transaction: Transaction,
    held: Held,
    other: Checkpoint,
    *,
    tree: str,
    standing: Checkpoint | None,
    at: datetime | None = None,
    position: int | None = None,
    body: bytes | None = None,
) -> bool:
    """Keep a fork, stop its stream, and raise the alarm; tell whether it is new.

    The caller has verified the signature of ``other``; ``standing`` is the checkpoint here that it contradicts, None
    when none is kept at that size. A checkpoint that the origin abandoned, or that the root decided against, is none.
    """
    connection = transaction.connection
    if _is_settled(connection, held, other):
        return False
    query = select(table.c.size).where(table.c.stream_id == held.stream_id).limit(KEPT_MAX)
    if len(connection.execute(query).all()) >= KEPT_MAX:
        return False
    row = (
        held.stream_id,
        other.size,
        other.root,
        moment_number(other.sealed_at),
        other.signer,
        other.signature,
        position,
        None if body is None else compress_record(body),
        None if at is None else moment_number(at),
    )
    names = ("stream_id", "size", "root", "sealed_at", "signer", "signature", "position", "body", "found_at")
    if connection.exec_driver_sql(insert_sql(table, transaction.dialect, names, ignore=True), row).rowcount != 1:
        return False
    raise_alarm(
        transaction,
        FORK_ALARM,
        subject=f"{held.stream} at {other.size} {other.root.hex()[:16]}",
        text=_alarm_text(held, other, standing, tree, position),
        stream=held.stream,
        raised_at=at,
    )
    return True


def is_stopped(connection: Connection, stream: StreamName) -> bool:
    """Tell whether a fork stops the stream."""
    held = holdings.find(connection, stream)
    return held is not None and bool(stopped(connection, (held.stream_id,)))


def stopped(connection: Connection, stream_ids: Iterable[int]) -> frozenset[int]:
    """Return those of these streams that a fork stops."""
    query = select(table.c.stream_id).where(table.c.stream_id.in_(list(stream_ids)), table.c.resolved_at.is_(None))
    return frozenset(connection.scalars(query))


def any_stopped(connection: Connection) -> bool:
    """Tell whether any stream is stopped: nearly never."""
    return connection.exec_driver_sql(_ANY_STOPPED).first() is not None


def forks(connection: Connection) -> list[Fork]:
    """Return every fork that is kept, by stream and size."""
    names = holdings.stream_names(connection)
    rows = connection.execute(select(table).order_by(table.c.stream_id, table.c.size, table.c.root))
    return [_fork(names[row.stream_id], row) for row in rows if row.stream_id in names]


def settle_abandoned(transaction: Transaction, held: Held, abandoned: Iterable[tuple[int, bytes]], at: datetime) -> int:
    """Close the forks whose other checkpoint the origin abandoned, and remember these; return how many it closed."""
    closed = 0
    for size, root in abandoned:
        closed += _close(transaction, held, at, table.c.size == size, table.c.root == root)
        names = ("stream_id", "size", "root", "stands")
        statement = insert_sql(fork_resolution, transaction.dialect, names, ignore=True)
        transaction.connection.exec_driver_sql(statement, (held.stream_id, size, root, False))
    return closed


def resolve(transaction: Transaction, held: Held, resolution: Resolution, at: datetime) -> int:
    """Take the root's decision on a stream and close its forks; return how many it closed."""
    names = ("stream_id", "size", "root", "stands")
    statement = insert_sql(fork_resolution, transaction.dialect, names, ignore=True)
    row = (held.stream_id, resolution.size, resolution.root, True)
    transaction.connection.exec_driver_sql(statement, row)
    return _close(transaction, held, at)


def resolutions(connection: Connection, stream: StreamName) -> list[Resolution]:
    """Return what the root decided about a stream, largest size first."""
    held = holdings.find(connection, stream)
    if held is None:
        return []
    same = (fork_resolution.c.stream_id == held.stream_id, fork_resolution.c.stands)
    query = select(fork_resolution).where(*same).order_by(fork_resolution.c.size.desc())
    return [Resolution(size=row.size, root=bytes(row.root)) for row in connection.execute(query)]


def decided_against(connection: Connection) -> frozenset[StreamName]:
    """Return the streams of which another version stands than the one held here, by the root's decision."""
    rows = connection.execute(select(fork_resolution).where(fork_resolution.c.stands)).all()
    held = (
        {one.stream_id: one for one in holdings.with_ids(connection, {row.stream_id for row in rows})} if rows else {}
    )
    return frozenset(
        held[row.stream_id].stream
        for row in rows
        if row.stream_id in held
        and row.size <= held[row.stream_id].size
        and roots.frontier_at(connection, row.stream_id, row.size).root() != bytes(row.root)
    )


def checkpoints_in(text: str, tree: str) -> list[Checkpoint]:
    """Return the checkpoints of this tree that stand in an alarm's text, as they were signed."""
    found = []
    for fingerprint, stream, size, root, sealed_at, signer, signature in _TEXT.findall(text):
        if fingerprint != tree:
            continue
        try:
            found.append(
                Checkpoint(
                    stream=StreamName.parse(stream),
                    size=int(size),
                    root=bytes.fromhex(root),
                    sealed_at=parse_time_text(sealed_at),
                    signer=signer,
                    signature=base64.b64decode(signature, validate=True),
                )
            )
        except ValueError:
            continue
    return found


def _alarm_text(held: Held, other: Checkpoint, standing: Checkpoint | None, tree: str, position: int | None) -> str:
    where = f" They differ from record {position} on." if position is not None else ""
    parts = [f"{held.stream.origin} has signed two checkpoints of {held.stream} that contradict each other.{where}\n"]
    for one in (standing, other):
        if one is not None:
            signature = base64.b64encode(one.signature).decode()
            parts.append(f"{one.text(tree).decode()}{SIGNATURE} {signature}\n")
    return "".join(parts)


def _is_settled(connection: Connection, held: Held, other: Checkpoint) -> bool:
    """Tell whether a checkpoint was abandoned, or stands against what the root decided about its size."""
    same = (fork_resolution.c.stream_id == held.stream_id, fork_resolution.c.size == other.size)
    rows = connection.execute(select(fork_resolution.c.root, fork_resolution.c.stands).where(*same)).all()
    return any(bytes(row.root) != other.root if row.stands else bytes(row.root) == other.root for row in rows)


def _close(transaction: Transaction, held: Held, at: datetime, *which: Any) -> int:
    done = transaction.connection.execute(
        update(table)
        .where(table.c.stream_id == held.stream_id, table.c.resolved_at.is_(None), *which)
        .values(resolved_at=at)
    )
    if done.rowcount:
        transaction.announce()
    return done.rowcount


def _fork(stream: StreamName, row: Any) -> Fork:
    return Fork(
        stream=stream,
        other=Checkpoint(
            stream=stream,
            size=row.size,
            root=bytes(row.root),
            sealed_at=row.sealed_at,
            signer=row.signer,
            signature=bytes(row.signature),
        ),
        position=row.position,
        body=None if row.body is None else expand_record(bytes(row.body)),
        found_at=row.found_at,
        resolved_at=row.resolved_at,
    )
