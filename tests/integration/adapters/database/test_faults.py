"""What goes wrong with a database: it is told whether to wait or who must act, and nothing is lost."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, event, make_url
from sqlalchemy.engine import Engine

from adapters.contract import (
    Document,
    SourceNeedsPersonError,
    SourceUnavailableError,
)
from adapters.database import KIND
from tests.integration.adapters.database.test_reading import Node
from tests.support.adapter_openings import opening, outcome
from tests.support.department_databases import (
    PASSWORD,
    READER,
    DepartmentDatabase,
    mariadb_department,
    postgres_department,
    sqlite_department,
)
from tests.support.mariadb import mariadb_server
from tests.support.postgres import NoServerError, PostgresServer, postgres_server

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from adapters.contract import Adapter

pytestmark = pytest.mark.integration
NOTICE = Document(
    content="<Notice>限期</Notice>".encode(), record_type="SupervisionNotice", organisation="1", text="限期"
)


def refused(adapter: Adapter) -> str:
    """Return what is told to a person by check and by fetch alike."""
    with pytest.raises(SourceNeedsPersonError) as by_fetch:
        list(adapter.fetch(10))
    with pytest.raises(SourceNeedsPersonError) as by_check:
        adapter.check()
    assert str(by_fetch.value) == str(by_check.value)
    assert PASSWORD not in str(by_check.value)
    return str(by_check.value)


def away(adapter: Adapter) -> str:
    with pytest.raises(SourceUnavailableError) as caught:
        list(adapter.fetch(10))
    return str(caught.value)


def servers_only(department: DepartmentDatabase) -> None:
    if department.system == "sqlite":
        pytest.skip("SQLite has no accounts")


def test_a_wrong_password_needs_a_person(department: DepartmentDatabase, tmp_path: Path) -> None:
    servers_only(department)
    settings = department.settings()
    adapter = KIND.open(opening(KIND, tmp_path / "kept", settings, secrets={"password": "another-one"}))
    text = refused(adapter)
    assert "secret password" in text
    assert "another-one" not in text


def test_no_password_needs_a_person(department: DepartmentDatabase, tmp_path: Path) -> None:
    servers_only(department)
    assert "secret password" in refused(KIND.open(opening(KIND, tmp_path / "kept", department.settings())))


def test_a_database_that_is_not_there_needs_a_person(department: DepartmentDatabase, tmp_path: Path) -> None:
    servers_only(department)
    url = make_url(department.url).set(database="nowhere").render_as_string(hide_password=False)
    assert "nowhere" in refused(department.open(tmp_path / "kept", url=url))


def test_a_column_that_is_gone_needs_a_person_and_comes_back(department: DepartmentDatabase, tmp_path: Path) -> None:
    department.add(1, "2026-11-03 09:00:00")
    node = Node(department, tmp_path / "kept", columns=["id", "name"], page_rows=1)
    assert node.round() == [1]
    department.run("ALTER TABLE cases RENAME COLUMN name TO title")
    department.add(2, "2026-11-03 09:00:01")
    text = refused(node.open())
    assert "name" in text
    assert "compare the settings" in text
    department.run("ALTER TABLE cases RENAME COLUMN title TO name")
    assert node.round() == [2]


def test_a_table_that_is_not_there_needs_a_person(department: DepartmentDatabase, tmp_path: Path) -> None:
    # A server that keeps its tables secret says that it may not be read.
    assert "no_such_table" in refused(department.open(tmp_path / "kept", table="no_such_table"))


def test_a_watermark_that_is_not_there_needs_a_person_and_names_what_is(
    department: DepartmentDatabase, tmp_path: Path
) -> None:
    query = "SELECT id, name FROM cases"
    text = refused(department.open(tmp_path / "kept", table=None, query=query))
    assert "changed_at" in text


def test_a_document_column_that_is_not_there_needs_a_person(department: DepartmentDatabase, tmp_path: Path) -> None:
    text = refused(department.open(tmp_path / "kept", form="documents", document_column="body"))
    assert "no column body; the columns are id, name, changed_at" in text


def test_a_watermark_of_the_wrong_form_needs_a_person(department: DepartmentDatabase, tmp_path: Path) -> None:
    department.add(1, "2026-11-03 09:00:00")
    assert "watermark_form" in refused(department.open(tmp_path / "a", watermark="id"))
    number = department.open(tmp_path / "b", watermark="changed_at", watermark_form="number")
    assert "watermark_form" in refused(number)


def test_an_empty_id_needs_a_person(department: DepartmentDatabase, tmp_path: Path) -> None:
    department.run("INSERT INTO cases VALUES (1, NULL, '2026-11-03 09:00:00')")
    assert "filled in every row" in refused(department.open(tmp_path / "kept", id_columns=["name"]))


def test_a_long_id_needs_a_person(department: DepartmentDatabase, tmp_path: Path) -> None:
    department.run("CREATE TABLE long_ids (id VARCHAR(1000), changed_at VARCHAR(30))")
    department.run("INSERT INTO long_ids VALUES (:id, '2026-11-03 09:00:00')", id="x" * 401)
    department.let_read("long_ids")
    assert "401 characters" in refused(department.open(tmp_path / "kept", table="long_ids"))


@pytest.mark.parametrize("empty", ["mariadb"], indirect=True)
def test_ids_that_the_database_takes_for_equal_end_the_round(empty: DepartmentDatabase, tmp_path: Path) -> None:
    empty.run("CREATE TABLE cases (id VARCHAR(9) COLLATE utf8mb4_general_ci, changed_at DATETIME)")
    empty.let_read("cases")
    empty.run("INSERT INTO cases VALUES ('A', '2026-11-03 09:00:00'), ('a', '2026-11-03 09:00:00')")
    fetched = empty.open(tmp_path / "kept", page_rows=1).fetch(100)
    with pytest.raises(SourceNeedsPersonError, match="id_columns"):
        list(fetched)


def test_two_columns_of_one_name_need_a_person(department: DepartmentDatabase, tmp_path: Path) -> None:
    department.add(1, "2026-11-03 09:00:00")
    if department.system == "sqlite":
        pytest.skip("SQLite names the second one anew")
    query = "SELECT id, changed_at, name AS twice, id AS twice FROM cases"
    text = refused(department.open(tmp_path / "kept", table=None, query=query))
    assert "twice" in text or "one name" in text


def test_a_query_can_change_nothing(department: DepartmentDatabase, tmp_path: Path) -> None:
    department.add(1, "2026-11-03 09:00:00")
    if department.system == "postgresql":
        query = "WITH gone AS (DELETE FROM cases RETURNING *) SELECT * FROM gone"
        text = refused(department.open(tmp_path / "kept", table=None, query=query, account_may_write=True))
        assert "top level" in text
    adapter = department.open(tmp_path / "kept")
    list(adapter.fetch(10))
    assert department.run("SELECT count(*) FROM cases") == [(1,)]


def test_an_account_that_may_write_is_refused_until_the_site_says_so(
    department: DepartmentDatabase, tmp_path: Path
) -> None:
    servers_only(department)
    department.add(1, "2026-11-03 09:00:00")
    department.let_read("cases", "SELECT, UPDATE")
    adapter = department.open(tmp_path / "kept")
    with pytest.raises(SourceNeedsPersonError, match="account_may_write"):
        adapter.check()
    department.open(tmp_path / "kept", account_may_write=True).check()
    # What runs already is not stopped by it.
    assert len(list(adapter.fetch(10))) == 1


@pytest.mark.parametrize("empty", ["mariadb"], indirect=True)
def test_a_query_is_refused_to_an_account_that_may_write_any_table(empty: DepartmentDatabase, tmp_path: Path) -> None:
    empty.make_cases()
    empty.run(
        "CREATE TABLE answers (delivery_key VARCHAR(200) PRIMARY KEY, answered_at DATETIME, offered INT,"
        " accepted INT, repeated INT, refused INT, received INT, reason VARCHAR(500), problems LONGTEXT)"
    )
    empty.let_read("answers", "SELECT, INSERT")
    adapter = empty.open(tmp_path / "kept", table=None, query="SELECT * FROM cases", answers_table="answers")
    adapter.check()
    empty.let_read("cases", "SELECT, UPDATE")
    with pytest.raises(SourceNeedsPersonError, match="account_may_write"):
        adapter.check()


def test_a_superuser_with_a_query_is_refused(postgres_server_here: PostgresServer, tmp_path: Path) -> None:
    department = postgres_department(postgres_server_here)
    department.make_cases()
    settings = {
        "url": department.writer_url.replace("+psycopg", ""),
        "table": None,
        "query": "SELECT id, changed_at FROM cases",
    }
    adapter = department.open(tmp_path / "kept", **settings)
    with pytest.raises(SourceNeedsPersonError, match="account_may_write"):
        adapter.check()


def test_a_server_killed_while_it_is_read_is_away_and_then_goes_on(tmp_path: Path) -> None:
    try:
        with mariadb_server() as server:
            department = mariadb_department(server)
            department.make_cases()
            for number in range(1, 21):
                department.add(number, f"2026-11-03 09:00:{number:02d}")
            node = Node(department, tmp_path / "kept", page_rows=2)
            adapter = node.open()
            fetched = adapter.fetch(100)
            came = node.answer(next(fetched))
            server.stop()
            # What was read ahead still comes.
            with pytest.raises(SourceUnavailableError):
                came.extend(number for delivery in fetched for number in node.answer(delivery))
            assert len(came) <= 6
            assert "does not answer" in away(adapter)
            server.start()
            came += node.round()
            assert came == list(range(1, 21))
    except NoServerError as error:
        pytest.skip(f"no MariaDB here: {error}")


@pytest.mark.parametrize("empty", ["mariadb", "postgresql"], indirect=True)
def test_a_query_that_takes_too_long_is_ended_and_told_as_away(empty: DepartmentDatabase, tmp_path: Path) -> None:
    empty.make_cases()
    sleep = {"mariadb": "SLEEP(60)", "postgresql": "CAST(pg_sleep(60) AS TEXT)"}[empty.system]
    query = f"SELECT id, changed_at, {sleep} AS waited FROM cases"
    empty.add(1, "2026-11-03 09:00:00")
    adapter = empty.open(tmp_path / "kept", table=None, query=query, statement_timeout_s=1)
    begun_s = time.monotonic()
    away(adapter)
    assert time.monotonic() - begun_s < 30


def test_a_frozen_postgres_is_left_within_the_time_limit(tmp_path: Path) -> None:
    try:
        with postgres_server() as server:
            department = postgres_department(server)
            department.make_cases()
            for number in range(1, 21):
                department.add(number, f"2026-11-03 09:00:{number:02d}")
            adapter = department.open(tmp_path / "kept", page_rows=1, statement_timeout_s=1, connect_timeout_s=2)
            fetched = adapter.fetch(100)
            adapter.acknowledge(next(fetched), outcome())
            ((backend,),) = department.run(
                f"SELECT pid FROM pg_stat_activity WHERE usename = '{READER}' AND backend_type = 'client backend'"
            )
            os.kill(backend, signal.SIGSTOP)
            try:
                begun_s = time.monotonic()
                with pytest.raises(SourceUnavailableError):
                    list(fetched)
                # One second for the statement, five more for the answer.
                assert time.monotonic() - begun_s < 30
            finally:
                os.kill(backend, signal.SIGCONT)
            adapter.close()
    except NoServerError as error:
        pytest.skip(f"no PostgreSQL here: {error}")


@pytest.mark.parametrize(
    ("at", "does"),
    [
        ("clock_timestamp", lambda adapter: list(adapter.fetch(1))),
        ("has_table_privilege", lambda adapter: adapter.check()),
        ("INSERT INTO", lambda adapter: adapter.deliver(NOTICE, "key-1")),
    ],
)
def test_a_postgres_that_freezes_at_any_statement_is_left(
    postgres_server_here: PostgresServer, tmp_path: Path, at: str, does: Callable[[Adapter], object]
) -> None:
    department = postgres_department(postgres_server_here)
    department.make_cases()
    department.run(
        "CREATE TABLE notices (delivery_key TEXT, record_type TEXT, organisation TEXT, content TEXT,"
        " text TEXT, delivered_at TIMESTAMP)"
    )
    department.let_read("notices", "SELECT, INSERT")
    frozen: list[int] = []

    def freeze(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if at in statement and not frozen:
            frozen.append(connection.connection.driver_connection.info.backend_pid)
            os.kill(frozen[0], signal.SIGSTOP)

    adapter = department.open(tmp_path / "kept", statement_timeout_s=1, deliver_table="notices")
    event.listen(Engine, "before_cursor_execute", freeze)
    begun_s = time.monotonic()
    try:
        with pytest.raises(SourceUnavailableError):
            does(adapter)
    finally:
        event.remove(Engine, "before_cursor_execute", freeze)
        for process in frozen:
            os.kill(process, signal.SIGCONT)
        adapter.close()
    assert frozen
    # One second for the statement, five more for the answer.
    assert time.monotonic() - begun_s < 30


def test_an_sqlite_file_that_is_not_there_is_away_and_not_made(tmp_path: Path) -> None:
    department = sqlite_department(tmp_path)
    assert "cannot be opened" in away(department.open(tmp_path / "kept"))
    assert not (tmp_path / "department.sqlite3").exists()


def test_an_sqlite_file_that_is_none_needs_a_person(tmp_path: Path) -> None:
    (tmp_path / "department.sqlite3").write_text("no database, but a text that is long enough to be read as one" * 20)
    assert "no SQLite database" in refused(sqlite_department(tmp_path).open(tmp_path / "kept"))


def test_a_locked_sqlite_file_is_away(tmp_path: Path) -> None:
    department = sqlite_department(tmp_path)
    department.make_cases()
    engine = create_engine(department.writer_url)
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN EXCLUSIVE")
        assert "does not answer" in away(department.open(tmp_path / "kept", connect_timeout_s=1))
        connection.rollback()
    engine.dispose()


def test_damage_to_what_is_remembered_makes_rows_come_again(tmp_path: Path) -> None:
    department = sqlite_department(tmp_path)
    department.make_cases()
    department.add(1, "2026-11-03 09:00:00")
    node = Node(department, tmp_path / "kept")
    assert node.round() == [1]
    node.close()
    (tmp_path / "kept" / "answered.sqlite3").write_bytes(b"damaged" * 1000)
    node.open()
    assert node.round() == [1]
    assert node.round() == []
