"""Hours in which a source may be asked: pure, so that every window can be tested, over midnight too.

Windows are of the clock on the wall in the node's time zone. China has one zone without summer time; where a zone has
it, a window that touches the hour that is left out or comes twice is as long as the wall clock makes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

_DAY_MINUTES: Final = 24 * 60


@dataclass(frozen=True, slots=True)
class Window:
    """From ``start`` to ``end``, in minutes since midnight; over midnight when ``end`` is not behind ``start``."""

    start: int
    end: int

    def covers(self, minute: int) -> bool:
        """Tell whether a minute of the day lies in the window; its end does not."""
        if self.start < self.end:
            return self.start <= minute < self.end
        return minute >= self.start or minute < self.end


def read_window(text: str) -> Window:
    """Return the window of a text such as ``22:00-06:00``, which was checked before."""
    start, _, end = text.partition("-")
    return Window(_minutes(start), _minutes(end))


def is_open(windows: Sequence[Window], moment: datetime, zone: tzinfo) -> bool:
    """Tell whether a source may be asked at ``moment``; without windows always."""
    local = moment.astimezone(zone)
    return not windows or any(window.covers(local.hour * 60 + local.minute) for window in windows)


def opens_at(windows: Sequence[Window], moment: datetime, zone: tzinfo) -> datetime:
    """Return the first start of a window behind ``moment``, aware; ``moment`` itself when one is open."""
    if is_open(windows, moment, zone):
        return moment
    local = moment.astimezone(zone)
    starts = (
        datetime.combine(local.date() + timedelta(days=days), time(*divmod(window.start % _DAY_MINUTES, 60)), zone)
        for window in windows
        for days in (0, 1)
    )
    return min(start for start in starts if start > local)


def _minutes(text: str) -> int:
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes)
