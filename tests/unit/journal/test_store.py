from __future__ import annotations

import os
import sqlite3
import stat
import threading
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import IntegrityError as DuplicateError

from node.errors import ConfigurationError, IntegrityError, StoreBusyError, StoreUnavailableError
from node.journal.schema import upgrade_schema
from node.journal.settings import drop_setting, save_setting, setting
from node.journal.store import ATTEMPTS_MAX, Store, Transaction, open_store
from node.journal.tables import Moment, moment_number, moment_of, position_of, record_key, stream_id_of
from node.journal.tables import setting as setting_table
from tests.support.journals import NOON
from tests.support.stores import new_file_store

if TYPE_CHECKING:
    from pathlib import Path


def _save(store: Store, name: str, value: str = "v") -> None:
    store.write(lambda transaction: save_setting(transaction, name, value))


def test_a_write_is_read_back(any_store: Store) -> None:
    _save(any_store, "a", "1")
    _save(any_store, "a", "2")
    with any_store.reading() as connection:
        assert setting(connection, "a") == "2"
        assert setting(connection, "b") is None
    assert any_store.write(lambda transaction: drop_setting(transaction, "a"))
    assert not any_store.write(lambda transaction: drop_setting(transaction, "a"))


def test_an_exception_inside_a_work_leaves_nothing_and_comes_out_unchanged(any_store: Store) -> None:
    called: list[str] = []

    def work(transaction: Transaction) -> None:
        save_setting(transaction, "a", "1")
        transaction.after_commit(lambda: called.append("no"))
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        any_store.write(work)
    with any_store.reading() as connection:
        assert setting(connection, "a") is None
    assert called == []
    _save(any_store, "a")


def test_callbacks_run_once_after_the_commit_and_may_write(any_store: Store) -> None:
    def callback() -> None:
        with any_store.reading() as connection:
            seen.append(setting(connection, "a"))
        _save(any_store, "b")

    def work(transaction: Transaction) -> str:
        transaction.after_commit(callback)
        transaction.after_commit(callback)
        save_setting(transaction, "a", "1")
        return "result"

    seen: list[str | None] = []
    assert any_store.write(work) == "result"
    assert seen == ["1"]
    assert any_store.commits >= 2


def test_a_reading_cannot_write(any_store: Store) -> None:
    with pytest.raises((DBAPIError, StoreUnavailableError)), any_store.reading() as connection:
        save_setting(Transaction(connection, any_store), "a", "1")
    with any_store.reading() as connection:
        assert setting(connection, "a") is None


def test_a_reading_is_a_snapshot(file_store: Store) -> None:
    with file_store.reading() as connection:
        assert setting(connection, "a") is None
        _save(file_store, "a")
        assert setting(connection, "a") is None


def test_a_postgresql_reading_is_a_snapshot(postgres_url: str) -> None:
    store = open_store(postgres_url)
    with store.reading() as connection:
        assert setting(connection, "a") is None
        _save(store, "a")
        assert setting(connection, "a") is None
    store.close()


def test_readings_nest(any_store: Store) -> None:
    _save(any_store, "a")
    with any_store.reading() as outer, any_store.reading() as inner:
        assert setting(outer, "a") == setting(inner, "a") == "v"
    _save(any_store, "b")


def test_a_write_inside_a_write_is_a_mistake(any_store: Store) -> None:
    with pytest.raises(RuntimeError, match="pass the transaction on"):
        any_store.write(lambda _: any_store.write(lambda _: None))


def test_a_write_inside_a_reading_of_a_memory_store_is_a_mistake(memory: Store) -> None:
    with pytest.raises(RuntimeError, match="end the reading first"), memory.reading():
        _save(memory, "a")
    _save(memory, "a")


def test_a_memory_reading_inside_a_write_sees_what_was_written(memory: Store) -> None:
    def work(transaction: Transaction) -> str | None:
        save_setting(transaction, "a", "1")
        with memory.reading() as connection:
            return setting(connection, "a")

    assert memory.write(work) == "1"


def test_a_contradicted_constraint_comes_out_as_it_is(any_store: Store) -> None:
    def work(transaction: Transaction) -> None:
        for _ in range(2):
            transaction.connection.execute(setting_table.insert().values(name="a", value="1"))

    with pytest.raises(DuplicateError):
        any_store.write(work)


def test_the_whole_work_runs_again_when_it_was_not_alone(memory: Store) -> None:
    attempts: list[int] = []

    def work(transaction: Transaction) -> int:
        attempts.append(1)
        save_setting(transaction, f"a{len(attempts)}", "1")
        if len(attempts) < 3:
            raise StoreBusyError("moved")
        return len(attempts)

    assert memory.write(work) == 3
    with memory.reading() as connection:
        assert connection.scalars(select(setting_table.c.name)).all() == ["a3"]


