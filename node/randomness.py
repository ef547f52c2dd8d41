"""Where chance comes from: given to a node when it is built, so that a seed replays a whole tree."""

from __future__ import annotations

import random
import secrets
from typing import Protocol


class Randomness(Protocol):
    """A source of unpredictable bytes and of jitter."""

    def token(self, length: int) -> bytes:
        """Return ``length`` random bytes: salts, invitation codes, start ids."""

    def uniform(self, low: float, high: float) -> float:
        """Return a number between ``low`` and ``high``: jitter of waits."""


class SystemRandomness:
    """The operating system's generator: what every real node uses."""

    __slots__ = ()

    def token(self, length: int) -> bytes:
        """Return ``length`` bytes from the operating system."""
        return secrets.token_bytes(length)

    def uniform(self, low: float, high: float) -> float:
        """Return a number drawn from the operating system's generator."""
        return secrets.SystemRandom().uniform(low, high)


class SeededRandomness:
    """A generator that repeats itself for the same seed: for tests, the simulation and generated data only."""

    __slots__ = ("_random",)

    def __init__(self, seed: int | str) -> None:
        self._random = random.Random(seed)  # noqa: S311 - repeatable by intent, never used for keys.

    def token(self, length: int) -> bytes:
        """Return ``length`` bytes that follow from the seed."""
        return self._random.randbytes(length)

    def uniform(self, low: float, high: float) -> float:
        """Return a number that follows from the seed."""
        return self._random.uniform(low, high)
