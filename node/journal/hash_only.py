"""Records of which only the leaf hash is held (02, R15): redacted ones, and such as wait for their Redaction.

A record whose bytes are not here is *redacted* when the Redaction that took them is held, and *awaited* until then: its
origin's Redaction may be on its way, or whoever brought it kept the bytes back. Bytes of an awaited record are taken
whenever somebody brings them (``node.journal.erasing``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Integer, delete, func, literal, select

from node.journal.statements import insert_sql, upsert_sql
from node.journal.tables import POSITION_BITS, moment_number, position_of, record_key
from node.journal.tables import hash_only as table

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy import ColumnElement
    from sqlalchemy.engine import Connection

    from node.journal.store import Transaction

# Asked of every package: a plain statement.
_ANY: Final = "SELECT 1 FROM hash_only LIMIT 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class HashOnly:
    """One record without its bytes, since when; ``redaction`` is the key of its Redaction, None while it is awaited."""

    key: int
    since: datetime
    redaction: int | None
    case_no: str | None

    @property
    def position(self) -> int:
        """The record's position in its stream."""
        return position_of(self.key)


def note(transaction: Transaction, keys: Iterable[int], at: datetime) -> None:
    """Note records that came without their bytes: they are awaited."""
    rows = [(key, moment_number(at), None, None) for key in keys]
    transaction.connection.exec_driver_sql(insert_sql(table, transaction.dialect), rows)


def save_redacted(transaction: Transaction, key: int, *, redaction: int, case_no: str | None, at: datetime) -> None:
    """Note that the Redaction with the key ``redaction`` took the bytes of a record, or would have."""
    statement = upsert_sql(table, transaction.dialect, put=("redaction", "case_no"))
    transaction.connection.exec_driver_sql(statement, (key, moment_number(at), redaction, case_no))


def forget(transaction: Transaction, keys: Iterable[int]) -> None:
    """Forget records whose bytes are here now."""
    transaction.connection.execute(delete(table).where(table.c.record_key.in_(list(keys))))


def at_key(connection: Connection, key: int) -> HashOnly | None:
    """Return the record with this key if its bytes are not here, else None."""
    row = connection.execute(select(table).where(table.c.record_key == key)).first()
    return None if row is None else _read(row)


def are_there(connection: Connection) -> bool:
    """Tell whether any record is held by its leaf hash alone: in most nodes none is."""
    return connection.exec_driver_sql(_ANY).first() is not None


def among(connection: Connection, stream_id: int, first: int, last: int) -> dict[int, HashOnly]:
    """Return the records without bytes at positions ``first`` … ``last`` of a stream, by position."""
    keys = table.c.record_key.between(record_key(stream_id, first), record_key(stream_id, last))
    found = map(_read, connection.execute(select(table).where(keys)))
    return {one.position: one for one in found}


def of_case(connection: Connection, stream_id: int, case_no: str) -> list[HashOnly]:
    """Return the redacted records of a case, as their Redactions name it, oldest position first."""
    chosen = (table.c.case_no == case_no, *_in_stream(stream_id))
    return [_read(row) for row in connection.execute(select(table).where(*chosen).order_by(table.c.record_key))]


def first_awaited(connection: Connection, stream_id: int) -> int | None:
    """Return the key of the first awaited record of a stream, None when there is none."""
    query = select(func.min(table.c.record_key)).where(table.c.redaction.is_(None), *_in_stream(stream_id))
    first: int | None = connection.scalar(query)
    return first


def is_redacted_across(connection: Connection, stream_id: int, key: int) -> bool:
    """Tell whether a record of the stream before ``key`` was redacted by a Redaction that stands behind ``key``."""
    query = select(table.c.record_key).where(
        table.c.record_key.between(record_key(stream_id, 0), key - 1), table.c.redaction > key
    )
    return connection.execute(query.limit(1)).first() is not None


def awaited_since(connection: Connection, before: datetime) -> list[tuple[int, int]]:
    """Return, for each stream with records that are awaited since before a time, the key of the first and how many."""
    query = select(func.min(table.c.record_key), func.count()).where(
        table.c.redaction.is_(None), table.c.since < before
    )
    found = connection.execute(query.group_by(table.c.record_key.bitwise_rshift(literal(POSITION_BITS, Integer()))))
    return sorted((first, count) for first, count in found)


def redacted_keys(connection: Connection) -> list[int]:
    """Return the keys of all redacted records, smallest first."""
    query = select(table.c.record_key).where(table.c.redaction.is_not(None)).order_by(table.c.record_key)
    return list(connection.execute(query).scalars())


def counts(connection: Connection) -> tuple[int, int]:
    """Return how many records are redacted, and how many are awaited."""
    redacted, total = connection.execute(select(func.count(table.c.redaction), func.count())).one()
    return redacted, total - redacted


def _in_stream(stream_id: int) -> tuple[ColumnElement[bool], ...]:
    return (table.c.record_key.between(record_key(stream_id, 0), record_key(stream_id + 1, 0) - 1),)


def _read(row: Any) -> HashOnly:
    return HashOnly(key=row.record_key, since=row.since, redaction=row.redaction, case_no=row.case_no)
