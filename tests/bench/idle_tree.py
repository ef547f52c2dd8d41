"""Single records over an idle tree of three real processes: how long until the province holds one.

The clock starts before the record is offered and stops when the province's database has it committed. Half come by the
API, half by an import in another process beside the running county. A relay between city and province counts the bytes
that the line carries when nothing happens, TLS included.
"""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from node.bootstrap import build_node
from node.config import load_config
from node.demo.comparing import percentile
from node.demo.feeding import offer
from node.demo.generator import GeneratedRecord
from node.demo.plan import CITY, COUNTIES, PROVINCE
from node.demo.program import call, stop_all
from node.demo.raising import start, wait_until
from node.departments.importing import import_file
from node.randomness import SystemRandomness
from node.standard.resources import level_folder
from tests.bench.importing import table_of
from tests.bench.mix import CaseMix
from tests.bench.processes import join, new_node, relay_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from node.clock import Clock
    from node.demo.raising import DemoNode
    from tests.bench.plan import Plan
    from tests.bench.processes import CountingRelay

ARRIVAL_TIMEOUT_S = 30.0
LOOK_EVERY_S = 0.002
SETTLE_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleTree:
    """Seconds by the door, and the bytes a second on the line from city to province when nothing happens."""

    api_s: list[float]
    import_s: list[float]
    program_s: float
    idle_bytes_s: float

    def latency(self) -> dict[str, object]:
        """Return p50 and p99 of each door; at the top the worse ones."""
        doors = {
            name: {"p50": round(percentile(taken, 0.5), 3), "p99": round(percentile(taken, 0.99), 3)}
            for name, taken in (("api", self.api_s), ("import", self.import_s))
        }
        worse = {name: max(door[name] for door in doors.values()) for name in ("p50", "p99")}
        return {**worse, **doors, "tries": len(self.api_s), "import_program": round(self.program_s, 3)}


def measure_idle_tree(folder: Path, clock: Clock, plan: Plan) -> IdleTree:
    """Raise province, city and county as processes and send single records through them."""
    folder.mkdir()
    nodes: list[DemoNode] = []
    with ExitStack() as stack:
        stack.callback(lambda: stop_all([node.process for node in nodes], clock))
        nodes.append(new_node(folder, PROVINCE))
        start(nodes[0], clock)
        relay = stack.enter_context(relay_to(nodes[0].link_port))
        nodes.append(new_node(folder, CITY))
        join(nodes[1], nodes[0], clock, port=relay.port)
        nodes.append(new_node(folder, COUNTIES[0]))
        join(nodes[2], nodes[1], clock)
        return _Measuring(clock, plan, province=nodes[0], county=nodes[2], relay=relay).run()


class _Measuring:
    """One county sending to one province."""

    def __init__(self, clock: Clock, plan: Plan, *, province: DemoNode, county: DemoNode, relay: CountingRelay) -> None:
        self._clock = clock
        self._plan = plan
        self._county = county
        self._relay = relay
        self._mix = CaseMix(division=county.plan.code, seed=3, open_cases=50)
        self._database = sqlite3.connect(f"file:{province.home / 'yizhan.sqlite'}?mode=ro", uri=True)
        self._size = 0

    def run(self) -> IdleTree:
        """Send all records, door by door."""
        key = str(call(self._county.home, "sources", "add", "bench")["key"])
        with httpx.Client(base_url=self._county.face) as door:
            records = self._records()
            number = iter(range(10**9))

            def by_api() -> None:
                offer(door, key, [next(records)], idempotency_key=f"bench-{next(number)}", dialect="json")

            self._taken_s(by_api)
            api_s = [self._taken_s(by_api) for _ in range(self._plan.tries)]
            idle_bytes_s = self._idle_bytes_s()
        import_s = self._by_import()
        program_s = self._taken_s(lambda: call(self._county.home, "import", str(self._file("program", 1))))
        self._database.close()
        return IdleTree(
            api_s=api_s,
            import_s=import_s,
            program_s=program_s,
            idle_bytes_s=idle_bytes_s,
        )

    def _idle_bytes_s(self) -> float:
        before = self._relay.counted
        wait_until(lambda: False, self._plan.idle_s, self._clock)
        return (self._relay.counted - before) / self._plan.idle_s

    def _by_import(self) -> list[float]:
        """Import single records in this process, which is another one than the county's."""
        config = load_config(self._county.home, shipped_levels=level_folder())
        node = build_node(config, clock=self._clock, randomness=SystemRandomness())
        try:
            paths = [self._file(f"single-{number}", 1) for number in range(self._plan.tries + 1)]
            taken = [self._taken_s(lambda path=path: import_file(node.intake, path)) for path in paths]  # type: ignore[misc]
            return taken[1:]
        finally:
            node.close()

    def _taken_s(self, send: Callable[[], object]) -> float:
        """Send one record; return the seconds until the province holds it."""
        begun_s = self._clock.monotonic_s()
        send()
        if not wait_until(self._arrived, ARRIVAL_TIMEOUT_S, self._clock, pause_s=LOOK_EVERY_S):
            message = "a single record did not arrive at the province"
            raise RuntimeError(message)
        self._size += 1
        return self._clock.monotonic_s() - begun_s

    def _arrived(self) -> bool:
        row = self._database.execute(
            "SELECT size FROM stream WHERE origin = ? AND audience = 'ancestors'", (self._county.plan.code,)
        ).fetchone()
        return row is not None and row[0] > self._size

    def _records(self) -> Iterator[GeneratedRecord]:
        now = self._clock.now()
        while True:
            for kind, content in self._mix.contents(50):
                del content["Channel"]
                yield GeneratedRecord(record_type=kind, sent_at=now, content=content)

    def _file(self, name: str, count: int) -> Path:
        path = self._county.home / f"{name}.csv"
        path.write_bytes(table_of(self._mix, count, self._clock))
        return path
