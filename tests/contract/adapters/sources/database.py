"""The real source of the kind ``database``: a table of a MariaDB server, read by an account of its own."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from adapters.database import KIND
from tests.support.department_databases import READER, mariadb_department
from tests.support.mariadb import MariadbServer, mariadb_server
from tests.support.postgres import NoServerError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


@contextmanager
def database_source(_folder: Path) -> Iterator[DatabaseSource]:
    """Start a server and give its table of cases; skips with the reason where there is no server."""
    try:
        with mariadb_server() as server:
            yield DatabaseSource(server)
    except NoServerError as error:
        pytest.skip(f"no MariaDB here: {error}")


class DatabaseSource:
    """A table of cases, a table for documents, and one for answers."""

    kind = KIND
    entry = "adapters.database:KIND"
    repeats = True

    def __init__(self, server: MariadbServer) -> None:
        self._server = server
        self._department = mariadb_department(server)
        self._department.make_cases()
        self._numbers = count(1)
        self._department.run(
            "CREATE TABLE notices (delivery_key VARCHAR(200) PRIMARY KEY, record_type VARCHAR(40),"
            " organisation VARCHAR(40), content LONGTEXT, text VARCHAR(500), delivered_at DATETIME, number SERIAL)",
            "CREATE TABLE answers (delivery_key VARCHAR(200) PRIMARY KEY, answered_at DATETIME, offered INT,"
            " accepted INT, repeated INT, refused INT, received INT, reason VARCHAR(500), problems TEXT)",
        )
        self._department.let_read("notices", "SELECT, INSERT")
        self._department.let_read("answers", "SELECT, INSERT")

    @property
    def settings(self) -> dict[str, Any]:
        return self._department.settings(page_rows=1, deliver_table="notices", answers_table="answers")

    @property
    def secrets(self) -> dict[str, str]:
        return self._department.secrets

    def offer(self, texts: Sequence[str]) -> None:
        for text in texts:
            number = next(self._numbers)
            self._department.add(number, f"2026-11-03 09:00:{number:02d}", name=text)

    def snapshot(self) -> object:
        return [self._department.run(f"SELECT * FROM {table} ORDER BY 1") for table in ("cases", "notices", "answers")]

    def go_away(self) -> None:
        self._server.stop()

    def come_back(self) -> None:
        self._server.start()

    def lock_out(self) -> str:
        self._department.run(f"ALTER USER {READER}@'%' IDENTIFIED BY 'changed-by-somebody'")
        return "password"

    def refusals(self) -> Sequence[str]:
        return [reason for (reason,) in self._department.run("SELECT reason FROM answers WHERE reason <> ''")]

    def delivered(self) -> Sequence[tuple[str, bytes]]:
        rows = self._department.run("SELECT delivery_key, content FROM notices ORDER BY number")
        return [(key, content.encode()) for key, content in rows]

    def close(self) -> None:
        """The server is stopped by who started it."""
