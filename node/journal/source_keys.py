"""The sources' own keys: what was delivered before, whatever door it comes through again (02, R15).

Stored in the journal's database so that a key and its record commit together. The same key with the same content is a
repetition; the same key with other content is for intake to judge.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from node.journal.statements import in_parameter, select_in_sql, upsert_sql
from node.journal.tables import source_key as table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.engine import Connection

    from node.journal.store import Transaction

RETURNED: Final = ""
"""The source of records that came back from other holders (02, R12): which of the sources had sent them is not known,
so their keys are known whoever sends them again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceKey:
    """One key of a source: the hash of the content that came under it last, and the record it became."""

    source: str
    key: str
    content_hash: bytes
    record_key: int


def lookup_many(connection: Connection, source: str, keys: Iterable[str]) -> dict[str, SourceKey]:
    """Return what is known of ``keys`` (any number) of one source, by key; unknown keys are absent."""
    wanted = dict.fromkeys(keys)
    if not wanted:
        return {}
    dialect = connection.dialect.name
    sql = select_in_sql(table, dialect, ("key", "content_hash", "record_key"), key="key", same="source")
    return {
        key: SourceKey(source=source, key=key, content_hash=bytes(content_hash), record_key=record_key)
        for key, content_hash, record_key in connection.exec_driver_sql(sql, (source, *in_parameter(dialect, wanted)))
    }


def has_returned(connection: Connection) -> bool:
    """Tell whether any key is known without its source."""
    return connection.scalar(select(table.c.key).where(table.c.source == RETURNED).limit(1)) is not None


def remember_many(transaction: Transaction, known: Iterable[SourceKey]) -> None:
    """Store keys, or replace what they stood for; to be called in the transaction that appends the records."""
    rows = sorted((one.source, one.key, one.content_hash, one.record_key) for one in known)
    if rows:
        statement = upsert_sql(table, transaction.dialect, put=("content_hash", "record_key"))
        transaction.connection.exec_driver_sql(statement, rows)
