"""A database through its door against intake alone: ``.venv/bin/python -m tests.bench.pulling [ROWS]``.

A county takes in tables of the same mix, in turns: one that is imported, one that is read from MariaDB and one from
PostgreSQL by the kind ``database`` in a process of its own, delivery by delivery, as a running node does it. The best
round of each counts: a machine that is busy otherwise only ever makes one slower.
"""

from __future__ import annotations

import csv
import io
import os
import sys
import tempfile
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from adapters.database import KIND
from node.clock import MachineClock
from node.departments.doors.adapters_file import AdapterConfig
from node.departments.doors.doorway import Doorway, Place
from node.departments.doors.taking_in import take_in
from node.departments.importing import import_file
from node.departments.sources import OPERATOR
from tests.bench.homes import open_node
from tests.bench.importing import table_of
from tests.bench.mix import CaseMix
from tests.bench.origins import COUNTIES, bench_identities
from tests.support.department_databases import mariadb_department, postgres_department
from tests.support.mariadb import mariadb_server
from tests.support.postgres import postgres_server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from node.bootstrap import Node
    from tests.support.department_databases import DepartmentDatabase

ROWS: Final = 20_000
ROUNDS: Final = 5
PAGE_ROWS: Final = 5000
_TABLE: Final = "records"


def main() -> None:
    """Measure and print records a second, and what share of intake alone the door reaches."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    taken_s: dict[str, list[float]] = {"file alone": [], "MariaDB": [], "PostgreSQL": []}
    with (
        tempfile.TemporaryDirectory() as folder,
        mariadb_server() as mariadb,
        postgres_server() as postgres,
        _county(Path(folder)) as node,
    ):
        mix = CaseMix(division=COUNTIES[0], seed=5, open_cases=150)
        for number in range(ROUNDS):
            taken_s["file alone"].append(_alone(node, table_of(mix, rows, MachineClock()), Path(folder)))
            for name, made in (("MariaDB", mariadb_department(mariadb)), ("PostgreSQL", postgres_department(postgres))):
                headings = _fill(made, table_of(mix, rows, MachineClock()))
                kept = Path(folder) / f"{name}-{number}"
                taken_s[name].append(_pulled(node, made, headings, kept, rows))
    floor_s = min(taken_s["file alone"])
    for name, rounds_s in taken_s.items():
        best_s = min(rounds_s)
        print(f"{name:12} {rows / best_s:9,.0f} records/s   {floor_s / best_s:.2f}")  # noqa: T201 - what it is for.


@contextmanager
def _county(folder: Path) -> Iterator[Node]:
    clock = MachineClock()
    home = folder / "home"
    home.mkdir()
    with open_node(home, bench_identities(clock)[COUNTIES[0]], clock) as node:
        yield node


def _alone(node: Node, table: bytes, folder: Path) -> float:
    path = folder / "table.csv"
    path.write_bytes(table)
    begun_s = perf_counter()
    report = import_file(node.intake, path, dialect="csv")
    taken_s = perf_counter() - begun_s
    assert report.refused == 0, report.problems[:1]
    return taken_s


def _fill(department: DepartmentDatabase, table: bytes) -> list[str]:
    """Put the rows of a table of text into the database; return its columns, without watermark and id."""
    reader = csv.reader(io.StringIO(table.decode("gb18030")))
    headings = next(reader)
    quote, moment = ("`", "DATETIME(6)") if department.system == "mariadb" else ('"', "TIMESTAMP")
    columns = ", ".join(f"{quote}{name}{quote} TEXT" for name in headings)
    department.run(f"CREATE TABLE {_TABLE} (number INT PRIMARY KEY, changed_at {moment}, {columns})")
    department.run(f"CREATE INDEX place ON {_TABLE} (changed_at, number)")
    department.let_read(_TABLE)
    values = ", ".join(f":c{number}" for number in range(len(headings)))
    statement = text(f"INSERT INTO {_TABLE} VALUES (:number, :at, {values})")
    begin = datetime(2026, 11, 3, tzinfo=UTC)
    with department.transaction() as connection:
        for number, row in enumerate(reader):
            cells = {f"c{place}": cell for place, cell in enumerate(row)}
            at = f"{begin + timedelta(seconds=number):%Y-%m-%d %H:%M:%S}"
            connection.execute(statement, {"number": number, "at": at, **cells})
    return headings


def _pulled(node: Node, department: DepartmentDatabase, headings: list[str], kept: Path, rows: int) -> float:
    config = _config(department, headings)
    for folder in (kept, kept / "spool"):
        folder.mkdir()
    clock = MachineClock()
    place = Place(own=kept, spool=kept / "spool")
    doorway = Doorway(config, place, None, clock=clock, environment=os.environ, told=_unheard)
    accepted = 0
    begun_s = perf_counter()
    brought = doorway.fetch(rows)
    while brought is not None:
        outcome = take_in(node.intake, OPERATOR, config, brought).outcome
        accepted += outcome.accepted
        doorway.acknowledge(outcome)
        brought = doorway.next()
    taken_s = perf_counter() - begun_s
    doorway.close()
    assert accepted == rows, f"{accepted} of {rows} rows were accepted"
    return taken_s


def _unheard(_level: str, _phrase: str, _fields: Mapping[str, str]) -> None:
    """Leave unheard what the adapter logs."""


def _config(department: DepartmentDatabase, headings: list[str]) -> AdapterConfig:
    settings = {setting.name: setting.default for setting in KIND.settings if not setting.secret}
    own = {"table": _TABLE, "columns": headings, "id_columns": ["number"], "form": "csv", "page_rows": PAGE_ROWS}
    return AdapterConfig(
        name="bench",
        kind=KIND,
        source=OPERATOR.name,
        dialect="csv",
        record_type="",
        table="",
        every_s=KIND.every_s,
        hours=(),
        deliveries_per_minute_max=0,
        records_per_minute_max=0,
        deliveries_max=100,
        bytes_max=268_435_456,
        route=None,
        settings={**settings, **department.settings(**own)},
        secrets=department.secrets,
    )


if __name__ == "__main__":
    main()
