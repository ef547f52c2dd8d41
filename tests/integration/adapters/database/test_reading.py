"""Rows are read with a watermark: each once, whatever commits late, shares a time, or changes meanwhile."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from adapters.contract import SourceNeedsPersonError
from adapters.database import KIND, reading
from tests.support.adapter_openings import opening, outcome
from tests.support.department_databases import sqlite_department

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from adapters.contract import Adapter, Delivery
    from tests.support.department_databases import DepartmentDatabase

pytestmark = pytest.mark.integration


class Node:
    """What the node does with one adapter: fetches, answers, keeps the cursor; what came is told by its ids."""

    def __init__(self, department: DepartmentDatabase, folder: Path, **settings: Any) -> None:
        self._department = department
        self._folder = folder
        self._settings = settings
        self._adapter: Adapter | None = None
        self.cursor: str | None = None
        self.deliveries: list[Delivery] = []

    def open(self, **settings: Any) -> Adapter:
        self.close()
        self._settings |= settings
        self._adapter = self._department.open(self._folder, self.cursor, **self._settings)
        return self._adapter

    def close(self) -> None:
        if self._adapter is not None:
            self._adapter.close()

    def round(self, limit: int = 100) -> list[int]:
        """Fetch and acknowledge; return the ids that came, in their order."""
        adapter = self._adapter or self.open()
        came: list[int] = []
        for delivery in adapter.fetch(limit):
            self.deliveries.append(delivery)
            came += self.answer(delivery)
        return came

    def answer(self, delivery: Delivery) -> list[int]:
        """Acknowledge a delivery; return its ids."""
        assert self._adapter is not None
        self.cursor = delivery.cursor
        self._adapter.acknowledge(delivery, outcome())
        return ids_in(delivery)


def ids_in(delivery: Delivery) -> list[int]:
    return [int(row["id"]) for row in json.loads(delivery.content)["rows"]]


def times(numbers: Sequence[int]) -> list[str]:
    return [f"2026-11-03 09:{number // 60:02d}:{number % 60:02d}" for number in numbers]


def test_rows_come_in_pages_in_the_order_of_the_watermark(department: DepartmentDatabase, tmp_path: Path) -> None:
    for number, at in zip((3, 1, 2, 5, 4), times((10, 20, 30, 40, 50)), strict=True):
        department.add(number, at)
    node = Node(department, tmp_path / "kept", page_rows=2)
    assert node.round() == [3, 1, 2, 5, 4]
    assert [len(ids_in(delivery)) for delivery in node.deliveries] == [2, 2, 1]
    assert json.loads(node.deliveries[0].content) == {
        "table": "cases",
        "rows": [
            {"id": "3", "name": "case-3", "changed_at": "2026-11-03 09:00:10"},
            {"id": "1", "name": "case-1", "changed_at": "2026-11-03 09:00:20"},
        ],
    }
    assert node.round() == []


def test_rows_of_one_time_are_all_read_over_the_border_of_a_page(
    department: DepartmentDatabase, tmp_path: Path
) -> None:
    for number in range(1, 8):
        department.add(number, "2026-11-03 09:00:00")
    node = Node(department, tmp_path / "kept", page_rows=3, overlap_s=0)
    assert node.round() == [1, 2, 3, 4, 5, 6, 7]
    department.add(8, "2026-11-03 09:00:00")
    assert node.round() == [8]


def test_without_ids_rows_of_one_time_are_told_apart_by_what_they_hold(
    department: DepartmentDatabase, tmp_path: Path
) -> None:
    for number in range(1, 8):
        department.add(number, "2026-11-03 09:00:00")
    department.add(9, "2026-11-03 09:00:01")
    node = Node(department, tmp_path / "kept", page_rows=3, overlap_s=0, id_columns=[])
    assert sorted(node.round()) == [1, 2, 3, 4, 5, 6, 7, 9]
    node.open()
    assert node.round() == []


def test_equal_rows_are_one(department: DepartmentDatabase, tmp_path: Path) -> None:
    # Seven equal rows and pages of two: the border of a page falls among them again and again.
    views = [f"SELECT {number} AS id, changed_at FROM cases" for number in (1, 1, 1, 1, 1, 1, 1, 2)]
    department.add(1, "2026-11-03 09:00:00")
    node = Node(department, tmp_path / "kept", table=None, query=" UNION ALL ".join(views), page_rows=2)
    assert node.round() == [1, 2]
    assert node.round() == []


def test_a_row_that_was_committed_late_is_read(department: DepartmentDatabase, tmp_path: Path) -> None:
    if department.system == "sqlite":
        pytest.skip("SQLite has one writer at a time: nothing is committed late")
    node = Node(department, tmp_path / "kept", overlap_s=60)
    insert = "INSERT INTO cases VALUES (1, 'late', '2026-11-03 09:00:00')"
    with department.transaction() as slow:
        slow.exec_driver_sql(insert)
        department.add(2, "2026-11-03 09:00:30")
        assert node.round() == [2]
    assert node.round() == [1]
    assert node.round() == []


def test_a_row_that_is_later_than_the_overlap_is_lost_and_the_overlap_is_what_decides(
    department: DepartmentDatabase, tmp_path: Path
) -> None:
    node = Node(department, tmp_path / "kept", overlap_s=60)
    department.add(2, "2026-11-03 09:02:00")
    assert node.round() == [2]
    department.add(1, "2026-11-03 09:00:59")
    department.add(3, "2026-11-03 09:01:00")
    assert node.round() == [3]
    node.open(overlap_s=120)
    assert node.round() == [1]


def test_a_changed_row_comes_again(department: DepartmentDatabase, tmp_path: Path) -> None:
    department.add(1, "2026-11-03 09:00:00")
    department.add(2, "2026-11-03 09:00:10")
    node = Node(department, tmp_path / "kept")
    assert node.round() == [1, 2]
    department.run("UPDATE cases SET name = 'changed', changed_at = '2026-11-03 09:00:20' WHERE id = 1")
    assert node.round() == [1]
    # Within the overlap even a change without a new watermark is seen.
    department.run("UPDATE cases SET name = 'again' WHERE id = 2")
    assert node.round() == [2]
    assert node.round() == []


def test_a_page_that_changes_while_it_is_read_loses_nothing(department: DepartmentDatabase, tmp_path: Path) -> None:
    for number, at in enumerate(times(range(6)), start=1):
        department.add(number, at)
    node = Node(department, tmp_path / "kept", page_rows=2)
    assert node.round(limit=1) == [1, 2]
    fetched = node.open().fetch(100)
    first = next(fetched)
    assert ids_in(first) == [3, 4]
    # One that was read moves behind all others, one that was read ahead at most goes away, another one comes.
    department.run("UPDATE cases SET changed_at = '2026-11-03 09:10:00' WHERE id = 1")
    department.run("DELETE FROM cases WHERE id = 6")
    department.add(7, "2026-11-03 09:05:00")
    node.answer(first)
    came = [number for delivery in fetched for number in node.answer(delivery)]
    came += node.round()
    assert [number for number in came if number != 6] == [5, 7, 1]


def test_a_row_dated_into_the_future_hides_none_of_those_after_it(
    department: DepartmentDatabase, tmp_path: Path
) -> None:
    if department.system == "sqlite":
        now, soon = "datetime('now', '+8 hours')", "datetime('now', '+8 hours', '+10 seconds')"
    elif department.system == "mariadb":
        now, soon = "CONVERT_TZ(NOW(), @@session.time_zone, '+08:00')", "DATE_ADD(UTC_TIMESTAMP, INTERVAL 28810 SECOND)"
    else:
        now, soon = "now() AT TIME ZONE 'Asia/Shanghai'", "now() AT TIME ZONE 'Asia/Shanghai' + interval '10 s'"
    department.add(1, "2099-01-01 00:00:00")
    node = Node(department, tmp_path / "kept", overlap_s=300)
    assert node.round() == [1]
    department.run(f"INSERT INTO cases VALUES (2, 'now', {now})")
    assert node.round() == [2]
    department.run(f"INSERT INTO cases VALUES (3, 'soon', {soon})")
    assert node.round() == [3]
    assert node.round() == []
    node.open()
    assert node.round() == []


def test_numbers_are_watermarks_too(department: DepartmentDatabase, tmp_path: Path) -> None:
    for number in (10, 20, 30):
        department.add(number, "2026-11-03 09:00:00")
    node = Node(department, tmp_path / "kept", watermark="id", watermark_form="number", overlap_steps=15, id_columns=[])
    assert node.round() == [10, 20, 30]
    # Numbers are given out in order, and committed in any order.
    department.add(14, "2026-11-03 09:00:00")
    department.add(15, "2026-11-03 09:00:00")
    assert node.round() == [15]
    department.add(31, "2026-11-03 09:00:00")
    assert node.round() == [31]


def test_reading_may_begin_at_a_watermark(department: DepartmentDatabase, tmp_path: Path) -> None:
    for number, at in enumerate(("2026-01-01 00:00:00", "2026-06-01 00:00:00", "2026-06-01 00:00:01"), start=1):
        department.add(number, at)
    assert Node(department, tmp_path / "one", begin_at="2026-06-01").round() == [2, 3]
    numbered: dict[str, Any] = {"watermark": "id", "watermark_form": "number", "id_columns": []}
    assert Node(department, tmp_path / "two", begin_at="3", **numbered).round() == [3]


def test_a_query_of_the_site_is_read_like_a_table(department: DepartmentDatabase, tmp_path: Path) -> None:
    for number, at in enumerate(times(range(5)), start=1):
        department.add(number, at, name="100% :sure" if number == 1 else "")
    query = """
        -- only what is newer: the order is ours
        SELECT id AS id, changed_at AS changed_at, name AS title, 'a\\:b' AS mark FROM cases
        WHERE changed_at >= :watermark_at ORDER BY name LIMIT 1000 -- all of them
    """
    node = Node(department, tmp_path / "kept", table=None, query=query, page_rows=2, overlap_s=0, named_table="case")
    assert node.round() == [1, 2, 3, 4, 5]
    assert json.loads(node.deliveries[0].content)["table"] == "case"
    assert json.loads(node.deliveries[0].content)["rows"][0] == {
        "id": "1",
        "changed_at": "2026-11-03 09:00:00",
        "title": "100% :sure",
        "mark": "a:b",
    }
    department.add(6, "2026-11-03 09:05:00")
    assert node.round() == [6]


def test_a_query_may_use_time_and_id_of_the_watermark(department: DepartmentDatabase, tmp_path: Path) -> None:
    for number, at in enumerate(times((0, 0, 0, 1, 1)), start=1):
        department.add(number, at)
    query = (
        "SELECT id, changed_at FROM cases WHERE changed_at > :watermark_at"
        " OR (changed_at = :watermark_at AND id >= :watermark_id)"
    )
    node = Node(department, tmp_path / "kept", table=None, query=query, page_rows=2, overlap_s=0)
    assert node.round() == [1, 2, 3, 4, 5]
    department.add(6, "2026-11-03 09:00:01")
    assert node.round() == [6]


def test_more_than_can_be_remembered_shortens_the_window(department: DepartmentDatabase, tmp_path: Path) -> None:
    with department.transaction() as connection:
        for number in range(1, 251):
            connection.exec_driver_sql(f"INSERT INTO cases VALUES ({number}, 'n', '2026-11-03 09:00:00')")
    node = Node(department, tmp_path / "kept", remembered_max=100, page_rows=50)
    assert node.round() == list(range(1, 251))
    for number in count(251):
        # Each round passes 150 rows at most that need not be remembered; what comes is new all the same.
        department.add(number, "2026-11-03 09:00:00")
        assert node.round() == [number]
        if number == 254:
            break
    node.open()
    assert node.round() == []
    floor = json.loads(node.cursor or "")["floor"]
    assert floor is not None
    assert 250 - 100 < floor[1] <= 254 - 100 + 1


def test_an_answer_that_only_the_node_remembers_brings_no_row_twice_but_within_the_window(
    department: DepartmentDatabase, tmp_path: Path
) -> None:
    department.add(1, "2026-11-03 09:00:00")
    department.add(2, "2026-11-03 09:30:00")
    node = Node(department, tmp_path / "kept", overlap_s=60, page_rows=1)
    adapter = node.open()
    for delivery in adapter.fetch(10):
        # The node keeps the cursor, and is killed before it says so to the adapter.
        node.cursor = delivery.cursor
    node.open()
    assert node.round() == [2]
    assert node.round() == []


def test_a_node_that_comes_back_with_an_older_cursor_gets_everything_again(
    department: DepartmentDatabase, tmp_path: Path
) -> None:
    for number, at in enumerate(times(range(4)), start=1):
        department.add(number, at)
    node = Node(department, tmp_path / "kept", page_rows=1)
    assert node.round(limit=2) == [1, 2]
    backup = node.cursor
    assert node.round() == [3, 4]
    node.cursor = backup
    node.open()
    # What is still within the overlap comes again as well: the node knows it by its keys.
    assert node.round() == [1, 2, 3, 4]


def test_other_settings_begin_anew(department: DepartmentDatabase, tmp_path: Path) -> None:
    department.add(1, "2026-11-03 09:00:00")
    node = Node(department, tmp_path / "kept")
    assert node.round() == [1]
    node.open(watermark="id", watermark_form="number", id_columns=[])
    assert node.round() == [1]


def test_what_was_not_answered_comes_again_under_its_key(department: DepartmentDatabase, tmp_path: Path) -> None:
    for number, at in enumerate(times(range(4)), start=1):
        department.add(number, at)
    adapter = department.open(tmp_path / "kept", page_rows=2)
    first = [delivery.delivery_key for delivery in adapter.fetch(10)]
    assert [delivery.delivery_key for delivery in adapter.fetch(10)] == first
    adapter.close()
    again = department.open(tmp_path / "kept", page_rows=2)
    assert [delivery.delivery_key for delivery in again.fetch(1)] == first[:1]
    again.close()


def test_a_stop_ends_the_round(department: DepartmentDatabase, tmp_path: Path) -> None:
    for number, at in enumerate(times(range(3)), start=1):
        department.add(number, at)
    opened = opening(KIND, tmp_path, department.settings(page_rows=1), secrets=department.secrets)
    adapter = KIND.open(replace(opened, wait=lambda _: True))
    assert len(list(adapter.fetch(10))) == 1
    adapter.close()


def test_a_day_is_a_watermark_too(department: DepartmentDatabase, tmp_path: Path) -> None:
    day = "TEXT" if department.system == "sqlite" else "DATE"
    department.run(f"CREATE TABLE days (id BIGINT PRIMARY KEY, name VARCHAR(9), changed_at {day})")
    department.let_read("days")
    for number in (1, 2):
        department.run(f"INSERT INTO days VALUES ({number}, 'n', '2026-11-0{number}')")
    node = Node(department, tmp_path / "kept", table="days", page_rows=1)
    assert node.round() == [1, 2]
    # Ten minutes before a day are the day before.
    department.run("INSERT INTO days VALUES (3, 'n', '2026-11-01')")
    assert node.round() == [3]


def test_a_watermark_that_is_no_time_stays_where_it_is(tmp_path: Path) -> None:
    department = sqlite_department(tmp_path)
    department.make_cases()
    department.add(1, "2026-11-03 09:00:00")
    department.add(2, "unknown")
    node = Node(department, tmp_path / "kept")
    assert node.round() == [1, 2]
    assert node.round() == []
    department.add(3, "unknown")
    assert node.round() == [3]


def test_an_overlap_of_ages_reads_everything(department: DepartmentDatabase, tmp_path: Path) -> None:
    department.add(1, "1000-01-01 00:00:00")
    node = Node(department, tmp_path / "kept", overlap_s=30 * 86_400)
    assert node.round() == [1]
    assert node.round() == []


def test_more_rows_than_can_be_told_apart_need_a_person(tmp_path: Path) -> None:
    department = sqlite_department(tmp_path)
    department.make_cases()
    department.run(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 26000)"
        " INSERT INTO cases SELECT i, 'n', '2026-11-03 09:00:00' FROM n"
    )
    node = Node(department, tmp_path / "kept", id_columns=[], page_rows=5000)
    with pytest.raises(SourceNeedsPersonError, match="rows share one watermark"):
        node.round()


def test_a_table_of_too_many_columns_needs_a_person(tmp_path: Path) -> None:
    department = sqlite_department(tmp_path)
    columns = ", ".join(f"c{number} TEXT" for number in range(401))
    department.run(f"CREATE TABLE wide (id INT, changed_at TEXT, {columns})")
    with pytest.raises(SourceNeedsPersonError, match="403 columns"):
        Node(department, tmp_path / "kept", table="wide").open().check()


def test_long_rows_make_short_deliveries(tmp_path: Path) -> None:
    department = sqlite_department(tmp_path)
    department.make_cases()
    for number in range(1, 41):
        department.add(number, f"2026-11-03 09:00:{number:02d}", name="x" * 490_000)
    node = Node(department, tmp_path / "kept")
    assert node.round() == list(range(1, 41))
    # 16 million characters are 32 of the longest rows there may be, and 33 of these.
    assert [len(ids_in(delivery)) for delivery in node.deliveries] == [32, 8]


def test_the_first_pages_of_a_round_are_short_and_each_is_longer(
    monkeypatch: pytest.MonkeyPatch, department: DepartmentDatabase, tmp_path: Path
) -> None:
    monkeypatch.setattr(reading, "FIRST_PAGE_ROWS", 2)
    for number in range(1, 24):
        department.add(number, f"2026-11-03 09:00:{number:02d}")
    node = Node(department, tmp_path / "kept", page_rows=5, overlap_s=0)
    assert node.round() == list(range(1, 24))
    assert [len(ids_in(delivery)) for delivery in node.deliveries] == [2, 4, 5, 5, 5, 2]
