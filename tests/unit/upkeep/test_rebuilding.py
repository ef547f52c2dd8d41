"""Rebuild: identical on every store, finds whatever was altered by hand, and puts it right while the node goes on."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Boolean, func, select, text

from node.cases.tables import case_fact, case_state, finding
from node.errors import HomeInUseError, RebuildOvertakenError, StoreBusyError
from node.journal.tables import record
from node.statistics.tables import changed_day, dimension
from node.upkeep import rebuilding
from node.upkeep.projected import STANDING, Derived
from node.upkeep.workshop import SCHEMA, SUFFIX, open_workshop
from tests.support.case_records import bodies, case_no
from tests.support.filled_nodes import FULL, derive, fill_node

if TYPE_CHECKING:
    from sqlalchemy import Column, Table

    from node.journal.store import Store, Transaction
    from node.upkeep.rebuilding import Rebuilt
    from tests.support.case_nodes import CaseNode

NOT_COMPARED = {("summary", "recorded")}
"""Whether a verdict's record is written: a node looks again by itself, and never writes it twice."""
EMPTY_HERE = {"issued_certificate", "node_tree"}
"""A node of these tests has no tree; tests/unit/bootstrap compares those tables."""
OUTCOMES = ("case_id", "previous", "state_after", "flags")


def silent(_done: int, _total: int) -> None:
    """Nobody waits."""


def check(store: Store) -> Rebuilt:
    return rebuilding.check(store, derive, silent)


def rebuild(store: Store) -> Rebuilt:
    return rebuilding.rebuild(store, derive, silent, alone=True)


def altered(column: Column[Any], value: Any) -> Any:
    """A value that is not ``value`` and that the column takes."""
    if isinstance(column.type, Boolean):
        return not value
    if isinstance(value, bytes):
        return bytes([value[0] ^ 1, *value[1:]]) if value else b"\x01"
    if isinstance(value, str) or (value is None and column.type.python_type is str):
        return f"{value or ''}9"
    return (value or 0) + 1


def alter(store: Store, table: Table, column: Column[Any]) -> None:
    """Alter one column of the last row by hand."""

    def work(transaction: Transaction) -> None:
        keys = list(table.primary_key)
        row = transaction.connection.execute(select(table).order_by(*(key.desc() for key in keys))).first()
        assert row is not None, table.name
        same = [key == row._mapping[key] for key in keys]
        transaction.connection.execute(
            table.update().where(*same).values({column: altered(column, row._mapping[column])})
        )

    store.write(work)


def test_a_check_on_every_store_finds_all_identical_and_leaves_nothing(any_store: Store) -> None:
    node = fill_node(any_store)
    before = node.tables()
    told: list[tuple[int, int]] = []
    found = rebuilding.check(any_store, derive, lambda done, total: told.append((done, total)))
    assert found.identical, found.as_json()
    rows = {table.name: table.rows for table in found.tables}
    assert all(rows[name] for name in rows if name not in EMPTY_HERE), rows
    assert told[0][0] == 0
    assert told[-1] == (found.records, found.records)
    assert found.as_json()["put_right"] == 0
    assert node.tables() == before
    if any_store.file is not None:
        assert not any_store.file.with_name(any_store.file.name + SUFFIX).exists()
    if any_store.dialect == "postgresql":
        with any_store.reading() as connection:
            query = text("SELECT count(*) FROM information_schema.schemata WHERE schema_name = :name")
            assert connection.scalar(query, {"name": SCHEMA}) == 0


@pytest.mark.parametrize(
    ("table", "column"),
    [
        pytest.param(table, column, id=f"{table.name}.{column.name}")
        for table in STANDING
        for column in table.columns
        if table.name not in EMPTY_HERE and (table.name, column.name) not in NOT_COMPARED
    ],
)
def test_every_altered_value_is_found_and_put_right(filled: CaseNode, table: Table, column: Column[Any]) -> None:
    before = filled.tables()
    alter(filled.store, table, column)
    found = check(filled.store)
    assert not found.identical
    again = rebuild(filled.store)
    assert [one.differing for one in again.tables] == [one.differing for one in found.tables]
    assert again.put_right > 0
    assert check(filled.store).identical
    assert filled.tables() == before


@pytest.mark.parametrize("name", OUTCOMES)
def test_what_records_did_is_compared_too(filled: CaseNode, name: str) -> None:
    before = filled.tables()

    def work(transaction: Transaction) -> None:
        chosen = transaction.connection.scalar(select(func.max(record.c.key)).where(record.c.previous.is_not(None)))
        # Held back and not quarantined: projections set that flag alone.
        value = {"flags": record.c.flags + 2}.get(name, record.c[name] + 1)
        transaction.connection.execute(record.update().where(record.c.key == chosen).values({name: value}))

    filled.store.write(work)
    found = next(one for one in check(filled.store).tables if one.name == "record")
    assert found.differing == 1
    assert found.first[0].startswith("360")
    rebuild(filled.store)
    assert check(filled.store).identical
    assert filled.tables() == before


