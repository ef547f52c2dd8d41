"""Sealing: the origin signs what it has committed, outside the lock, one seal for all (02, R3).

Only ``run`` calls this, at start, whenever something was committed, and once in a while for the daily re-sign. A record
leaves its origin only under a checkpoint, so nothing is lost when sealing is late: it is only sent later.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Final, Protocol

from node.journal import checkpoints, holdings
from node.journal.doubt import check_no_doubt
from node.journal.sealing import SealPoint, points
from node.standard.seals import Checkpoint

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from node.clock import Clock
    from node.journal.holdings import Held
    from node.journal.store import Store, Transaction
    from node.journal.streams import Journal

RESIGN_AFTER: Final = timedelta(days=1)
"""Age at which a stream's newest checkpoint is signed again, so that silence can be told from withholding."""


class Signer(Protocol):
    """The node's identity, as far as sealing needs it (``node.trust.identity.Identity``)."""

    @property
    def fingerprint(self) -> str:
        """Lower-case hex SHA-256 of the signing certificate's DER."""

    @property
    def tree(self) -> str:
        """Lower-case hex SHA-256 of the root's public key."""

    def sign(self, text: bytes) -> bytes:
        """Return the DER signature of ``text``."""


def seal(store: Store, journal: Journal, signer: Signer, clock: Clock) -> list[Checkpoint]:
    """Seal every own stream up to what is committed, and re-sign newest checkpoints older than a day.

    What is about to be revealed goes into the high-water file first. Raises InDoubtError, with nothing signed, while
    the database may be older than what was revealed before (02, R12).

    Returns the checkpoints saved, in order of stream and size. Several seals at once are harmless: one stream's
    checkpoints are saved only if nobody has sealed it further meanwhile. Safe to repeat: with nothing new it does
    nothing, not even a transaction.
    """
    with store.reading() as connection:
        check_no_doubt(connection)
        due = [_due(connection, held, clock) for held in journal.own_streams(connection) if held.size]
    signed = [(held, found, _signed(held, found, signer, clock)) for held, found in due if found]
    if not signed:
        return []
    journal.high_water.raise_to({held.stream: made[-1].size for held, _, made in signed})
    return store.write(lambda transaction: _save(transaction, signed))


def _due(connection: Connection, held: Held, clock: Clock) -> tuple[Held, list[SealPoint]]:
    found = list(points(connection, held))
    if not found:
        newest = checkpoints.newest(connection, held.stream)
        if newest is None or clock.now() - newest.sealed_at >= RESIGN_AFTER:
            found = [SealPoint(size=held.size, root=held.root, total_bytes=held.total_bytes)]
    return held, found


def _signed(held: Held, found: list[SealPoint], signer: Signer, clock: Clock) -> list[Checkpoint]:
    # A signed text carries whole seconds, so what is stored must not carry more.
    sealed_at = clock.now().astimezone(UTC).replace(microsecond=0)
    unsigned = [
        Checkpoint(stream=held.stream, size=point.size, root=point.root, sealed_at=sealed_at, signer=signer.fingerprint)
        for point in found
    ]
    return [replace(one, signature=signer.sign(one.text(signer.tree))) for one in unsigned]


def _save(transaction: Transaction, signed: list[tuple[Held, list[SealPoint], list[Checkpoint]]]) -> list[Checkpoint]:
    check_no_doubt(transaction.connection)
    saved: list[Checkpoint] = []
    for held, found, made in signed:
        if holdings.set_sealed(transaction, held, made[-1].size):
            total_bytes = {point.size: point.total_bytes for point in found}
            checkpoints.save(transaction, held, made, total_bytes=total_bytes)
            saved += made
    if saved:
        transaction.announce()
    return saved
