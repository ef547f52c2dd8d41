"""What an idle door costs: the processor's time of its adapter's process and of its keeper's thread, with the watch.

A door that asks (``sftp``, a round a minute) costs rounds and, between them, waiting. Both are measured apart, each for
as long as the plan says: waiting with a pause that no round ends, a round as what a door costs more that asks every
second. Neither alone would tell: within half a minute there is no round, or half of one.

A door that hears (``serial_bridge`` with a terminal at the line that has nothing to send, at 115,200 bit/s) is measured
as it is: it listens, and both ends keep the line alive.

The time is that which the kernel counts for each thread in nanoseconds; the doorkeeper's watch, which looks at files
and wishes once a second for all doors together, is counted in whole.
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters.record_line.key_text import key_text
from node.demo.raising import wait_until
from node.departments.doors import book
from node.departments.doors.adapters_file import ADAPTERS_FILE
from node.departments.doors.doorkeeper import Doorkeeper
from node.departments.doors.editing import table_text
from node.departments.doors.kinds import find_kind
from node.departments.doors.secrets import SECRETS_FILE
from node.departments.sources import add_source
from node.randomness import SystemRandomness
from tests.bench.homes import open_node
from tests.bench.kept_doors import ZONE
from tests.bench.origins import COUNTIES, bench_identities
from tests.bench.whole_doors import missing_sshd, sftp_server
from tests.support.line_simulator import simulated_line
from tests.support.sshd import descendants
from tests.support.terminals import TerminalProgram

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from node.bootstrap import Node
    from node.clock import Clock

NAME = "idle"
POLLED_EVERY_S = 60.0
ASKS_EVERY_S = 1.0
RESTS_S = 500.0
"""A pause that no round ends while it is looked at, and shorter than one for which the process would be ended."""
READY_S = 60.0
_NS = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """Seconds of a processor in so many seconds: of the adapter's process, and of its keeper with the watch."""

    seconds: float
    adapter_s: float
    keeper_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleDoor:
    """Shares of a core that an idle door costs; ``round_s`` is what a round costs of a door that asks, else None."""

    adapter_share: float
    keeper_share: float
    round_s: float | None = None

    @property
    def share(self) -> float:
        """The share of a core of both together."""
        return self.adapter_share + self.keeper_share

    def as_json(self) -> dict[str, float | None]:
        """Return it for programs."""
        return {
            "share": round(self.share, 5),
            "adapter_share": round(self.adapter_share, 5),
            "keeper_share": round(self.keeper_share, 5),
            "round_ms": None if self.round_s is None else round(1_000 * self.round_s, 2),
        }


def polling_door(waiting: Idle, asking: Idle) -> IdleDoor:
    """Return what a door costs that asks every POLLED_EVERY_S; ``asking`` asked every ASKS_EVERY_S."""
    rounds = asking.seconds / ASKS_EVERY_S
    shares, round_s = [], 0.0
    for name in ("adapter_s", "keeper_s"):
        waits = getattr(waiting, name) / waiting.seconds
        costs_s = max(0.0, getattr(asking, name) - waits * asking.seconds) / rounds
        shares.append(waits + costs_s / POLLED_EVERY_S)
        round_s += costs_s
    return IdleDoor(adapter_share=shares[0], keeper_share=shares[1], round_s=round_s)


def measure_idle_doors(folder: Path, clock: Clock, *, seconds: float) -> dict[str, IdleDoor | str]:
    """Return what a door that asks and one that hears cost, each watched for so long; a text: why it was not."""
    measured: dict[str, IdleDoor | str] = {}
    folder.mkdir(parents=True)
    if missing := missing_sshd():
        measured["sftp"] = missing
    else:
        with sftp_server(folder) as (settings, secrets):
            watched = [
                measure_idle_door(
                    folder / f"sftp-{every_s:g}",
                    clock,
                    {"kind": "sftp", "every_s": every_s, "settings": settings},
                    secrets=secrets,
                    seconds=seconds,
                )
                for every_s in (RESTS_S, ASKS_EVERY_S)
            ]
        measured["sftp"] = polling_door(*watched)
    found = find_kind("serial_bridge")
    if found.kind is None:
        measured["serial_bridge"] = found.reason
    else:
        terminal = TerminalProgram(folder / "terminal")
        secrets = {"terminal_keys": f"{terminal.name}={key_text(terminal.key)}"}
        with simulated_line(folder / "line") as line, terminal.run(line.far):
            table = {"kind": "serial_bridge", "settings": {"port": str(line.near), "mode": "record_line"}}
            idle = measure_idle_door(folder / "serial", clock, table, secrets=secrets, seconds=seconds)
        measured["serial_bridge"] = IdleDoor(
            adapter_share=idle.adapter_s / idle.seconds, keeper_share=idle.keeper_s / idle.seconds
        )
    return measured


