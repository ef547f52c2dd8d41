"""Places for pushed packages of a link: what is made while all are taken waits here until one of them is answered."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from node.clock import Clock
    from node.exchange.limits import Limits

QUICK_S: Final = 1.0
"""An answer within this many seconds shows a line on which one more package delays nothing; chosen by us."""


class Places:
    """So many packages at once as may be under way, and those made ahead too while answers come quickly."""

    def __init__(self, limits: Limits, clock: Clock) -> None:
        self._usual = limits.under_way_max
        self._ahead = limits.prepared_max
        self._clock = clock
        self._changed = threading.Condition()
        self._taken = 0
        self._is_quick = False

    @contextmanager
    def place(self, *, full: bool) -> Iterator[None]:
        """Hold a place, once there is one, until the answer came; ``full``: more waited than the package holds.

        Only the answer to a full package says how quick the line is.
        """
        with self._changed:
            self._changed.wait_for(self._is_free)
            self._taken += 1
        began_s = self._clock.monotonic_s()
        is_quick = False
        try:
            yield
            is_quick = self._clock.monotonic_s() - began_s < QUICK_S and (full or self._is_quick)
        finally:
            with self._changed:
                self._taken -= 1
                self._is_quick = is_quick
                self._changed.notify_all()

    def _is_free(self) -> bool:
        return self._taken < self._usual + (self._ahead if self._is_quick else 0)
