"""What a node writes by itself because of what it holds: rejections and alarms, each once for its cause (02, R8, R9).

Each job reads first and opens a transaction only when there is something to write, so that an idle node writes
nothing. Keys are derived from the cause, so repeating a job after a crash writes nothing new.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from node.journal import alarms, quarantine
from node.journal.entries import INVALID, NO_AUTHORITY
from node.journal.source_keys import lookup_many
from node.standard.families import RECORD_TYPES
from node.standard.seals import ANCESTORS, StreamName
from node.trust.produce import SOURCE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from node.journal.alarms import Alarm
    from node.journal.quarantine import Quarantined
    from node.journal.store import Store, Transaction
    from node.standard.compose import Content

TOLD_MAX: Final = 500
"""Rejections or alarms written by one call; the next one goes on."""
LOOKED_AT_MAX: Final = 20_000
"""Quarantined records that one call looks at, oldest first. Beyond that something is wrong that a person must see."""
OTHER_KIND: Final = "OTHER"

_REASONS: Final = {NO_AUTHORITY: "NO_AUTHORITY", INVALID: "INVALID"}
_KINDS: Final = frozenset({"FORK", "OWN_CODE", "RECEIPT", "CANONICAL", "PACKAGE", "STATISTICS", "ERASED", "CLOCK"})
_TEXT_MAX: Final = 1000
_SUBJECT_MAX: Final = 200


class Producer(Protocol):
    """Appends a record that the node makes itself, under a key derived from its cause, never twice."""

    def __call__(
        self, transaction: Transaction, stream: StreamName, record_type: str, content: Content, key: str
    ) -> bool:
        """Return False, with nothing written, when a record with this key was made before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Consecutive quarantined records of one stream with one reason."""

    stream: StreamName
    first: int
    last: int
    reason: str
    text: str

    @property
    def key(self) -> str:
        """What the Rejection is known by: without the last position, so that a run that grows is the same cause."""
        return f"rejection/{self.stream}/{self.first}/{_REASONS[self.reason]}"


def write_rejections(store: Store, *, node_code: str, produce: Producer) -> int:
    """Tell the origins of records that cannot be applied here; return how many Rejection records were written.

    One for each run of positions with the same reason, in the stream directed to the origin. Records that only wait for
    an upgrade of this node are no fault of the origin; control records are never rejected.
    """
    with store.reading() as connection:
        found = quarantine.listed(connection, reasons=tuple(_REASONS), limit=LOOKED_AT_MAX)
        runs = [run for run in runs_of(found) if run.stream.origin != node_code]
        told = lookup_many(connection, SOURCE, [run.key for run in runs])
    runs = [run for run in runs if run.key not in told][:TOLD_MAX]
    if not runs:
        return 0
    return store.write(lambda transaction: sum(_reject(transaction, run, node_code, produce) for run in runs))


def runs_of(found: Iterable[Quarantined]) -> list[Run]:
    """Return the runs among quarantined records (in order of their keys): what one Rejection each is about. Pure."""
    runs: list[Run] = []
    for one in found:
        known = RECORD_TYPES.get(one.record_type)
        if known is not None and known.control:
            continue
        before = runs[-1] if runs else None
        same = before is not None and (before.stream, before.reason, before.last + 1) == (
            one.stream,
            one.reason,
            one.position,
        )
        first, text = (before.first, before.text) if before is not None and same else (one.position, one.detail)
        run = Run(stream=one.stream, first=first, last=one.position, reason=one.reason, text=text)
        runs[len(runs) - same :] = [run]
    return runs


def write_alarms(store: Store, *, node_code: str, produce: Producer) -> int:
    """Write the Alarm record of every alarm that has none yet; return how many were written."""
    with store.reading() as connection:
        found = alarms.alarms(connection, recorded=False, limit=TOLD_MAX)
    if not found:
        return 0
    return store.write(lambda transaction: _tell_all(transaction, found, node_code, produce))


def _reject(transaction: Transaction, run: Run, node_code: str, produce: Producer) -> bool:
    content: Content = {
        "Stream": str(run.stream),
        "FirstPosition": str(run.first),
        "LastPosition": str(run.last),
        "Reason": _REASONS[run.reason],
        "Text": (run.text or run.reason)[:_TEXT_MAX],
    }
    return produce(transaction, StreamName(node_code, run.stream.origin), "Rejection", content, run.key)


def _tell_all(transaction: Transaction, found: list[Alarm], node_code: str, produce: Producer) -> int:
    written = sum(_tell(transaction, alarm, node_code, produce) for alarm in found)
    alarms.mark_recorded(transaction, [alarm.key for alarm in found])
    return written


def _tell(transaction: Transaction, alarm: Alarm, node_code: str, produce: Producer) -> bool:
    kind = alarm.kind.upper()
    content: dict[str, str] = {"Kind": kind if kind in _KINDS else OTHER_KIND}
    if alarm.stream is not None:
        content["Stream"] = str(alarm.stream)
    content["Subject"] = alarm.subject[:_SUBJECT_MAX] or alarm.kind
    content["Text"] = alarm.text or alarm.subject
    key = f"alarm/{hashlib.sha256(alarm.key.encode()).hexdigest()[:32]}"
    return produce(transaction, StreamName(node_code, ANCESTORS), "Alarm", content, key)
