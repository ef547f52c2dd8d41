"""Stored answers: a request that is sent again under the same Idempotency-Key gets the answer of the first time.

The answer is stored in the transaction that appends the records, so it exists exactly if they do. Bounded: answers are
kept for seven days, and the newest 100,000 of them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, func, insert, or_, select

from node.departments.stored_bytes import pressed, unpressed
from node.departments.tables import stored_answer as table

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from node.journal.store import Transaction

RETENTION: Final = timedelta(days=7)
"""Longer than any sender's retries that we know of; our own choice."""
ANSWERS_MAX: Final = 100_000
KEY_LENGTH_MAX: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestKey:
    """What names a request: the source, the key that it chose, and SHA-256 of the request's type and body."""

    source: str
    key: str
    body_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    """An answer given before; ``same_body`` is False when the key came with another body then."""

    answer: bytes
    same_body: bool


def body_hash_of(content_type: str, body: bytes) -> bytes:
    """Return the hash by which two requests are the same."""
    return hashlib.sha256(content_type.encode() + b"\0" + body).digest()


def find_answer(connection: Connection, request: RequestKey) -> StoredAnswer | None:
    """Return the stored answer of a request's key, None when there is none."""
    row = connection.execute(
        select(table.c.body_hash, table.c.answer).where(table.c.source == request.source, table.c.key == request.key)
    ).first()
    if row is None:
        return None
    return StoredAnswer(answer=unpressed(row.answer), same_body=bytes(row.body_hash) == request.body_hash)


def store_answer(transaction: Transaction, request: RequestKey, answer: bytes, *, at: datetime) -> None:
    """Store a request's answer, and drop what is too old or too many. The key must not be stored yet."""
    connection = transaction.connection
    connection.execute(
        insert(table).values(
            source=request.source,
            key=request.key,
            body_hash=request.body_hash,
            answer=pressed(answer),
            answered_at=at,
        )
    )
    newest = connection.scalar(select(func.max(table.c.number))) or 0
    connection.execute(
        delete(table).where(or_(table.c.answered_at < at - RETENTION, table.c.number <= newest - ANSWERS_MAX))
    )
