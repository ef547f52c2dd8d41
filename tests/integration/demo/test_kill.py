"""kill -9 of random processes in the middle of a continuous feed: nothing accepted is lost, everything agrees."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from node.clock import MachineClock
from node.demo.chance import Chance
from node.demo.plan import COUNTIES
from node.demo.program import stop_all
from node.demo.publishing import add_source, exchange_notice, publish_reference, wait_for_tree
from node.demo.raising import DemoNode, plan_nodes, raise_tree, start
from tests.support.feeders import Feeder, feeding, verify

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.kill]

KILLS = 20
SEED = os.environ.get("YIZHAN_KILL_SEED", "1")


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[dict[str, DemoNode]]:
    clock = MachineClock()
    nodes = plan_nodes(tmp_path)
    try:
        raise_tree(nodes, clock)
        yield nodes
    finally:
        stop_all([node.process for node in nodes.values()], clock)


@pytest.mark.timeout(400)
def test_kill_at_random_moments_loses_nothing(tree: dict[str, DemoNode]) -> None:
    clock = MachineClock()
    chance = Chance(f"kill/{SEED}")
    wait_for_tree(tree, clock)
    publish_reference(tree)
    feeders = [Feeder(tree[county.code], add_source(tree[county.code]), seed=SEED) for county in COUNTIES]
    with feeding(feeders):
        for _ in range(KILLS):
            threading.Event().wait(chance.number(200, 1500) / 1000)
            victim = tree[chance.pick(sorted(tree))]
            victim.process.tell(signal.SIGKILL)
            assert victim.process.process is not None
            victim.process.process.wait()
            start(victim, clock)
    exchange_notice(tree, clock)
    verify(tree, feeders, clock)
