from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

import node.journal.tables as journal_tables
from node.errors import StoreSchemaError
from node.journal.memory import image_of, memory_store
from node.journal.schema import bring_up_to_date, check_schema, newest_version, upgrade_schema
from node.journal.store import Store, Transaction, open_store
from tests.support.journals import OWN, append, journal_on, plain_entries
from tests.support.stores import make_older, new_file_store, template_image

if TYPE_CHECKING:
    from pathlib import Path


def _set_version(store: Store, version: str) -> None:
    def work(transaction: Transaction) -> None:
        transaction.connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{version}'")

    store.write(work)


def test_migrations_make_what_the_tables_say(any_store: Store) -> None:
    def wanted(_thing: object, name: str | None, kind: str, _reflected: bool, _other: object) -> bool:  # noqa: FBT001
        return kind != "table" or name in journal_tables.metadata.tables

    def work(transaction: Transaction) -> list[object]:
        context = MigrationContext.configure(
            transaction.connection, opts={"include_object": wanted, "compare_type": True}
        )
        return list(compare_metadata(context, journal_tables.metadata))

    assert any_store.write(work) == []


def test_an_upgraded_database_is_accepted_and_upgrading_again_changes_nothing(any_store: Store) -> None:
    append(journal_on(any_store), plain_entries(1, 2))
    upgrade_schema(any_store)
    check_schema(any_store)
    with any_store.reading() as connection:
        held = journal_on(any_store).held(connection, OWN)
        assert held is not None
        assert held.size == 2


def test_an_empty_database_is_told_apart() -> None:
    store = memory_store()
    with pytest.raises(StoreSchemaError, match="yizhan init"):
        check_schema(store)
    store.close()


def test_a_newer_database_is_refused_and_never_upgraded(any_store: Store) -> None:
    _set_version(any_store, "9999_future")
    for step in (check_schema, upgrade_schema, bring_up_to_date):
        with pytest.raises(StoreSchemaError, match="9999_future is not known here"):
            step(any_store)


def test_an_older_database_is_refused_until_it_is_upgraded() -> None:
    store = memory_store(template_image())
    _set_version(store, "0001_journal")
    with pytest.raises(StoreSchemaError, match="it has version 0001_journal, the program needs"):
        check_schema(store)
    store.close()


def test_an_older_database_is_brought_up_to_date(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="node.journal.schema")
    store = open_store("sqlite:///journal.db", home=tmp_path)
    make_older(store, "0004_cases")
    assert bring_up_to_date(store)
    assert not bring_up_to_date(store)
    check_schema(store)
    assert [record.message for record in caplog.records] == ["database upgraded"]
    store.close()


def test_an_empty_database_is_never_brought_up_to_date() -> None:
    store = memory_store()
    with pytest.raises(StoreSchemaError, match=r"check database\.url"):
        bring_up_to_date(store)
    store.close()


def test_a_migration_that_fails_leaves_the_database_as_it_was(tmp_path: Path) -> None:
    store = open_store("sqlite:///journal.db", home=tmp_path)
    store.write(lambda transaction: transaction.connection.exec_driver_sql("CREATE TABLE alarm (x)"))
    with pytest.raises(Exception, match="alarm already exists"):
        upgrade_schema(store)
    with store.reading() as connection:
        tables = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars().all()
    assert tables == ["alarm"]
    store.close()


def test_upgrades_at_the_same_time_wait_for_each_other(tmp_path: Path) -> None:
    stores = [open_store("sqlite:///journal.db", home=tmp_path) for _ in range(4)]
    threads = [threading.Thread(target=upgrade_schema, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for store in stores:
        check_schema(store)
        store.close()


def test_the_newest_version_is_the_last_of_one_chain() -> None:
    assert newest_version()[:4].isdigit()


def test_clones_of_an_image_are_independent() -> None:
    store = memory_store(template_image())
    append(journal_on(store), plain_entries(1, 3))
    image = image_of(store)
    append(journal_on(store), plain_entries(4, 1))
    clone = memory_store(image)
    append(journal_on(clone), plain_entries(7, 2))
    sizes = []
    for one in (store, clone):
        with one.reading() as connection:
            sizes += [held.size for held in journal_on(one).streams(connection)]
        one.close()
    assert sizes == [4, 5]


def test_only_a_memory_store_has_an_image(postgres_url: str) -> None:
    store = open_store(postgres_url)
    with pytest.raises(TypeError, match="memory store"):
        image_of(store)
    store.close()


def test_a_file_store_upgrades_beside_another_program(tmp_path: Path) -> None:
    first = new_file_store(tmp_path)
    second = new_file_store(tmp_path)
    check_schema(second)
    first.close()
    second.close()
