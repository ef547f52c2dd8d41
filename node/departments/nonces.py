"""Nonces of signed requests: a request that was taken once is not taken again, by whatever process of the home.

A nonce is stored in the transaction that decides about the request's records, so it costs no commit of its own, and a
request that failed for the node's own reasons may come again as it is. It is kept as long as its signature would count;
what came later than that is refused by its time alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, func, insert, select

from node.departments.tables import signature_nonce as table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from node.journal.store import Transaction

NONCES_MAX: Final = 10_000
"""Nonces of one source that are kept: about thirty signed requests a second for as long as a signature counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nonce:
    """The nonce of a signature of one source, and until when the signature counts."""

    source: str
    nonce: str
    kept_until: datetime


def is_taken(connection: Connection, nonce: Nonce) -> bool:
    """Tell whether a nonce was taken already, before the work on its request begins; ``take_nonces`` decides."""
    query = select(table.c.nonce).where(table.c.source == nonce.source, table.c.nonce == nonce.nonce)
    return connection.scalar(query) is not None


def has_room(connection: Connection, source: str, at: datetime) -> bool:
    """Tell whether one more nonce of a source can be kept."""
    kept = select(table.c.nonce).where(table.c.source == source, table.c.kept_until > at).limit(NONCES_MAX)
    return (connection.scalar(select(func.count()).select_from(kept.subquery())) or 0) < NONCES_MAX


def take_nonces(transaction: Transaction, nonces: Sequence[Nonce | None], *, at: datetime) -> list[bool]:
    """Take nonces, and tell of each whether it is new and still counts; where there is none, all is well.

    Those whose signatures count no longer are forgotten.
    """
    if not any(nonces):
        return [True] * len(nonces)
    connection = transaction.connection
    connection.execute(delete(table).where(table.c.kept_until <= at))
    return [nonce is None or _take(connection, nonce, at) for nonce in nonces]


def _take(connection: Connection, nonce: Nonce, at: datetime) -> bool:
    if nonce.kept_until <= at or is_taken(connection, nonce):
        return False
    connection.execute(insert(table).values(source=nonce.source, nonce=nonce.nonce, kept_until=nonce.kept_until))
    return True
