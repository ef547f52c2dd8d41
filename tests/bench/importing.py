"""Intake of a file against the receiver floor: a county imports a table, the floor takes the records made of it."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from node.demo.generator import GeneratedRecord
from node.demo.writers import csv_table
from node.departments.importing import import_file
from node.standard.seals import ANCESTORS, StreamName
from tests.bench.floors import ReceiverFloor
from tests.bench.homes import open_node
from tests.bench.mix import CaseMix
from tests.bench.origins import COUNTIES, bench_identities
from tests.bench.receiving import Rounds

if TYPE_CHECKING:
    from pathlib import Path

    from node.bootstrap import Node
    from node.clock import Clock
    from tests.bench.plan import Plan

_NOT_IN_TABLES = frozenset({"Channel", "Actor"})
"""The door names the channel; departments' tables do not say which account wrote a row."""


def measure_intake(folder: Path, clock: Clock, plan: Plan) -> Rounds:
    """Import ``plan.intake_rounds`` tables of ``plan.intake_records`` rows at one county."""
    code = COUNTIES[0]
    home = folder / code
    home.mkdir(parents=True)
    mix = CaseMix(division=code, seed=2, open_cases=plan.open_cases // 10)
    rounds = Rounds()
    floor = ReceiverFloor(folder)
    with open_node(home, bench_identities(clock)[code], clock) as node:
        for number in range(plan.intake_rounds):
            path = home / f"cases-{number}.csv"
            path.write_bytes(table_of(mix, plan.intake_records, clock))
            begun_s = perf_counter()
            report = import_file(node.intake, path, dialect="csv")
            taken_s = perf_counter() - begun_s
            if report.accepted != plan.intake_records:
                message = f"{report.accepted} of {plan.intake_records} rows were accepted: {report.problems[:1]}"
                raise RuntimeError(message)
            rounds.product_s.append(taken_s / plan.intake_records)
            bodies = _newest(node, plan.intake_records)
            batches = [bodies[start : start + 500] for start in range(0, len(bodies), 500)]
            rounds.floor_s.append(sum(map(floor.receive, batches)) / plan.intake_records)
    floor.close()
    return rounds


def table_of(mix: CaseMix, count: int, clock: Clock) -> bytes:
    """Return the next ``count`` records of a mix as one CSV table with headings in Chinese."""
    now = clock.now()
    contents = [
        (kind, {name: value for name, value in content.items() if name not in _NOT_IN_TABLES})
        for kind, content in mix.contents(count)
    ]
    rows = [GeneratedRecord(record_type=kind, sent_at=now, content=content) for kind, content in contents]
    return csv_table(rows, chinese=True)


def _newest(node: Node, count: int) -> list[bytes]:
    stream = StreamName(node.code, ANCESTORS)
    with node.store.reading() as connection:
        held = node.journal.held(connection, stream)
        size = 0 if held is None else held.size
        return [one.body or b"" for one in node.journal.stored(connection, stream, size - count + 1, size)]
