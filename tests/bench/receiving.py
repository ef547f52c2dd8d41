"""The receiver against its floor: a province takes packages of ten counties, everything on; and the same once more."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

from node.exchange.head import HELD
from node.exchange.limits import Limits
from node.exchange.package import read_package
from node.standard.compression import expand_limited
from tests.bench.floors import ReceiverFloor
from tests.bench.homes import found, open_node
from tests.bench.origins import CITY, PROVINCE, Parcel, bench_identities, courier

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from node.bootstrap import Node
    from node.clock import Clock
    from tests.bench.plan import Plan

PACKAGE_BYTES_MAX = 4 * 1024 * 1024
UNDER_WAY = Limits().under_way_max + Limits().prepared_max
FILL_RECORDS = 2_000
"""Records a package while filling: fewer, longer slices; only its speed depends on it."""


@dataclass(slots=True, kw_only=True)
class Rounds:
    """Seconds a record of product and floor, round by round on the same records."""

    product_s: list[float] = field(default_factory=list)
    floor_s: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Records a second of the product: the median round."""
        return 1 / median(self.product_s)

    @property
    def floor(self) -> float:
        """Records a second of the floor: the median round."""
        return 1 / median(self.floor_s)

    @property
    def ratio(self) -> float:
        """The product as a share of the floor."""
        return self.rate / self.floor


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiving:
    """What was measured at one province; ``disk_bytes`` is the whole database over ``held`` records.

    ``again``: packages one at a time, offered again against the same ones fresh. ``rebuild_rate``: records a second of
    ``rebuild --check`` on all that is held, copying and comparing included.
    """

    rounds: Rounds
    again: Rounds
    rebuild_rate: float
    held: int
    fill_rate: float
    disk_bytes: int
    record_bytes: float
    wire_bytes: float


def measure_receiver(folder: Path, clock: Clock, plan: Plan, *, database_url: str | None = None) -> Receiving:
    """Fill a province with ``plan.held`` records, then take fresh packages in turns with the floor."""
    identities = bench_identities(clock)
    city = courier(identities, clock, open_cases=plan.open_cases // 10)
    home = folder / PROVINCE
    home.mkdir(parents=True)
    with open_node(
        home, identities[PROVINCE], clock, **({"database_url": database_url} if database_url else {})
    ) as node:
        found(node, identities)
        floor = ReceiverFloor(folder)
        fill_s, filled = 0.0, 0
        while filled < plan.held and fill_s < plan.fill_s_max:
            parcel = city.parcel(FILL_RECORDS)
            fill_s += receive(node, parcel)
            filled += len(parcel.bodies)
        fill_rate = filled / fill_s
        rounds, parcels = Rounds(), []
        for _ in range(plan.rounds):
            parcels = [city.parcel(plan.package_records) for _ in range(plan.packages)]
            records = sum(len(one.bodies) for one in parcels)
            rounds.product_s.append(receive_all(node, parcels) / records)
            rounds.floor_s.append(floor.receive_all([one.bodies for one in parcels]) / records)
            filled += records
        floor.close()
        again = _offered_again(node, [city.parcel(plan.package_records) for _ in range(plan.replays)])
        filled += plan.replays * plan.package_records
        records = sum(len(one.bodies) for one in parcels)
        rebuilt = node.rebuild(lambda _done, _total: None, check=True, alone=True)
        if not rebuilt.identical:
            message = f"a rebuild of the province is not identical: {rebuilt.as_json()}"
            raise RuntimeError(message)
    return Receiving(
        rounds=rounds,
        again=again,
        rebuild_rate=rebuilt.records / rebuilt.seconds,
        held=filled,
        fill_rate=fill_rate,
        disk_bytes=_size_of(home),
        record_bytes=sum(len(body) for one in parcels for body in one.bodies) / records,
        wire_bytes=sum(len(one.data) for one in parcels) / records,
    )


def _offered_again(node: Node, parcels: Sequence[Parcel]) -> Rounds:
    """Take packages one at a time, each of them twice: in turns, so that a bad moment of the machine meets both."""
    rounds = Rounds()
    for one in parcels:
        rounds.floor_s.append(receive(node, one) / len(one.bodies))
        rounds.product_s.append(receive(node, one) / len(one.bodies))
    return rounds


def receive(node: Node, parcel: Parcel) -> float:
    """Take one package as the link listener does, up to the signed answer with receipts; return the seconds."""
    begun_s = perf_counter()
    answer = node.exchange.answer(expand_limited(parcel.data, PACKAGE_BYTES_MAX), CITY)
    taken_s = perf_counter() - begun_s
    _check(node, parcel, answer)
    return taken_s


def receive_all(node: Node, parcels: Sequence[Parcel]) -> float:
    """Take packages as a link brings them, as many under way as may be; return the seconds."""

    def answer(parcel: Parcel) -> bytes:
        package = expand_limited(parcel.data, PACKAGE_BYTES_MAX)
        return node.exchange.answer(package, CITY, wait=node.wakeups.wait)

    with ThreadPoolExecutor(UNDER_WAY) as threads:
        begun_s = perf_counter()
        answers = list(threads.map(answer, parcels))
        taken_s = perf_counter() - begun_s
    for parcel, one in zip(parcels, answers, strict=True):
        _check(node, parcel, one)
    return taken_s


def _check(node: Node, parcel: Parcel, answer: bytes) -> None:
    head = read_package(answer, node.identity.certificate.parsed, node.clock.now()).head
    if len(head.receipts) != parcel.slices or any(verdict.word != HELD for verdict in head.verdicts):
        message = f"the province did not take a package: {head.verdicts[:1]}"
        raise RuntimeError(message)


def _size_of(home: Path) -> int:
    return sum(path.stat().st_size for path in home.glob("*.db*"))
