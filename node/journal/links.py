"""Link rows: one per neighbour, holding what must survive a restart of its state and its back-off (02, R13)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, insert, select, update

from node.journal.tables import link as table

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from node.journal.store import Transaction

PARENT: Final = "parent"
CHILD: Final = "child"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """The relation to one neighbour.

    ``role`` is what the neighbour is to us: ``parent`` or ``child``. ``state`` is a constant word of the exchange,
    ``since`` when it began, ``failures`` counts attempts that failed in a row, ``next_attempt_at`` is the back-off,
    ``contact_at`` the last successful contact, ``note`` the last trouble for people, ``start_id`` the neighbour
    process's start id (32 hex digits), ``clock_offset_s`` by how many seconds its clock is ahead of ours, None while
    that was not measured.
    """

    peer: str
    role: str
    state: str = "new"
    since: datetime | None = None
    failures: int = 0
    next_attempt_at: datetime | None = None
    contact_at: datetime | None = None
    note: str = ""
    start_id: str | None = None
    clock_offset_s: int | None = None


_FIELDS: Final = tuple(column.name for column in table.columns)


def link_to(connection: Connection, peer: str) -> Link | None:
    """Return the link to ``peer``, None when there is none."""
    row = connection.execute(select(table).where(table.c.peer == peer)).one_or_none()
    return None if row is None else _link(row)


def links(connection: Connection) -> list[Link]:
    """Return every link, by peer."""
    return [_link(row) for row in connection.execute(select(table).order_by(table.c.peer))]


def save_link(transaction: Transaction, link: Link) -> None:
    """Make the link or replace what is stored of it."""
    values = {name: getattr(link, name) for name in _FIELDS}
    found = transaction.connection.execute(update(table).where(table.c.peer == link.peer).values(**values))
    if found.rowcount == 0:
        transaction.connection.execute(insert(table).values(**values))


def drop_link(transaction: Transaction, peer: str) -> bool:
    """Forget the link and tell whether there was one; its cursors stay, they are what the neighbour holds."""
    return transaction.connection.execute(delete(table).where(table.c.peer == peer)).rowcount == 1


def _link(row: Any) -> Link:
    return Link(**{name: getattr(row, name) for name in _FIELDS})
