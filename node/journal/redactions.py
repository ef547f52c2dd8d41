"""Redactions: what takes the bytes of a record away at every holder, at one place of its stream (02, R15).

**Where it counts.** A Redaction counts in the stream of the record that it names, and nowhere else. So whoever holds
the record holds the Redaction, and its place among the summaries of that stream is the same for everybody: those before
it count the record, those behind it do not. What an ancestor directs to the origin is an *order*: the origin's node
writes the Redaction that counts, with the ancestor's approval number (``node.bootstrap.redacting``).

**What is never redacted.** Records on which the tree, the exchange or the figures rest: control records, catalogue,
rules, summaries and their verdicts, and the approvals of the province. None of them is about an applicant; what is
wrong in one is corrected by a new version.

A Redaction that does not fit (another leaf hash, a record that is never redacted, a place that is not before it)
erases nothing and raises an alarm, the same at every holder that has the bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, select

from node.journal import hash_only
from node.journal.alarms import raise_alarm
from node.journal.erasing import erase
from node.journal.records import record_at, records_at
from node.journal.statements import insert_sql
from node.journal.tables import record_key
from node.journal.tables import redaction_order as order_table
from node.standard.codec import TAG_PREFIX, parse_unvalidated
from node.standard.families import RECORD_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.engine import Connection

    from node.clock import Clock
    from node.journal.entries import Batch, Entry, Projection
    from node.journal.hash_only import HashOnly
    from node.journal.records import StoredRecord
    from node.journal.store import Transaction

RECORD_TYPE: Final = "Redaction"
REDACTION_ALARM: Final = "REDACTION"
"""Kind of the alarm that a Redaction raises which erases nothing."""
KEPT_TYPES: Final = frozenset(
    name
    for name, known in RECORD_TYPES.items()
    if known.family in {"catalogue", "assessment", "statistics", "control"} or name == "DataChangeApproval"
)
"""Record types that are never redacted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """What a Redaction record says: which record (``stream``, ``position``, ``leaf``), and by whose approval."""

    stream: str
    position: int
    leaf: bytes
    approval: str
    case_no: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingRedaction:
    """A Redaction that took a record's bytes: what it says, and its position in the record's stream."""

    said: Redaction
    position: int

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        said = self.said
        return {
            "position": self.position,
            "approval": said.approval,
            "case_no": said.case_no,
            "reason": said.reason,
        }


def redaction_of(connection: Connection, gone: HashOnly | None) -> StandingRedaction | None:
    """Return the Redaction of a record without bytes; None while none is held."""
    if gone is None or gone.redaction is None:
        return None
    record = record_at(connection, gone.redaction)
    return StandingRedaction(said=read_redaction(record.body or b""), position=record.position)


def read_redaction(body: bytes) -> Redaction:
    """Read the bytes of a valid Redaction record."""
    element = parse_unvalidated(body)
    return Redaction(
        stream=_text(element, "Stream") or "",
        position=int(_text(element, "Position") or 0),
        leaf=bytes.fromhex(_text(element, "LeafHash") or ""),
        approval=_text(element, "ApprovalNo") or "",
        case_no=_text(element, "CaseNo"),
        reason=_text(element, "Reason") or "",
    )


def objection(said: Redaction, target: StoredRecord | None) -> str | None:
    """Return why the record ``target``, as held, may not be erased by ``said``; None when it may."""
    if target is None:
        return f"record {said.position} does not stand before it"
    if target.leaf != said.leaf:
        return f"record {said.position} has the leaf hash {target.leaf.hex()}, the Redaction names {said.leaf.hex()}"
    if target.record_type in KEPT_TYPES:
        return f"record {said.position} is a {target.record_type}, which is never redacted"
    return None


class RedactionProjection:
    """Erases what Redactions name. Implements the journal's Projection.

    ``others`` are the projections that are handed what was erased. ``before`` is called with the record, the key of its
    Redaction and the stream's id while the bytes are still there.
    """

    name = "redactions"
    cuts: frozenset[str] = frozenset({RECORD_TYPE})

    def __init__(
        self,
        others: Sequence[Projection],
        *,
        node_code: str,
        clock: Clock,
        before: Callable[[Transaction, StoredRecord, int], None],
    ) -> None:
        self._others = tuple(others)
        self._node_code = node_code
        self._clock = clock
        self._before = before

    def apply(self, transaction: Transaction, batches: Sequence[Batch]) -> None:
        """Carry out the Redactions of batches, and note the orders among them."""
        for batch in batches:
            for entry in batch.entries:
                if entry.record_type == RECORD_TYPE and entry.quarantine is None:
                    self._take(transaction, batch, entry)

    def requeued(self, transaction: Transaction, batch: Batch) -> None:
        """Carry out Redactions that can be applied now."""
        self.apply(transaction, [batch])

    def clear(self, transaction: Transaction) -> None:
        """Drop the orders; the replay finds them again. What was erased stays erased."""
        transaction.connection.execute(delete(order_table))

    def _take(self, transaction: Transaction, batch: Batch, entry: Entry) -> None:
        said = read_redaction(entry.body)
        if said.stream != str(batch.stream):
            if batch.stream.audience == self._node_code:
                statement = insert_sql(order_table, transaction.dialect, ignore=True)
                transaction.connection.exec_driver_sql(statement, (entry.key,))
            return
        key = record_key(batch.stream_id, said.position)
        known = hash_only.at_key(transaction.connection, key)
        if known is not None and known.redaction is not None:
            return
        found = records_at(transaction.connection, (key,)) if said.position < entry.position else []
        target = found[0] if found else None
        why = objection(said, target)
        if why is not None or target is None:
            refuse(transaction, batch, entry, why or "", self._clock)
            return
        self._before(transaction, target, entry.key)
        erase(
            transaction,
            self._others,
            batch,
            target,
            redaction=entry.key,
            case_no=said.case_no,
            at=self._clock.now(),
        )


def refuse(transaction: Transaction, place: Batch, entry: Entry, why: str, clock: Clock) -> None:
    """Raise the alarm of a Redaction that erases nothing."""
    raise_alarm(
        transaction,
        REDACTION_ALARM,
        f"redaction at {entry.position}",
        f"The Redaction at {place.stream}/{entry.position} erases nothing: {why}. Its origin has to write another one.",
        place.stream,
        raised_at=clock.now(),
    )


def orders(connection: Connection, *, limit: int) -> list[int]:
    """Return the keys of the Redactions that this node is asked to carry out, smallest first."""
    query = select(order_table.c.record_key).order_by(order_table.c.record_key).limit(limit)
    return list(connection.execute(query).scalars())


def drop_order(transaction: Transaction, key: int) -> None:
    """Forget an order that was carried out, or never can be."""
    transaction.connection.execute(delete(order_table).where(order_table.c.record_key == key))


def _text(element: Any, name: str) -> str | None:
    found: str | None = element.findtext(f"{TAG_PREFIX}{name}")
    return None if found is None else found.strip()
