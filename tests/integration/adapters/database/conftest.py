"""Real databases of departments, one server of each system for the session."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.support.department_databases import (
    SYSTEMS,
    DepartmentDatabase,
    mariadb_department,
    postgres_department,
    sqlite_department,
)
from tests.support.mariadb import MariadbServer, mariadb_server
from tests.support.postgres import NoServerError, PostgresServer, postgres_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def mariadb_or_reason() -> Iterator[MariadbServer | str]:
    """Give the session's server, or the reason why there is none."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(mariadb_server())
        except NoServerError as error:
            yield str(error)
            return
        yield server


@pytest.fixture(scope="session")
def postgres_or_reason() -> Iterator[PostgresServer | str]:
    """Give the session's server, or the reason why there is none."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(postgres_server())
        except NoServerError as error:
            yield str(error)
            return
        yield server


@pytest.fixture
def mariadb(mariadb_or_reason: MariadbServer | str) -> MariadbServer:
    """Give the session's MariaDB."""
    if isinstance(mariadb_or_reason, str):
        pytest.skip(f"no MariaDB here: {mariadb_or_reason}")
    return mariadb_or_reason


@pytest.fixture
def postgres_server_here(postgres_or_reason: PostgresServer | str) -> PostgresServer:
    """Give the session's PostgreSQL."""
    if isinstance(postgres_or_reason, str):
        pytest.skip(f"no PostgreSQL here: {postgres_or_reason}")
    return postgres_or_reason


@pytest.fixture
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> DepartmentDatabase:
    """Give an empty database of the system that the test names."""
    if request.param == "mariadb":
        return mariadb_department(request.getfixturevalue("mariadb"))
    if request.param == "postgresql":
        return postgres_department(request.getfixturevalue("postgres_server_here"))
    return sqlite_department(tmp_path)


@pytest.fixture(params=SYSTEMS)
def department(request: pytest.FixtureRequest, tmp_path: Path) -> DepartmentDatabase:
    """Give a database of each system in turn, with an empty table of cases."""
    if request.param == "mariadb":
        made = mariadb_department(request.getfixturevalue("mariadb"))
    elif request.param == "postgresql":
        made = postgres_department(request.getfixturevalue("postgres_server_here"))
    else:
        made = sqlite_department(tmp_path)
    made.make_cases()
    return made
