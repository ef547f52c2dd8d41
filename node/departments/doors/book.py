"""What the store knows of each adapter: one row, written when something changes; a restart goes on where it was.

A row is made when an adapter is kept (or paused) for the first time, and goes with ``yizhan adapters remove``; a table
that was taken out of ``adapters.toml`` by hand leaves it, with its cursor. The words of a state are for screens and
programs alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, select, update

from node.departments.doors.rest import AWAY, BROKEN, HELD, NEEDS_PERSON
from node.departments.sources import find_source
from node.departments.tables import adapter as table
from node.errors import NotFoundError

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Row
    from sqlalchemy.engine import Connection

    from node.journal.store import Store, Transaction

NEW: Final = "new"
"""Nobody has kept it yet."""
STARTING: Final = "starting"
WORKING: Final = "working"
WAITING: Final = "waiting"
OUTSIDE_HOURS: Final = "outside_hours"
PAUSED: Final = "paused"
OFF: Final = "off"
"""Its kind is not installed, or cannot be used."""
STOPPED: Final = "stopped"
"""No process runs the node; never stored."""
STATES: Final = (
    NEW,
    STARTING,
    WORKING,
    WAITING,
    OUTSIDE_HOURS,
    PAUSED,
    HELD,
    AWAY,
    NEEDS_PERSON,
    BROKEN,
    OFF,
    STOPPED,
)
TROUBLE: Final = frozenset({AWAY, NEEDS_PERSON, BROKEN, OFF})
"""States in which nothing comes, though it should."""
TEXT_LENGTH_MAX: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Deliveries that were answered and rejected, and what became of their records."""

    deliveries: int = 0
    rejected: int = 0
    accepted: int = 0
    repeated: int = 0
    refused: int = 0

    def as_json(self) -> dict[str, int]:
        """Return the counts by name."""
        return {name: getattr(self, name) for name in COUNTS}


COUNTS: Final = ("deliveries", "rejected", "accepted", "repeated", "refused")


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownAdapter:
    """The row of one adapter; ``failures`` counts those of one sort in a row, ``text`` tells why the state is so."""

    name: str
    kind: str
    source: str
    state: str
    since: datetime
    text: str
    cursor: str | None
    failures: int
    next_at: datetime | None
    paused_at: datetime | None
    run_asked_at: datetime | None
    run_done_at: datetime | None
    last_run: str
    answered_at: datetime | None
    counts: Counts


def known_adapters(connection: Connection) -> dict[str, KnownAdapter]:
    """Return every row by the name of its adapter, in order."""
    return {row.name: _read(row) for row in connection.execute(select(table).order_by(table.c.name))}


def known_adapter(connection: Connection, name: str) -> KnownAdapter | None:
    """Return the row of one adapter, None when nobody has kept it yet."""
    row = connection.execute(select(table).where(table.c.name == name)).first()
    return None if row is None else _read(row)


def enter(transaction: Transaction, name: str, *, kind: str, source: str, at: datetime) -> KnownAdapter:
    """Make the row of an adapter when there is none, note its kind and source, and return it.

    An adapter that has another kind or source than before begins anew: a cursor says nothing to another system. But a
    source that there is not is a mistake that somebody will mend: the row stays what it was.
    """
    known = row_of(transaction, name, kind=kind, source=source, at=at)
    if (known.kind, known.source) == (kind, source) or not _is_open_source(transaction.connection, source):
        return known
    forget(transaction, name)
    row_of(transaction, name, kind=kind, source=source, at=at)
    if known.paused_at is not None:
        save(transaction, name, paused_at=known.paused_at)
    return row_of(transaction, name, kind=kind, source=source, at=at)


def row_of(transaction: Transaction, name: str, *, kind: str, source: str, at: datetime) -> KnownAdapter:
    """Return the row of an adapter as it is; where there is none it is made, with this kind and source."""
    known = known_adapter(transaction.connection, name)
    if known is not None:
        return known
    values: dict[str, Any] = {
        "name": name,
        "kind": kind,
        "source": source,
        "state": NEW,
        "since": at,
        "text": "",
        "failures": 0,
        "last_run": "",
        **Counts().as_json(),
    }
    transaction.connection.execute(table.insert().values(values))
    made = known_adapter(transaction.connection, name)
    assert made is not None  # noqa: S101 - it was inserted above.
    return made


def save(transaction: Transaction, name: str, **values: Any) -> None:
    """Change columns of an adapter's row; nothing when it was removed meanwhile."""
    if "text" in values:
        # PostgreSQL takes no NUL in a text.
        values["text"] = values["text"].replace("\0", " ")[:TEXT_LENGTH_MAX]
    transaction.connection.execute(update(table).where(table.c.name == name).values(**values))


def count(transaction: Transaction, name: str, counts: Counts, *, cursor: str | None, at: datetime) -> None:
    """Add to an adapter's counts and keep the cursor of the delivery that is about to be answered."""
    added = {one: table.c[one] + getattr(counts, one) for one in COUNTS}
    kept = {} if cursor is None else {"cursor": cursor}
    transaction.connection.execute(update(table).where(table.c.name == name).values(**added, **kept, answered_at=at))


def ask_round(store: Store, name: str, at: datetime) -> None:
    """Ask for a round of an adapter now; the doorkeeper of a running node looks every second."""
    store.write(lambda transaction: save(transaction, name, run_asked_at=at))


def set_paused(store: Store, name: str, *, kind: str, source: str, paused_at: datetime | None, at: datetime) -> bool:
    """Pause an adapter (``paused_at`` the moment) or let it go on (None); tell whether that changes anything."""

    def work(transaction: Transaction) -> bool:
        known = row_of(transaction, name, kind=kind, source=source, at=at)
        if (known.paused_at is None) == (paused_at is None):
            return False
        save(transaction, name, paused_at=paused_at)
        return True

    return store.write(work)


def forget(transaction: Transaction, name: str) -> None:
    """Drop the row of an adapter."""
    transaction.connection.execute(delete(table).where(table.c.name == name))


def _is_open_source(connection: Connection, name: str) -> bool:
    try:
        find_source(connection, name)
    except NotFoundError:
        return False
    return True


def _read(row: Row[Any]) -> KnownAdapter:
    return KnownAdapter(
        name=row.name,
        kind=row.kind,
        source=row.source,
        state=row.state,
        since=row.since,
        text=row.text,
        cursor=row.cursor,
        failures=row.failures,
        next_at=row.next_at,
        paused_at=row.paused_at,
        run_asked_at=row.run_asked_at,
        run_done_at=row.run_done_at,
        last_run=row.last_run,
        answered_at=row.answered_at,
        counts=Counts(**{name: getattr(row, name) for name in COUNTS}),
    )
