"""How long a door rests: bounds that double, jitter below them, and what the source asks for."""

from __future__ import annotations

import pytest

from node.departments.doors.rest import AWAY, BROKEN, HELD, NEEDS_PERSON, rest_s
from node.randomness import SeededRandomness


class Highest(SeededRandomness):
    """Draws the upper end always."""

    def uniform(self, low: float, high: float) -> float:  # noqa: ARG002 - the name is that of its interface.
        return high


class Lowest(SeededRandomness):
    """Draws the lower end always."""

    def uniform(self, low: float, high: float) -> float:  # noqa: ARG002 - the name is that of its interface.
        return low


@pytest.mark.parametrize(
    ("what", "bounds"),
    [
        (AWAY, [5, 10, 20, 40, 80, 160, 300, 300]),
        (BROKEN, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]),
        (NEEDS_PERSON, [300, 600, 1200, 2400, 3600, 3600]),
        (HELD, [5, 10, 20, 30, 30]),
    ],
)
def test_rests_double_up_to_their_longest(what: str, bounds: list[float]) -> None:
    for failures, bound in enumerate(bounds, start=1):
        assert rest_s(what, failures, Highest(1)) == bound
        assert rest_s(what, failures, Lowest(1)) == bound / 2


def test_any_number_of_failures_rests_no_longer_than_the_longest() -> None:
    assert rest_s(AWAY, 1_000_000, Highest(1)) == 300


@pytest.mark.parametrize(("asked", "rests"), [(12.5, 12.5), (-3.0, 0.0), (1e9, 86_400.0)])
def test_what_the_source_asks_for_is_obeyed_within_a_day(asked: float, rests: float) -> None:
    assert rest_s(AWAY, 9, Lowest(1), retry_after_s=asked) == rests
    assert rest_s(AWAY, 9, Highest(1), retry_after_s=asked) == rests + 1.0