def test_a_work_that_is_never_alone_gives_up_after_a_bounded_number_of_attempts(memory: Store) -> None:
    attempts: list[int] = []

    def work(_: Transaction) -> None:
        attempts.append(1)
        raise StoreBusyError("moved")

    with pytest.raises(StoreBusyError, match="lock could not be had"):
        memory.write(work)
    assert len(attempts) == ATTEMPTS_MAX


def test_a_locked_sqlite_database_is_busy(tmp_path: Path) -> None:
    store = new_file_store(tmp_path, lock_wait_s=0.02)
    other = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusyError, match="lock could not be had"):
        _save(store, "a")
    other.execute("ROLLBACK")
    other.close()
    _save(store, "a")
    store.close()


def test_a_locked_postgresql_journal_is_busy(postgres_url: str) -> None:
    first = open_store(postgres_url)
    second = open_store(postgres_url, lock_wait_s=0.05)

    def work(_: Transaction) -> None:
        with pytest.raises(StoreBusyError, match="lock could not be had"):
            _save(second, "a")

    first.write(work)
    _save(second, "a")
    first.close()
    second.close()


def test_a_deadlocked_postgresql_transaction_is_done_again(postgres_url: str) -> None:
    store = open_store(postgres_url)
    attempts: list[int] = []

    def work(transaction: Transaction) -> None:
        attempts.append(1)
        if len(attempts) == 1:
            transaction.connection.exec_driver_sql("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40P01'; END $$")

    store.write(work)
    assert len(attempts) == 2
    store.close()


def test_threads_of_a_process_wait_for_each_other(file_store: Store) -> None:
    entered, leave = threading.Event(), threading.Event()

    def slow(transaction: Transaction) -> None:
        entered.set()
        assert leave.wait(5)
        save_setting(transaction, "slow", "1")

    thread = threading.Thread(target=lambda: file_store.write(slow))
    thread.start()
    assert entered.wait(5)
    second = threading.Thread(target=lambda: _save(file_store, "fast"))
    second.start()
    leave.set()
    thread.join()
    second.join()
    with file_store.reading() as connection:
        assert setting(connection, "slow") == "1"
        assert setting(connection, "fast") == "v"


def test_a_thread_that_waits_too_long_is_told_to_try_later(tmp_path: Path) -> None:
    store = new_file_store(tmp_path, lock_wait_s=0.01)
    entered, leave = threading.Event(), threading.Event()

    def slow(_: Transaction) -> None:
        entered.set()
        assert leave.wait(5)

    thread = threading.Thread(target=lambda: store.write(slow))
    thread.start()
    assert entered.wait(5)
    with pytest.raises(StoreBusyError):
        _save(store, "a")
    leave.set()
    thread.join()
    store.close()


def test_writers_beyond_the_pool_are_told_to_try_later(tmp_path: Path) -> None:
    store = new_file_store(tmp_path, lock_wait_s=0.01)
    with store.writer.connect(), pytest.raises(StoreBusyError):
        _save(store, "a")
    store.close()


def test_a_database_that_grew_beyond_its_disk_is_unavailable(file_store: Store) -> None:
    def work(transaction: Transaction) -> None:
        (pages,) = transaction.connection.exec_driver_sql("PRAGMA page_count").one()
        transaction.connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        save_setting(transaction, "big", "x" * 100_000)

    with pytest.raises(StoreUnavailableError, match="disk is full"):
        file_store.write(work)
    with file_store.reading() as connection:
        assert setting(connection, "big") is None


def test_a_read_only_database_is_unavailable(file_store: Store) -> None:
    def work(transaction: Transaction) -> None:
        transaction.connection.exec_driver_sql("PRAGMA query_only = 1")
        save_setting(transaction, "a", "1")

    with pytest.raises(StoreUnavailableError, match="read-only"):
        file_store.write(work)


def test_a_folder_that_does_not_exist_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError, match="cannot be opened"):
        open_store("sqlite:///journal.db", home=tmp_path / "missing")


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_bytes(b"this is not a database, whatever its name says" * 20)
    with pytest.raises(ConfigurationError, match="not an SQLite database"):
        open_store("sqlite:///journal.db", home=tmp_path)


def test_a_damaged_database_needs_a_person(tmp_path: Path) -> None:
    store = new_file_store(tmp_path)
    _save(store, "big", "x" * 100_000)
    store.close()
    path = tmp_path / "journal.db"
    data = path.read_bytes()
    path.write_bytes(data[:8192] + b"\xff" * (len(data) - 8192))
    with pytest.raises(IntegrityError, match="damaged"):
        open_store("sqlite:///journal.db", home=tmp_path)


