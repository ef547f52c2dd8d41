"""Notices: CertificateIssued records of other origins that the root has still to look at, or to look at again.

The projection notes each when it arrives; ``repeating`` looks at it. What was not repeated waits, until something that
may have stood against it changes: the tree (by any record of ``trust``) or the published divisions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, select, update

from node.journal.statements import upsert_sql
from node.trust.tables import certificate_notice as table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection

    from node.journal.store import Transaction

LOOKED_AT_MAX: Final = 500
"""Records that one call looks at: a whole province in one transaction, and a bound."""


def note(transaction: Transaction, key: int) -> None:
    """Note that the record with this key is to be looked at, whatever was said of it before."""
    transaction.connection.exec_driver_sql(upsert_sql(table, transaction.dialect, put=("waiting_for",)), (key, None))


def fresh(connection: Connection) -> Sequence[int]:
    """Return the keys of the records to be looked at now, oldest first."""
    query = select(table.c.record_key).where(table.c.waiting_for.is_(None))
    return connection.execute(query.order_by(table.c.record_key).limit(LOOKED_AT_MAX)).scalars().all()


def put_away(transaction: Transaction, keys: Sequence[int]) -> None:
    """Forget notices that are settled."""
    if keys:
        transaction.connection.execute(delete(table).where(table.c.record_key.in_(keys)))


def wait(transaction: Transaction, key: int, issuer: str) -> None:
    """Let a record of ``issuer`` that was not repeated wait."""
    transaction.connection.execute(update(table).where(table.c.record_key == key).values(waiting_for=issuer))


def wake(transaction: Transaction) -> None:
    """Have every record that waits looked at again."""
    transaction.connection.execute(update(table).where(table.c.waiting_for.is_not(None)).values(waiting_for=None))
