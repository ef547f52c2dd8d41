"""The published tree of divisions, on a day."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from node.cases.division_rules import DEPTH_MAX
from node.cases.divisions import published_divisions
from node.journal.entries import read_entry
from tests.support.case_nodes import CaseNode
from tests.support.samples import record

if TYPE_CHECKING:
    from node.journal.store import Store

DAY = "2026-01-05"


def division(code: str, parent: str | None, **dates: str | None) -> bytes:
    names = {"ValidFrom": None, "ValidTo": None, "ReplacedBy": None, **dates}
    return record("Division", DivisionCode=code, ParentCode=parent, RecordKey=f"{code}/{names['ValidFrom']}", **names)


def published(store: Store, *bodies: bytes) -> CaseNode:
    node = CaseNode(store, "360100")
    node.receive([read_entry(body) for body in bodies], "360000", "descendants")
    return node


def above(node: CaseNode, code: str, day: str = DAY) -> tuple[str, ...] | None:
    with node.store.reading() as connection:
        return published_divisions(connection, day)(code)


def test_it_tells_what_stands_above_nearest_first(any_store: Store) -> None:
    node = published(any_store, division("360000", None), division("360100", "360000"), division("360102", "360100"))
    assert above(node, "360102") == ("360100", "360000")
    assert above(node, "360000") == ()
    assert above(node, "360104") is None


def test_a_parent_that_is_not_published_is_named_all_the_same(memory: Store) -> None:
    assert above(published(memory, division("360102", "360100")), "360102") == ("360100",)


@pytest.mark.parametrize(
    ("day", "expected"),
    [("2019-12-31", "360200"), ("2020-01-01", "360100"), ("2024-12-31", "360100"), ("2025-06-01", "360200")],
)
def test_the_version_of_the_day_counts_or_else_the_newest(memory: Store, day: str, expected: str) -> None:
    node = published(
        memory,
        division("360102", "360100", ValidFrom="2020-01-01", ValidTo="2024-12-31"),
        division("360102", "360200", ValidFrom="2025-01-01"),
    )
    assert above(node, "360102", day) == (expected,)


def test_what_was_replaced_stands_above_what_replaced_it(memory: Store) -> None:
    """360122 became 360112; the city 360199 became 360100."""
    node = published(
        memory,
        division("360100", None),
        division("360112", "360100"),
        division("360122", "360199", ValidTo="2019-12-31", ReplacedBy="360112"),
        division("360199", None, ValidTo="2018-12-31", ReplacedBy="360100"),
        division("360198", None, ValidTo="2017-12-31", ReplacedBy="360199"),
    )
    assert above(node, "360112") == ("360100", "360122", "360199", "360198")
    # Its old cases belong where its successor stands.
    assert above(node, "360122") == ("360199", "360112", "360100", "360198")


def test_an_abolished_division_is_not_free(memory: Store) -> None:
    """Who could take 360281 as if nobody had published it would be told to stand above its successor."""
    node = published(
        memory,
        division("360200", None),
        division("360281", "360200", ValidFrom="2010-01-01", ValidTo="2025-12-31", ReplacedBy="360282"),
        division("360282", "360200", ValidFrom="2026-01-01"),
    )
    assert above(node, "360281") == ("360200", "360282")
    assert above(node, "360281", "1999-01-01") == ("360200", "360282")
    assert above(node, "360282", "1999-01-01") == ("360200", "360281")


def test_circles_end(memory: Store) -> None:
    node = published(
        memory,
        division("360102", "360103", ReplacedBy="360103"),
        division("360103", "360102", ReplacedBy="360102"),
    )
    found = above(node, "360102")
    assert found is not None
    assert set(found) == {"360103"}
    assert len(found) <= DEPTH_MAX
