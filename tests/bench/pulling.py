"""Doors that pull against intake alone: ``.venv/bin/python -m tests.bench.pulling [ROUNDS] [ROWS]``.

A county takes in records of the same mix, in turns: a file that is imported, and what each kind pulls from a source of
its own, in a process of its own, delivery by delivery, as a running node does it. Sources are MariaDB, PostgreSQL,
pages of JSON behind Python's own HTTP server, and a SOAP service; what they hold is imported in the same form alone.
"""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import text

from adapters import database, open_api, soap
from node.clock import MachineClock
from node.departments.doors.adapters_file import AdapterConfig
from node.departments.doors.doorway import Doorway, Place
from node.departments.doors.taking_in import take_in
from node.departments.importing import import_file
from node.departments.preparing import Preparer
from node.departments.sources import OPERATOR
from node.standard.compose import compose
from tests.bench.homes import open_node
from tests.bench.importing import table_of
from tests.bench.mix import CaseMix
from tests.bench.origins import COUNTIES, bench_identities
from tests.bench.receiving import Rounds
from tests.support.department_databases import mariadb_department, postgres_department
from tests.support.intake import wrapped
from tests.support.mariadb import mariadb_server
from tests.support.postgres import postgres_server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from adapters.contract import AdapterKind
    from node.bootstrap import Node
    from tests.support.department_databases import DepartmentDatabase

PAGE_RECORDS: Final = 1000
"""Records of a page of JSON, and of a document of the SOAP service."""
_TABLE: Final = "records"
_NOT_IN_FORM: Final = frozenset({"Channel", "Actor"})


def main() -> None:
    """Measure, and print records a second of each and its share of intake alone in the same form."""
    rounds, rows = (int(sys.argv[place]) if len(sys.argv) > place else usual for place, usual in ((1, 5), (2, 10_000)))
    with TemporaryDirectory() as folder, ExitStack() as stack:
        home = Path(folder) / "home"
        home.mkdir()
        clock = MachineClock()
        node = stack.enter_context(open_node(home, bench_identities(clock)[COUNTIES[0]], clock))
        measured = _Pulls(node, Path(folder), rows, stack)
        for number in range(rounds):
            for name in ("MariaDB", "PostgreSQL"):
                measured.database(name, number)
            measured.pages(number)
            measured.service(number)
    for name, one in measured.rounds.items():
        door_us = 1e6 * median(measured.door_s[name])
        figures = f"{one.rate:8,.0f} records/s, alone {one.floor:8,.0f}: {one.ratio:.2f}"
        print(f"{name:12} {figures}; the door's own processor time {door_us:.0f} us a record")  # noqa: T201


