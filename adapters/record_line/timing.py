"""How long a line takes to answer and how fast it is: when nothing will come any more, and how much to send ahead."""

from __future__ import annotations

from adapters.record_line.limits import (
    FRAGMENT_BYTES_MIN,
    FRAGMENT_S_MAX,
    TIMEOUT_GROWTH,
    TIMEOUT_MAX_S,
    TIMEOUT_MIN_S,
    WINDOW_BYTES_MAX,
    WINDOW_BYTES_MIN,
    WINDOW_BYTES_START,
    WINDOW_S,
)


class LineTiming:
    """Retransmission time-out by RFC 6298, window by the line's speed; begins with the opening's round trip."""

    def __init__(self, round_trip_s: float) -> None:
        self._smoothed_s = self._shortest_s = round_trip_s
        self._variation_s = round_trip_s / 2
        self._backed_off = 0
        self._rate = 0.0

    def measured(self, round_trip_s: float, rate: float) -> None:
        """Take in a round trip and the bytes a second whose fate became known meanwhile."""
        self._variation_s += (abs(self._smoothed_s - round_trip_s) - self._variation_s) / 4
        self._smoothed_s += (round_trip_s - self._smoothed_s) / 8
        # Creeps up, so that a line that became longer is believed after a while.
        self._shortest_s = min(self._shortest_s * 1.002, round_trip_s)
        self._rate = max(rate, self._rate * 0.95)
        self._backed_off = 0

    def timed_out(self) -> None:
        """Take in that nothing came in time: the next time-out is half as long again.

        RFC 6298 doubles it because others' traffic may be in the way; a line has no others, only noise.
        """
        self._backed_off += 1

    @property
    def timeout_s(self) -> float:
        """Wait so long for an acknowledgement before asking."""
        base = max(self._smoothed_s + 4 * self._variation_s, TIMEOUT_MIN_S)
        return float(min(base * TIMEOUT_GROWTH ** min(self._backed_off, 20), TIMEOUT_MAX_S))

    @property
    def window_bytes(self) -> int:
        """So much may be on its way."""
        if not self._rate:
            return WINDOW_BYTES_START
        ahead = self._rate * max(WINDOW_S, 1.5 * self._shortest_s)
        return int(min(max(ahead, WINDOW_BYTES_MIN), WINDOW_BYTES_MAX))

    def fragment_bytes_max(self, largest: int) -> int:
        """Return the longest fragment that does not occupy a slow line for too long, at most ``largest``."""
        if not self._rate:
            return largest
        return min(largest, max(int(self._rate * FRAGMENT_S_MAX), FRAGMENT_BYTES_MIN))
