"""Links that stay bad for long: away for more than a minute, and a line of 1 Mbit/s that loses packets (root only).

For scripts/nightly: what takes seconds stands in ``test_link``.
"""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING

import pytest

from node.demo.plan import PROVINCE
from tests.support.fault_trees import CITY, COUNTY, FaultTree, networked_tree
from tests.support.networks import WHOLE, require_network

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.integration, pytest.mark.nightly, pytest.mark.timeout(900)]

DOWN = "down"
SHOWN_S = 150.0
"""A request that is not answered is given up after 30 s; a parent calls a child silent after 75 s and a look."""
HEALED_S = 120.0
"""A link that failed for minutes is tried again once a minute at least."""
SLOW_KILOBITS = 1_000
SLOW_S = 20.0
CONVERSATIONS_MAX = 3
"""How often a link may come up during a bad line: a link that is slow is not one that is restarted all the time."""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultTree]:
    require_network("nft", "tc", "nsenter")
    with networked_tree(tmp_path_factory.mktemp("link"), seed="long", pause_s=0.05) as found:
        yield found


def is_down(tree: FaultTree, code: str, peer: str) -> bool:
    return bool(tree.link(code, peer)["state"] == DOWN)


def came_up(tree: FaultTree, code: str) -> int:
    """How often the log of a node says that a link came up."""
    return (tree.nodes[code].home / "run.log").read_text(encoding="utf-8").count("link up")


def test_a_link_that_is_away_is_shown_on_both_sides_and_heals(tree: FaultTree) -> None:
    assert tree.network is not None
    with tree.feeding():
        threading.Event().wait(1)
        tree.network.lose(CITY, COUNTY, upward=WHOLE, downward=WHOLE)
        assert tree.eventually(partial(is_down, tree, COUNTY, CITY), SHOWN_S)
        accepted = tree.feeders[0].accepted
        assert tree.eventually(partial(is_down, tree, CITY, COUNTY), SHOWN_S)
        assert tree.feeders[0].accepted > accepted
    tree.network.lose(CITY, COUNTY)
    assert tree.eventually(lambda: tree.link(COUNTY, CITY)["state"] == "up", HEALED_S)
    tree.verify()


def test_a_slow_line_that_loses_packets_carries_everything_once(tree: FaultTree) -> None:
    assert tree.network is not None
    before = came_up(tree, COUNTY)
    tree.network.slow(CITY, COUNTY, kilobits=SLOW_KILOBITS)
    tree.network.lose(CITY, COUNTY, upward=10, downward=10)
    with tree.feeding():
        threading.Event().wait(SLOW_S)
    statuses = tree.verify(timeout_s=180)
    tree.network.lose(CITY, COUNTY)
    tree.network.slow(CITY, COUNTY, kilobits=0)
    assert came_up(tree, COUNTY) - before <= CONVERSATIONS_MAX
    assert tree.nodes[COUNTY].process.running
    assert statuses[PROVINCE.code]["alarms"] == 0
