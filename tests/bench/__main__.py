"""``python -m tests.bench [--json] [--quick] [--postgresql]``: run everything in a temporary folder and report.

``--rows N`` imports one table of N rows instead (tests/bench/rows.py), ``--long`` takes millions of records
(tests/bench/long.py), ``--doors`` measures the doors to departments' systems (tests/bench/doors.py). All leave with 1
when something does not hold or a first bar is missed; ``--quick`` asks no bar.
"""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING, Any

from node.clock import MachineClock
from tests.bench import doors, long, rows
from tests.bench.doors import QUICK_DOORS, DoorsPlan, measure_doors
from tests.bench.hopping import measure_hop
from tests.bench.idle_tree import measure_idle_tree
from tests.bench.importing import measure_intake
from tests.bench.long import QUICK_LONG, LongPlan, measure_long
from tests.bench.plan import FULL, QUICK, Plan
from tests.bench.proving import measure_proving
from tests.bench.receiving import measure_receiver
from tests.bench.report import document, receiving_documents, table
from tests.bench.rows import measure_rows
from tests.support.postgres import NoServerError, postgres_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and report; return the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Floors and product on the same records.")
    parser.add_argument("--json", action="store_true", help="write one JSON document")
    parser.add_argument("--quick", action="store_true", help="a short run that proves that everything works")
    parser.add_argument(
        "--postgresql", action="store_true", help="measure PostgreSQL too, when a server can be started"
    )
    parser.add_argument("--rows", type=int, metavar="N", help="import one table of N rows instead, e.g. 1000000")
    parser.add_argument("--long", action="store_true", help="two million records instead, then the cost at ten million")
    parser.add_argument("--doors", action="store_true", help="the doors to departments' systems instead")
    given = parser.parse_args(arguments)
    with TemporaryDirectory(prefix="yizhan-bench-") as folder:
        if given.rows:
            return _said(measure_rows(Path(folder), MachineClock(), given.rows), rows.lines, as_json=given.json)
        if given.long:
            plan = QUICK_LONG if given.quick else LongPlan()
            return _said(measure_long(Path(folder), MachineClock(), plan), long.lines, as_json=given.json)
        if given.doors:
            doors_plan = QUICK_DOORS if given.quick else DoorsPlan()
            return _said(measure_doors(Path(folder), MachineClock(), doors_plan), doors.table, as_json=given.json)
        answer = measure(Path(folder), QUICK if given.quick else FULL, postgresql=given.postgresql)
    return _said(answer, table, as_json=given.json)


def _said(answer: dict[str, Any], lines: Callable[[dict[str, Any]], str], *, as_json: bool) -> int:
    sys.stdout.write(json.dumps(answer, ensure_ascii=False) + "\n" if as_json else lines(answer))
    return 1 if answer["faults"] else 0


def measure(folder: Path, plan: Plan, *, postgresql: bool = False) -> dict[str, Any]:
    """Measure everything below ``folder`` and return the answer."""
    clock = MachineClock()
    begun_s = perf_counter()
    with _step("idle tree of three processes"):
        idle = measure_idle_tree(folder / "idle", clock, plan)
    with _step("hop between two processes"):
        hopping = measure_hop(folder / "hop", clock, plan)
    with _step("intake of a file"):
        intake = measure_intake(folder / "intake", clock, plan)
    with _step("receiver and replay"):
        receiving = measure_receiver(folder / "receiver", clock, plan)
    with _step("evidence in a long stream"):
        proving_s = measure_proving(folder / "proving", clock, plan.proving_records)
    with _step("PostgreSQL"):
        other = _postgresql(folder, plan, wanted=postgresql)
    return document(
        receiving=receiving,
        hopping=hopping,
        intake=intake,
        idle=idle,
        proving_s=proving_s,
        postgresql=other,
        seconds=perf_counter() - begun_s,
        quick=plan is QUICK,
    )


def _postgresql(folder: Path, plan: Plan, *, wanted: bool) -> dict[str, Any]:
    """Return receiver and replay on PostgreSQL, or null and why."""
    if not wanted:
        return {"postgresql": None, "postgresql_reason": "ask for it with --postgresql"}
    try:
        with postgres_server() as server:
            receiving = measure_receiver(folder / "postgresql", MachineClock(), plan, database_url=server.database())
    except NoServerError as error:
        return {"postgresql": None, "postgresql_reason": str(error)}
    return {"postgresql": receiving_documents(receiving)}


@contextmanager
def _step(name: str) -> Iterator[None]:
    """Say on standard error what is measured and how long it took."""
    begun_s = perf_counter()
    sys.stderr.write(f"bench: {name} … ")
    sys.stderr.flush()
    yield
    sys.stderr.write(f"{perf_counter() - begun_s:.0f} s\n")


if __name__ == "__main__":
    raise SystemExit(main())