def measure_idle_door(
    folder: Path,
    clock: Clock,
    table: Mapping[str, Any],
    *,
    secrets: Mapping[str, str] | None = None,
    seconds: float,
) -> Idle:
    """Keep one adapter as a running node does, let it come to rest, and watch it for so long.

    ``table`` is that of ``adapters.toml`` without its source. Raises RuntimeError when the adapter does not come to
    rest, or has trouble meanwhile.
    """
    code = COUNTIES[0]
    folder.mkdir(parents=True)
    with open_node(folder, bench_identities(clock)[code], clock) as node:
        add_source(node.store, NAME, clock=clock, randomness=SystemRandomness())
        _write(folder / ADAPTERS_FILE, {**table, "source": NAME})
        _write(folder / SECRETS_FILE, secrets or {})
        with _kept(node, folder, clock):
            threads, process = _keeper_threads(), _adapter_process()
            begun_s, before = clock.monotonic_s(), (_of_process(process), sum(map(_of_thread, threads)))
            threading.Event().wait(seconds)
            after = (_of_process(process), sum(map(_of_thread, threads)))
            taken_s = clock.monotonic_s() - begun_s
            _ensure_waiting(node)
    return Idle(seconds=taken_s, adapter_s=after[0] - before[0], keeper_s=after[1] - before[1])


@contextmanager
def _kept(node: Node, home: Path, clock: Clock) -> Iterator[None]:
    keeper = Doorkeeper(node.intake, home, zone=ZONE, environment=dict(os.environ))
    keeper.start()
    try:
        wait_until(lambda: _state(node) == book.WAITING, READY_S, clock)
        _ensure_waiting(node)
        yield
    finally:
        keeper.stop()


def _state(node: Node) -> str:
    with node.store.reading() as connection:
        row = book.known_adapter(connection, NAME)
    return "not kept" if row is None else f"{row.state}{row.text and ': '}{row.text}"


def _ensure_waiting(node: Node) -> None:
    if _state(node) != book.WAITING:
        message = f"the adapter is {_state(node)}"
        raise RuntimeError(message)


def _write(path: Path, table: Mapping[str, Any]) -> None:
    path.touch(mode=0o600)
    path.write_text(table_text(NAME, table), encoding="utf-8")


def _keeper_threads() -> list[int]:
    """Return the kernel's numbers of the threads that keep the adapter, and that read what its process says."""
    kept = ("doorkeeper", f"adapter-{NAME}", f"door-errors-{_adapter_process()}")
    return [one.native_id for one in threading.enumerate() if one.name in kept and one.native_id is not None]


def _adapter_process() -> int:
    for process in descendants(os.getpid()):
        if b"node.departments.doors.door" in Path(f"/proc/{process}/cmdline").read_bytes():
            return process
    message = "the adapter has no process"
    raise RuntimeError(message)


def _of_process(process: int) -> float:
    """Return the seconds of a processor that a process and what it started have had."""
    numbers = (process, *descendants(process))
    return sum(_counted(one) for number in numbers for one in Path(f"/proc/{number}/task").iterdir())


def _of_thread(number: int) -> float:
    return _counted(Path(f"/proc/self/task/{number}"))


def _counted(task: Path) -> float:
    # Time on a processor in nanoseconds; utime and stime would count in hundredths of a second.
    return int((task / "schedstat").read_text(encoding="ascii").split()[0]) / _NS
