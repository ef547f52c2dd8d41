"""One step ahead: in order, never further, errors in their turn, nothing left running."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from node.departments.ahead import one_ahead

if TYPE_CHECKING:
    from collections.abc import Iterator


def made(count: int, seen: list[int]) -> Iterator[int]:
    for number in range(count):
        seen.append(number)
        yield number


@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_items_come_in_order_and_once(count: int) -> None:
    assert list(one_ahead(made(count, []))) == list(range(count))


def test_it_is_at_most_one_item_further_than_was_yielded() -> None:
    seen: list[int] = []
    items = one_ahead(made(100, seen))
    for expected in range(10):
        assert next(items) == expected
        assert len(seen) <= expected + 2
    del items
    assert len(seen) <= 11


def test_an_error_comes_out_behind_the_items_before_it() -> None:
    def broken() -> Iterator[int]:
        yield 1
        yield 2
        message = "the disk is full"
        raise OSError(message)

    items = one_ahead(broken())
    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(OSError, match="full"):
        next(items)


def test_items_are_made_while_others_are_used_and_no_thread_stays() -> None:
    used = threading.Event()

    def waiting() -> Iterator[int]:
        yield 1
        assert used.wait(10)
        yield 2

    items = one_ahead(waiting())
    assert next(items) == 1
    used.set()
    assert list(items) == [2]
    assert not any(thread.name.startswith("ahead") for thread in threading.enumerate())
