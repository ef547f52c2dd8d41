"""Record rows: written once by the journal, read by key range, linked by case.

Only the journal calls ``insert_entries``; projections may call ``save_outcomes`` when they re-project a case, because
what a record did to its case stands in the record's own row (no history table).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from node.journal import hash_only
from node.journal.entries import pack
from node.journal.statements import for_dialect, in_parameter, insert_sql, update_sql, values_sql
from node.journal.tables import (
    HELD_BACK,
    QUARANTINED,
    REDACTED,
    moment_number,
    position_of,
    quarantine,
    record,
    record_key,
    stream_id_of,
)
from node.standard.compression import expand_record
from node.standard.families import UNKNOWN_NUMBER, record_name, record_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from node.journal.entries import Entry
    from node.journal.store import Transaction

_COLUMNS: Final = (
    "r.key, r.type_number, r.length, r.body, r.leaf, r.case_id, r.previous, r.state_after, r.flags, q.record_type"
)
# The quarantine row knows the name of a type that has no number yet; it exists for few records, so this join is cheap.
_SELECT: Final = f"SELECT {_COLUMNS} FROM record r LEFT JOIN quarantine q ON q.key = r.key"  # noqa: S608 - constants.
_COPY: Final = "COPY record FROM STDIN (FORMAT BINARY)"
_COPY_TYPES: Final = ("int8", "int2", "int4", "bytea", "bytea", "int8", "int8", "int2", "int2")
_COPY_ROWS_MIN: Final = 20
"""Rows from which PostgreSQL's COPY is faster than inserting: measured, docs/performance.md."""
_LEAVES: Final = (
    "SELECT place.column1, leaf FROM {} AS place JOIN record ON key BETWEEN place.column2 AND place.column3 "
    "ORDER BY place.column1, key"
)
"""Both stores call the columns of a list of values column1, column2 …"""
_OUTCOME: Final = ("case_id", "previous", "state_after", "flags")


@dataclass(slots=True, kw_only=True)
class StoredRecord:
    """One record as held.

    ``body`` is the exact bytes, None when redacted. ``length`` counts raw bytes. ``flags`` adds up QUARANTINED,
    HELD_BACK, REDACTED. ``previous`` is the key of the same case's record before this one.
    """

    position: int
    key: int
    stream_id: int
    record_type: str
    body: bytes | None
    leaf: bytes
    length: int
    flags: int
    case_id: int | None
    previous: int | None
    state_after: int | None


def insert_entries(transaction: Transaction, entries: Sequence[Entry], at: datetime) -> None:
    """Insert the rows of entries whose key is set, and note each that cannot be applied or came without its bytes."""
    pack(entries)
    rows = [
        (
            entry.key,
            record_number(entry.record_type),
            len(entry.body),
            entry.packed,
            entry.leaf,
            entry.case_id,
            entry.previous,
            entry.state_after,
            flags_of(entry),
        )
        for entry in entries
    ]
    _insert_rows(transaction, rows)
    without = [entry.key for entry in entries if not entry.body]
    if without:
        hash_only.note(transaction, without, at)
    set_aside = [
        (entry.key, entry.quarantine, entry.record_type, entry.detail, moment_number(at))
        for entry in entries
        if entry.quarantine
    ]
    if set_aside:
        transaction.connection.exec_driver_sql(insert_sql(quarantine, transaction.dialect), set_aside)


def save_outcomes(transaction: Transaction, entries: Iterable[Entry]) -> None:
    """Write again what projections set: ``case_id``, ``previous``, ``state_after`` and the flags of held records."""
    rows = [(*outcome_of(entry), entry.key) for entry in entries]
    if rows:
        transaction.connection.exec_driver_sql(update_sql(record, transaction.dialect, _OUTCOME), rows)


def outcome_of(entry: Entry) -> tuple[int | None, int | None, int | None, int]:
    """Return what projections set on an entry, as its row keeps it: case, previous record, state, flags."""
    return entry.case_id, entry.previous, entry.state_after, flags_of(entry)


def flags_of(entry: Entry) -> int:
    """Return the flags of an entry's row."""
    flags = QUARANTINED if entry.quarantine else 0
    if entry.held_back:
        flags |= HELD_BACK
    return flags if entry.body else flags | REDACTED


def stored(connection: Connection, stream_id: int, first: int, last: int) -> list[StoredRecord]:
    """Return the records at positions ``first`` … ``last`` that are held, in order."""
    mark = _mark(connection)
    found = connection.exec_driver_sql(
        f"{_SELECT} WHERE r.key BETWEEN {mark} AND {mark} ORDER BY r.key",
        (record_key(stream_id, first), record_key(stream_id, last)),
    )
    return [_stored(row) for row in found.all()]


def bodies(connection: Connection, stream_id: int, first: int, last: int) -> list[tuple[bytes, bytes]]:
    """Return body (empty where redacted) and leaf hash of the held records at positions ``first`` … ``last``.

    Raises IntegrityError for a body that does not expand.
    """
    rows = _range(connection, "body, leaf", stream_id, first, last)
    return [(b"" if body is None else expand_record(bytes(body)), bytes(leaf)) for body, leaf in rows]


def records_at(connection: Connection, keys: Iterable[int]) -> list[StoredRecord]:
    """Return the records with these keys that are held, in the order of their keys."""
    dialect = connection.dialect.name
    among = "IN (SELECT value FROM json_each(?))" if dialect == "sqlite" else "= ANY(%s)"
    found = connection.exec_driver_sql(f"{_SELECT} WHERE r.key {among} ORDER BY r.key", in_parameter(dialect, keys))
    return [_stored(row) for row in found]


