"""Times that cannot be trusted: of the future, beyond all years, put back, or with a zone that they had not before."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from adapters.database import KIND
from node.clock import MachineClock
from tests.integration.adapters.database.test_reading import ids_in
from tests.support.adapter_openings import opening, outcome
from tests.support.department_databases import sqlite_department

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.department_databases import DepartmentDatabase

pytestmark = pytest.mark.integration
SHANGHAI = ZoneInfo("Asia/Shanghai")


class Rounds:
    """Rounds of an adapter at times that the test says; it is opened anew for each, as after a stop of the node."""

    def __init__(self, department: DepartmentDatabase, folder: Path, **settings: Any) -> None:
        self._department = department
        self._folder = folder
        self._settings = department.settings(**settings)
        self._cursor: str | None = None

    def at(self, now: datetime) -> list[int]:
        """Fetch and acknowledge everything; return the ids that came."""
        opened = opening(KIND, self._folder, self._settings, secrets=self._department.secrets, cursor=self._cursor)
        adapter = KIND.open(replace(opened, now=lambda: now))
        came: list[int] = []
        for delivery in adapter.fetch(100):
            self._cursor = delivery.cursor
            adapter.acknowledge(delivery, outcome())
            came += ids_in(delivery)
        adapter.close()
        return came


def ago(hours: float) -> datetime:
    """Return a time in the past: the adapter takes the earlier of this clock and the server's for the present."""
    return MachineClock().now().replace(microsecond=0) - timedelta(hours=hours)


def written(moment: datetime) -> str:
    """Return a time as the department writes it, in Shanghai and without saying so."""
    return f"{moment.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S}"


def test_rows_written_while_nobody_read_are_not_lost_behind_one_of_the_future(
    department: DepartmentDatabase, tmp_path: Path
) -> None:
    department.add(1, written(ago(24)))
    department.add(99, "2099-01-01 00:00:00")
    rounds = Rounds(department, tmp_path / "kept", overlap_s=300)
    assert rounds.at(ago(10)) == [1, 99]
    # Nobody reads for eight hours, which is far more than the overlap.
    department.add(2, written(ago(6)))
    assert rounds.at(ago(2)) == [2]
    department.add(3, written(ago(1.5)))
    assert rounds.at(ago(1)) == [3]
    assert rounds.at(ago(0)) == []


@pytest.mark.parametrize("empty", ["postgresql"], indirect=True)
@pytest.mark.parametrize("column", ["TIMESTAMP", "TIMESTAMPTZ"])
@pytest.mark.parametrize("beyond", ["infinity", "12026-11-03 09:00:00"])
def test_a_time_beyond_all_years_hides_nothing(
    empty: DepartmentDatabase, tmp_path: Path, column: str, beyond: str
) -> None:
    empty.run(f"CREATE TABLE cases (id BIGINT PRIMARY KEY, changed_at {column})")
    empty.let_read("cases")
    empty.run(f"INSERT INTO cases VALUES (1, '{ago(10):%Y-%m-%d %H:%M:%S}+00:00'), (99, '{beyond}')")
    rounds = Rounds(empty, tmp_path / "kept", overlap_s=300)
    assert rounds.at(ago(9)) == [1, 99]
    empty.run(f"INSERT INTO cases VALUES (2, '{ago(-8) if column == 'TIMESTAMP' else ago(0):%Y-%m-%d %H:%M:%S}+00:00')")
    assert rounds.at(ago(0)) == [2]
    assert rounds.at(ago(0)) == []


@pytest.mark.parametrize("empty", ["mariadb", "postgresql"], indirect=True)
def test_a_column_that_gets_a_zone_or_loses_it_hides_nothing(empty: DepartmentDatabase, tmp_path: Path) -> None:
    plain, zoned = ("DATETIME", "TIMESTAMP") if empty.system == "mariadb" else ("TIMESTAMP", "TIMESTAMPTZ")

    def becomes(column: str) -> None:
        if empty.system == "mariadb":
            empty.run("SET time_zone = '+08:00'", f"ALTER TABLE cases MODIFY changed_at {column} NULL")
        else:
            empty.run("SET TIME ZONE 'Asia/Shanghai'", f"ALTER TABLE cases ALTER changed_at TYPE {column}")

    def add(number: int, moment: datetime) -> None:
        zone = "SET time_zone = '+08:00'" if empty.system == "mariadb" else "SET TIME ZONE 'Asia/Shanghai'"
        empty.run(zone, f"INSERT INTO cases VALUES ({number}, '{written(moment)}')")

    empty.run(f"CREATE TABLE cases (id BIGINT PRIMARY KEY, changed_at {plain} NULL)")
    empty.let_read("cases")
    rounds = Rounds(empty, tmp_path / "kept", overlap_s=0)
    add(1, ago(10))
    assert rounds.at(ago(9.5)) == [1]
    becomes(zoned)
    add(2, ago(9))
    # What stands at the border comes again: as a row of a table that changed.
    assert rounds.at(ago(8.5)) == [1, 2]
    becomes(plain)
    add(3, ago(8))
    assert rounds.at(ago(7.5))[-1:] == [3]
    assert rounds.at(ago(7)) == []


@pytest.mark.parametrize("empty", ["mariadb", "postgresql"], indirect=True)
@pytest.mark.parametrize("begin_at", ["2026-11-03 09:00:02", "2026-11-03 09:00:02+08:00", "2026-11-03 01:00:02+00:00"])
@pytest.mark.parametrize("is_zoned", [True, False])
def test_a_beginning_is_meant_in_the_zone_of_the_settings(
    empty: DepartmentDatabase, tmp_path: Path, begin_at: str, *, is_zoned: bool
) -> None:
    names = {("mariadb", True): "TIMESTAMP", ("mariadb", False): "DATETIME", ("postgresql", True): "TIMESTAMPTZ"}
    empty.run(f"CREATE TABLE cases (id BIGINT, changed_at {names.get((empty.system, is_zoned), 'TIMESTAMP')})")
    empty.let_read("cases")
    zone = "SET time_zone = '+08:00'" if empty.system == "mariadb" else "SET TIME ZONE 'Asia/Shanghai'"
    for number in (1, 2, 3):
        empty.run(zone, f"INSERT INTO cases VALUES ({number}, '2026-11-03 09:00:0{number}')")
    assert Rounds(empty, tmp_path / "kept", begin_at=begin_at).at(ago(0)) == [2, 3]


def test_the_hour_that_comes_twice_is_read_twice(tmp_path: Path) -> None:
    # Berlin, 25 October 2026: at 01:00 UTC the clocks go from 03:00 back to 02:00.
    department = sqlite_department(tmp_path)
    department.make_cases()
    rounds = Rounds(department, tmp_path / "kept", overlap_s=60, time_zone="Europe/Berlin")
    department.add(1, "2026-10-25 02:59:00")
    assert rounds.at(datetime(2026, 10, 25, 0, 59, 30, tzinfo=UTC)) == [1]
    # Written at 01:05 UTC, when it was five past two for the second time, and read an hour later only.
    department.add(2, "2026-10-25 02:05:00")
    assert rounds.at(datetime(2026, 10, 25, 2, 30, tzinfo=UTC)) == [2]
    department.add(3, "2026-10-25 03:31:00")
    assert rounds.at(datetime(2026, 10, 25, 2, 31, tzinfo=UTC)) == [3]
    assert rounds.at(datetime(2026, 10, 25, 2, 32, tzinfo=UTC)) == []
