"""Alarms: what this node must tell people and its ancestors, each once.

An alarm is kept under a key made of its cause, so raising it again changes nothing. Writing the ``Alarm`` record is a
job's work: alarms are often raised inside a transaction that must not append.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import func, select, update

from node.journal.statements import insert_sql
from node.journal.tables import alarm as table
from node.journal.tables import moment_number
from node.standard.seals import StreamName

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from node.journal.store import Transaction

LISTED_MAX: Final = 1000
_COLUMNS: Final = ("key", "kind", "stream", "subject", "text", "raised_at", "recorded")


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """An alarm of this node; ``raised_at`` is None when it was raised where no clock is at hand."""

    key: str
    kind: str
    subject: str
    text: str
    stream: StreamName | None
    raised_at: datetime | None
    recorded: bool


def raise_alarm(
    transaction: Transaction,
    kind: str,
    subject: str,
    text: str,
    stream: StreamName | None = None,
    *,
    raised_at: datetime | None = None,
) -> bool:
    """Raise an alarm and tell whether it is new; the same kind, stream and subject are the same alarm.

    ``kind`` is a constant word, ``subject`` names the thing (no personal data), ``text`` says what was found.
    """
    name = None if stream is None else str(stream)
    moment = None if raised_at is None else moment_number(raised_at)
    row = (_key(kind, name, subject), kind, name, subject, text, moment, False)
    statement = insert_sql(table, transaction.dialect, _COLUMNS, ignore=True)
    return transaction.connection.exec_driver_sql(statement, row).rowcount == 1


def is_raised(connection: Connection, kind: str, subject: str, stream: StreamName | None = None) -> bool:
    """Tell whether an alarm stands, for jobs that would write nothing new."""
    key = _key(kind, None if stream is None else str(stream), subject)
    return connection.execute(select(table.c.key).where(table.c.key == key)).first() is not None


def alarms(connection: Connection, *, recorded: bool | None = None, limit: int = LISTED_MAX) -> list[Alarm]:
    """Return alarms by key, ``limit`` at most; ``recorded`` picks those with or without their record."""
    query = select(table).order_by(table.c.key).limit(limit)
    if recorded is not None:
        query = query.where(table.c.recorded == recorded)
    return [
        Alarm(
            key=row.key,
            kind=row.kind,
            subject=row.subject,
            text=row.text,
            stream=None if row.stream is None else StreamName.parse(row.stream),
            raised_at=row.raised_at,
            recorded=bool(row.recorded),
        )
        for row in connection.execute(query)
    ]


def count_alarms(connection: Connection) -> int:
    """Return how many alarms there are."""
    return connection.scalar(select(func.count()).select_from(table)) or 0


def mark_recorded(transaction: Transaction, keys: Iterable[str]) -> None:
    """Say that the ``Alarm`` records of these alarms are written; to be called in the same transaction."""
    transaction.connection.execute(update(table).where(table.c.key.in_(list(keys))).values(recorded=True))


def _key(kind: str, stream: str | None, subject: str) -> str:
    return "|".join((kind, stream or "", subject))
