"""Choices that follow from a seed: the small vocabulary in which generated data are written.

The same seed gives the same month on every machine. Never used for keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from node.randomness import SeededRandomness

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from node.randomness import Randomness

T = TypeVar("T")


class Chance:
    """A repeatable source of choices; ``seed`` may be any text or number."""

    __slots__ = ("_randomness",)

    def __init__(self, seed: int | str) -> None:
        self._randomness: Randomness = SeededRandomness(seed)

    def number(self, low: int, high: int) -> int:
        """Return a whole number between ``low`` and ``high``, both included."""
        return min(high, low + int(self._randomness.uniform(0, high - low + 1)))

    def pick(self, options: Sequence[T]) -> T:
        """Return one of ``options``, which must not be empty."""
        return options[self.number(0, len(options) - 1)]

    def happens(self, share: float) -> bool:
        """Return True in ``share`` (0 to 1) of all calls."""
        return self._randomness.uniform(0, 1) < share

    def weighted(self, weights: Mapping[T, int]) -> T:
        """Return one of the keys, each as often as its weight says; weights are positive."""
        left = self.number(1, sum(weights.values()))
        for option, weight in weights.items():
            left -= weight
            if left <= 0:
                return option
        raise AssertionError  # pragma: no cover - the weights sum up to what was drawn.
