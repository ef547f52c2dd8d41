"""Where time comes from.

A node never reads the machine's clock by itself: a ``Clock`` is given to it when it is built, so that tests, the
simulation and a pushed demonstration decide what time it is. ``MachineClock`` is the one home of the system calls.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """A source of wall time and of waiting time."""

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""

    def monotonic_s(self) -> float:
        """Return seconds that only ever grow; for waits and durations, never for records."""


class MachineClock:
    """The clock of the machine; ``ahead`` pushes business time only, never waiting time."""

    __slots__ = ("_ahead",)

    def __init__(self, ahead: timedelta = timedelta(0)) -> None:
        self._ahead = ahead

    def now(self) -> datetime:
        """Return the machine's time plus the push, aware, in UTC."""
        return datetime.now(tz=UTC) + self._ahead

    def monotonic_s(self) -> float:
        """Return the machine's monotonic seconds."""
        return time.monotonic()


class SetClock:
    """A clock that moves only when told to: for tests and the simulation."""

    __slots__ = ("_lock", "_monotonic_s", "_now")

    def __init__(self, now: datetime) -> None:
        if now.tzinfo is None:
            message = "a SetClock needs an aware time"
            raise ValueError(message)
        self._now = now.astimezone(UTC)
        self._monotonic_s = 0.0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Return the time that was set, plus what was advanced since."""
        return self._now

    def monotonic_s(self) -> float:
        """Return the seconds advanced since the clock was made."""
        return self._monotonic_s

    def advance(self, seconds: float) -> None:
        """Move both times forward by ``seconds`` (0 or more)."""
        with self._lock:
            self._now += timedelta(seconds=seconds)
            self._monotonic_s += seconds