class _Pulls:
    """One county, its sources, and what they took: ``rounds`` by name, seconds a record (floor: intake alone).

    ``door_s`` is the processor time of the adapter's process, seconds a record: it depends little on other work beside.
    """

    def __init__(self, node: Node, folder: Path, rows: int, stack: ExitStack) -> None:
        self._node = node
        self._folder = folder
        self._rows = rows
        self._mix = CaseMix(division=COUNTIES[0], seed=5, open_cases=1_500)
        self._mariadb = stack.enter_context(mariadb_server())
        self._postgres = stack.enter_context(postgres_server())
        self.rounds: dict[str, Rounds] = {}
        self.door_s: dict[str, list[float]] = {}

    def database(self, name: str, number: int) -> None:
        """Import a table as text, then read one from a database."""
        clock = MachineClock()
        self._alone(name, [table_of(self._mix, self._rows, clock)], "csv")
        made = mariadb_department(self._mariadb) if name == "MariaDB" else postgres_department(self._postgres)
        headings = _fill(made, table_of(self._mix, self._rows, clock))
        own = {"columns": headings, "id_columns": ["number"], "form": "csv"}
        settings = made.settings(table=_TABLE, **own)
        self._pulled(name, _config(database.KIND, "csv", settings, made.secrets), number)

    def pages(self, number: int) -> None:
        """Import documents of JSON, then pull them as pages."""
        name = "open_api"
        self._alone(name, [json.dumps({"records": page}).encode() for page in self._records()], "json")
        folder = self._folder / f"pages-{number}"
        folder.mkdir()
        pages = list(self._records())
        for place, page in enumerate(pages):
            following = f"{place + 1}.json" if place + 1 < len(pages) else None
            (folder / f"{place}.json").write_text(json.dumps({"records": page, "next": following}))
        with _http_server(folder) as address:
            settings = {
                "url": f"{address}/0.json",
                "paging": "next",
                "next_path": "next",
                "items": "records",
                "form": "records",
                "items_max": PAGE_RECORDS,
            }
            self._pulled(name, _config(open_api.KIND, "json", settings), number)

    def service(self, number: int) -> None:
        """Import documents of XML, then have a SOAP service hand them out."""
        name = "soap"
        self._alone(name, list(self._documents()), "standard")
        folder = self._folder / f"documents-{number}"
        folder.mkdir()
        for place, document in enumerate(self._documents()):
            (folder / f"{place:04}.xml").write_bytes(document)
        with _soap_server(folder) as wsdl:
            settings = {"wsdl": wsdl, "operation": "getDataXml", "arguments": {"page": "{page}"}, "result": "xml"}
            self._pulled(name, _config(soap.KIND, "standard", settings), number)

    def _records(self) -> Iterator[list[dict[str, Any]]]:
        page: list[dict[str, Any]] = []
        for record_type, content in self._mix.contents(self._rows):
            own = {name: value for name, value in content.items() if name not in _NOT_IN_FORM}
            page.append({"type": record_type, "content": own})
            if len(page) == PAGE_RECORDS:
                yield page
                page = []
        if page:
            yield page

    def _documents(self) -> Iterator[bytes]:
        for page in self._records():
            bodies = (compose(one["type"], {**one["content"], "Channel": "API"}, salt=bytes(16)) for one in page)
            yield wrapped(list(bodies))

    def _alone(self, name: str, contents: Sequence[bytes], dialect: str) -> None:
        paths = []
        for place, content in enumerate(contents):
            paths.append(self._folder / f"alone-{place}")
            paths[-1].write_bytes(content)
        begun_s = perf_counter()
        accepted = sum(import_file(self._node.intake, path, dialect=dialect).accepted for path in paths)
        taken_s = perf_counter() - begun_s
        assert accepted == self._rows, f"{accepted} of {self._rows} records were accepted"
        self.rounds.setdefault(name, Rounds()).floor_s.append(taken_s / self._rows)

    def _pulled(self, name: str, config: AdapterConfig, number: int) -> None:
        kept = self._folder / f"{name}-{number}"
        (kept / "spool").mkdir(parents=True)
        place = Place(own=kept, spool=kept / "spool")
        doorway = Doorway(config, place, None, clock=MachineClock(), environment=os.environ, told=_unheard)
        accepted = 0
        door_begun_s = _processor_s(doorway.process_id)
        begun_s = perf_counter()
        brought = doorway.fetch(self._rows)
        with Preparer() as preparer:
            while brought is not None:
                outcome = take_in(self._node.intake, OPERATOR, config, brought, preparer).outcome
                accepted += outcome.accepted
                doorway.acknowledge(outcome)
                brought = doorway.next()
        taken_s = perf_counter() - begun_s
        self.door_s.setdefault(name, []).append((_processor_s(doorway.process_id) - door_begun_s) / self._rows)
        doorway.close()
        assert accepted == self._rows, f"{accepted} of {self._rows} records were accepted"
        self.rounds[name].product_s.append(taken_s / self._rows)


def _config(
    kind: AdapterKind, dialect: str, settings: Mapping[str, Any], secrets: Mapping[str, str] | None = None
) -> AdapterConfig:
    usual = {setting.name: setting.default for setting in kind.settings if not setting.secret}
    return AdapterConfig(
        name="bench",
        kind=kind,
        source=OPERATOR.name,
        dialect=dialect,
        record_type="",
        table="",
        every_s=kind.every_s,
        hours=(),
        deliveries_per_minute_max=0,
        records_per_minute_max=0,
        deliveries_max=100,
        bytes_max=268_435_456,
        route=None,
        settings={**usual, **settings},
        secrets=secrets or {},
    )


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


@contextmanager
def _http_server(folder: Path) -> Iterator[str]:
    """Serve a folder by Python's own server; its first line names the port."""
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(folder)]
    with _started(command) as line:
        yield f"http://127.0.0.1:{line.split(' port ')[1].split()[0]}"


@contextmanager
def _soap_server(folder: Path) -> Iterator[str]:
    with _started([sys.executable, "-m", "tests.support.soap_service", str(folder)]) as line:
        yield line.strip()


@contextmanager
def _started(command: Sequence[str]) -> Iterator[str]:
    """Give the first line that a process prints; it is ended behind the block."""
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=quiet, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline()
        finally:
            process.kill()


def _processor_s(process: int) -> float:
    """Return the processor time that a process has used, as proc(5) counts it."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _unheard(_level: str, _phrase: str, _fields: Mapping[str, str]) -> None:
    """Leave unheard what an adapter logs."""


if __name__ == "__main__":
    main()