@pytest.mark.parametrize("table", [case_state, case_fact, finding], ids=lambda table: table.name)
def test_lost_rows_come_back_on_every_store(any_store: Store, table: Table) -> None:
    node = fill_node(any_store)
    before = node.tables()
    any_store.write(lambda transaction: transaction.connection.execute(table.delete()))
    assert not check(any_store).identical
    assert rebuild(any_store).put_right > 0
    assert check(any_store).identical
    assert node.tables() == before


def test_a_damaged_key_of_figures_is_put_right_only_where_nothing_runs(filled: CaseNode) -> None:
    before = filled.tables()
    filled.store.write(lambda transaction: transaction.connection.execute(dimension.update().values(division="999999")))
    with pytest.raises(HomeInUseError, match="dimension"):
        rebuilding.rebuild(filled.store, derive, silent, alone=False)
    assert rebuild(filled.store).put_right > 0
    assert filled.tables() == before
    # As after every start of a process: what this one remembers of keys is gone.
    assert check(filled.store).identical


def test_days_whose_figures_were_wrong_are_published_anew(filled: CaseNode) -> None:
    filled.store.write(lambda transaction: transaction.connection.execute(changed_day.delete()))
    filled.store.write(lambda transaction: transaction.connection.execute(text("UPDATE counter SET amount = 77")))
    rebuild(filled.store)
    with filled.store.reading() as connection:
        assert connection.scalar(select(func.count()).select_from(changed_day)) == 1


@pytest.mark.parametrize("kind", ["file", "postgresql"])
def test_records_that_come_during_a_rebuild_are_in_it(kind: str, request: pytest.FixtureRequest) -> None:
    store: Store = request.getfixturevalue("file_store" if kind == "file" else "postgres_store")
    node = fill_node(store)
    for table in (case_state, finding):
        store.write(lambda transaction, table=table: transaction.connection.execute(table.delete()))  # type: ignore[misc]
    ended = threading.Event()
    fed: list[int] = []

    def feed() -> None:
        for number in range(100, 400):
            # Half of them go on with cases that are being put right.
            node.append(bodies("apply accept", case_no=case_no(number)))
            fed.append(number)
            if ended.is_set() and number > 110:
                return

    feeder = threading.Thread(target=feed)
    feeder.start()
    found = rebuilding.rebuild(store, derive, silent, alone=False)
    ended.set()
    feeder.join()
    assert found.put_right > 0
    assert len(fed) > 10
    assert check(store).identical


def test_a_requeue_during_a_rebuild_is_followed(filled: CaseNode) -> None:
    filled.store.write(lambda transaction: transaction.connection.execute(text("UPDATE case_state SET state = 2")))
    quarantined = filled.store.write(
        lambda transaction: [one.key for one in filled.journal.quarantined(transaction.connection)]
    )
    released: list[int] = []

    def meanwhile() -> Derived:
        # The workshop is open, the copy is made: the node goes on.
        filled.append(bodies(FULL, case_no=case_no(200)))
        return derive()

    def tell(done: int, total: int) -> None:
        if done == total and not released:
            released.extend(quarantined)
            filled.store.write(lambda transaction: filled.journal.requeue(transaction, quarantined))

    assert quarantined
    found = rebuilding.rebuild(filled.store, meanwhile, tell, alone=False)
    assert found.put_right > 0
    assert released
    assert check(filled.store).identical


def test_what_changed_under_the_rebuild_sends_it_back(filled: CaseNode) -> None:
    filled.store.write(lambda transaction: transaction.connection.execute(case_state.delete()))

    def tell(done: int, total: int) -> None:
        if done == total:
            filled.store.write(lambda transaction: transaction.connection.execute(text("UPDATE record SET flags = 4")))

    with pytest.raises(RebuildOvertakenError, match="could not follow"):
        rebuilding.rebuild(filled.store, derive, tell, alone=False)


def test_one_workshop_at_a_time(any_store: Store) -> None:
    fill_node(any_store, cases=1)
    if any_store.reader is None:
        return
    with (
        open_workshop(any_store, STANDING),
        pytest.raises(StoreBusyError, match="Another process is rebuilding"),
        open_workshop(any_store, STANDING),
    ):
        pass


def test_a_file_left_by_a_killed_process_is_no_hindrance(file_store: Store) -> None:
    fill_node(file_store, cases=1)
    assert file_store.file is not None
    file_store.file.with_name(file_store.file.name + SUFFIX).write_bytes(b"half a database" * 999)
    assert check(file_store).identical
