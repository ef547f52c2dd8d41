"""Hours: windows of the wall clock, over midnight too."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from node.departments.doors.hours import is_open, opens_at, read_window

ZONE = ZoneInfo("Asia/Shanghai")


def at(text: str, day: int = 3) -> datetime:
    """Return a moment by the clock on the wall in China, as UTC."""
    hours, minutes = map(int, text.split(":"))
    return datetime(2026, 11, day, hours, minutes, tzinfo=ZONE).astimezone(UTC)


@pytest.mark.parametrize(
    ("windows", "moment", "is_in"),
    [
        ([], "03:00", True),
        (["09:00-17:00"], "08:59", False),
        (["09:00-17:00"], "09:00", True),
        (["09:00-17:00"], "16:59", True),
        (["09:00-17:00"], "17:00", False),
        (["22:00-06:00"], "21:59", False),
        (["22:00-06:00"], "22:00", True),
        (["22:00-06:00"], "23:59", True),
        (["22:00-06:00"], "00:00", True),
        (["22:00-06:00"], "05:59", True),
        (["22:00-06:00"], "06:00", False),
        (["18:00-24:00"], "23:59", True),
        (["18:00-24:00"], "00:00", False),
        (["00:00-24:00"], "00:00", True),
        (["12:00-13:00", "20:00-21:00"], "20:30", True),
        (["12:00-13:00", "20:00-21:00"], "19:59", False),
    ],
)
def test_a_source_may_be_asked_within_its_windows(windows: list[str], moment: str, is_in: bool) -> None:  # noqa: FBT001 - a table.
    assert is_open([read_window(text) for text in windows], at(moment), ZONE) is is_in


@pytest.mark.parametrize(
    ("windows", "moment", "opens"),
    [
        (["09:00-17:00"], at("08:00"), at("09:00")),
        (["09:00-17:00"], at("10:00"), at("10:00")),
        (["09:00-17:00"], at("17:00"), at("09:00", 4)),
        (["22:00-06:00"], at("06:00"), at("22:00")),
        (["22:00-06:00"], at("21:59"), at("22:00")),
        (["00:00-06:00"], at("23:00"), at("00:00", 4)),
        (["20:00-21:00", "12:00-13:00"], at("13:00"), at("20:00")),
        (["20:00-21:00", "12:00-13:00"], at("21:30"), at("12:00", 4)),
    ],
)
def test_the_next_window_is_known(windows: list[str], moment: datetime, opens: datetime) -> None:
    assert opens_at([read_window(text) for text in windows], moment, ZONE) == opens


def test_a_window_follows_the_wall_clock_where_it_is_put_back() -> None:
    # Berlin, 2026-10-25: 03:00 comes twice as 02:00. Between 02:00 and 03:00 lie two hours, and both are in the window.
    zone = ZoneInfo("Europe/Berlin")
    window = [read_window("02:00-03:00")]
    assert is_open(window, datetime(2026, 10, 25, 0, 30, tzinfo=UTC), zone)
    assert is_open(window, datetime(2026, 10, 25, 1, 30, tzinfo=UTC), zone)
    assert not is_open(window, datetime(2026, 10, 25, 2, 0, tzinfo=UTC), zone)
