"""The length of fragments follows from how bad the line is."""

from __future__ import annotations

import math

import pytest

from adapters.record_line.limits import FRAGMENT_BYTES_MAX, FRAGMENT_BYTES_MIN, FRAGMENT_BYTES_START
from adapters.record_line.noise import LossMeter
from node.randomness import SeededRandomness

OVERHEAD = 24


def goodput(fragment: int, spoilt_bytes: float) -> float:
    """The share of the line that is left for content: all bytes of a frame have to arrive."""
    size = fragment + OVERHEAD
    return fragment / size * math.exp(-spoilt_bytes * size)


def best_fragment(spoilt_bytes: float) -> int:
    return max(range(FRAGMENT_BYTES_MIN, FRAGMENT_BYTES_MAX + 1), key=lambda size: goodput(size, spoilt_bytes))


def meter_on(spoilt_bytes: float, *, sent_bytes: int) -> LossMeter:
    meter, chance, sent = LossMeter(), SeededRandomness(7), 0
    while sent < sent_bytes:
        size = meter.fragment_bytes(FRAGMENT_BYTES_MAX) + OVERHEAD
        sent += size
        if chance.uniform(0, 1) < math.exp(-spoilt_bytes * size):
            meter.arrived(size)
        else:
            meter.lost(size)
    return meter


def test_a_line_that_is_not_known_yet_gets_fragments_of_the_first_length() -> None:
    assert abs(LossMeter().fragment_bytes(FRAGMENT_BYTES_MAX) - FRAGMENT_BYTES_START) <= 1


@pytest.mark.parametrize("flips_per_bit", [1e-3, 3e-4, 1e-4, 1e-5])
def test_after_a_while_fragments_are_as_long_as_is_best(flips_per_bit: float) -> None:
    spoilt_bytes = 8 * flips_per_bit
    chosen = meter_on(spoilt_bytes, sent_bytes=400_000).fragment_bytes(FRAGMENT_BYTES_MAX)
    assert goodput(chosen, spoilt_bytes) > 0.97 * goodput(best_fragment(spoilt_bytes), spoilt_bytes)


def test_the_best_length_at_one_flip_in_ten_thousand_bits_is_a_sixth_of_a_kilobyte() -> None:
    # 8e-4 spoilt bytes a byte: sqrt(24 / 8e-4 + 12^2) - 12 = 161.6; a kilobyte would survive in 0.44 of all tries.
    assert best_fragment(8e-4) == pytest.approx(162, abs=1)
    assert math.exp(-8e-4 * 1_024) == pytest.approx(0.44, abs=0.005)


def test_a_clean_line_gets_the_longest_fragments_and_a_hopeless_one_the_shortest() -> None:
    assert meter_on(0, sent_bytes=200_000).fragment_bytes(FRAGMENT_BYTES_MAX) == FRAGMENT_BYTES_MAX
    assert meter_on(0.2, sent_bytes=200_000).fragment_bytes(FRAGMENT_BYTES_MAX) == FRAGMENT_BYTES_MIN
    assert meter_on(0, sent_bytes=200_000).fragment_bytes(100) == 100


def test_noise_that_begins_is_noticed_within_a_second_of_a_fast_line() -> None:
    meter = meter_on(0, sent_bytes=1_000_000)
    for _ in range(20):
        meter.lost(FRAGMENT_BYTES_MAX + OVERHEAD)
    # 20 frames of 2 kB are 0.45 s at 921,600 bit/s.
    assert meter.fragment_bytes(FRAGMENT_BYTES_MAX) < 400
