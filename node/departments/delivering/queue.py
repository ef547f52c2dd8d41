"""The queue of one adapter: what arrived for its department, and what became of each document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, func, insert, select, update

from node.departments.delivering.routes import is_own, is_wanted, organisation_of, subject_of
from node.departments.delivering.tables import (
    DELIVERED,
    HELD,
    REFUSED,
    WAITING,
    delivery_route,
    downward_delivery,
)
from node.errors import NotFoundError, StateConflictError
from node.journal import holdings
from node.journal.arrivals import arrivals_after, newest_arrival
from node.journal.records import records_at
from node.journal.statements import upsert_sql
from node.journal.tables import QUARANTINED, position_of, record, record_key, stream_id_of
from node.standard.codec import parse_record
from node.standard.facts import facts_of
from node.standard.families import record_number

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy import Select
    from sqlalchemy.engine import Connection

    from node.clock import Clock
    from node.departments.delivering.routes import Route
    from node.journal.arrivals import Arrival
    from node.journal.records import StoredRecord
    from node.journal.store import Store, Transaction
    from node.standard.seals import StreamName

ARRIVALS_MAX: Final = 500
RECORDS_MAX: Final = 1000
"""Arrivals, and records of the types wanted, from which on one transaction looks no further. Our own choice: some tens
of milliseconds in which nobody else writes."""
HELD_MAX: Final = 200
"""Records set aside that are looked at again in one transaction."""
REASON_LENGTH_MAX: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedDocument:
    """One row of an adapter's queue, as people see it; ``reason`` says why it was refused or is gone."""

    number: int
    record_key: int
    stream: StreamName
    organisation: str
    state: str
    since: datetime
    attempts: int
    reason: str

    @property
    def position(self) -> int:
        """Where the record stands in its stream."""
        return position_of(self.record_key)

    def as_json(self) -> dict[str, Any]:
        """Return it for programs."""
        return {
            "number": self.number,
            "stream": str(self.stream),
            "position": self.position,
            "organisation": self.organisation,
            "state": self.state,
            "since": self.since.isoformat(timespec="milliseconds"),
            "attempts": self.attempts,
            "reason": self.reason,
        }


def look(store: Store, route: Route, clock: Clock) -> int:
    """Queue what arrived for the route since the last look, a bounded part; return how many arrivals were left behind.

    With nothing new it writes nothing. 0 means that the route has seen everything.
    """
    with store.reading() as connection:
        behind = newest_arrival(connection) - _place(connection, route.adapter)
        held = _applied(connection, route.adapter, HELD, limit=1)
    if behind <= 0 and not held:
        return 0
    return store.write(lambda transaction: _look(transaction, route, clock.now()))


def waiting(connection: Connection, adapter: str, limit: int) -> list[QueuedDocument]:
    """Return the documents that wait to be handed over, oldest first, without those that are set aside again."""
    return _applied(connection, adapter, WAITING, limit)


def queued(connection: Connection, adapter: str, *, states: Iterable[str] = (), limit: int) -> list[QueuedDocument]:
    """Return an adapter's documents in order; in any of ``states``, all states when none is named."""
    query = select(downward_delivery).where(downward_delivery.c.adapter == adapter)
    if wanted := tuple(states):
        query = query.where(downward_delivery.c.state.in_(wanted))
    return _read(connection, query.limit(limit))


def _applied(connection: Connection, adapter: str, state: str, limit: int) -> list[QueuedDocument]:
    """Return documents in a state whose records are not set aside, so that those that are hold none of them up."""
    table = downward_delivery
    aside = (
        select(record.c.key)
        .where(record.c.key == table.c.record_key, record.c.flags.bitwise_and(QUARANTINED) != 0)
        .exists()
    )
    query = select(table).where(table.c.adapter == adapter, table.c.state == state, ~aside)
    return _read(connection, query.limit(limit))


def _read(connection: Connection, query: Select[Any]) -> list[QueuedDocument]:
    rows = connection.execute(query.order_by(downward_delivery.c.number)).all()
    names = holdings.stream_names(connection, {stream_id_of(row.record_key) for row in rows})
    return [
        QueuedDocument(
            number=row.number,
            record_key=row.record_key,
            stream=names[stream_id_of(row.record_key)],
            organisation=row.organisation,
            state=row.state,
            since=row.since,
            attempts=row.attempts,
            reason=row.reason,
        )
        for row in rows
    ]


def counts(connection: Connection, adapter: str) -> dict[str, int]:
    """Return how many documents of an adapter are in each state that occurs."""
    table = downward_delivery
    query = (
        select(table.c.state, func.count().label("documents")).where(table.c.adapter == adapter).group_by(table.c.state)
    )
    return {row.state: row.documents for row in connection.execute(query)}


def mark(transaction: Transaction, document: QueuedDocument, state: str, at: datetime, reason: str = "") -> bool:
    """Say what became of a document that was waiting; False when it does not wait (any more)."""
    table = downward_delivery
    changed = transaction.connection.execute(
        update(table)
        .where(table.c.number == document.number, table.c.state == WAITING)
        .values(state=state, since=at, attempts=table.c.attempts + 1, reason=reason[:REASON_LENGTH_MAX])
    )
    return changed.rowcount == 1


