"""Which checkpoints and receipts are kept: enough to prove everything, not everything (02, R3).

Every group commit makes a checkpoint, so a busy year makes millions; what they prove is proved by few of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, select

from node.journal import cursors, holdings
from node.journal.sealing import SPAN_BYTES_MAX, SPAN_RECORDS_MAX
from node.journal.tables import checkpoint, receipt
from node.standard.facts import TREE_ZONE

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from node.journal.store import Transaction
    from node.standard.seals import StreamName

_DELETED_PER_STATEMENT: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """How many checkpoints and receipts a call of ``retain`` dropped."""

    checkpoints: int
    receipts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One checkpoint as far as keeping it matters; ``total_bytes`` None: not known, so it stays."""

    size: int
    sealed_at: datetime
    total_bytes: int | None


def retain(
    transaction: Transaction, stream: StreamName, *, below: int | None = None, pinned: Collection[int] = ()
) -> Dropped:
    """Drop the checkpoints and receipts of a held stream that nothing needs; safe to repeat at any time.

    Kept receipts: of each holder the newest, the last of each day (in the tree's zone), and those at ``pinned`` sizes.
    Kept checkpoints: the newest; those beyond ``below`` (default: the lowest cursor of any link on this stream, so that
    nothing still to be sent loses its checkpoint); the last of each day; those at the size of a kept receipt, so that
    what a receipt witnesses can be proved; those at ``pinned`` sizes (alarms, evidence files); announced ones; and as
    many between them that neighbours stay at most 500 records and 1 MB apart, because a relay can cut a slice only
    there and a slice must fit into a package. Checkpoints that are already further apart are all kept.
    """
    held = holdings.known(transaction.connection, stream)
    lowest = cursors.lowest(transaction.connection, stream) if below is None else below
    kept_receipts, dropped_receipts = _sift_receipts(transaction, held.stream_id, pinned)
    marks = _marks(transaction, held.stream_id, held.size)
    dropped = droppable(marks, below=lowest, needed={*pinned, *kept_receipts})
    for low in range(0, len(dropped), _DELETED_PER_STATEMENT):
        some = dropped[low : low + _DELETED_PER_STATEMENT]
        transaction.connection.execute(
            delete(checkpoint).where(checkpoint.c.stream_id == held.stream_id, checkpoint.c.size.in_(some))
        )
    return Dropped(checkpoints=len(dropped), receipts=dropped_receipts)


def droppable(marks: Sequence[Mark], *, below: int, needed: Collection[int]) -> list[int]:
    """Return the sizes of the checkpoints (in ascending order of size) that may be dropped; pure.

    The last of ``marks``, the last of each day, those beyond ``below`` and at ``needed`` sizes stay, and those without
    which the neighbours left and right would be too far apart.
    """
    last_of_day = {mark.sealed_at.astimezone(TREE_ZONE).date(): mark.size for mark in marks}
    kept = {*needed, *last_of_day.values()}
    dropped: list[int] = []
    left = Mark(size=0, sealed_at=marks[0].sealed_at, total_bytes=0) if marks else None
    for at, mark in enumerate(marks[:-1]):
        right = marks[at + 1]
        # Whether the next one stays does not matter: if it goes, the one after it is near enough to ``left``.
        if mark.size <= below and mark.size not in kept and left is not None and _near(left, right):
            dropped.append(mark.size)
        else:
            left = mark
    return dropped


def _near(left: Mark, right: Mark) -> bool:
    if left.total_bytes is None or right.total_bytes is None:
        return False
    return right.size - left.size <= SPAN_RECORDS_MAX and right.total_bytes - left.total_bytes <= SPAN_BYTES_MAX


def _marks(transaction: Transaction, stream_id: int, size: int) -> list[Mark]:
    columns = (checkpoint.c.size, checkpoint.c.sealed_at, checkpoint.c.bytes)
    query = select(*columns).where(checkpoint.c.stream_id == stream_id, checkpoint.c.size <= size)
    return [
        Mark(size=row.size, sealed_at=row.sealed_at, total_bytes=row.bytes)
        for row in transaction.connection.execute(query.order_by(checkpoint.c.size))
    ]


def _sift_receipts(transaction: Transaction, stream_id: int, pinned: Collection[int]) -> tuple[set[int], int]:
    """Drop receipts and return the sizes of those kept and how many went."""
    columns = (receipt.c.holder, receipt.c.size, receipt.c.received_at)
    query = select(*columns).where(receipt.c.stream_id == stream_id).order_by(receipt.c.holder, receipt.c.size)
    rows = transaction.connection.execute(query).all()
    kept: dict[Any, int] = {}
    for row in rows:
        # Rows come by holder and size, so the last one written under a key is the day's, and the holder's, newest.
        kept[row.holder, row.received_at.astimezone(TREE_ZONE).date()] = row.size
        kept[row.holder, None] = row.size
        if row.size in pinned:
            kept[row.holder, row.size] = row.size
    staying = {(holder, size) for (holder, _), size in kept.items()}
    leaving = [row for row in rows if (row.holder, row.size) not in staying]
    for row in leaving:
        transaction.connection.execute(
            delete(receipt).where(
                receipt.c.stream_id == stream_id, receipt.c.holder == row.holder, receipt.c.size == row.size
            )
        )
    return {size for _, size in staying}, len(leaving)
