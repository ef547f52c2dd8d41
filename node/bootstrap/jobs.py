"""What a node writes by itself because of what it holds: alarms, each once for its cause (02, R9).

Each job reads first and opens a transaction only when there is something to write, so that an idle node writes
nothing. Keys are derived from the cause, so repeating a job after a crash writes nothing new.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, Protocol

from node.journal import alarms
from node.standard.seals import ANCESTORS, StreamName

if TYPE_CHECKING:
    from node.journal.alarms import Alarm
    from node.journal.store import Store, Transaction
    from node.standard.compose import Content

TOLD_MAX: Final = 500
"""Records written by one call; the next one goes on."""
OTHER_KIND: Final = "OTHER"

_KINDS: Final = frozenset({"FORK", "OWN_CODE", "RECEIPT", "CANONICAL", "PACKAGE", "STATISTICS", "ERASED", "CLOCK"})
_TEXT_MAX: Final = 1000
_SUBJECT_MAX: Final = 200
_ALARM_TEXT_MAX: Final = 4000


class Producer(Protocol):
    """Appends a record that the node makes itself, under a key derived from its cause, never twice."""

    def __call__(
        self, transaction: Transaction, stream: StreamName, record_type: str, content: Content, key: str
    ) -> bool:
        """Return False, with nothing written, when a record with this key was made before."""


def write_alarms(store: Store, *, node_code: str, produce: Producer) -> int:
    """Write the Alarm record of every alarm that has none yet; return how many were written."""
    with store.reading() as connection:
        found = alarms.alarms(connection, recorded=False, limit=TOLD_MAX)
    if not found:
        return 0
    return store.write(lambda transaction: _tell_all(transaction, found, node_code, produce))


def _tell_all(transaction: Transaction, found: list[Alarm], node_code: str, produce: Producer) -> int:
    written = sum(_tell(transaction, alarm, node_code, produce) for alarm in found)
    alarms.mark_recorded(transaction, [alarm.key for alarm in found])
    return written


def _tell(transaction: Transaction, alarm: Alarm, node_code: str, produce: Producer) -> bool:
    kind = alarm.kind.upper()
    content: dict[str, str] = {"Kind": kind if kind in _KINDS else OTHER_KIND}
    if alarm.stream is not None:
        content["Stream"] = str(alarm.stream)
    # The standard's subject is one line; an alarm must become a record whatever was found.
    content["Subject"] = (" ".join(alarm.subject.split()) or alarm.kind)[:_SUBJECT_MAX]
    content["Text"] = (alarm.text.strip() or alarm.kind)[:_ALARM_TEXT_MAX]
    key = f"alarm/{hashlib.sha256(alarm.key.encode()).hexdigest()[:32]}"
    return produce(transaction, StreamName(node_code, ANCESTORS), "Alarm", content, key)
