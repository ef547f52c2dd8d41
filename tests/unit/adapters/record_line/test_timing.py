"""Time-outs by RFC 6298, and a window by the line's speed."""

from __future__ import annotations

import pytest

from adapters.record_line.limits import WINDOW_BYTES_MAX, WINDOW_BYTES_MIN, WINDOW_BYTES_START
from adapters.record_line.timing import LineTiming


def test_the_time_out_begins_at_three_round_trips_and_follows_the_rfc() -> None:
    timing = LineTiming(0.2)
    # RFC 6298, 2.2: SRTT = R, RTTVAR = R/2, RTO = SRTT + 4 RTTVAR = 3 R.
    assert timing.timeout_s == pytest.approx(0.6)
    timing.measured(0.4, 1000)
    # 2.3: RTTVAR = 3/4 * 0.1 + 1/4 * 0.2 = 0.125; SRTT = 7/8 * 0.2 + 1/8 * 0.4 = 0.225; RTO = 0.725.
    assert timing.timeout_s == pytest.approx(0.725)


def test_a_time_out_grows_while_nothing_comes_up_to_five_seconds_and_is_short_again_after_an_answer() -> None:
    timing = LineTiming(0.2)
    waits = []
    for _ in range(12):
        waits.append(timing.timeout_s)
        timing.timed_out()
    assert waits == sorted(waits)
    assert waits[1] == pytest.approx(1.5 * waits[0])
    assert waits[-1] == 5.0
    timing.measured(0.2, 1000)
    assert timing.timeout_s < 1.0


def test_a_time_out_is_never_shorter_than_what_usb_adapters_hold_back() -> None:
    timing = LineTiming(0.0001)
    assert timing.timeout_s == 0.1


def test_half_a_second_of_the_line_may_be_on_its_way() -> None:
    timing = LineTiming(0.05)
    assert timing.window_bytes == WINDOW_BYTES_START
    timing.measured(0.05, 11_520)
    assert timing.window_bytes == 5_760
    assert timing.fragment_bytes_max(2_048) == 1_440
    timing.measured(0.05, 1_000_000)
    assert timing.window_bytes == WINDOW_BYTES_MAX
    assert timing.fragment_bytes_max(2_048) == 2_048


def test_a_long_line_may_have_one_and_a_half_round_trips_on_its_way() -> None:
    timing = LineTiming(1.0)
    timing.measured(1.0, 10_000)
    assert timing.window_bytes == pytest.approx(15_000, rel=0.01)


def test_a_very_slow_line_still_gets_frames() -> None:
    timing = LineTiming(0.5)
    timing.measured(0.5, 30)
    assert timing.window_bytes == WINDOW_BYTES_MIN
    assert timing.fragment_bytes_max(2_048) == 24
