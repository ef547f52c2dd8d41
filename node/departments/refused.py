"""Refused deliveries: what intake did not accept, kept whole with its problems until somebody settles it.

Nothing is dropped in silence: a refused record of a batch is kept as a delivery of its own, so that it can be offered
again by itself, after the configuration changed or with corrected content, or be discarded with a reason. The same
thing refused twice is one delivery. Bounded in number and bytes; beyond that a problem of the verdict says that the
record was not kept.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, insert, select, update

from node.departments.dialects import DialectOptions
from node.departments.report import ImportReport, problem_json
from node.departments.sources import find_source
from node.departments.stored_bytes import pressed, unpressed
from node.departments.tables import DISCARDED, OPEN, SETTLED, WAITING
from node.departments.tables import refused_delivery as table
from node.errors import NotFoundError, Problem, StateConflictError
from node.journal.erasing import overwriting
from node.journal.settings import save_setting, setting

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Row
    from sqlalchemy.engine import Connection

    from node.clock import Clock
    from node.departments.accept import Intake
    from node.departments.prepare import Prepared
    from node.departments.sources import Source
    from node.journal.store import Store, Transaction

DELIVERIES_MAX: Final = 100_000
"""Open refused deliveries kept. Our own choice: more than a person will ever read."""
KEPT_BYTES_MAX: Final = 512 * 1024 * 1024
"""Stored bytes of all open refused deliveries together. Our own choice."""
TALLY_SETTING: Final = "refused.open"
"""Setting: number and stored bytes of the open deliveries, written with every change of them."""
LISTED_MAX: Final = 500
REASON_LENGTH_MAX: Final = 1000
_PROBLEMS_KEPT: Final = 50
_KEPT: Final = (OPEN, WAITING)
_LINKED_MAX: Final = 50
_PAGE: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedDelivery:
    """One refused delivery. ``content`` is None once it is settled or discarded; ``times`` counts how often it came.

    ``complete`` is False when a limit cut the content, so that it cannot be offered again as it is.
    """

    id: int
    source: str
    channel: str
    dialect: str
    record_type: str
    received_at: datetime
    times: int
    state: str
    complete: bool
    content: bytes | None
    problems: tuple[Problem, ...]
    settled_at: datetime | None
    settled_by: str
    reason: str

    def as_json(self) -> dict[str, Any]:
        """Return what a list shows: never the content, which may hold personal data."""
        return {
            "id": self.id,
            "source": self.source,
            "channel": self.channel,
            "dialect": self.dialect,
            "record_type": self.record_type,
            "received_at": self.received_at.isoformat(),
            "times": self.times,
            "state": self.state,
            "complete": self.complete,
            "problems": [problem_json(problem) for problem in self.problems],
            "settled_at": self.settled_at.isoformat() if self.settled_at else None,
            "settled_by": self.settled_by,
            "reason": self.reason,
        }


def keep_refused(
    transaction: Transaction,
    refusals: Sequence[Prepared],
    *,
    source: Source,
    dialect: str,
    at: datetime,
    state: str = OPEN,
) -> list[int | None]:
    """Store refused candidates in the transaction of their batch; return their numbers, None where there is no room.

    ``state`` is WAITING for what is not refused but waits for the end of doubt; it counts into the same bounds.
    """
    if not refusals:
        return []
    connection = transaction.connection
    count, size = _tally(connection)
    numbers: list[int | None] = []
    for refused in refusals:
        content = refused.candidate.kept()
        fingerprint = _fingerprint(source.name, dialect, content)
        known = _known(connection, fingerprint)
        if known is None and (count >= DELIVERIES_MAX or size + len(content) > KEPT_BYTES_MAX):
            numbers.append(None)
            continue
        stored = pressed(content)
        values = {
            "source": source.name,
            "channel": source.channel,
            "dialect": dialect,
            "record_type": refused.candidate.record_type[:64],
            "received_at": at,
            "state": state,
            "content": stored,
            "size": len(stored),
            "complete": int(refused.candidate.complete),
            "problems": _problems_text(refused.problems),
            "settled_at": None,
            "settled_by": "",
            "reason": "",
        }
        before = _open_size(connection, known)
        numbers.append(_put(connection, fingerprint, known, values))
        count += before is None
        size += len(stored) - (before or 0)
    _save_tally(transaction, count, size)
    return numbers


def list_refused(
    connection: Connection, *, state: str | None = OPEN, after: int = 0, limit: int = LISTED_MAX
) -> list[RefusedDelivery]:
    """Return refused deliveries in ``state`` (None: all) behind number ``after``, without content, oldest first."""
    columns = [column for column in table.c if column.name != "content"]
    statement = select(*columns).where(table.c.id > after).order_by(table.c.id).limit(min(limit, LISTED_MAX))
    if state is not None:
        statement = statement.where(table.c.state == state)
    return [_read(row, None) for row in connection.execute(statement)]


def count_refused(connection: Connection) -> int:
    """Return how many refused deliveries are open: the figure of the status page."""
    return _tally(connection)[0]


def show_refused(connection: Connection, number: int) -> RefusedDelivery:
    """Return one refused delivery with its content; raises NotFoundError."""
    row = connection.execute(select(table).where(table.c.id == number)).first()
    if row is None:
        raise NotFoundError(
            f"There is no refused delivery {number}",
            why="no delivery of that number was ever kept here",
            action="See `yizhan refused list --state all`",
        )
    return _read(row, None if row.content is None else unpressed(row.content))


def refused_naming(connection: Connection, text: str) -> list[int]:
    """Return the numbers of the open deliveries whose content holds ``text`` (ASCII); all are read for it."""
    wanted, found, after = text.encode(), [], 0
    query = select(table.c.id, table.c.content).where(table.c.state == OPEN, table.c.content.is_not(None))
    while page := connection.execute(query.where(table.c.id > after).order_by(table.c.id).limit(_PAGE)).all():
        found += [row.id for row in page if wanted in unpressed(row.content)]
        after = page[-1].id
    return found


def offer_refused(intake: Intake, number: int, *, by: str, corrected: bytes | None = None) -> ImportReport:
    """Offer a refused delivery again, as it is or as ``corrected``, in the name of its source; return the report.

    Only when nothing of it is refused any more, it is settled and its content dropped (the records hold it). Otherwise
    it stays open with its content, and names the deliveries that keep what was refused of the corrected form: a wrong
    file must never cost the original. Repeating it is harmless: records are known by the source's key. Raises
    NotFoundError, and StateConflictError when it is settled already or was cut and no correction is given.
    """
    with intake.store.reading() as connection:
        delivery = show_refused(connection, number)
        source = find_source(connection, delivery.source).on_channel(delivery.channel)
    content = delivery.content if corrected is None else corrected
    if delivery.state != OPEN or content is None:
        raise _not_open(number, delivery.state)
    if corrected is None and not delivery.complete:
        raise StateConflictError(
            f"Only the beginning of the refused delivery {number} was kept",
            why="it was larger than what is kept of one delivery",
            action="import the corrected file instead, then discard this one",
        )
    typed = intake.dialects.find(delivery.dialect).typed
    options = DialectOptions(record_type=delivery.record_type if typed else "", system=delivery.source)
    candidates = intake.dialects.read(delivery.dialect, BytesIO(content), options)
    report = intake.accept(candidates, source=source, dialect=delivery.dialect, keep_verdicts=True)
    if report.exit_code == 0:
        intake.store.write(lambda transaction: _settle(transaction, number, SETTLED, intake.clock.now(), by, ""))
    elif corrected is not None:
        kept = {verdict.refused_id for verdict in report.verdicts if verdict.refused_id not in {None, number}}
        intake.store.write(lambda transaction: _link(transaction, number, sorted(filter(None, kept))[:_LINKED_MAX]))
    return report


def waiting_deliveries(connection: Connection, *, limit: int, content: bool = True) -> list[RefusedDelivery]:
    """Return what was received while this node was in doubt and waits to be offered, oldest first."""
    columns = [column for column in table.c if content or column.name != "content"]
    query = select(*columns).where(table.c.state == WAITING).order_by(table.c.id).limit(limit)
    return [
        _read(row, unpressed(row.content) if content and row.content is not None else None)
        for row in connection.execute(query)
    ]


def settle_waiting(store: Store, number: int, *, at: datetime) -> None:
    """Say that a waiting delivery was offered; what of it was refused then is kept as deliveries of their own.

    A delivery that was refused as a whole is the same row, open now: it stays.
    """

    def work(transaction: Transaction) -> None:
        if transaction.connection.scalar(select(table.c.state).where(table.c.id == number)) == WAITING:
            _settle(transaction, number, SETTLED, at, "", "")

    store.write(work)


def discard_refused(store: Store, number: int, *, reason: str, by: str, clock: Clock) -> RefusedDelivery:
    """Give a refused delivery up: its content is dropped; who did it and why stay.

    Raises NotFoundError, and StateConflictError without a reason or when it is settled already.
    """
    if not reason.strip():
        raise StateConflictError(
            "A refused delivery is discarded with a reason only",
            why="its content is gone afterwards, and only the reason tells why",
            action="Say why: --reason TEXT",
        )
    if not store.write(lambda transaction: _settle(transaction, number, DISCARDED, clock.now(), by, reason)):
        with store.reading() as connection:
            state = show_refused(connection, number).state
        raise _not_open(number, state)
    with store.reading() as connection:
        return show_refused(connection, number)


def _tally(connection: Connection) -> tuple[int, int]:
    """Return number and stored bytes of the open deliveries.

    They are remembered: counting a hundred thousand anew for each commit would hold the journal's lock for long.
    """
    remembered = setting(connection, TALLY_SETTING)
    if remembered is not None:
        count, _, size = remembered.partition(" ")
        return int(count), int(size)
    row = connection.execute(
        select(func.count(), func.coalesce(func.sum(table.c.size), 0)).where(table.c.state.in_(_KEPT))
    ).one()
    return int(row[0]), int(row[1])


def _save_tally(transaction: Transaction, count: int, size: int) -> None:
    save_setting(transaction, TALLY_SETTING, f"{count} {size}")


def _open_size(connection: Connection, number: int | None) -> int | None:
    """Return the stored bytes of a delivery when it is open or waits, else None."""
    if number is None:
        return None
    kept = select(table.c.size).where(table.c.id == number, table.c.state.in_(_KEPT))
    size: int | None = connection.scalar(kept)
    return size


def _known(connection: Connection, fingerprint: bytes) -> int | None:
    return connection.scalar(select(table.c.id).where(table.c.fingerprint == fingerprint))


def _put(connection: Connection, fingerprint: bytes, known: int | None, values: dict[str, Any]) -> int:
    if known is not None:
        statement = update(table).where(table.c.id == known)
        connection.execute(statement.values(**values, times=table.c.times + 1))
        return known
    made = connection.execute(insert(table).values(fingerprint=fingerprint, times=1, **values))
    return int(made.inserted_primary_key[0])  # type: ignore[index] # One row with a generated key was inserted.


def _settle(transaction: Transaction, number: int, state: str, at: datetime, by: str, reason: str) -> bool:
    connection = transaction.connection
    size = _open_size(connection, number)
    if size is None:
        return False
    count, total = _tally(connection)
    statement = update(table).where(table.c.id == number)
    with overwriting(transaction):
        connection.execute(
            statement.values(
                state=state,
                content=None,
                size=0,
                settled_at=at,
                settled_by=by[:100],
                reason=reason[:REASON_LENGTH_MAX],
            )
        )
    _save_tally(transaction, count - 1, total - size)
    return True


def _link(transaction: Transaction, number: int, others: Sequence[int]) -> None:
    """Note at an open delivery where the refused parts of its corrected form are kept."""
    names = ", ".join(map(str, others))
    reason = f"a corrected form was not accepted in full; see the refused deliveries {names}" if names else ""
    statement = update(table).where(table.c.id == number, table.c.state == OPEN)
    transaction.connection.execute(statement.values(reason=reason[:REASON_LENGTH_MAX]))


def _not_open(number: int, state: str) -> StateConflictError:
    return StateConflictError(
        f"The refused delivery {number} is {state} already",
        why="only an open delivery has content that can be offered or discarded",
        action="Nothing is left to do; what is open: `yizhan refused list`",
    )


def _fingerprint(source: str, dialect: str, content: bytes) -> bytes:
    return hashlib.sha256(f"{source}\n{dialect}\n".encode() + content).digest()


def _problems_text(problems: Sequence[Problem]) -> str:
    return json.dumps([problem_json(problem) for problem in problems[:_PROBLEMS_KEPT]], ensure_ascii=False)


def _read(row: Row[Any], content: bytes | None) -> RefusedDelivery:
    return RefusedDelivery(
        id=row.id,
        source=row.source,
        channel=row.channel,
        dialect=row.dialect,
        record_type=row.record_type,
        received_at=row.received_at,
        times=row.times,
        state=row.state,
        complete=bool(row.complete),
        content=content,
        problems=tuple(Problem(**problem) for problem in json.loads(row.problems)),
        settled_at=row.settled_at,
        settled_by=row.settled_by,
        reason=row.reason,
    )
