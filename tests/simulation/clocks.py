"""Virtual time: it stands still while anything happens, and jumps to whatever happens next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)
"""When histories begin: a Monday morning after the month of which the generated cases tell."""


class VirtualTime:
    """The one true time of a history: ``now_s`` seconds since its beginning."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def jump(self, to_s: float) -> None:
        """Move to a moment that is not past."""
        assert to_s >= self.now_s
        self.now_s = to_s


class NodeClock:
    """A machine's clock: ``rate`` of its seconds pass in a true one, and it stands ``offset_s`` off."""

    def __init__(self, time: VirtualTime, *, rate: float = 1.0) -> None:
        self.offset_s = 0.0
        self._time = time
        self._rate = rate

    def now(self) -> datetime:
        """Return what the clock shows, aware, in UTC."""
        return START + timedelta(seconds=self._time.now_s * self._rate + self.offset_s)

    def monotonic_s(self) -> float:
        """Return seconds that never jump."""
        return self._time.now_s * self._rate
