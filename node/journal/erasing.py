"""Taking the bytes of a record away, for good, and taking bytes in that were missing (02, R15).

Erased is everything in the database that was made of the record's content: its bytes, its type, its place in a case,
what quarantine says of it, and the hash of its content under its source's key, which has no salt and so would confirm
a guess. What is left is the leaf hash, which the tree needs and which confirms nothing. Projections are handed the
record as one that says nothing; they repair the case as for any record that turns out to belong elsewhere.

SQLite leaves deleted content in its file until the place is needed again. ``overwriting`` makes it write zeros there.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, insert, update

from node.journal import hash_only
from node.journal.entries import Batch, Entry, pack
from node.journal.records import flags_of
from node.journal.tables import REDACTED, quarantine, record, source_key
from node.standard.families import UNKNOWN_NUMBER, record_number

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from node.journal.entries import Projection
    from node.journal.holdings import Held
    from node.journal.records import StoredRecord
    from node.journal.store import Transaction

ERASED_HASH: Final = b""
"""What stands for the content hash of a source's key whose record was redacted."""


def erase(
    transaction: Transaction,
    projections: Sequence[Projection],
    batch: Batch,
    target: StoredRecord,
    *,
    redaction: int,
    case_no: str | None,
    at: datetime,
) -> None:
    """Take the bytes of ``target`` away because the Redaction with the key ``redaction`` says so.

    ``batch`` is the one of the Redaction, whose stream is the record's too; ``case_no`` is what it names. A record
    whose bytes are not here already is only noted.
    """
    hash_only.save_redacted(transaction, target.key, redaction=redaction, case_no=case_no, at=at)
    if target.body is None:
        return
    with overwriting(transaction):
        connection = transaction.connection
        connection.execute(
            update(record)
            .where(record.c.key == target.key)
            .values(body=None, type_number=UNKNOWN_NUMBER, flags=REDACTED, state_after=None)
        )
        connection.execute(delete(quarantine).where(quarantine.c.key == target.key))
        if batch.own:
            known = update(source_key).where(source_key.c.record_key == target.key)
            connection.execute(known.values(content_hash=ERASED_HASH))
        entry = Entry(
            record_type="",
            body=b"",
            leaf=target.leaf,
            key=target.key,
            position=target.position,
            case_id=target.case_id,
            previous=target.previous,
        )
        _hand_over(transaction, projections, batch, [entry])


def fill(
    transaction: Transaction, projections: Sequence[Projection], held: Held, found: Sequence[Entry], *, at: datetime
) -> int:
    """Take in bytes of awaited records of one stream, whose leaf hashes the caller has compared; return how many.

    ``found`` have been read like records of a slice: one that cannot be applied is quarantined. Those that are not
    awaited any more are left alone.
    """
    first, last = min(one.position for one in found), max(one.position for one in found)
    missing = hash_only.among(transaction.connection, held.stream_id, first, last)
    entries = [one for one in found if one.position in missing and missing[one.position].redaction is None]
    pack(entries)
    for entry in entries:
        entry.key = missing[entry.position].key
        transaction.connection.execute(
            update(record)
            .where(record.c.key == entry.key)
            .values(
                body=entry.packed,
                length=len(entry.body),
                type_number=record_number(entry.record_type),
                flags=flags_of(entry),
            )
        )
    hash_only.forget(transaction, [entry.key for entry in entries])
    _set_aside(transaction, entries, at)
    if entries:
        _hand_over(transaction, projections, held, entries)
        transaction.announce()
    return len(entries)


@contextmanager
def overwriting(transaction: Transaction) -> Iterator[None]:
    """Let SQLite overwrite with zeros what is deleted meanwhile; PostgreSQL cannot (docs/how-to/redact.md)."""
    if transaction.dialect != "sqlite":
        yield
        return
    connection = transaction.connection
    before = connection.exec_driver_sql("PRAGMA secure_delete").scalar()
    connection.exec_driver_sql("PRAGMA secure_delete = ON").close()
    try:
        yield
    finally:
        connection.exec_driver_sql(f"PRAGMA secure_delete = {int(before or 0)}").close()


def _set_aside(transaction: Transaction, entries: Sequence[Entry], at: datetime) -> None:
    rows = [
        {
            "key": entry.key,
            "reason": entry.quarantine,
            "record_type": entry.record_type,
            "detail": entry.detail,
            "quarantined_at": at,
        }
        for entry in entries
        if entry.quarantine
    ]
    if rows:
        transaction.connection.execute(insert(quarantine), rows)


def _hand_over(
    transaction: Transaction, projections: Sequence[Projection], place: Batch | Held, entries: list[Entry]
) -> None:
    batch = Batch(
        stream=place.stream,
        stream_id=place.stream_id,
        own=place.own,
        entries=entries,
        first=entries[0].position,
        last=entries[-1].position,
    )
    for projection in projections:
        projection.requeued(transaction, batch)
