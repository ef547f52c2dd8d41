"""Redacting (擦除): what a person asks for, what an ancestor asks for, and the watch over bytes that are missing.

A Redaction counts in the stream of its record (``node.journal.redactions``), so only the origin can write the one
that counts. A node above that asks for it directs a Redaction to the origin, whose node writes its own in
``carry_out``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from node.departments.refused import refused_naming
from node.errors import AuthorityError, NotFoundError, StateConflictError
from node.journal import hash_only
from node.journal.alarms import is_raised, raise_alarm
from node.journal.holdings import find, stream_names
from node.journal.records import record_at, records_at
from node.journal.redactions import (
    KEPT_TYPES,
    RECORD_TYPE,
    REDACTION_ALARM,
    Redaction,
    drop_order,
    objection,
    orders,
    read_redaction,
)
from node.journal.replay import entries_of
from node.journal.tables import position_of, record_key, stream_id_of
from node.standard.families import CASE_HEADER, PENALTY_HEADER, RECORD_TYPES
from node.standard.seals import StreamName

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from node.bootstrap import Node
    from node.bootstrap.jobs import Producer
    from node.clock import Clock
    from node.exchange.evidence import Evidence
    from node.journal.records import StoredRecord
    from node.journal.store import Store, Transaction
    from node.standard.compose import Content

AWAITED_MAX: Final = timedelta(days=7)
"""How long a record may be without its bytes before its Redaction arrives (02, R15)."""
ERASED_ALARM: Final = "ERASED"
"""Kind of the alarm that a record raises whose bytes are missing without a Redaction."""
ORDERS_MAX: Final = 500
"""Orders carried out by one call; the next one goes on."""
_CASE_TYPES: Final = frozenset(
    name for name, known in RECORD_TYPES.items() if known.header in {CASE_HEADER, PENALTY_HEADER}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Redacted:
    """What was asked for: the Redaction written into ``stream``.

    ``ordered``: it asks the origin, whose own Redaction erases; ``new`` is False when it had been asked for before.
    ``refused``: numbers of the open refused deliveries here that name the same case: they are for a person to discard.
    """

    record: StreamName
    position: int
    stream: StreamName
    ordered: bool
    new: bool
    refused: tuple[int, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the document ``yizhan.redact/1``."""
        return {
            "schema": "yizhan.redact/1",
            "record": f"{self.record}/{self.position}",
            "stream": str(self.stream),
            "ordered": self.ordered,
            "new": self.new,
            "refused": list(self.refused),
        }


def check_redactable(node: Node, stream: StreamName, position: int) -> None:
    """Raise what ``redact`` would raise: before a person is asked whether it is meant."""
    with node.store.reading() as connection:
        _redactable(node, connection, stream, position)


def redact(node: Node, stream: StreamName, position: int, *, approval: str, reason: str) -> Redacted:
    """Write the Redaction of one record: into its own stream, or directed to its origin by a node above.

    ``approval`` is the number of the province's approval. Raises NotFoundError when the record is not held,
    StateConflictError when it is redacted already or is of a type that never is, AuthorityError when this node is
    neither its origin nor above it, RecordRefusedError when number or reason do not follow the standard.
    """
    with node.store.reading() as connection:
        case_no = _case_no(_redactable(node, connection, stream, position))
        refused = tuple(refused_naming(connection, case_no)) if case_no is not None else ()

    def work(transaction: Transaction) -> Redacted:
        target = _redactable(node, transaction.connection, stream, position)
        ordered = stream.origin != node.code
        into = StreamName(node.code, stream.origin) if ordered else stream
        said = Redaction(
            stream=str(stream),
            position=position,
            leaf=target.leaf,
            approval=approval,
            case_no=case_no,
            reason=reason,
        )
        new = node.produce(transaction, into, RECORD_TYPE, _content(said), _key(said, ordered=ordered))
        return Redacted(record=stream, position=position, stream=into, ordered=ordered, new=new, refused=refused)

    return node.store.write(work)


def carry_out(store: Store, *, node_code: str, produce: Producer, clock: Clock) -> int:
    """Write the Redactions that nodes above have directed to this one; return how many were written.

    One that names a record which is not held yet waits (a restored node gets it back). One that cannot be carried out
    raises an alarm.
    """
    with store.reading() as connection:
        found = [key for key in orders(connection, limit=ORDERS_MAX) if _is_due(connection, key)]
    if not found:
        return 0
    return store.write(
        lambda transaction: sum(_carry_out(transaction, key, node_code, produce, clock) for key in found)
    )


def watch_awaited(store: Store, *, clock: Clock) -> int:
    """Raise an alarm for each stream with records that are without their bytes for seven days; return how many are new.

    It names the first of them, so there is one alarm for as long as that record waits.
    """
    with store.reading() as connection:
        found = hash_only.awaited_since(connection, clock.now() - AWAITED_MAX)
        names = stream_names(connection, {stream_id_of(first) for first, _ in found})
        fresh = [
            (names[stream_id_of(first)], position_of(first), count)
            for first, count in found
            if not is_raised(connection, ERASED_ALARM, _awaited(position_of(first)), names[stream_id_of(first)])
        ]
    if not fresh:
        return 0
    return store.write(lambda transaction: sum(_alarm(transaction, *one, clock=clock) for one in fresh))