@pytest.mark.parametrize(
    "url", ["", "journal.db", "mysql://localhost/a", "sqlite+aiosqlite:///x", "postgresql+asyncpg://h/d", "oracle://h"]
)
def test_a_url_of_another_database_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(ConfigurationError, match="postgresql\\+psycopg://"):
        open_store(url)


def test_a_password_in_a_wrong_url_is_not_shown() -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_store("mysql://me:secret@host/db")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite://journal.db",
        "postgresql+psycopg://u:secret@h:abc/x",
        "postgresql+psycopg://u:secret@/x?host=a&host=b&host=c&port=1&port=2",
        "postgresql+psycopg://u:secret@h/x?pasfile=secret",
    ],
)
def test_a_url_that_cannot_be_opened_is_refused_without_its_text(url: str) -> None:
    with pytest.raises(ConfigurationError, match="database\\.url cannot be used") as caught:
        open_store(url)
    assert "secret" not in str(caught.value)


def test_what_a_statement_carries_is_not_in_the_text_of_its_error(any_store: Store) -> None:
    def work(transaction: Transaction) -> None:
        for _ in range(2):
            transaction.connection.execute(setting_table.insert().values(name="a", value="360102199001011234"))

    with pytest.raises(DuplicateError) as caught:
        any_store.write(work)
    assert "360102199001011234" not in str(caught.value)


def test_a_postgresql_that_does_not_answer_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError, match="check that the server runs"):
        open_store(f"postgresql://nobody@/x?host={tmp_path}")


def test_a_postgresql_database_that_does_not_exist_is_a_configuration_error(postgres_url: str) -> None:
    name = postgres_url.rpartition("/yizhan_")[2].partition("?")[0]
    with pytest.raises(ConfigurationError, match="does not exist"):
        open_store(postgres_url.replace(f"/yizhan_{name}?", "/missing?"))


def test_a_postgresql_that_ends_our_connection_is_unavailable_and_comes_back(postgres_url: str) -> None:
    store = open_store(postgres_url)

    def work(transaction: Transaction) -> None:
        transaction.connection.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(StoreUnavailableError):
        store.write(work)
    _save(store, "a")
    store.close()


def test_a_read_only_postgresql_is_unavailable(postgres_url: str) -> None:
    store = open_store(postgres_url)

    def work(transaction: Transaction) -> None:
        transaction.connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        save_setting(transaction, "a", "1")

    with pytest.raises(StoreUnavailableError, match="read-only"):
        store.write(work)
    store.close()


def test_sqlite_files_are_durable_and_keep_a_bounded_log(file_store: Store) -> None:
    def work(transaction: Transaction) -> list[object]:
        names = ("journal_mode", "synchronous", "wal_autocheckpoint", "busy_timeout")
        return [transaction.connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]

    assert file_store.write(work) == ["wal", 2, 4000, 5000]


def _modes(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in sorted(folder.iterdir())}


def test_an_sqlite_database_and_its_log_are_closed_to_others(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store = open_store("sqlite:///journal.db", home=tmp_path)
        upgrade_schema(store)
        with store.reading():
            assert _modes(tmp_path) == dict.fromkeys(("journal.db", "journal.db-shm", "journal.db-wal"), 0o600)
        store.close()
    finally:
        os.umask(before)


def test_an_sqlite_database_that_was_opened_is_closed_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = new_file_store(tmp_path)
    for path in tmp_path.iterdir():
        path.chmod(0o644)
    new_file_store(tmp_path).close()
    assert set(_modes(tmp_path).values()) == {0o600}
    assert {record.message for record in caplog.records} == {"database file was open to other accounts"}
    store.close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes into read-only folders")
def test_a_folder_without_write_permission_is_unavailable(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StoreUnavailableError):
        open_store("sqlite:///journal.db", home=tmp_path)
    tmp_path.chmod(0o700)


def test_moments_are_exact_aware_and_refuse_naive_ones() -> None:
    moment = NOON.replace(microsecond=123_457)
    assert moment_of(moment_number(moment)) == moment
    assert Moment().process_bind_param(None, None) is None  # type: ignore[arg-type]
    assert Moment().process_result_value(None, None) is None  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="aware"):
        moment_number(NOON.replace(tzinfo=None))


def test_a_record_key_holds_stream_and_position() -> None:
    key = record_key(5, 1_000_000)
    assert (stream_id_of(key), position_of(key)) == (5, 1_000_000)
