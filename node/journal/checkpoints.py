"""Checkpoints of every stream: held ones (at most at the held size) and announced ones (beyond it).

Per stream and size one checkpoint is kept, the one sealed last: the daily re-sign replaces its predecessor. All have
the root that the stream had at that size; one with another root is evidence of a fork and never stored here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete

from node.journal import holdings
from node.journal.forks import keep_fork
from node.journal.statements import for_dialect, in_parameter, values_sql
from node.journal.tables import checkpoint as table
from node.journal.tables import moment_number, moment_of
from node.standard.seals import Checkpoint, StreamName

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from sqlalchemy.engine import Connection

    from node.journal.cutting import Standing
    from node.journal.holdings import Held
    from node.journal.store import Transaction

_SAVE: Final = """
INSERT INTO checkpoint (stream_id, size, root, sealed_at, signer, signature, bytes) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (stream_id, size) DO UPDATE SET
signer = CASE WHEN excluded.sealed_at > checkpoint.sealed_at THEN excluded.signer ELSE checkpoint.signer END,
signature = CASE WHEN excluded.sealed_at > checkpoint.sealed_at THEN excluded.signature ELSE checkpoint.signature END,
sealed_at = CASE WHEN excluded.sealed_at > checkpoint.sealed_at THEN excluded.sealed_at ELSE checkpoint.sealed_at END,
bytes = coalesce(checkpoint.bytes, excluded.bytes)
"""
_BEYOND: Final = (
    "SELECT size, root, sealed_at, signer, signature FROM checkpoint WHERE stream_id = ? AND size > ? ORDER BY size"
)
_BEYOND_HELD: Final = {
    dialect: "SELECT stream_id, checkpoint.size, root, sealed_at, signer, signature FROM stream JOIN checkpoint "  # noqa: S608
    f"ON stream_id = stream.id AND checkpoint.size > stream.size WHERE stream.id {among} ORDER BY checkpoint.size"
    for dialect, among in (("sqlite", "IN (SELECT value FROM json_each(?))"), ("postgresql", "= ANY(%s)"))
}
_HELD: Final = (
    "SELECT checkpoint.size, root, sealed_at, signer, signature FROM stream JOIN checkpoint ON stream_id = stream.id "
    "AND checkpoint.size <= stream.size WHERE origin = ? AND audience = ?"
)
_NEWEST: Final = f"{_HELD} ORDER BY checkpoint.size DESC LIMIT 1"
_BETWEEN: Final = f"{_HELD} AND checkpoint.size > ? AND checkpoint.size <= ? ORDER BY checkpoint.size LIMIT ?"
_AT: Final = """
SELECT origin, audience, checkpoint.size, root, sealed_at, signer, signature FROM {} AS place
JOIN stream ON origin = place.column1 AND audience = place.column2
JOIN checkpoint ON stream_id = stream.id AND checkpoint.size = place.column3
"""
"""Both stores call the columns of a list of values column1, column2 …"""
_PLACES_MAX: Final = 200
"""Places looked up with one statement: below every store's limit on parameters."""
ANNOUNCED_MAX: Final = 1000
"""Announced checkpoints kept per stream (02, R19); our choice: half a million records ahead at 500 each."""


def save(
    transaction: Transaction, held: Held, checkpoints: Iterable[Checkpoint], *, total_bytes: Mapping[int, int]
) -> None:
    """Save checkpoints of one stream whose roots were compared with what is held.

    ``total_bytes`` gives the stream's raw bytes by size, as far as known. At one size the newest seal stays; saving
    again what is saved changes nothing.
    """
    _save_rows(transaction, _rows(held, checkpoints, total_bytes))


def _rows(held: Held, checkpoints: Iterable[Checkpoint], total_bytes: Mapping[int, int]) -> list[tuple[object, ...]]:
    return [
        (
            held.stream_id,
            one.size,
            one.root,
            moment_number(one.sealed_at),
            one.signer,
            one.signature,
            total_bytes.get(one.size),
        )
        for one in checkpoints
    ]


def _save_rows(transaction: Transaction, rows: list[tuple[object, ...]]) -> None:
    if rows:
        transaction.connection.exec_driver_sql(for_dialect(_SAVE, transaction.dialect), rows)


def settle(
    transaction: Transaction,
    said: Iterable[tuple[Held, int, Iterable[Checkpoint], Mapping[int, Standing]]],
    *,
    tree: str = "",
) -> None:
    """Save what fits: per stream, what was said of it up to a size, all in the standings, must have the root there.

    One that does not fit, validly signed as it is, is a fork (``node.journal.forks``) and is not kept here; ``tree`` is
    the tree's fingerprint. Those beyond the size are announced; beyond ANNOUNCED_MAX they are not taken: they will be
    said again.
    """
    rows = [row for one in said for row in _fitting(transaction, *one, tree)]
    _save_rows(transaction, rows)


def _fitting(
    transaction: Transaction,
    held: Held,
    size: int,
    checkpoints: Iterable[Checkpoint],
    standings: Mapping[int, Standing],
    tree: str,
) -> list[tuple[object, ...]]:
    fitting: list[Checkpoint] = []
    beyond: list[Checkpoint] = []
    for one in checkpoints:
        if one.size > size:
            beyond.append(one)
        elif standings[one.size].root == one.root:
            fitting.append(one)
        else:
            _refuse(transaction, held, one, tree)
    if beyond:
        fitting += _announce(transaction, held, size, beyond, tree)
    total_bytes = {at: found.total_bytes for at, found in standings.items() if found.total_bytes is not None}
    return _rows(held, fitting, total_bytes)


