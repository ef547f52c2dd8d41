"""What happens to bytes on a bad line: flipped bits and lost bytes, the same ones for the same seed.

Chance is asked once for each damage and not once for each byte, so that a clean line costs nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from node.randomness import SeededRandomness

if TYPE_CHECKING:
    from node.randomness import Randomness


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """How bad a line is: the probability that a bit is flipped, and that a byte vanishes; both below 1."""

    flips_per_bit: float = 0.0
    drops_per_byte: float = 0.0
    seed: int = 0


class NoisyWire:
    """One direction of a line. Which bits and bytes are hit depends on the seed and the count of bytes only."""

    def __init__(self, noise: Noise, direction: str) -> None:
        self._flips = _Strikes(noise.flips_per_bit, SeededRandomness(f"flips/{direction}/{noise.seed}"))
        self._drops = _Strikes(noise.drops_per_byte, SeededRandomness(f"drops/{direction}/{noise.seed}"))
        self.flipped = 0
        self.dropped = 0

    def carry(self, data: bytes) -> bytes:
        """Return what arrives of the bytes that were sent."""
        bits = self._flips.within(8 * len(data))
        lost = self._drops.within(len(data))
        if not bits and not lost:
            return data
        arrived = bytearray(data)
        for bit in bits:
            arrived[bit // 8] ^= 1 << bit % 8
        for place in reversed(lost):
            del arrived[place]
        self.flipped += len(bits)
        self.dropped += len(lost)
        return bytes(arrived)


class _Strikes:
    """Places in an endless row, each struck with the same probability."""

    def __init__(self, probability: float, randomness: Randomness) -> None:
        self._probability = probability
        self._randomness = randomness
        self._ahead = self._gap()

    def within(self, count: int) -> list[int]:
        """Return which of the next ``count`` places are struck, ascending from 0, and move past them."""
        struck = []
        while self._ahead < count:
            struck.append(int(self._ahead))
            self._ahead += 1 + self._gap()
        self._ahead -= count
        return struck

    def _gap(self) -> float:
        """Return how many places are passed over before the next one that is struck."""
        if not self._probability:
            return math.inf
        return math.floor(math.log(1.0 - self._randomness.uniform(0.0, 1.0)) / math.log1p(-self._probability))