class Traces:
    """Clears what redactions leave outside the tables: the store's log, and bad packages kept as evidence.

    One for each process that runs the node: it begins with whatever was redacted before.
    """

    def __init__(self, store: Store, evidence: Evidence) -> None:
        self._store = store
        self._evidence = evidence
        self._cleared: int | None = None

    def clear(self) -> int:
        """Do it when something was redacted since the last time; return 1 when it is done, 0 when nothing was to do.

        The log cannot be emptied while somebody reads; the next call tries again.
        """
        with self._store.reading() as connection:
            redacted, _ = hash_only.counts(connection)
            if redacted == (self._cleared or 0):
                return 0
            places = _places(connection)
        self._evidence.drop(places)
        if not self._store.empty_log():
            return 0
        self._cleared = redacted
        return 1


def _places(connection: Connection) -> dict[StreamName, list[int]]:
    """Return the positions that are redacted, by stream."""
    found: dict[StreamName, list[int]] = {}
    names = stream_names(connection)
    for key in hash_only.redacted_keys(connection):
        found.setdefault(names[stream_id_of(key)], []).append(position_of(key))
    return found


def _alarm(transaction: Transaction, stream: StreamName, position: int, count: int, *, clock: Clock) -> bool:
    return raise_alarm(
        transaction,
        ERASED_ALARM,
        _awaited(position),
        f"{count} records of {stream}, the first at {position}, came by their leaf hash alone, and for seven days no "
        "Redaction of them. Ask the neighbour that this stream comes from: it has to send the bytes, which are taken "
        "at once, or the Redaction.",
        stream,
        raised_at=clock.now(),
    )


def _awaited(position: int) -> str:
    return f"awaited from {position}"


def _redactable(node: Node, connection: Connection, stream: StreamName, position: int) -> StoredRecord:
    """Return the record if this node may have it redacted."""
    held = find(connection, stream)
    found = records_at(connection, (record_key(held.stream_id, position),)) if held is not None else []
    if held is None or not found:
        raise NotFoundError(
            f"{stream} has no record at {position}",
            why=f"{held.size} of its records are held here" if held else "the stream is not held here",
            action="yizhan status names the streams that are held, and their sizes",
        )
    (target,) = found
    known = hash_only.at_key(connection, target.key)
    if known is not None and known.redaction is not None:
        raise StateConflictError(
            f"{stream}/{position} is redacted already",
            why=f"by the Redaction at {stream}/{position_of(known.redaction)}",
            action="nothing is left to do",
        )
    if target.record_type in KEPT_TYPES:
        raise StateConflictError(
            f"{stream}/{position} is a {target.record_type}, which is never redacted",
            why="the tree, the exchange or the figures rest on it",
            action="what is wrong in it is corrected by a new version of it",
        )
    _check_authority(node, connection, stream, position)
    return target


def _check_authority(node: Node, connection: Connection, stream: StreamName, position: int) -> None:
    tree = node.tree(connection)
    if stream.origin == node.code or (tree.knows(stream.origin) and tree.is_ancestor(node.code, stream.origin)):
        return
    raise AuthorityError(
        f"{node.code} may not redact {stream}/{position}",
        why=f"only {stream.origin}, which wrote it, and the nodes above that may",
        action=f"ask {stream.origin}, or the node above it, for yizhan redact",
    )


def _case_no(target: StoredRecord) -> str | None:
    """Return the number of the case or penalty that a record belongs to."""
    (entry,) = entries_of((target,))
    facts = entry.facts
    return facts.case_no if facts is not None and facts.record_type in _CASE_TYPES else None


def _content(said: Redaction) -> Content:
    return {
        "Stream": said.stream,
        "Position": str(said.position),
        "CaseNo": said.case_no or "",
        "ApprovalNo": said.approval,
        "LeafHash": said.leaf.hex(),
        "Reason": said.reason,
    }


def _key(said: Redaction, *, ordered: bool) -> str:
    return f"{'redaction-order' if ordered else 'redaction'}/{said.stream}/{said.position}"


def _is_due(connection: Connection, key: int) -> bool:
    """Tell whether what an order names is held here by now."""
    said = read_redaction(record_at(connection, key).body or b"")
    held = find(connection, StreamName.parse(said.stream))
    return held is not None and said.position <= held.size


def _carry_out(transaction: Transaction, key: int, node_code: str, produce: Producer, clock: Clock) -> bool:
    connection = transaction.connection
    drop_order(transaction, key)
    said = read_redaction(record_at(connection, key).body or b"")
    stream = StreamName.parse(said.stream)
    held = find(connection, stream)
    if held is None or stream.origin != node_code:
        return False
    target = record_at(connection, record_key(held.stream_id, said.position))
    known = hash_only.at_key(connection, target.key)
    if known is not None and known.redaction is not None:
        return False
    why = objection(said, target)
    if why is None:
        return produce(transaction, stream, RECORD_TYPE, _content(said), _key(said, ordered=False))
    order = f"{stream_names(connection, {stream_id_of(key)})[stream_id_of(key)]}/{position_of(key)}"
    text = f"The Redaction at {order} cannot be carried out: {why}. Whoever wrote it has to write another one."
    raise_alarm(transaction, REDACTION_ALARM, f"order at {order}", text, stream, raised_at=clock.now())
    return False