def beyond_many(connection: Connection, helds: Iterable[Held]) -> dict[int, list[Checkpoint]]:
    """Return the announced checkpoints of streams by stream id, smallest size first: those beyond what is held."""
    streams = {held.stream_id: held.stream for held in helds}
    found: dict[int, list[Checkpoint]] = {}
    dialect = connection.dialect.name
    for number, *row in connection.exec_driver_sql(_BEYOND_HELD[dialect], in_parameter(dialect, sorted(streams))):
        found.setdefault(number, []).append(_plain(streams[number], row))
    return found


def beyond(connection: Connection, held: Held) -> list[Checkpoint]:
    """Return the announced checkpoints of a stream, smallest size first: those beyond ``held.size``."""
    statement = for_dialect(_BEYOND, connection.dialect.name)
    rows = connection.exec_driver_sql(statement, (held.stream_id, held.size))
    return [_plain(held.stream, row) for row in rows]


def at(connection: Connection, stream: StreamName, size: int) -> Checkpoint | None:
    """Return the checkpoint at exactly this size, held or announced, None when there is none."""
    return at_many(connection, ((stream, size),)).get((stream, size))


def at_many(
    connection: Connection, places: Iterable[tuple[StreamName, int]]
) -> dict[tuple[StreamName, int], Checkpoint]:
    """Return the checkpoints at exactly these streams and sizes (any number), as far as there are any."""
    wanted = list(dict.fromkeys(places))
    found: dict[tuple[StreamName, int], Checkpoint] = {}
    for low in range(0, len(wanted), _PLACES_MAX):
        some = wanted[low : low + _PLACES_MAX]
        statement = for_dialect(_AT.format(values_sql(3, len(some))), connection.dialect.name)
        parameters = tuple(part for stream, size in some for part in (stream.origin, stream.audience, size))
        for origin, audience, *row in connection.exec_driver_sql(statement, parameters):
            stream = StreamName(origin, audience)
            found[stream, row[0]] = _plain(stream, row)
    return found


def newest(connection: Connection, stream: StreamName) -> Checkpoint | None:
    """Return the checkpoint with the largest size that is held whole, None when there is none."""
    statement = for_dialect(_NEWEST, connection.dialect.name)
    row = connection.exec_driver_sql(statement, (stream.origin, stream.audience)).first()
    return None if row is None else _plain(stream, row)


def between(connection: Connection, stream: StreamName, low: int, high: int, *, limit: int = 5000) -> list[Checkpoint]:
    """Return the held checkpoints with ``low`` < size <= ``high``, smallest size first, ``limit`` at most."""
    statement = for_dialect(_BETWEEN, connection.dialect.name)
    rows = connection.exec_driver_sql(statement, (stream.origin, stream.audience, low, high, limit))
    return [_plain(stream, row) for row in rows]


def announced(connection: Connection, stream: StreamName) -> list[Checkpoint]:
    """Return the checkpoints beyond what is held, smallest size first."""
    held = holdings.find(connection, stream)
    return [] if held is None else beyond(connection, held)


def newest_of_all(
    connection: Connection, streams: Collection[StreamName] | None = None
) -> dict[StreamName, Checkpoint]:
    """Return the newest held checkpoint of every stream (or of ``streams``) that has one."""
    names = holdings.stream_names(connection).values() if streams is None else streams
    found = {name: newest(connection, name) for name in names}
    return {name: checkpoint for name, checkpoint in found.items() if checkpoint is not None}


def _announce(transaction: Transaction, held: Held, size: int, said: list[Checkpoint], tree: str) -> list[Checkpoint]:
    """Return what to keep of checkpoints beyond ``size``: one root for each size, as many as there is room for."""
    announced = {one.size: one for one in beyond(transaction.connection, replace(held, size=size))}
    kept: list[Checkpoint] = []
    for one in said:
        known = announced.get(one.size)
        if known is not None and known.root != one.root:
            keep_fork(transaction, held, one, tree=tree, standing=known)
        elif known is not None or len(announced) < ANNOUNCED_MAX:
            announced[one.size] = one
            kept.append(one)
    return kept


def _refuse(transaction: Transaction, held: Held, one: Checkpoint, tree: str) -> None:
    standing = at(transaction.connection, held.stream, one.size)
    # What was announced and does not fit is the one that contradicts.
    contradicted = None if standing is not None and standing.root == one.root else standing
    keep_fork(transaction, held, one, tree=tree, standing=contradicted)
    transaction.connection.execute(
        delete(table).where(table.c.stream_id == held.stream_id, table.c.size == one.size, table.c.root == one.root)
    )


def _plain(stream: StreamName, row: Any) -> Checkpoint:
    """Return the checkpoint in a row of a plain statement, whose time is a number."""
    size, root, sealed_at, signer, signature = row
    return Checkpoint(
        stream=stream,
        size=size,
        root=bytes(root),
        sealed_at=moment_of(sealed_at),
        signer=signer,
        signature=bytes(signature),
    )
