"""How bad a line is, and how long a fragment should be on it."""

from __future__ import annotations

import math
from typing import Final

from adapters.record_line.limits import FRAGMENT_BYTES_MIN, FRAGMENT_BYTES_START, FRAME_OVERHEAD_BYTES

_MEMORY_BYTES: Final = 131_072
"""After so many bytes the older half of what was seen counts for half."""
_PRIOR_LOST: Final = 0.25
_PRIOR_BYTES: Final = _PRIOR_LOST * FRAGMENT_BYTES_START * (1 + FRAGMENT_BYTES_START / FRAME_OVERHEAD_BYTES)
"""What is believed before anything was seen: so bad a line that the first fragments are FRAGMENT_BYTES_START long."""


class LossMeter:
    """Learns from frames that arrived and that did not how often a byte is spoilt.

    With e spoilt bytes in a byte, of L fragment bytes and h bytes around them L / (L + h) * exp(-e * (L + h)) of the
    line's speed is left. That is most where L * (L + h) = h / e.
    """

    def __init__(self) -> None:
        self._frames = 0.0
        self._lost = 0.0
        self._bytes = 0.0

    def arrived(self, frame_bytes: int) -> None:
        """Count a frame that the other end has."""
        self._count(frame_bytes, 0.0)

    def lost(self, frame_bytes: int) -> None:
        """Count a frame that the other end never got."""
        self._count(frame_bytes, 1.0)

    def byte_loss(self) -> float:
        """Return the share of bytes that are spoilt, as far as is known."""
        if not self._frames:
            return _PRIOR_LOST / _PRIOR_BYTES
        # A long frame may be hit several times and is lost once, hence the logarithm; certainty is never reached.
        survived = max(1.0 - self._lost / self._frames, 0.02)
        seen = -math.log(survived) * self._frames
        return (seen + _PRIOR_LOST) / (self._bytes + _PRIOR_BYTES)

    def fragment_bytes(self, largest: int) -> int:
        """Return how long a fragment should be, at most ``largest``."""
        half = FRAME_OVERHEAD_BYTES / 2
        best = math.sqrt(half * half + FRAME_OVERHEAD_BYTES / self.byte_loss()) - half
        return max(FRAGMENT_BYTES_MIN, min(int(best), largest))

    def _count(self, frame_bytes: int, lost: float) -> None:
        self._frames += 1
        self._lost += lost
        self._bytes += frame_bytes
        if self._bytes > _MEMORY_BYTES:
            self._frames /= 2
            self._lost /= 2
            self._bytes /= 2
