"""One hop against its floor: a city in this process pushes to a running province over mutual TLS."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING

from node.bootstrap import build_node
from node.collector import collect_seldom
from node.config import load_config
from node.demo.plan import CITY as CITY_PLAN
from node.demo.plan import PROVINCE as PROVINCE_PLAN
from node.demo.program import stop_all
from node.demo.raising import start, wait_until
from node.exchange.limits import Limits
from node.journal import cursors
from node.journal.entries import read_entry
from node.randomness import SystemRandomness
from node.standard.resources import level_folder
from node.standard.seals import TRUST, StreamName
from node.trust.issuing import issue, issued_entry
from tests.bench.hop_floor import HopFloor
from tests.bench.origins import COUNTIES, Origin, courier
from tests.bench.processes import join, memory_mb, new_node
from tests.bench.receiving import Rounds
from tests.bench.singles import Singles, carrier_to, measure_singles
from tests.support.identities import Place, child_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from node.bootstrap import Node
    from node.clock import Clock
    from node.demo.raising import DemoNode
    from node.exchange.carriers.https import HttpsCarrier
    from node.exchange.head import Slice
    from node.journal.store import Transaction
    from node.trust.issued import IssuedNode
    from tests.bench.plan import Plan

TRUST_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hopping:
    """What the hop showed, and what the receiving process needed: seconds to start, MB at rest and at work."""

    rounds: Rounds
    singles: Singles
    start_s: float
    memory_mb: dict[str, float]


def measure_hop(folder: Path, clock: Clock, plan: Plan) -> Hopping:
    """Raise a province, join a city with ten counties, and push packages of all ten."""
    folder.mkdir()
    province = new_node(folder, PROVINCE_PLAN)
    try:
        start_s = _timed_start(province, clock)
        city = new_node(folder, CITY_PLAN)
        join(city, province, clock, run=False)
        idle = memory_mb(province)["now"]
        rounds, receiving, singles = _hop(folder, clock, plan, province=province, city_home=city.home)
    finally:
        stop_all([province.process], clock)
    return Hopping(rounds=rounds, singles=singles, start_s=start_s, memory_mb={"idle": idle, "receiving": receiving})


def _timed_start(node: DemoNode, clock: Clock) -> float:
    begun_s = clock.monotonic_s()
    start(node, clock)
    return clock.monotonic_s() - begun_s


def _hop(
    folder: Path, clock: Clock, plan: Plan, *, province: DemoNode, city_home: Path
) -> tuple[Rounds, float, Singles]:
    # Ten slices of a tenth each make the package of the mix.
    limits = Limits(slice_records_max=plan.package_records // len(COUNTIES))
    config = load_config(city_home, shipped_levels=level_folder())
    node = build_node(config, clock=clock, randomness=SystemRandomness(), limits=limits)
    carrier = carrier_to(node, province.plan.code, province.link_port)
    under_way = limits.under_way_max + limits.prepared_max
    floor = HopFloor(folder, node.identity, province.home, under_way=under_way)
    try:
        node.start()
        collect_seldom()
        link = _Link(node=node, carrier=carrier, peer=province.plan.code, origins=_counties(node, plan))
        link.open(clock)
        rounds = Rounds()
        for _ in range(plan.hop_rounds):
            batches = link.load(plan.hop_packages, plan.package_records)
            records = sum(map(len, batches))
            rounds.product_s.append(link.push(under_way) / records)
            rounds.floor_s.append(floor.send(batches) / records)
        # Now: the process that reads beside the province leaves while single records come.
        receiving = memory_mb(province)["peak"]
        return rounds, receiving, measure_singles(link.one_by_one(), node, province, clock, plan)
    finally:
        floor.close()
        carrier.close()
        node.close()


def _counties(node: Node, plan: Plan) -> list[Origin]:
    """Issue ten counties below the city, and return them as origins."""
    known = dict.fromkeys((*COUNTIES, node.code), node.identity)
    origins = list(courier(known, node.clock, open_cases=plan.open_cases // 10).origins)
    for origin, code in zip(origins, COUNTIES, strict=True):
        place = Place(name=f"县{code}", level="county", parent=node.code, children_depth=0)
        origin.identity, issued = child_of(node.identity, code, place, at=node.clock.now())
        node.store.write(partial(_issue, node, issued))
    node.work()
    return origins


def _issue(node: Node, issued: IssuedNode, transaction: Transaction) -> bool:
    tree = node.tree(transaction.connection)
    at, salt = node.clock.now(), node.randomness.token(16)
    return issue(node.journal, transaction, tree, node.identity, issued, issued_entry(issued, at=at, salt=salt))


@dataclass(slots=True, kw_only=True)
class _Link:
    """The city's end of the link, its counties filled by hand."""

    node: Node
    carrier: HttpsCarrier
    peer: str
    origins: list[Origin]

    def open(self, clock: Clock) -> None:
        """Open the conversation and talk until the province knows every county."""
        exchange = self.node.exchange
        exchange.open_conversation(self.peer, self.carrier)
        root = StreamName(self.peer, TRUST)

        def informed() -> bool:
            exchange.push_once(self.peer, self.carrier)
            exchange.poll_once(self.peer, self.carrier, 0.0)
            with self.node.store.reading() as connection:
                held = self.node.journal.held(connection, root)
            return held is not None and held.size >= len(self.origins) + 2

        if not wait_until(informed, TRUST_TIMEOUT_S, clock):
            message = "the province did not repeat the counties' certificates"
            raise RuntimeError(message)

    def load(self, packages: int, records: int) -> list[list[bytes]]:
        """Put fresh records of every county into the city's journal; return them as the floor's batches."""
        batches = []
        for _ in range(packages):
            slices = [origin.next_slice(records // len(self.origins)) for origin in self.origins]
            self.node.store.write(partial(self._extend, slices))
            batches.append([body for _, bodies in slices for body in bodies])
        return batches

    def one_by_one(self) -> Iterator[None]:
        """Put one fresh record into the city's journal at each step, of one county after the other."""
        for origin in itertools.cycle(self.origins):
            self.node.store.write(partial(self._extend, [origin.next_slice(1)]))
            yield

    def push(self, under_way: int) -> float:
        """Push until nothing waits, in as many threads as packages may be under way; return the seconds."""
        begun_s = perf_counter()
        with ThreadPoolExecutor(under_way) as threads:
            for done in [threads.submit(self._push_all) for _ in range(under_way)]:
                done.result()
        self._push_all()
        taken_s = perf_counter() - begun_s
        with self.node.store.reading() as connection:
            receipted = cursors.cursors_of(connection, self.peer)
        if any(receipted.get(one.stream, 0) != one.frontier.size for one in self.origins):
            message = "the province did not receipt everything"
            raise RuntimeError(message)
        return taken_s

    def _push_all(self) -> None:
        while self.node.exchange.push_once(self.peer, self.carrier):
            pass

    def _extend(self, slices: list[tuple[Slice, list[bytes]]], transaction: Transaction) -> None:
        for one, bodies in slices:
            entries = [read_entry(body) for body in bodies]
            self.node.journal.extend(transaction, one.stream, entries, one.checkpoint)
