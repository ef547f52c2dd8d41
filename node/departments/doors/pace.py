"""The pace at which a source may be asked: deliveries and records in a minute; pure.

Both are accounts that fill evenly up to a minute's worth. Of records nobody knows before how many a delivery holds, so
that account may fall below nothing, and nothing is fetched until it is filled again.
"""

from __future__ import annotations

from typing import Final

MINUTE_S: Final = 60.0


class Account:
    """So many in a minute, at most a minute's worth at once; 0 for no limit."""

    def __init__(self, per_minute: int, now_s: float) -> None:
        self._per_minute = per_minute
        self._left = float(per_minute)
        self._at_s = now_s

    def left(self, now_s: float) -> float:
        """Return how many may be taken now; infinite without a limit."""
        if not self._per_minute:
            return float("inf")
        filled = (now_s - self._at_s) * self._per_minute / MINUTE_S
        self._left = min(float(self._per_minute), self._left + filled)
        self._at_s = now_s
        return self._left

    def take(self, count: int, now_s: float) -> None:
        """Take some out, more than there are if need be."""
        if self._per_minute:
            self._left = self.left(now_s) - count

    def wait_s(self, now_s: float) -> float:
        """Return the seconds until one may be taken."""
        left = self.left(now_s)
        return 0.0 if left >= 1 else (1 - left) * MINUTE_S / self._per_minute


class Pace:
    """Both limits of one adapter; ``now_s`` is monotonic everywhere."""

    def __init__(self, *, deliveries_per_minute_max: int, records_per_minute_max: int, now_s: float) -> None:
        self._deliveries = Account(deliveries_per_minute_max, now_s)
        self._records = Account(records_per_minute_max, now_s)

    def deliveries(self, wanted: int, now_s: float) -> int:
        """Return how many deliveries may be fetched now, ``wanted`` at most."""
        if self._records.left(now_s) < 1:
            return 0
        return int(min(wanted, max(0.0, self._deliveries.left(now_s))))

    def took(self, records: int, now_s: float) -> None:
        """Count a delivery of so many records."""
        self._deliveries.take(1, now_s)
        self._records.take(records, now_s)

    def wait_s(self, now_s: float) -> float:
        """Return the seconds until a delivery may be fetched."""
        return max(self._deliveries.wait_s(now_s), self._records.wait_s(now_s))
