"""Where a stream must be sealed: so that neighbouring checkpoints are at most 500 records and 1 MB apart (02, R3)."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from node.journal.records import bytes_between, weights
from node.journal.roots import frontier_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy.engine import Connection

    from node.journal.holdings import Held

SPAN_RECORDS_MAX: Final = 500
SPAN_BYTES_MAX: Final = 1_000_000
_READ_RECORDS: Final = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class SealPoint:
    """A size at which a checkpoint is due, the root there and the stream's raw bytes up to there."""

    size: int
    root: bytes
    total_bytes: int


def points(connection: Connection, held: Held) -> Iterator[SealPoint]:
    """Yield the checkpoints that are due on a stream, smallest first, the last at its size; nothing when all is sealed.

    A point is due after every 500th record since the one before, and before the record that would make more than 1 MB.
    Memory stays bounded however much was committed since.
    """
    frontier = frontier_at(connection, held.stream_id, held.sealed)
    total_bytes = held.total_bytes - bytes_between(connection, held.stream_id, held.sealed + 1, held.size)
    span_bytes = 0
    leaves: list[bytes] = []
    for first in range(held.sealed + 1, held.size + 1, _READ_RECORDS):
        last = min(first + _READ_RECORDS - 1, held.size)
        for length, leaf in weights(connection, held.stream_id, first, last):
            if leaves and (len(leaves) == SPAN_RECORDS_MAX or span_bytes + length > SPAN_BYTES_MAX):
                frontier.extend(leaves)
                total_bytes += span_bytes
                yield SealPoint(size=frontier.size, root=frontier.root(), total_bytes=total_bytes)
                leaves, span_bytes = [], 0
            leaves.append(leaf)
            span_bytes += length
    if leaves:
        frontier.extend(leaves)
        yield SealPoint(size=frontier.size, root=frontier.root(), total_bytes=total_bytes + span_bytes)


def landmarks(sizes: Sequence[int], lengths: Sequence[int], offset: int) -> list[int]:
    """Return the fewest of ``sizes`` that keep neighbours at most 500 records and 1 MB apart, as far as they can; pure.

    ``sizes`` ascend behind ``offset``, and ``lengths`` are the bytes of the records behind it, up to the last of them.
    Neither ``offset`` nor the last size is returned: both stand anyway. Of those that end at a smaller size, the same
    are returned for it.
    """
    totals = [0, *itertools.accumulate(lengths)]
    kept: list[int] = []
    left = offset
    for size, following in itertools.pairwise(sizes):
        span_bytes = totals[following - offset] - totals[left - offset]
        if following - left > SPAN_RECORDS_MAX or span_bytes > SPAN_BYTES_MAX:
            kept.append(size)
            left = size
    return kept
