"""kill -9 of random processes in the middle of a continuous feed: nothing accepted is lost, everything agrees."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from node.clock import MachineClock
from node.demo.catalogue import items_of
from node.demo.chance import Chance
from node.demo.feeding import offer
from node.demo.generator import generate_month
from node.demo.plan import COUNTIES, PROVINCE
from node.demo.program import stop_all
from node.demo.publishing import add_source, exchange_notice, publish_reference, wait_for_tree
from node.demo.raising import DemoNode, plan_nodes, raise_tree, start
from node.demo.settling import Expectation, publish_statistics, settle, wait_quiet
from node.errors import DemonstrationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.kill]

KILLS = 20
BATCH = 5
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


class Feeder:
    """A department that never gives up: it repeats each batch, with its key, until the node has answered."""

    def __init__(self, county: DemoNode, key: str, stop: threading.Event) -> None:
        self.county = county
        self.key = key
        self.stop = stop
        self.applications: set[str] = set()
        self.illogical = 0
        self.accepted = 0
        self.round = 0

    def feed(self) -> None:
        items = items_of(self.county.plan.code, self.county.plan.name)
        while not self.stop.is_set():
            self.round += 1
            month = generate_month(items, cases=20, seed=f"{SEED}/{self.round}", first_serial=1 + 40 * self.round)
            self.illogical += month.illogical
            valid = [record for record in month.records if record.valid]
            for begin in range(0, len(valid), BATCH):
                batch = valid[begin : begin + BATCH]
                self._deliver(batch, f"{self.round}-{begin}")
                self.applications |= {str(record.content["CaseNo"]) for record in batch}

    def _deliver(self, batch: list[Any], key: str) -> None:
        for _ in range(600):
            try:
                with httpx.Client(base_url=self.county.face, timeout=10) as client:
                    answer = offer(client, self.key, batch, idempotency_key=key, dialect="json")
            except (httpx.HTTPError, DemonstrationError, ValueError):
                threading.Event().wait(0.1)
                continue
            assert answer["accepted"] + answer["repeated"] == len(batch), answer
            self.accepted += len(batch)
            return
        pytest.fail(f"{self.county.plan.code} never came back")


@pytest.mark.timeout(400)
def test_kill_at_random_moments_loses_nothing(tree: dict[str, DemoNode]) -> None:
    clock = MachineClock()
    chance = Chance(f"kill/{SEED}")
    wait_for_tree(tree, clock)
    publish_reference(tree)
    stop = threading.Event()
    feeders = [Feeder(tree[county.code], add_source(tree[county.code]), stop) for county in COUNTIES]
    with ThreadPoolExecutor(len(feeders)) as pool:
        feeding = [pool.submit(feeder.feed) for feeder in feeders]
        try:
            for _ in range(KILLS):
                threading.Event().wait(chance.number(200, 1500) / 1000)
                victim = tree[chance.pick(sorted(tree))]
                victim.process.tell(signal.SIGKILL)
                assert victim.process.process is not None
                victim.process.process.wait()
                start(victim, clock)
        finally:
            stop.set()
        for future in feeding:
            future.result()
    exchange_notice(tree, clock)
    wait_quiet(tree, clock, timeout_s=90)
    publish_statistics(tree, clock)
    expected = Expectation(
        cases={feeder.county.plan.code: len(feeder.applications) for feeder in feeders},
        findings=sum(feeder.illogical for feeder in feeders),
        statistics=True,
    )
    statuses, problems = settle(tree, expected, clock, timeout_s=90)
    assert problems == []
    for feeder in feeders:
        stream = f"{feeder.county.plan.code}/ancestors"
        sizes = {f"{one['origin']}/{one['audience']}": one["size"] for one in statuses[PROVINCE.code]["streams"]}
        assert sizes[stream] >= feeder.accepted > 0
