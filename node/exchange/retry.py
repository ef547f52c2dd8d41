"""Back-off of a link that failed: pure, so that every sequence can be tested.

"Full jitter" draws the wait evenly between nothing and a bound that doubles with each failure: many children that lost
one parent together do not come back together (M. Brooker, "Exponential Backoff And Jitter", 2015). The first failure
is tried again at once, because most are a connection that went stale.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from node.randomness import Randomness

FIRST_BOUND_S: Final = 1.0
BOUND_S_MAX: Final = 60.0
"""Our choice: a parent that returns is found within a minute, and a hundred children cost it two requests a second."""
RETRY_AFTER_S_MAX: Final = 3_600.0
"""A neighbour may ask us to stay away for an hour at most; it can say so again."""


def retry_delay_s(failures: int, randomness: Randomness, *, retry_after_s: float | None = None) -> float:
    """Return the seconds to wait after ``failures`` (at least 1) attempts failed in a row.

    ``retry_after_s`` is what the neighbour asked for (HTTP Retry-After, RFC 9110, 10.2.3): obeyed, and jitter of at
    most one second on top spreads those who were told the same.
    """
    if retry_after_s is not None:
        return min(max(retry_after_s, 0.0), RETRY_AFTER_S_MAX) + randomness.uniform(0.0, 1.0)
    if failures <= 1:
        return 0.0
    bound = min(BOUND_S_MAX, FIRST_BOUND_S * 2.0 ** min(failures - 2, 16))
    return randomness.uniform(0.0, bound)
