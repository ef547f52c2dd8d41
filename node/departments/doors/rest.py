"""How long a door rests after what went wrong: pure, so that every sequence can be tested.

Jitter spreads doors to one system that went away together. What a person has to put right is tried seldom: a wrong
password repeated each minute would lock the account.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from node.randomness import Randomness

AWAY: Final = "away"
NEEDS_PERSON: Final = "needs_person"
BROKEN: Final = "broken"
HELD: Final = "held"

BOUNDS_S: Final[Mapping[str, tuple[float, float]]] = {
    AWAY: (5.0, 300.0),
    BROKEN: (1.0, 300.0),
    NEEDS_PERSON: (300.0, 3_600.0),
    HELD: (5.0, 30.0),
}
"""Bound of the first rest and of the longest one, in seconds, by what went wrong; it doubles in between. Our own
choice: a system that is back is found within five minutes, and a node looks at itself again within half a minute."""
RETRY_AFTER_S_MAX: Final = 86_400.0
"""A source may ask us to stay away for a day at most; it can say so again."""


def rest_s(what: str, failures: int, randomness: Randomness, *, retry_after_s: float | None = None) -> float:
    """Return the seconds to rest after ``failures`` (at least 1) of one sort in a row: half the bound to all of it.

    ``retry_after_s`` is what the source asked for: obeyed, with a second on top that spreads those who were told it.
    """
    if retry_after_s is not None:
        return min(max(retry_after_s, 0.0), RETRY_AFTER_S_MAX) + randomness.uniform(0.0, 1.0)
    first, longest = BOUNDS_S[what]
    bound = min(longest, first * 2.0 ** min(failures - 1, 16))
    return randomness.uniform(bound / 2, bound)
