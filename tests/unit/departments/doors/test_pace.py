"""The pace of an adapter: so many deliveries and records in a minute, whatever comes at once."""

from __future__ import annotations

import pytest

from node.departments.doors.pace import Pace


def pace(*, deliveries: int = 0, records: int = 0) -> Pace:
    return Pace(deliveries_per_minute_max=deliveries, records_per_minute_max=records, now_s=100.0)


def test_without_limits_everything_may_come() -> None:
    one = pace()
    one.took(1_000_000, 100.0)
    assert (one.deliveries(100, 100.0), one.wait_s(100.0)) == (100, 0.0)


def test_deliveries_come_a_minutes_worth_at_once_and_then_evenly() -> None:
    one = pace(deliveries=6)
    assert one.deliveries(100, 100.0) == 6
    for _ in range(6):
        one.took(1, 100.0)
    assert one.deliveries(100, 100.0) == 0
    # Six in a minute: one every ten seconds.
    assert one.wait_s(100.0) == pytest.approx(10.0)
    assert one.deliveries(100, 109.9) == 0
    assert one.deliveries(100, 110.1) == 1
    assert one.deliveries(100, 1000.0) == 6


def test_a_delivery_of_many_records_is_paid_off_before_the_next_one() -> None:
    one = pace(records=600)
    one.took(1500, 100.0)
    # 600 were left, 900 are owed: at ten in a second they and one more take 90.1 s.
    assert one.wait_s(100.0) == pytest.approx(90.1)
    assert one.deliveries(10, 190.0) == 0
    assert one.deliveries(10, 190.2) == 10


def test_the_stricter_limit_counts() -> None:
    one = pace(deliveries=60, records=60)
    one.took(61, 100.0)
    assert one.wait_s(100.0) == pytest.approx(2.0)
