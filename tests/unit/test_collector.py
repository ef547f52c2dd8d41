from __future__ import annotations

import gc
import weakref

import pytest

from node.collector import SELDOM, seldom_collected


class Ring:
    """Something that only the collector can free."""

    def __init__(self) -> None:
        self.itself = self


def test_the_collector_is_as_before_afterwards() -> None:
    before = gc.get_threshold(), gc.get_freeze_count()
    with seldom_collected():
        assert gc.get_threshold() == SELDOM
        assert gc.get_freeze_count() > before[1]
    assert (gc.get_threshold(), gc.get_freeze_count()) == before


def test_the_collector_is_as_before_when_an_import_fails() -> None:
    before = gc.get_threshold()
    with pytest.raises(ValueError, match="stopped"), seldom_collected():
        raise ValueError("stopped")
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


def test_what_is_cyclic_is_still_freed() -> None:
    with seldom_collected():
        ring = weakref.ref(Ring())
        rows: list[list[int]] = [[] for _ in range(SELDOM[0] + 1_000)]
    assert len(rows) > SELDOM[0]
    assert ring() is None
