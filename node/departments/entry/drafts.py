"""Drafts: what clerks have typed and not handed in yet, kept in the database under their source.

Called by the pages for second entry. A draft goes with the commit of its record, by hand, or 30 days after it was last
saved; its bytes are overwritten then, because they name people. Bounded in number and bytes per source.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, func, insert, select, update

from node.departments.stored_bytes import pressed, unpressed
from node.departments.tables import draft as table
from node.errors import StateConflictError
from node.journal.erasing import overwriting

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from node.journal.store import Store, Transaction

DRAFTS_MAX: Final = 200
"""Drafts of one source. Our own choice, like every limit here: more than a window has in hand."""
BYTES_MAX: Final = 131_072
AGE_MAX: Final = timedelta(days=30)
TITLE_LENGTH_MAX: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftHead:
    """What a list shows of a draft: ``title`` is a case number, never a person."""

    id: str
    record_type: str
    title: str
    saved_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One draft: the record type of its form, and every value as it was typed, by the name of its field."""

    id: str
    record_type: str
    values: Mapping[str, str]
    title: str = ""


def save_draft(store: Store, source: str, draft: Draft, *, at: datetime) -> None:
    """Keep a draft in the place of what stands under its id; raises StateConflictError beyond the bounds."""
    filled = json.dumps(dict(draft.values), ensure_ascii=False).encode("utf-8", "surrogatepass")
    if len(filled) > BYTES_MAX:
        raise StateConflictError(
            "The draft is too long",
            why=f"it has {len(filled)} bytes, {BYTES_MAX} are kept of one",
            action="shorten its texts, or hand the record in",
        )
    store.write(lambda transaction: _save(transaction, source, draft, pressed(filled), at))


def list_drafts(connection: Connection, source: str) -> list[DraftHead]:
    """Return the drafts of a source, the last saved first."""
    columns = (table.c.id, table.c.record_type, table.c.title, table.c.saved_at)
    query = select(*columns).where(table.c.source == source).order_by(table.c.saved_at.desc(), table.c.id)
    return [
        DraftHead(id=row.id, record_type=row.record_type, title=row.title, saved_at=row.saved_at)
        for row in connection.execute(query)
    ]


def load_draft(connection: Connection, source: str, draft_id: str) -> Draft | None:
    """Return a draft of a source, None when there is none of that id."""
    row = connection.execute(select(table).where(table.c.source == source, table.c.id == draft_id)).first()
    if row is None:
        return None
    values = json.loads(unpressed(row.filled))
    return Draft(id=row.id, record_type=row.record_type, values=values, title=row.title)


def drop_draft(transaction: Transaction, source: str, draft_id: str) -> None:
    """Drop a draft, whose bytes are overwritten; nothing happens when there is none."""
    with overwriting(transaction):
        same = (table.c.source == source, table.c.id == draft_id)
        transaction.connection.execute(delete(table).where(*same))


def drop_old_drafts(transaction: Transaction, *, at: datetime) -> int:
    """Drop the drafts that nobody has saved for ``AGE_MAX``; return how many."""
    with overwriting(transaction):
        return transaction.connection.execute(delete(table).where(table.c.saved_at < at - AGE_MAX)).rowcount


def _save(transaction: Transaction, source: str, draft: Draft, filled: bytes, at: datetime) -> None:
    drop_old_drafts(transaction, at=at)
    connection = transaction.connection
    values = {
        "record_type": draft.record_type,
        "title": draft.title[:TITLE_LENGTH_MAX],
        "filled": filled,
        "saved_at": at,
    }
    with overwriting(transaction):
        same = (table.c.source == source, table.c.id == draft.id)
        if connection.execute(update(table).where(*same).values(**values)).rowcount:
            return
    count = connection.scalar(select(func.count()).select_from(table).where(table.c.source == source)) or 0
    if count >= DRAFTS_MAX:
        raise StateConflictError(
            f"There are {count} drafts already",
            why=f"{DRAFTS_MAX} are kept of one source",
            action="hand some of them in, or delete them",
        )
    connection.execute(insert(table).values(source=source, id=draft.id, **values))
