"""The limits of sources: how many requests, records and bytes of each, counted in memory.

One count serves all that a source does on the face: the open API and SOAP take requests, records and bytes; second
entry takes records, because the same key opens it.

A window begins with the first request after the one before has ended, and lasts a minute or a day of the monotonic
clock. One process serves the face of a home (its lock sees to that), so its counts are the node's; a restart begins
them anew, which is the price of writing nothing for a request that is turned away. Answers tell what is left in the
fields of draft-ietf-httpapi-ratelimit-headers-10: ``RateLimit-Policy`` and ``RateLimit``.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from node.web.refusals import RequestRefusedError

if TYPE_CHECKING:
    from node.clock import Clock
    from node.departments.sources import Source, SourceLimits

REQUESTS: Final = "requests"
RECORDS: Final = "records"
BYTES: Final = "content-bytes"
"""The units of quotas, by their names in the draft; ``records`` is our own."""
MINUTE_S: Final = 60
DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One kind of limit: its name in the answers, the field of SourceLimits, its unit, and its window in seconds."""

    name: str
    limit: str
    unit: str
    window_s: int

    def quota(self, limits: SourceLimits) -> int:
        """Return the limit of a source; 0: none."""
        return int(getattr(limits, self.limit))


POLICIES: Final = (
    Policy(name="requests-per-minute", limit="requests_per_minute", unit=REQUESTS, window_s=MINUTE_S),
    Policy(name="records-per-minute", limit="records_per_minute", unit=RECORDS, window_s=MINUTE_S),
    Policy(name="records-per-day", limit="records_per_day", unit=RECORDS, window_s=DAY_S),
    Policy(name="bytes-per-day", limit="bytes_per_day", unit=BYTES, window_s=DAY_S),
)


@dataclass(slots=True)
class _Window:
    ends_s: float
    used: int = 0


class RateLimits:
    """What the sources used of their limits. Threads call at any time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: dict[tuple[str, str], _Window] = {}

    def use_of(self, source: Source) -> Use:
        """Return what takes for one request of a source, and gives back."""
        return Use(self, source)

    def take(self, source: Source, unit: str, amount: int) -> list[_Window]:
        """Take ``amount`` from every limit of this unit, or nothing; return where it was taken.

        Raises RequestRefusedError: 429 when a window has not enough left, 413 when no window ever has.
        """
        with self._lock:
            now_s = self._clock.monotonic_s()
            met = [policy for policy in POLICIES if policy.unit == unit and policy.quota(source.limits)]
            windows = [self._window(source, policy, now_s) for policy in met]
            for policy, window in zip(met, windows, strict=True):
                if window.used + amount > policy.quota(source.limits):
                    raise _over(policy, source, window, amount, now_s)
            for window in windows:
                window.used += amount
            return windows

    def give_back(self, taken: list[tuple[_Window, int]]) -> None:
        """Give back what a request took that the node could not serve; a window that has ended is no matter."""
        with self._lock:
            for window, amount in taken:
                window.used -= amount

    def fields(self, source: Source) -> dict[str, str]:
        """Return the fields of an answer to a source; none where it has no limit."""
        with self._lock:
            now_s = self._clock.monotonic_s()
            policies, left = [], []
            for policy in POLICIES:
                quota = policy.quota(source.limits)
                if quota:
                    window = self._window(source, policy, now_s)
                    policies.append(f'"{policy.name}";q={quota};w={policy.window_s};qu="{policy.unit}"')
                    left.append(f'"{policy.name}";r={max(0, quota - window.used)};t={_seconds(window, now_s)}')
        return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(left)} if policies else {}

    def _window(self, source: Source, policy: Policy, now_s: float) -> _Window:
        key = (source.name, policy.name)
        window = self._windows.get(key)
        if window is None or window.ends_s <= now_s:
            window = self._windows[key] = _Window(now_s + policy.window_s)
        return window


class Use:
    """What one request takes of its source's limits."""

    def __init__(self, limits: RateLimits, source: Source) -> None:
        self._limits = limits
        self._source = source
        self._taken: list[tuple[_Window, int]] = []

    def take(self, unit: str, amount: int) -> None:
        """Take ``amount`` of a unit; RequestRefusedError when there is not so much left."""
        self._taken += [(window, amount) for window in self._limits.take(self._source, unit, amount)]

    def give_back(self) -> None:
        """Give everything back."""
        self._limits.give_back(self._taken)
        self._taken = []

    def fields(self) -> dict[str, str]:
        """Return what the answer tells of the source's limits."""
        return self._limits.fields(self._source)


def _over(policy: Policy, source: Source, window: _Window, amount: int, now_s: float) -> RequestRefusedError:
    quota = policy.quota(source.limits)
    if amount > quota:
        return RequestRefusedError(
            413,
            f"The request alone has more {policy.unit} than this source may send.",
            why=f"{amount}, and {policy.name} is {quota}",
            action="send fewer at a time, or ask the node's administrator: yizhan sources limit NAME",
        )
    return RequestRefusedError(
        429,
        f"This source has reached a limit: {policy.name}.",
        why=f"{window.used} of {quota} {policy.unit} are used, {amount} more were asked for",
        action="wait as Retry-After says, then send the same request again",
        headers={"Retry-After": str(_seconds(window, now_s))},
    )


def _seconds(window: _Window, now_s: float) -> int:
    return max(1, math.ceil(window.ends_s - now_s))
