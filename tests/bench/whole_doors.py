"""Pulling through a whole door against intake alone: SSH server and databases, in turns with ``import_file``.

What is measured of a door is everything between the department's system and the answer to it: the server (OpenSSH,
MariaDB, PostgreSQL), the adapter in its process, the pipe to the keeper, dialect, intake with its commits, the
adapter's row, and the acknowledgement. The floor is ``import_file`` of a table of the same mix that lies on this disk.
Both go into the same node.

Choices that decide: a table of the department's holds the columns of the table that is imported, as texts; its rows
were changed ten seconds apart (8,640 a day, more than any department of a county), so each round also reads again the
last 60 rows of the one before, which the overlap asks for. The file on the SSH server is whole when it is looked at
(``settle_s`` is 0): how long a site waits for its writers is no work.
"""

from __future__ import annotations

import csv
import io
import shutil
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from node.departments.importing import import_file
from tests.bench.homes import open_node
from tests.bench.importing import table_of
from tests.bench.kept_doors import kept_door
from tests.bench.mix import CaseMix
from tests.bench.origins import COUNTIES, bench_identities
from tests.bench.receiving import Rounds
from tests.support.department_databases import mariadb_department, postgres_department
from tests.support.mariadb import mariadb_server
from tests.support.postgres import NoServerError, postgres_server
from tests.support.sshd import ssh_server

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from node.bootstrap import Node
    from node.clock import Clock
    from tests.bench.kept_doors import KeptDoor
    from tests.support.department_databases import DepartmentDatabase

OPEN_CASES = 1_500
BETWEEN_ROWS = timedelta(seconds=10)
FIRST_CHANGED_AT = datetime(2026, 1, 5, 1, 0, tzinfo=UTC)
"""Far enough back that no row of a whole run is changed in the future."""
TABLE = "case_records"
HEADINGS_CASES = 2_000
"""Records of a mix of few cases that use every column there is."""


class Department(Protocol):
    """A department's system, and the node's door to it."""

    door: KeptDoor

    def offer(self, table: bytes) -> None:
        """Have it hold the rows of a table (CSV, GB18030) that it did not hold before."""


class FilesOnServer:
    """A folder of an SSH server into which whole tables are put."""

    def __init__(self, folder: Path, door: KeptDoor) -> None:
        self.door = door
        self._folder = folder
        self._count = 0

    def offer(self, table: bytes) -> None:
        self._count += 1
        (self._folder / f"cases-{self._count}.csv").write_bytes(table)


class DatabaseTable:
    """A table of a department's database to which rows are added."""

    def __init__(self, database: DepartmentDatabase, columns: Sequence[str], door: KeptDoor) -> None:
        self.door = door
        self._engine = create_engine(database.writer_url, poolclass=NullPool)
        self._columns = columns
        self._count = 0

    def offer(self, table: bytes) -> None:
        found = list(csv.DictReader(io.StringIO(table.decode("gb18030"), newline="")))
        values = [self._row(row) for row in found]
        marks = ", ".join(f":c{number}" for number in range(len(self._columns)))
        statement = text(f"INSERT INTO {TABLE} VALUES (:id, :changed_at, {marks})")
        with self._engine.begin() as connection:
            connection.execute(statement, values)

    def _row(self, row: dict[str, str]) -> dict[str, Any]:
        self._count += 1
        changed_at = (FIRST_CHANGED_AT + self._count * BETWEEN_ROWS).replace(tzinfo=None)
        cells = {f"c{number}": row.get(name) or None for number, name in enumerate(self._columns)}
        return {"id": self._count, "changed_at": changed_at, **cells}


def measure_pulls(folder: Path, clock: Clock, *, rounds: int, rows: int) -> dict[str, Rounds | str]:
    """Return, by what is pulled from, seconds a record through the door (product) and by intake alone (floor).

    Instead of a system that cannot be started here stands the reason.
    """
    code = COUNTIES[0]
    mix = CaseMix(division=code, seed=2, open_cases=OPEN_CASES)
    home = folder / code
    home.mkdir(parents=True)
    measured: dict[str, Rounds | str] = {}
    with open_node(home, bench_identities(clock)[code], clock) as node:
        for name, system in SYSTEMS.items():
            try:
                with system(node, folder / name, home, clock) as department:
                    new_table = partial(table_of, mix, rows, clock)
                    measured[name] = in_turns(node, home, department, [new_table for _ in range(rounds)], rows)
            except NoServerError as error:
                measured[name] = str(error)
    return measured


