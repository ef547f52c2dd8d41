"""The interpreter's garbage collector: seldom, because hardly anything of a record is cyclic.

Every record makes some fifty objects that are freed by their counts. By its usual thresholds the collector walks them,
and at times the whole program, again and again, and finds nothing: one seventh of the time of an import, a sixth of
what rows of a database cost their adapter, a twentieth of a receiver's, and a pause of a tenth of a second every twenty
thousand records (docs/performance.md).
"""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

SELDOM: Final = (20_000, 20, 100)
"""New objects, and rounds of the younger generations, before each generation is walked: what is cyclic is still found,
within some ten batches. Our own choice, measured against no collection at all, which gains nothing more."""


def collect_seldom() -> None:
    """Collect seldom from now on, and leave out what is there already: for a process that has loaded its program."""
    gc.freeze()
    gc.set_threshold(*SELDOM)


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Collect seldom within; afterwards everything is as before."""
    before = gc.get_threshold()
    collect_seldom()
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
