"""Databases as departments have them: a table of cases, an account that reads it, writers that commit when asked."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from adapters.database import KIND
from tests.support.adapter_openings import opening

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy.engine import Connection

    from adapters.contract import Adapter
    from tests.support.mariadb import MariadbServer
    from tests.support.postgres import PostgresServer

READER: Final = "yizhan_reader"
PASSWORD: Final = "read-only-Zq7"
TABLE: Final = "cases"
SYSTEMS: Final = ("sqlite", "mariadb", "postgresql")


@dataclass(frozen=True, slots=True, kw_only=True)
class DepartmentDatabase:
    """One database: ``url`` and ``secrets`` are the reader's, ``writer_url`` is that of the department itself."""

    system: str
    url: str
    writer_url: str
    secrets: dict[str, str] = field(default_factory=dict)

    def run(self, *statements: str, **values: Any) -> list[Any]:
        """Run statements and commit; return the rows of the last one."""
        with self.transaction() as connection:
            for statement in statements:
                result = connection.execute(text(statement), values)
            return [tuple(row) for row in result] if result.returns_rows else []

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Give a transaction of the department, committed at the end of the block."""
        engine = create_engine(self.writer_url, poolclass=NullPool)
        try:
            with engine.begin() as connection:
                yield connection
        finally:
            engine.dispose()

    def make_cases(self) -> None:
        """Make the table of cases, and let the reader read it."""
        moment = {"sqlite": "TEXT", "mariadb": "DATETIME(6)", "postgresql": "TIMESTAMP"}[self.system]
        self.run(f"CREATE TABLE {TABLE} (id BIGINT PRIMARY KEY, name VARCHAR(200), changed_at {moment} NOT NULL)")
        self.let_read(TABLE)

    def let_read(self, table: str, rights: str = "SELECT") -> None:
        """Give the reader rights on a table."""
        if self.system == "mariadb":
            self.run(f"GRANT {rights} ON {table} TO {READER}@'%'")
        elif self.system == "postgresql":
            self.run(f"GRANT {rights} ON {table} TO {READER}")

    def add(self, number: int, changed_at: str, name: str = "") -> None:
        """Add a case."""
        self.run(
            f"INSERT INTO {TABLE} VALUES (:id, :name, :at)", id=number, name=name or f"case-{number}", at=changed_at
        )

    def settings(self, **more: Any) -> dict[str, Any]:
        """Return settings by which the table of cases is read."""
        return {"url": self.url, "table": TABLE, "watermark": "changed_at", "id_columns": ["id"], **more}

    def open(self, folder: Path, cursor: str | None = None, **more: Any) -> Adapter:
        """Return an adapter for the table of cases; ``more`` are settings, None takes one away."""
        settings = {name: value for name, value in self.settings(**more).items() if value is not None}
        return KIND.open(opening(KIND, folder, settings, secrets=self.secrets, cursor=cursor))


def sqlite_department(folder: Path) -> DepartmentDatabase:
    """Return a database in a file."""
    path = folder / "department.sqlite3"
    return DepartmentDatabase(system="sqlite", url=f"sqlite:///{path}", writer_url=f"sqlite:///{path}")


def mariadb_department(server: MariadbServer, charset: str = "utf8mb4") -> DepartmentDatabase:
    """Return an empty database of a server, with an account that may log in and nothing else."""
    name = server.database(charset)
    server.run(
        f"CREATE USER IF NOT EXISTS {READER}@'%' IDENTIFIED BY '{PASSWORD}'",
        f"GRANT USAGE ON {name}.* TO {READER}@'%'",
    )
    return DepartmentDatabase(
        system="mariadb",
        url=f"mysql://{READER}@127.0.0.1:{server.port}/{name}",
        writer_url=f"mysql+pymysql://root@/{name}?unix_socket={server.socket}&charset=utf8mb4",
        secrets={"password": PASSWORD},
    )


def postgres_department(server: PostgresServer) -> DepartmentDatabase:
    """Return an empty database of a server, with an account that may log in and nothing else."""
    writer_url = server.database()
    name = writer_url.partition("@/")[2].partition("?")[0]
    made = DepartmentDatabase(
        system="postgresql",
        url=f"postgresql://{READER}@/{name}?host={server.folder}",
        writer_url=writer_url,
        secrets={"password": PASSWORD},
    )
    if not made.run(f"SELECT 1 FROM pg_roles WHERE rolname = '{READER}'"):
        made.run(f"CREATE ROLE {READER} LOGIN PASSWORD '{PASSWORD}'")
        access = server.folder / "data" / "pg_hba.conf"
        access.write_text(f"local all {READER} scram-sha-256\n{access.read_text()}")
        made.run("SELECT pg_reload_conf()")
    return made