def record_at(connection: Connection, key: int) -> StoredRecord:
    """Return the record with this key; LookupError when it is not held."""
    found = records_at(connection, (key,))
    if not found:
        message = f"no record with key {key}"
        raise LookupError(message)
    return found[0]


def lengths(connection: Connection, stream_id: int, first: int, last: int) -> list[int]:
    """Return the raw lengths at positions ``first`` … ``last``; 0 where the record is redacted."""
    rows = _range(connection, "length, flags", stream_id, first, last)
    return [0 if flags & REDACTED else length for length, flags in rows]


def leaves(connection: Connection, stream_id: int, first: int, last: int) -> list[bytes]:
    """Return the leaf hashes at positions ``first`` … ``last``, 32 bytes each."""
    return [bytes(row[0]) for row in _range(connection, "leaf", stream_id, first, last)]


def leaves_many(connection: Connection, ranges: Sequence[tuple[int, int, int]]) -> list[list[bytes]]:
    """Return the leaf hashes of ranges (stream id, first, last), each as ``leaves`` does, with one statement."""
    if not ranges:
        return []
    places = [
        (number, record_key(id_, first), record_key(id_, last)) for number, (id_, first, last) in enumerate(ranges)
    ]
    statement = for_dialect(_LEAVES.format(values_sql(3, len(places))), connection.dialect.name)
    found: list[list[bytes]] = [[] for _ in ranges]
    # All at once: one by one costs twice as much.
    for number, leaf in connection.exec_driver_sql(statement, tuple(part for place in places for part in place)).all():
        found[number].append(bytes(leaf))
    return found


def weights(connection: Connection, stream_id: int, first: int, last: int) -> list[tuple[int, bytes]]:
    """Return raw length and leaf hash at positions ``first`` … ``last``."""
    return [(length, bytes(leaf)) for length, leaf in _range(connection, "length, leaf", stream_id, first, last)]


def bytes_between(connection: Connection, stream_id: int, first: int, last: int) -> int:
    """Return the sum of the raw lengths at positions ``first`` … ``last``."""
    query = select(func.coalesce(func.sum(record.c.length), 0)).where(
        record.c.key.between(record_key(stream_id, first), record_key(stream_id, last))
    )
    return int(connection.scalar(query) or 0)


def history(connection: Connection, case_id: int, last: int | None = None) -> list[StoredRecord]:
    """Return a case's records, oldest first.

    With ``last``, the key of the case's newest record (the case row holds it), this walks back by primary key. Without
    it all records of the node are read for the case: for checks only.
    """
    mark = _mark(connection)
    if last is None:
        found = connection.exec_driver_sql(f"{_SELECT} WHERE r.case_id = {mark} ORDER BY r.key", (case_id,))
        return [_stored(row) for row in found]
    # UNION and not UNION ALL: a chain that some fault had closed into a ring must not run for ever.
    walk = (
        f"WITH RECURSIVE walk(key, previous) AS ("  # noqa: S608 - constants only.
        f"SELECT key, previous FROM record WHERE key = {mark} "
        f"UNION SELECT r.key, r.previous FROM record r JOIN walk ON r.key = walk.previous) "
        f"{_SELECT} JOIN walk ON walk.key = r.key WHERE r.case_id = {mark} ORDER BY r.key"
    )
    return [_stored(row) for row in connection.exec_driver_sql(walk, (last, case_id))]


def _insert_rows(transaction: Transaction, rows: list[tuple[Any, ...]]) -> None:
    if transaction.dialect == "sqlite" or len(rows) < _COPY_ROWS_MIN:
        transaction.connection.exec_driver_sql(insert_sql(record, transaction.dialect), rows)
        return
    driver: Any = transaction.connection.connection.driver_connection
    driver_error = transaction.connection.dialect.loaded_dbapi.Error
    try:
        with driver.cursor() as cursor, cursor.copy(_COPY) as copy:
            copy.set_types(_COPY_TYPES)
            for row in rows:
                copy.write_row(row)
    except driver_error as error:
        # The store explains failures that come wrapped by SQLAlchemy; this one went past it.
        raise DBAPIError(_COPY, None, error) from error


def _range(connection: Connection, columns: str, stream_id: int, first: int, last: int) -> Sequence[Any]:
    mark = _mark(connection)
    found = connection.exec_driver_sql(
        f"SELECT {columns} FROM record WHERE key BETWEEN {mark} AND {mark} ORDER BY key",  # noqa: S608 - constants.
        (record_key(stream_id, first), record_key(stream_id, last)),
    )
    # All at once: one by one costs twice as much.
    return found.all()


def _stored(row: Any) -> StoredRecord:
    key, number, length, body, leaf, case_id, previous, state_after, flags, unknown_type = row
    return StoredRecord(
        position=position_of(key),
        key=key,
        stream_id=stream_id_of(key),
        record_type=unknown_type or "" if number == UNKNOWN_NUMBER else record_name(number),
        body=None if body is None else expand_record(bytes(body)),
        leaf=bytes(leaf),
        length=length,
        flags=flags,
        case_id=case_id,
        previous=previous,
        state_after=state_after,
    )


def _mark(connection: Connection) -> str:
    return "?" if connection.dialect.name == "sqlite" else "%s"