def in_turns(node: Node, home: Path, department: Department, tables: Sequence[Any], rows: int) -> Rounds:
    """Take in tables in turns: one that is imported, one that is pulled."""
    measured = Rounds()
    alone = home / "alone.csv"
    for new_table in tables:
        alone.write_bytes(new_table())
        department.offer(new_table())
        begun_s = perf_counter()
        report = import_file(node.intake, alone, dialect="csv")
        between_s = perf_counter()
        department.door.take_in(rows)
        ended_s = perf_counter()
        if report.accepted != rows:
            message = f"{report.accepted} of {rows} rows were accepted: {report.problems[:1]}"
            raise RuntimeError(message)
        measured.product_s.append((ended_s - between_s) / rows)
        measured.floor_s.append((between_s - begun_s) / rows)
    return measured


def missing_sshd() -> str:
    """Return why no SSH server can be started here, "" when one can."""
    found = shutil.which("sshd", path="/usr/sbin:/usr/bin:/sbin:/bin")
    return "" if found else "OpenSSH's server is not installed (apt install openssh-server)"


@contextmanager
def sftp_server(folder: Path) -> Iterator[tuple[dict[str, Any], dict[str, str]]]:
    """Give the settings and secrets by which the kind ``sftp`` reaches the folder ``folder``/put on a server."""
    put = folder / "put"
    put.mkdir(parents=True)
    with ssh_server(folder / "sshd") as server:
        settings = {
            "host": "127.0.0.1",
            "port": server.port,
            "user": server.user,
            "host_keys": [server.fingerprint],
            "folder": str(put),
            "settle_s": 0,
        }
        yield settings, {"private_key": server.private_key}


@contextmanager
def sftp_department(node: Node, folder: Path, home: Path, clock: Clock) -> Iterator[Department]:
    """Give OpenSSH's server with a folder; raises NoServerError."""
    del clock
    if missing := missing_sshd():
        raise NoServerError(missing)
    with (
        sftp_server(folder) as (settings, secrets),
        kept_door(node, home, "sftp", settings, secrets=secrets) as door,
    ):
        yield FilesOnServer(folder / "put", door)


@contextmanager
def mariadb_table(node: Node, folder: Path, home: Path, clock: Clock) -> Iterator[Department]:
    """Give MariaDB with a table; raises NoServerError."""
    del folder
    with mariadb_server() as server, _table_of_cases(node, home, mariadb_department(server), clock) as table:
        yield table


@contextmanager
def postgresql_table(node: Node, folder: Path, home: Path, clock: Clock) -> Iterator[Department]:
    """Give PostgreSQL with a table; raises NoServerError."""
    del folder
    with postgres_server() as server, _table_of_cases(node, home, postgres_department(server), clock) as table:
        yield table


@contextmanager
def _table_of_cases(node: Node, home: Path, database: DepartmentDatabase, clock: Clock) -> Iterator[Department]:
    few = table_of(CaseMix(division=COUNTIES[0], seed=5, open_cases=50), HEADINGS_CASES, clock)
    columns = list(csv.DictReader(io.StringIO(few.decode("gb18030"), newline="")).fieldnames or ())
    quote = "`" if database.system == "mariadb" else '"'
    moment = "DATETIME(6)" if database.system == "mariadb" else "TIMESTAMP"
    texts = ", ".join(f"{quote}{name}{quote} TEXT" for name in columns)
    database.run(
        f"CREATE TABLE {TABLE} (id BIGINT PRIMARY KEY, changed_at {moment} NOT NULL, {texts})",
        f"CREATE INDEX {TABLE}_changed ON {TABLE} (changed_at, id)",
    )
    database.let_read(TABLE)
    settings = {
        "url": database.url,
        "table": TABLE,
        "columns": columns,
        "watermark": "changed_at",
        "id_columns": ["id"],
        "form": "csv",
    }
    with kept_door(
        node, home, "database", settings, name=database.system, secrets=database.secrets, dialect="csv"
    ) as door:
        yield DatabaseTable(database, columns, door)


class System(Protocol):
    """Starts a department's system for as long as the block lasts, with a door of ``node`` (at ``home``) to it."""

    def __call__(self, node: Node, folder: Path, home: Path, clock: Clock) -> AbstractContextManager[Department]:
        """Give the department; raises NoServerError."""


SYSTEMS: dict[str, System] = {"sftp": sftp_department, "mariadb": mariadb_table, "postgresql": postgresql_table}