def deliver_again(store: Store, adapter: str, number: int, clock: Clock) -> None:
    """Have a document delivered once more, under the same key.

    Raises NotFoundError when the adapter has no such document, StateConflictError when it is not one that was delivered
    or refused.
    """
    store.write(lambda transaction: _deliver_again(transaction, adapter, number, clock.now()))


def forget(transaction: Transaction, adapter: str) -> None:
    """Drop the queue of an adapter that is removed."""
    for table in (downward_delivery, delivery_route):
        transaction.connection.execute(delete(table).where(table.c.adapter == adapter))


def _deliver_again(transaction: Transaction, adapter: str, number: int, at: datetime) -> None:
    table = downward_delivery
    mine = (table.c.adapter == adapter, table.c.number == number)
    state = transaction.connection.scalar(select(table.c.state).where(*mine))
    if state is None:
        raise NotFoundError(
            f"The adapter {adapter} has no document {number}",
            why="it was never queued for it, or the adapter was removed since",
            action=f"look for its number: yizhan adapters documents {adapter}",
        )
    if state not in {DELIVERED, REFUSED}:
        raise StateConflictError(
            f"The document {number} cannot be delivered again",
            why=f"it is {state}",
            action="wait: what waits is delivered by itself; what is gone cannot be",
        )
    transaction.connection.execute(update(table).where(*mine).values(state=WAITING, since=at, reason=""))


def _place(connection: Connection, adapter: str) -> int:
    query = select(delivery_route.c.arrival).where(delivery_route.c.adapter == adapter)
    return connection.scalar(query) or 0


def _look(transaction: Transaction, route: Route, at: datetime) -> int:
    connection = transaction.connection
    _look_at_held(transaction, route, at)
    arrived, keys = _next_part(connection, route)
    if not arrived:
        return 0
    rows = [row for stored in records_at(connection, keys) if (row := _row(connection, route, stored, at)) is not None]
    _queue(transaction, route.adapter, rows)
    place = upsert_sql(delivery_route, transaction.dialect, put=("arrival",))
    connection.exec_driver_sql(place, (route.adapter, arrived))
    return newest_arrival(connection) - arrived


def _next_part(connection: Connection, route: Route) -> tuple[int, list[int]]:
    """Return the arrival up to which one transaction looks, 0 for none, and the keys of records that may be wanted."""
    reached, keys = 0, list[int]()
    for count, one in enumerate(arrivals_after(connection, _place(connection, route.adapter)), start=1):
        keys += _keys(connection, route, one)
        reached = one.number
        if count == ARRIVALS_MAX or len(keys) >= RECORDS_MAX:
            break
    return reached, keys


def _keys(connection: Connection, route: Route, arrived: Arrival) -> list[int]:
    """Return the keys of the records of an arrival that may be wanted, by their types alone."""
    numbers = [record_number(name) for name in route.record_types]
    low, high = record_key(arrived.stream_id, arrived.first), record_key(arrived.stream_id, arrived.last)
    query = select(record.c.key).where(record.c.key.between(low, high), record.c.type_number.in_(numbers))
    return list(connection.scalars(query.order_by(record.c.key)))


def _row(connection: Connection, route: Route, stored: StoredRecord, at: datetime) -> dict[str, object] | None:
    """Return the row of a record that is wanted, or held; None of one that is not."""
    row = {"adapter": route.adapter, "record_key": stored.key, "since": at, "attempts": 0, "reason": ""}
    if stored.flags & QUARANTINED:
        return {**row, "organisation": "", "subject": "", "state": HELD}
    if stored.body is None:
        return None
    element = parse_record(stored.body)
    facts, subject = facts_of(element), subject_of(element)
    if not is_wanted(route, facts) or is_own(connection, route, facts, stored.key):
        return None
    organisation = organisation_of(connection, facts, subject)
    if organisation not in route.organisations:
        return None
    return {**row, "organisation": organisation, "subject": subject, "state": WAITING}


def _queue(transaction: Transaction, adapter: str, rows: list[dict[str, object]]) -> None:
    """Add rows, but for records that stand in the queue already: a route whose place was lost looks again."""
    table = downward_delivery
    keys = [row["record_key"] for row in rows]
    known = set(
        transaction.connection.scalars(
            select(table.c.record_key).where(table.c.adapter == adapter, table.c.record_key.in_(keys))
        )
    )
    if new := [row for row in rows if row["record_key"] not in known]:
        transaction.connection.execute(insert(table), new)


def _look_at_held(transaction: Transaction, route: Route, at: datetime) -> None:
    """Judge records that were set aside when they arrived, and are not any more."""
    table = downward_delivery
    waiting_for_us = _applied(transaction.connection, route.adapter, HELD, HELD_MAX)
    held = {one.record_key: one.number for one in waiting_for_us}
    found = {stored.key: stored for stored in records_at(transaction.connection, held)}
    for key, number in held.items():
        stored = found.get(key)
        mine = table.c.number == number
        row = None if stored is None else _row(transaction.connection, route, stored, at)
        if row is None:
            transaction.connection.execute(delete(table).where(mine))
        else:
            transaction.connection.execute(update(table).where(mine).values(**row))
