"""Upkeep of whole nodes: the tree is compared and put right too, and the node knows it at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from tests.support.whole_nodes import whole_node

if TYPE_CHECKING:
    from collections.abc import Iterator

    from node.bootstrap import Node


@pytest.fixture
def root() -> Iterator[Node]:
    node = whole_node("360000")
    node.work()
    yield node
    node.close()


def silent(_done: int, _total: int) -> None:
    """Nobody waits."""


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE node_tree SET name = 'X' WHERE code = '360100'",
        "DELETE FROM node_tree WHERE code = '360100'",
        "UPDATE issued_certificate SET trust_position = trust_position + 1",
    ],
)
def test_a_damaged_tree_is_found_and_put_right(root: Node, damage: str) -> None:
    assert root.rebuild(silent, check=True, alone=False).identical
    with root.store.reading() as connection:
        before = {one.code: one for one in root.tree(connection)}
    root.store.write(lambda transaction: transaction.connection.execute(text(damage)))
    found = root.rebuild(silent, check=True, alone=False)
    assert sum(one.differing for one in found.tables) > 0
    assert root.rebuild(silent, check=False, alone=False).put_right > 0
    assert root.rebuild(silent, check=True, alone=False).identical
    with root.store.reading() as connection:
        assert {one.code: one for one in root.tree(connection)} == before
