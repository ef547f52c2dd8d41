"""The demonstration's tree for tests of faults: real processes, published reference data, departments that feed."""

from __future__ import annotations

import signal
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import httpx

from node.clock import MachineClock
from node.demo.figures import read_figures
from node.demo.plan import COUNTIES, NODES
from node.demo.program import call, stop_all
from node.demo.publishing import add_source, exchange_notice, publish_reference, wait_for_reference, wait_for_tree
from node.demo.raising import initialise, join, plan_nodes, start, wait_until
from node.demo.settling import DEGRADED
from tests.support.feeders import Feeder, feeding, verify
from tests.support.networks import Network

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from node.demo.raising import DemoNode

COUNTY = COUNTIES[0].code
CITY = str(COUNTIES[0].parent)
ANSWER_S = 20.0
EVERYWHERE = "0.0.0.0"


class FaultTree:
    """Four running nodes by code, and a department at each county.

    ``network`` is None where all of them share the machine's loopback.
    """

    def __init__(self, nodes: dict[str, DemoNode], network: Network | None = None) -> None:
        self.nodes = nodes
        self.network = network
        self.clock = MachineClock()
        self.feeders: list[Feeder] = []

    def raise_up(self) -> None:
        """Initialise, join and start every node; publish what the province publishes, and exchange a notice."""
        for node in self.nodes.values():
            self._make(node)
        wait_for_tree(self.nodes, self.clock)
        publish_reference(self.nodes)
        wait_for_reference(self.nodes, self.clock)
        exchange_notice(self.nodes, self.clock)

    def hire(self, *, seed: str, pause_s: float = 0.0) -> None:
        """Let a department begin at each county."""
        counties = [self.nodes[county.code] for county in COUNTIES]
        self.feeders = [Feeder(county, add_source(county), seed=seed, pause_s=pause_s) for county in counties]

    def start(self, code: str) -> None:
        """Start one node again."""
        with self._inside(code):
            start(self.nodes[code], self.clock)

    def kill(self, code: str) -> None:
        """Kill one node, and wait until it is gone."""
        running = self.nodes[code].process
        running.tell(signal.SIGKILL)
        if running.process is not None:
            running.process.wait()

    def feeding(self) -> AbstractContextManager[None]:
        """Feed both counties while the block runs."""
        return feeding(self.feeders)

    def verify(self, *, timeout_s: float = 90) -> dict[str, Any]:
        """Do the demonstration's verification; return the status documents by code."""
        return verify(self.nodes, self.feeders, self.clock, timeout_s=timeout_s)

    def status(self, code: str) -> dict[str, Any]:
        """Return what a node says of itself, from its store."""
        return call(self.nodes[code].home, "status", accepted=(0, DEGRADED))

    def link(self, code: str, peer: str) -> dict[str, Any]:
        """Return what the running node ``code`` shows of its link to ``peer``."""
        answer = httpx.get(f"{self.nodes[code].face}/status.json", timeout=ANSWER_S)
        found: dict[str, Any] = next(link for link in answer.json()["links"] if link["peer"] == peer)
        return found

    def held(self, code: str, stream: str) -> int:
        """Return how many records of ``origin/audience`` the running node ``code`` holds; 0 when it does not answer."""
        with httpx.Client() as client:
            figures = read_figures(client, self.nodes[code].face)
        return figures.streams.get(stream, 0) if figures else 0

    def eventually(self, happened: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until something happened; return whether in time."""
        return wait_until(happened, timeout_s, self.clock, pause_s=0.2)

    def stop(self) -> None:
        """Stop every node, and take the network away."""
        stop_all([node.process for node in self.nodes.values()], self.clock)
        if self.network is not None:
            self.network.close()

    def _make(self, node: DemoNode) -> None:
        with self._inside(node.plan.code):
            initialise(node)
            if node.plan.parent is not None:
                parent = self.nodes[node.plan.parent]
                if self.network is not None:
                    parent.link_host = self.network.connect(parent.plan.code, node.plan.code)
                join(node, parent)
            start(node, self.clock)

    def _inside(self, code: str) -> AbstractContextManager[None]:
        return nullcontext() if self.network is None else self.network.inside(code)


@contextmanager
def fault_tree(
    folder: Path, *, seed: str, prepare: Callable[[dict[str, DemoNode]], None] = lambda _: None, pause_s: float = 0.0
) -> Iterator[FaultTree]:
    """Give the tree in ``folder``, on loopback, ready to be fed; ``prepare`` may change the plan before it starts."""
    nodes = plan_nodes(folder)
    prepare(nodes)
    tree = FaultTree(nodes)
    try:
        tree.raise_up()
        tree.hire(seed=seed, pause_s=pause_s)
        yield tree
    finally:
        tree.stop()


@contextmanager
def networked_tree(folder: Path, *, seed: str, pause_s: float = 0.0) -> Iterator[FaultTree]:
    """Give the tree with each node in a network namespace of its own and a cable for each link."""
    nodes = plan_nodes(folder)
    network = Network()
    tree = FaultTree(nodes, network)
    try:
        for plan in NODES:
            network.add(plan.code, nodes[plan.code].face_port)
            # On every cable: a parent has as many as it has children.
            nodes[plan.code].link_host = EVERYWHERE
        tree.raise_up()
        tree.hire(seed=seed, pause_s=pause_s)
        yield tree
    finally:
        tree.stop()
