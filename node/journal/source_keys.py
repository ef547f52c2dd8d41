"""The sources' own keys: what was delivered before, whatever door it comes through again (02, R15).

Stored in the journal's database so that a key and its record commit together. The same key with the same content is a
repetition; the same key with other content is for intake to judge.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from node.journal.statements import upsert_sql
from node.journal.tables import source_key as table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.engine import Connection

    from node.journal.store import Transaction

_PARAMETERS_MAX: Final = 500
"""Keys a statement: below every store's limit on parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceKey:
    """One key of a source: the hash of the content that came under it last, and the record it became."""

    source: str
    key: str
    content_hash: bytes
    record_key: int


def lookup_many(connection: Connection, source: str, keys: Iterable[str]) -> dict[str, SourceKey]:
    """Return what is known of ``keys`` (any number) of one source, by key; unknown keys are absent."""
    wanted = list(dict.fromkeys(keys))
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    found: dict[str, SourceKey] = {}
    for low in range(0, len(wanted), _PARAMETERS_MAX):
        some = wanted[low : low + _PARAMETERS_MAX]
        marks = ", ".join([mark] * len(some))
        statement = (
            f'SELECT "key", content_hash, record_key FROM source_key '  # noqa: S608 - marks only.
            f'WHERE source = {mark} AND "key" IN ({marks})'
        )
        for key, content_hash, record_key in connection.exec_driver_sql(statement, (source, *some)):
            found[key] = SourceKey(source=source, key=key, content_hash=bytes(content_hash), record_key=record_key)
    return found


def remember_many(transaction: Transaction, known: Iterable[SourceKey]) -> None:
    """Store keys, or replace what they stood for; to be called in the transaction that appends the records."""
    rows = sorted((one.source, one.key, one.content_hash, one.record_key) for one in known)
    if rows:
        statement = upsert_sql(table, transaction.dialect, put=("content_hash", "record_key"))
        transaction.connection.exec_driver_sql(statement, rows)
