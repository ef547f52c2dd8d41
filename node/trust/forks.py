"""What records say about forks (02, R7): alarms of other holders, abandoned checkpoints, and the root's decision.

A holder that finds a fork writes an ``Alarm`` with both checkpoints as they were signed. Whoever reads it believes the
origin's two signatures, never the holder that tells: a relay can stop no stream by saying so.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, update

from node.errors import IdentityError
from node.journal import holdings, roots
from node.journal.checkpoints import beyond
from node.journal.forks import Resolution, checkpoints_in, keep_fork, resolve, settle_abandoned
from node.journal.tables import fork, fork_resolution
from node.standard.codec import TAG_PREFIX
from node.standard.seals import StreamName

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from node.clock import Clock
    from node.journal.entries import Batch, Entry
    from node.journal.store import Transaction
    from node.standard.seals import Checkpoint
    from node.trust.book import CertificateBook
    from node.trust.identity import Identity

ALARM, RETURN, RESOLUTION = "Alarm", "StreamReturn", "ForkResolution"
FORK_KIND = "FORK"


class ForkProjection:
    """Keeps forks and what was decided about them; implements the journal's Projection."""

    def __init__(self, identity: Identity, book: CertificateBook, clock: Clock) -> None:
        self.name = "forks"
        self.cuts: frozenset[str] = frozenset()
        self._identity = identity
        self._book = book
        self._clock = clock

    def apply(self, transaction: Transaction, batches: Sequence[Batch]) -> None:
        """Take in batches."""
        for batch in batches:
            for entry in batch.entries:
                if entry.quarantine is None and entry.record_type in {ALARM, RETURN, RESOLUTION}:
                    self._apply(transaction, batch, entry)

    def requeued(self, transaction: Transaction, batch: Batch) -> None:
        """Take in records that were quarantined; the order does not matter."""
        self.apply(transaction, [batch])

    def clear(self, transaction: Transaction) -> None:
        """Forget decisions, before a rebuild reads them again; a fork that was met with stays."""
        transaction.connection.execute(delete(fork_resolution))
        transaction.connection.execute(update(fork).values(resolved_at=None))

    def _apply(self, transaction: Transaction, batch: Batch, entry: Entry) -> None:
        if entry.element is None:
            return
        told = _texts(entry.element)
        if entry.record_type == ALARM:
            if told.get("Kind") == FORK_KIND:
                self._believe(transaction, told.get("Text", ""))
            return
        held = holdings.find(transaction.connection, StreamName.parse(told["Stream"]))
        if held is None:
            return
        if entry.record_type == RESOLUTION:
            resolution = Resolution(size=int(told["Size"]), root=bytes.fromhex(told["Root"]))
            resolve(transaction, held, resolution, self._clock.now())
        elif held.stream == batch.stream:
            # Announced, never held: what the origin had sealed there is lost to itself.
            lost = [one for one in beyond(transaction.connection, held) if one.size > int(told["CommonSize"])]
            abandoned = [*abandoned_in(entry.element), *((one.size, one.root) for one in lost)]
            settle_abandoned(transaction, held, abandoned, self._clock.now())

    def _believe(self, transaction: Transaction, text: str) -> None:
        """Keep the fork that an alarm's text proves: two checkpoints of one size, both signed by the origin."""
        for one, other in itertools.pairwise(checkpoints_in(text, self._identity.tree)):
            if (one.stream, one.size) != (other.stream, other.size) or one.root == other.root:
                continue
            if all(self._is_signed(transaction, each) for each in (one, other)):
                self._keep(transaction, one, other)

    def _is_signed(self, transaction: Transaction, checkpoint: Checkpoint) -> bool:
        try:
            self._book.verify_checkpoint(transaction.connection, checkpoint)
        except IdentityError:
            return False
        return True

    def _keep(self, transaction: Transaction, one: Checkpoint, other: Checkpoint) -> None:
        held = holdings.find(transaction.connection, one.stream)
        if held is None:
            return
        if held.size >= one.size:
            root = roots.frontier_at(transaction.connection, held.stream_id, one.size).root()
            one, other = (one, other) if root == one.root else (other, one)
        keep_fork(transaction, held, other, tree=self._identity.tree, standing=one, at=self._clock.now())


def abandoned_in(element: Any) -> list[tuple[int, bytes]]:
    """Return size and root of each checkpoint that a StreamReturn names as abandoned."""
    found = []
    for child in element:
        if _name(child) == "Abandoned":
            told = _texts(child)
            found.append((int(told["Size"]), bytes.fromhex(told["Root"])))
    return found


def _texts(element: Any) -> dict[str, str]:
    return dict(_children(element))


def _children(element: Any) -> Iterator[tuple[str, str]]:
    for child in element:
        yield _name(child), child.text or ""


def _name(element: Any) -> str:
    return str(element.tag)[len(TAG_PREFIX) :]
