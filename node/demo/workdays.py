"""Working hours of October 2026, so that generated acts fall when an office is open.

Data made up for a demonstration need no rules of their own: the nodes use the published ``Calendar``. The days off are
those of the State Council's notice for 2026 (National Day 1 to 7 October, 10 October worked).
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from node.demo.chance import Chance

BEIJING: Final = timezone(timedelta(hours=8))
MONTH_START: Final = datetime(2026, 10, 1, tzinfo=BEIJING)
MONTH_END: Final = datetime(2026, 11, 1, tzinfo=BEIJING)

_OFF_DAYS: Final = frozenset(date(2026, 10, day) for day in range(1, 8))
_WORK_DAYS: Final = frozenset({date(2026, 10, 10)})
_SATURDAY: Final = 5
_OPENS: Final = 9
_CLOSES: Final = 17


def is_working_day(day: date) -> bool:
    """Tell whether offices are open on ``day``."""
    return day in _WORK_DAYS or (day not in _OFF_DAYS and day.weekday() < _SATURDAY)


def working_days() -> tuple[date, ...]:
    """Return the working days of the month, in order."""
    first = MONTH_START.date()
    days = (MONTH_END.date() - first).days
    return tuple(day for day in (first + timedelta(days=n) for n in range(days)) if is_working_day(day))


def in_office_hours(day: date, chance: Chance) -> datetime:
    """Return some second of ``day`` between 09:00 and 17:00, Beijing time."""
    second = chance.number(_OPENS * 3600, _CLOSES * 3600 - 1)
    return datetime.combine(day, time(0), tzinfo=BEIJING) + timedelta(seconds=second)


def later(moment: datetime, working_days_later: int, chance: Chance) -> datetime:
    """Return a moment after ``moment``: the same day a little later (0), or in hours of the n-th next working day.

    Never before ``moment``, and never outside working days when ``working_days_later`` is positive.
    """
    if working_days_later <= 0:
        return moment + timedelta(minutes=chance.number(3, 40))
    day = moment.date()
    left = working_days_later
    while left:
        day += timedelta(days=1)
        if is_working_day(day):
            left -= 1
    return in_office_hours(day, chance)
