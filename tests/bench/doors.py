"""The doors' benchmark: ``scripts/bench --doors [--json] [--quick]``.

How fast records cross a serial line and Bluetooth, how much of intake's speed is left when a table is pulled through a
whole door, and what a door costs that has nothing to do. Each part says in its own module how it measures. What cannot
be measured here (a server or a program is not installed) is null, with the reason, and a fault: a bar that nobody looks
at is not met. A quick run proves that everything works; its figures say little, and no bar is asked of it.
"""

from __future__ import annotations

import shutil
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from tests.bench.bluetooth import NOTIFIED_MIN, QUICK_BLUETOOTH, BluetoothPlan, measure_bluetooth
from tests.bench.bluetooth import table as table_of_bluetooth
from tests.bench.idle_doors import measure_idle_doors
from tests.bench.lines import QUICK_LINES, LinePlan, measure_lines
from tests.bench.lines import table as table_of_lines
from tests.bench.report import rounds_document
from tests.bench.whole_doors import measure_pulls

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from node.clock import Clock
    from tests.bench.idle_doors import IdleDoor
    from tests.bench.receiving import Rounds

SCHEMA: Final = "yizhan.bench-doors/1"
PULL_RATIO_MIN: Final = 0.8
IDLE_SHARE_MAX: Final = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorsPlan:
    """Sizes of one run: ``pull_rounds`` tables of ``pull_rows`` rows a system, ``idle_s`` seconds of watching."""

    lines: LinePlan = field(default_factory=LinePlan)
    bluetooth: BluetoothPlan = field(default_factory=BluetoothPlan)
    pull_rounds: int = 6
    pull_rows: int = 10_000
    idle_s: float = 30.0


QUICK_DOORS: Final = DoorsPlan(lines=QUICK_LINES, bluetooth=QUICK_BLUETOOTH, pull_rounds=1, pull_rows=600, idle_s=3.0)


def measure_doors(folder: Path, clock: Clock, plan: DoorsPlan) -> dict[str, Any]:
    """Measure everything below ``folder`` and return the document."""
    begun_s = perf_counter()
    with _step("idle doors"):
        idle = measure_idle_doors(folder / "idle", clock, seconds=plan.idle_s)
    with _step("pulling through whole doors"):
        pulls = measure_pulls(folder / "pulls", clock, rounds=plan.pull_rounds, rows=plan.pull_rows)
    with _step("Bluetooth in process"):
        bluetooth: list[dict[str, Any]] = measure_bluetooth(folder / "bluetooth", clock, plan.bluetooth)["rows"]
    with _step("serial lines"):
        lines = _serial(folder / "lines", clock, plan.lines)
    return document(
        idle=idle,
        pulls=pulls,
        bluetooth=bluetooth,
        lines=lines,
        seconds=perf_counter() - begun_s,
        quick=plan is QUICK_DOORS,
    )


def _serial(folder: Path, clock: Clock, plan: LinePlan) -> list[dict[str, Any]] | str:
    if shutil.which("sz") is None or shutil.which("rz") is None:
        return "sz and rz are not installed (apt install lrzsz)"
    columns: list[dict[str, Any]] = measure_lines(folder, clock, plan)["columns"]
    return columns


def document(
    *,
    idle: dict[str, IdleDoor | str],
    pulls: dict[str, Rounds | str],
    bluetooth: list[dict[str, Any]],
    lines: list[dict[str, Any]] | str,
    seconds: float,
    quick: bool,
) -> dict[str, Any]:
    """Return the whole answer; a text stands for what was not measured, and says why."""
    answer: dict[str, Any] = {
        "schema": SCHEMA,
        "quick": quick,
        "seconds": round(seconds, 1),
        "serial": None if isinstance(lines, str) else lines,
        "bluetooth": bluetooth,
        "pull": {name: None if isinstance(one, str) else rounds_document(one) for name, one in pulls.items()},
        "idle": {name: None if isinstance(one, str) else one.as_json() for name, one in idle.items()},
        "reasons": {
            **{f"pull {name}": one for name, one in pulls.items() if isinstance(one, str)},
            **{f"idle {name}": one for name, one in idle.items() if isinstance(one, str)},
            **({"serial": lines} if isinstance(lines, str) else {}),
        },
    }
    return {**answer, "faults": [] if quick else list(missed(answer))}


def missed(answer: dict[str, Any]) -> Iterator[str]:
    """Yield every bar that was missed, and everything that was not measured."""
    for one in answer["serial"] or ():
        if one["ratio"] <= 1:
            yield f"serial, {one['line']} at {one['bits_per_s']} bit/s: {one['ratio']:g} of ZMODEM; ahead is the bar"
    for name in ("notified", "records"):
        # The MTU that BlueZ asks for stands first; with the least one a value holds 20 bytes.
        rate = answer["bluetooth"][0][name]
        if rate < NOTIFIED_MIN:
            yield f"bluetooth, {name}: {rate:,.0f} bytes/s, the bar is {NOTIFIED_MIN:,}"
    for name, one in answer["pull"].items():
        if one is not None and one["ratio"] < PULL_RATIO_MIN:
            yield f"pull {name}: {one['ratio']:g} of intake, the bar is {PULL_RATIO_MIN:g}"
    for name, one in answer["idle"].items():
        if one is not None and one["share"] >= IDLE_SHARE_MAX:
            yield f"idle {name}: {100 * one['share']:.2f} % of a core, below {100 * IDLE_SHARE_MAX:g} % is the bar"
    for name, reason in answer["reasons"].items():
        yield f"{name}: not measured: {reason}"


def table(answer: dict[str, Any]) -> str:
    """Return the answer for people."""
    return "\n".join(_lines(answer)) + "\n"


def _lines(answer: dict[str, Any]) -> Iterator[str]:
    if answer["serial"] is not None:
        yield table_of_lines({"columns": answer["serial"], "faults": []}).rstrip("\n")
    yield table_of_bluetooth({"rows": answer["bluetooth"], "faults": []}).rstrip("\n")
    yield f"{'pulled':<12} {'records/s':>10} {'intake':>10} {'ratio':>7}  bar {PULL_RATIO_MIN:g}"
    for name, one in answer["pull"].items():
        if one is not None:
            yield f"{name:<12} {one['rate']:>10,.0f} {one['floor']:>10,.0f} {one['ratio']:>7.2f}"
    for name, one in answer["idle"].items():
        if one is not None:
            round_ms = "" if one["round_ms"] is None else f"; a round costs {one['round_ms']:g} ms"
            parts = f"adapter {100 * one['adapter_share']:.2f} %, keeper {100 * one['keeper_share']:.2f} %"
            yield f"idle {name}: {100 * one['share']:.2f} % of a core ({parts}{round_ms})"
    yield f"{answer['seconds']:.0f} s in all"
    if not answer["faults"]:
        yield from (f"not measured: {name}: {reason}" for name, reason in answer["reasons"].items())
    yield from (f"MISSED: {fault}" for fault in answer["faults"])


@contextmanager
def _step(name: str) -> Iterator[None]:
    """Say on standard error what is measured and how long it took."""
    begun_s = perf_counter()
    sys.stderr.write(f"bench: {name} … ")
    sys.stderr.flush()
    yield
    sys.stderr.write(f"{perf_counter() - begun_s:.0f} s\n")
