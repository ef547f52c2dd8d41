"""Handing over: one document after another goes to an adapter, and an Acknowledgement says that it arrived."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from node.departments.delivering.display import display_text
from node.departments.delivering.queue import mark, waiting
from node.departments.delivering.tables import DELIVERED, GONE, REFUSED
from node.errors import AuthorityError
from node.journal.doubt import find_doubt
from node.journal.records import records_at
from node.standard.codec import parse_record
from node.standard.seals import ANCESTORS, StreamName

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection

    from node.clock import Clock
    from node.departments.delivering.queue import QueuedDocument
    from node.journal.records import StoredRecord
    from node.journal.store import Store, Transaction
    from node.standard.compose import Content
    from node.trust.tree import Tree

ROUND_MAX: Final = 50
"""Documents handed over in one round of an adapter, so that what comes up is not kept waiting. Our own choice."""
RECORD_TYPE: Final = "Acknowledgement"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DueDocument:
    """One document that goes down now.

    ``key`` is the same whenever it is handed over; ``body`` is the record as held; ``text`` what a display shows.
    """

    queued: QueuedDocument
    record_type: str
    body: bytes
    text: str

    @property
    def key(self) -> str:
        """The stream's origin and audience, and the position: at most 60 characters, fit for a file's name."""
        return f"{self.queued.stream.origin}-{self.queued.stream.audience}-{self.queued.position}"


class Producer(Protocol):
    """Appends a record that the node makes itself, under a key derived from its cause, never twice."""

    def __call__(
        self, transaction: Transaction, stream: StreamName, record_type: str, content: Content, key: str
    ) -> bool:
        """Return False, with nothing written, when a record with this key was made before."""


class Delivering:
    """What a node does for an adapter that takes documents down to its department."""

    def __init__(
        self, store: Store, *, node_code: str, tree: Callable[[Connection], Tree], produce: Producer, clock: Clock
    ) -> None:
        self._store = store
        self._node_code = node_code
        self._tree = tree
        self._produce = produce
        self._clock = clock

    def due(self, adapter: str, limit: int = ROUND_MAX) -> list[DueDocument]:
        """Return the documents that the adapter hands over next, oldest first; none while this node is in doubt.

        Those whose records are not there any more are put aside as *gone*; one that is set aside again keeps waiting.
        """
        while True:
            with self._store.reading() as connection:
                if find_doubt(connection) is not None:
                    return []
                queued = waiting(connection, adapter, limit)
                found = {one.key: one for one in records_at(connection, [one.record_key for one in queued])}
            gone = [one for one in queued if (stored := found.get(one.record_key)) is None or stored.body is None]
            if not gone:
                return [_document(one, found[one.record_key]) for one in queued]
            self._mark_gone(gone)

    def delivered(self, adapter: str, document: DueDocument) -> None:
        """Note that the department's system holds the document, and say so in an Acknowledgement.

        Where the tree has no place for that (any more), the reason stands beside the document: it went down all the
        same, and must hold nothing up that waits behind it.
        """
        try:
            self._store.write(lambda transaction: self._delivered(transaction, adapter, document))
        except AuthorityError as error:
            reason = f"not acknowledged: {error.why}"
            at = self._clock.now()
            self._store.write(lambda transaction: mark(transaction, document.queued, DELIVERED, at, reason=reason))
            _log.warning("document not acknowledged", extra={"adapter": adapter, "key": document.key, "why": error.why})

    def refused(self, document: DueDocument, reason: str) -> None:
        """Note that the department's system will never take the document."""
        self._store.write(
            lambda transaction: mark(transaction, document.queued, REFUSED, self._clock.now(), reason=reason)
        )

    def _mark_gone(self, documents: list[QueuedDocument]) -> None:
        at, reason = self._clock.now(), "its record was erased, or left its stream"

        def work(transaction: Transaction) -> None:
            for document in documents:
                mark(transaction, document, GONE, at, reason=reason)

        self._store.write(work)

    def _delivered(self, transaction: Transaction, adapter: str, document: DueDocument) -> None:
        if not mark(transaction, document.queued, DELIVERED, self._clock.now()):
            return
        content = {
            "Stream": str(document.queued.stream),
            "Position": str(document.queued.position),
            "Text": f"已送达部门 {document.queued.organisation}（{adapter}）",
        }
        stream = answer_stream(self._tree(transaction.connection), self._node_code, document.queued.stream.origin)
        self._produce(transaction, stream, RECORD_TYPE, content, f"acknowledgement/{adapter}/{document.key}")


def answer_stream(tree: Tree, node_code: str, origin: str) -> StreamName:
    """Return the stream in which this node tells of a record of ``origin`` that its department has it.

    A node above, or beside, is told directly; what this node or one below wrote is told upward with everything else.
    """
    told_upward = origin == node_code or tree.is_ancestor(node_code, origin)
    return StreamName(node_code, ANCESTORS if told_upward else origin)


def _document(queued: QueuedDocument, stored: StoredRecord) -> DueDocument:
    body = stored.body or b""
    return DueDocument(
        queued=queued,
        record_type=stored.record_type,
        body=body,
        text=display_text(stored.record_type, parse_record(body)),
    )
