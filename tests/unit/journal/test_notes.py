"""Alarms, cursors, links, source keys: small tables, the same on every store."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from node.journal.alarms import alarms, count_alarms, mark_recorded, raise_alarm
from node.journal.cursors import advance, cursor, cursors_of, lowest, put_back, set_shown, shown_at
from node.journal.links import CHILD, PARENT, Link, drop_link, link_to, links, save_link
from node.journal.source_keys import SourceKey, lookup_many, remember_many
from node.journal.statements import in_parameter, insert_sql, select_in_sql, update_sql, upsert_sql
from node.journal.tables import cursor as cursor_table
from node.journal.tables import setting as setting_table
from node.standard.seals import StreamName
from tests.support.journals import NODE, NOON, OTHER, OWN, append, journal_on, plain_entries

if TYPE_CHECKING:
    from node.journal.store import Store, Transaction


def test_an_alarm_is_raised_once(any_store: Store) -> None:
    def again(text: str, stream: StreamName | None = None) -> bool:
        return any_store.write(
            lambda transaction: raise_alarm(transaction, "fork", "at 5", text, stream, raised_at=NOON)
        )

    assert again("first", OWN)
    assert not again("second", OWN)
    assert again("without a stream")
    with any_store.reading() as connection:
        found = alarms(connection)
        # Ordered by key ("fork|360102/ancestors|at 5", "fork||at 5"), which stores collate differently.
        assert {(one.text, one.stream, one.raised_at, one.recorded) for one in found} == {
            ("first", OWN, NOON, False),
            ("without a stream", None, NOON, False),
        }
        assert count_alarms(connection) == 2


def test_an_alarm_whose_record_is_written_is_marked(any_store: Store) -> None:
    any_store.write(lambda transaction: raise_alarm(transaction, "clock", "360000", "an hour off"))
    with any_store.reading() as connection:
        (alarm,) = alarms(connection, recorded=False)
    assert alarm.raised_at is None
    any_store.write(lambda transaction: mark_recorded(transaction, [alarm.key]))
    with any_store.reading() as connection:
        assert alarms(connection, recorded=False) == []
        assert [one.key for one in alarms(connection, recorded=True)] == [alarm.key]


def test_a_cursor_only_grows_except_on_the_neighbours_statement(any_store: Store) -> None:
    append(journal_on(any_store), plain_entries(1, 9))
    append(journal_on(any_store), plain_entries(1, 1), StreamName(NODE, "360000"))

    def work(transaction: Transaction) -> list[int]:
        seen = []
        for size in (4, 4, 2, 7, 0):
            advance(transaction, "360100", {OWN: size})
            seen.append(cursor(transaction.connection, "360100", OWN))
        return seen

    assert any_store.write(work) == [4, 4, 4, 7, 7]
    any_store.write(lambda transaction: advance(transaction, "360000", {OWN: 5}))
    with any_store.reading() as connection:
        assert cursor(connection, "360100", OWN) == 7
        assert cursor(connection, "360100", OTHER) == 0
        assert cursors_of(connection, "360100") == {OWN: 7}
        assert lowest(connection, OWN) == 5
        assert lowest(connection, OTHER) == 0
    assert any_store.write(lambda transaction: put_back(transaction, "360100", OWN, 3))
    assert not any_store.write(lambda transaction: put_back(transaction, "360100", OWN, 3))
    assert not any_store.write(lambda transaction: put_back(transaction, "360100", OWN, 6))
    with any_store.reading() as connection:
        assert cursor(connection, "360100", OWN) == 6


def test_a_cursor_of_an_unknown_stream_is_refused(memory: Store) -> None:
    with pytest.raises(LookupError):
        memory.write(lambda transaction: advance(transaction, "360100", {OTHER: 1}))


def test_what_a_neighbour_was_shown_is_remembered(any_store: Store) -> None:
    append(journal_on(any_store), plain_entries(1, 1))
    with any_store.reading() as connection:
        assert shown_at(connection, "360100", OWN) is None
    any_store.write(lambda transaction: set_shown(transaction, "360100", {OWN: NOON}))
    any_store.write(lambda transaction: advance(transaction, "360100", {OWN: 1}))
    with any_store.reading() as connection:
        assert shown_at(connection, "360100", OWN) == NOON
        assert cursor(connection, "360100", OWN) == 1


def test_links_are_kept_with_their_back_off(any_store: Store) -> None:
    first = Link(peer="360100", role=PARENT)
    second = Link(
        peer="360102001",
        role=CHILD,
        state="trouble",
        since=NOON,
        failures=3,
        next_attempt_at=NOON + timedelta(seconds=8),
        contact_at=NOON,
        note="refused",
        start_id="a" * 32,
    )

    def work(transaction: Transaction) -> None:
        for one in (second, first, first):
            save_link(transaction, one)

    any_store.write(work)
    with any_store.reading() as connection:
        assert links(connection) == [first, second]
        assert link_to(connection, "360102001") == second
        assert link_to(connection, "360103") is None
    assert any_store.write(lambda transaction: drop_link(transaction, "360100"))
    assert not any_store.write(lambda transaction: drop_link(transaction, "360100"))


def test_source_keys_are_found_in_any_number_and_replaced(any_store: Store) -> None:
    known = [
        SourceKey(source="csv", key=f"Acceptance:{number}:1:1", content_hash=b"h" * 32, record_key=number)
        for number in range(1200)
    ]
    any_store.write(lambda transaction: remember_many(transaction, reversed(known)))
    newer = SourceKey(source="csv", key=known[7].key, content_hash=b"n" * 32, record_key=9999)
    any_store.write(lambda transaction: remember_many(transaction, [newer]))
    any_store.write(lambda transaction: remember_many(transaction, []))
    with any_store.reading() as connection:
        found = lookup_many(connection, "csv", [one.key for one in known] * 2 + ["never"])
        assert len(found) == 1200
        assert found[known[7].key] == newer
        assert found[known[8].key] == known[8]
        assert lookup_many(connection, "api", [known[0].key]) == {}
        assert lookup_many(connection, "csv", []) == {}


def test_statements_are_written_for_each_store() -> None:
    assert (
        insert_sql(setting_table, "sqlite", ignore=True)
        == 'INSERT INTO "setting" ("name", "value") VALUES (?, ?) ON CONFLICT DO NOTHING'
    )
    assert (
        upsert_sql(cursor_table, "postgresql", ("peer", "stream_id", "size"), put=("size",))
        == 'INSERT INTO "cursor" ("peer", "stream_id", "size") VALUES (%s, %s, %s) '
        'ON CONFLICT ("peer", "stream_id") DO UPDATE SET "size" = excluded."size"'
    )
    assert (
        update_sql(cursor_table, "sqlite", ("size",))
        == 'UPDATE "cursor" SET "size" = ? WHERE "peer" = ? AND "stream_id" = ?'
    )
    assert (
        select_in_sql(setting_table, "postgresql", ("value",), key="name")
        == 'SELECT "value" FROM "setting" WHERE "name" = ANY(%s)'
    )


def test_statements_name_only_columns_that_exist() -> None:
    with pytest.raises(ValueError, match="setting has no column nothing"):
        insert_sql(setting_table, "sqlite", ("name", "nothing"))


def test_statements_work_as_written(any_store: Store) -> None:
    append(journal_on(any_store), plain_entries(1, 1))
    add = upsert_sql(cursor_table, any_store.dialect, ("peer", "stream_id", "size"), add=("size",))
    rename = update_sql(cursor_table, any_store.dialect, ("size",), keys=("peer",))
    find = select_in_sql(cursor_table, any_store.dialect, ("peer", "size"), key="peer")

    def work(transaction: Transaction) -> list[tuple[str, int]]:
        connection = transaction.connection
        connection.exec_driver_sql(add, [("a", 1, 2), ("b", 1, 3)])
        connection.exec_driver_sql(add, [("a", 1, 5)])
        connection.exec_driver_sql(rename, (9, "b"))
        found = connection.exec_driver_sql(find, in_parameter(any_store.dialect, ["a", "b", "c"]))
        return sorted((row[0], row[1]) for row in found)

    assert any_store.write(work) == [("a", 7), ("b", 9)]
