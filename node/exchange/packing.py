"""Packing: which streams come into the next package, and how many bytes of it each may fill. Pure; nothing is read.

The order is that of 02, R13: ``trust`` first, because everything else is judged by the tree; then directed streams,
which are small and urgent, but never more than half of the bytes while others wait; then the rest by deficit
round-robin (M. Shreedhar, G. Varghese, 1996): each stream in turn may fill a quantum, what a slice leaves of it (slices
end only at checkpoints) is kept for its next turn, and the next package goes on where this one ended. So a stream with
a year to catch up never keeps a fresh record of another waiting for more than one round.

A slice that does not fit into what is left lets those behind it pass, and is the first of the next package. The same
turns hold among directed streams.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from node.standard.seals import TRUST, StreamName

if TYPE_CHECKING:
    from collections.abc import Iterable

QUANTUM_BYTES: Final = 1_100_000
"""A little over the largest distance of neighbouring checkpoints (1 MB), so that each turn fits at least one slice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What ``take`` put into the package: bytes used (0: its next slice does not fit), and whether nothing waits now.

    ``full``: the package holds as many slices as it may, so nobody else needs to be asked.
    """

    used_bytes: int
    emptied: bool
    full: bool = False


class Take(Protocol):
    """Puts a slice of ``stream`` of at most ``bytes_max`` into the package, cut at a checkpoint."""

    def __call__(self, stream: StreamName, bytes_max: int) -> Taken:
        """Return what was taken; nothing is taken when the next checkpoint lies beyond ``bytes_max``."""


class Packing:
    """Whose turn it is on one link, from package to package. ``quantum_bytes`` is for tests."""

    __slots__ = ("_deficits", "_directed", "_others", "_quantum_bytes")

    def __init__(self, *, quantum_bytes: int = QUANTUM_BYTES) -> None:
        self._quantum_bytes = quantum_bytes
        self._deficits: dict[StreamName, int] = {}
        self._directed = _Turns()
        self._others = _Turns()

    def fill(self, waiting: Iterable[StreamName], bytes_max: int, take: Take) -> bool:
        """Fill a package of ``bytes_max`` from the streams that wait, and tell whether some still wait after it.

        ``take`` is called at most once per stream.
        """
        trust, directed, others = _classes(waiting)
        more = False
        left = bytes_max
        for stream in trust:
            taken = take(stream, left)
            left -= taken.used_bytes
            more |= not taken.emptied
        share = left // 2 if others else left
        for stream in self._directed.order(directed):
            taken = take(stream, share)
            self._directed.served(stream, fitted=_fitted(taken))
            share -= taken.used_bytes
            left -= taken.used_bytes
            more |= not taken.emptied
        return self._share(others, left, take) or more

    def _share(self, others: list[StreamName], left: int, take: Take) -> bool:
        """Give each stream its turn, beginning behind the one that was served last."""
        self._deficits = {stream: self._deficits.get(stream, 0) for stream in others}
        # When few wait, nobody is kept waiting by a larger turn, and fewer, longer slices cost less.
        quantum = max(self._quantum_bytes, left // len(others) if others else 0)
        more = False
        for stream in self._others.order(others):
            if left <= 0:
                return True
            credit = self._deficits[stream] + quantum
            taken = take(stream, min(credit, left))
            if taken.full:
                return True
            # Where the package ended before its credit did, the stream has not had its turn.
            fitted = _fitted(taken) or left >= credit
            self._others.served(stream, fitted=fitted)
            if fitted:
                self._deficits[stream] = 0 if taken.emptied else credit - taken.used_bytes
            left -= taken.used_bytes
            more |= not taken.emptied
        return more


class _Turns:
    """Turns among streams of one class: the next package begins behind the last one that was served in order."""

    __slots__ = ("_last", "_passed_over")

    def __init__(self) -> None:
        self._last: StreamName | None = None
        self._passed_over = False

    def order(self, streams: list[StreamName]) -> list[StreamName]:
        """Return sorted ``streams`` in the order of their turns in a new package."""
        self._passed_over = False
        last = self._last
        if last is None:
            return streams
        return [stream for stream in streams if stream > last] + [stream for stream in streams if stream <= last]

    def served(self, stream: StreamName, *, fitted: bool) -> None:
        """Note a turn; one whose slice did not fit is the first of the next package, whoever came after it."""
        self._passed_over |= not fitted
        if not self._passed_over:
            self._last = stream


def _fitted(taken: Taken) -> bool:
    return taken.used_bytes > 0 or taken.emptied


def _classes(waiting: Iterable[StreamName]) -> tuple[list[StreamName], list[StreamName], list[StreamName]]:
    trust: list[StreamName] = []
    directed: list[StreamName] = []
    others: list[StreamName] = []
    for stream in sorted(waiting):
        if stream.audience == TRUST:
            trust.append(stream)
        elif stream.directed_to is not None:
            directed.append(stream)
        else:
            others.append(stream)
    return trust, directed, others
