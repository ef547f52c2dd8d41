"""What is handed over: texts of every type of column, in the forms that dialects read, and what is no text by name."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import make_url, text

from node.departments.dialects import DialectOptions, Dialects
from tests.integration.adapters.database.test_reading import Node
from tests.support.adapter_openings import outcome
from tests.support.department_databases import (
    DepartmentDatabase,
    mariadb_department,
    postgres_department,
    sqlite_department,
)

if TYPE_CHECKING:
    from pathlib import Path

    from adapters.contract import Delivery
    from tests.support.mariadb import MariadbServer
    from tests.support.postgres import PostgresServer

pytestmark = pytest.mark.integration
NAME = "测试区城市管理局"


def rows(department: DepartmentDatabase, folder: Path, **settings: Any) -> list[dict[str, Any]]:
    (delivery,) = department.open(folder, **settings).fetch(1)
    found: list[dict[str, Any]] = json.loads(delivery.content)["rows"]
    return found


def query(columns: str) -> dict[str, Any]:
    return {"table": None, "query": f"SELECT 1 AS id, '2026-11-03 09:00:00' AS changed_at, {columns}"}


@pytest.mark.parametrize("empty", ["mariadb"], indirect=True)
def test_every_type_of_mariadb_becomes_a_text(empty: DepartmentDatabase, tmp_path: Path) -> None:
    empty.run(
        "CREATE TABLE cases (id INT PRIMARY KEY, changed_at DATETIME, d DATE, t TIME, s TIMESTAMP(3) NULL,"
        " n DECIMAL(12,3), f DOUBLE, b BIT(9), y YEAR, j JSON,"
        " e ENUM('甲','乙'), c CHAR(9), empty_text VARCHAR(9), nothing VARCHAR(9))"
    )
    empty.let_read("cases")
    empty.run(
        "SET time_zone = '+00:00'",
        "INSERT INTO cases VALUES (1, '2026-11-03 09:00:00', '2026-11-03', '-25:00:01', '2026-11-03 01:00:00.250',"
        " 1234.5, 0.0000001, b'100000001', 2026, JSON_OBJECT('a', 1), '甲', '测试', '', NULL)",
    )
    assert rows(empty, tmp_path) == [
        {
            "id": "1",
            "changed_at": "2026-11-03 09:00:00",
            "d": "2026-11-03",
            "t": "-25:00:01",
            # One o'clock in UTC is nine o'clock in Shanghai.
            "s": "2026-11-03 09:00:00.250000",
            "n": "1234.500",
            "f": "0.0000001",
            "b": "257",
            "y": "2026",
            "j": '{"a": 1}',
            "e": "甲",
            "c": "测试",
            "empty_text": "",
            "nothing": None,
        }
    ]


@pytest.mark.parametrize("empty", ["postgresql"], indirect=True)
def test_every_type_of_postgresql_becomes_a_text(empty: DepartmentDatabase, tmp_path: Path) -> None:
    columns = (
        "DATE '2026-11-03' AS d, TIME '09:00:00' AS t, TIMESTAMPTZ '2026-11-03 01:00:00Z' AS z,"
        " 1234.5::NUMERIC(12,3) AS n,"
        " 0.5::REAL AS f, true AS b, '{\"a\": 1}'::JSONB AS j, ARRAY[1, 2] AS l, NULL::TEXT AS nothing,"
        " '6f1c2a9e-0000-4000-8000-000000000001'::UUID AS u, '测试'::TEXT AS c, TIMESTAMP 'infinity' AS never,"
        " DATE '0044-03-15 BC' AS old, TIMESTAMPTZ '-infinity' AS always, INTERVAL '1 day 01:00:00' AS i"
    )
    found = rows(empty, tmp_path, **query(columns), watermark="z", offsets=True)
    assert found == [
        {
            "id": "1",
            "changed_at": "2026-11-03 09:00:00",
            "d": "2026-11-03",
            "t": "09:00:00",
            "z": "2026-11-03T09:00:00+08:00",
            "n": "1234.500",
            "f": "0.5",
            "b": "true",
            "j": '{"a": 1}',
            "l": "[1, 2]",
            "nothing": None,
            "u": "6f1c2a9e-0000-4000-8000-000000000001",
            "c": "测试",
            "never": "infinity",
            "old": "0044-03-15 BC",
            "always": "-infinity",
            "i": "25:00:00",
        }
    ]


@pytest.mark.parametrize("empty", ["postgresql"], indirect=True)
def test_a_watermark_with_a_zone_is_read_on(empty: DepartmentDatabase, tmp_path: Path) -> None:
    empty.run("CREATE TABLE cases (id INT PRIMARY KEY, changed_at TIMESTAMPTZ)")
    empty.let_read("cases")
    for number in (1, 2, 3):
        empty.run(f"INSERT INTO cases VALUES ({number}, '2026-11-03 09:00:0{number}+08:00')")
    node = Node(empty, tmp_path / "kept", page_rows=1, overlap_s=0, begin_at="2026-11-03 09:00:02+08:00")
    assert node.round() == [2, 3]
    empty.run("INSERT INTO cases VALUES (4, '2026-11-03 02:00:00Z')")
    assert node.round() == [4]
    node.open(overlap_s=7200)
    # A window that was closed remembers nothing: what stands in it comes again when it is opened wider.
    assert node.round() == [1, 2]


@pytest.mark.parametrize("empty", ["mariadb"], indirect=True)
def test_a_timestamp_of_mariadb_is_read_on(empty: DepartmentDatabase, tmp_path: Path) -> None:
    empty.run("CREATE TABLE cases (id INT PRIMARY KEY, changed_at TIMESTAMP(6))")
    empty.let_read("cases")
    for number in (1, 2, 3):
        empty.run("SET time_zone = '+00:00'", f"INSERT INTO cases VALUES ({number}, '2026-11-03 01:00:0{number}')")
    node = Node(empty, tmp_path / "kept", page_rows=1, overlap_s=0)
    assert node.round() == [1, 2, 3]
    assert json.loads(node.deliveries[0].content)["rows"][0]["changed_at"] == "2026-11-03 09:00:01"
    empty.run("SET time_zone = '+00:00'", "INSERT INTO cases VALUES (4, '2026-11-03 01:00:03')")
    assert node.round() == [4]


@pytest.mark.parametrize("empty", ["mariadb"], indirect=True)
@pytest.mark.parametrize(("zero_dates", "expected"), [("empty", None), ("kept", "0000-00-00")])
def test_zero_dates_are_no_dates(
    empty: DepartmentDatabase, tmp_path: Path, zero_dates: str, expected: str | None
) -> None:
    empty.run("CREATE TABLE cases (id INT PRIMARY KEY, changed_at DATETIME, ended DATE, at DATETIME, s TIMESTAMP NULL)")
    empty.let_read("cases")
    empty.run(
        "SET sql_mode = ''",
        "INSERT INTO cases VALUES"
        " (1, '2026-11-03 09:00:00', '0000-00-00', '0000-00-00 00:00:00', '0000-00-00 00:00:00')",
        "INSERT INTO cases VALUES (2, '0000-00-00 00:00:00', '2026-00-00', NULL, NULL)",
    )
    found = rows(empty, tmp_path, zero_dates=zero_dates)
    assert [row["id"] for row in found] == ["2", "1"]
    assert found[1]["ended"] == expected
    assert found[1]["at"] == found[1]["s"] == (expected and f"{expected} 00:00:00")
    # A date that is not whole is the dialect's to refuse.
    assert found[0]["ended"] == "2026-00-00"
    node = Node(empty, tmp_path / "kept", overlap_s=0)
    assert node.round() == [2, 1]
    assert node.round() == []


@pytest.mark.parametrize("charset", ["gbk", "gb18030", "latin1"])
def test_texts_of_a_server_in_another_character_set_are_converted(
    mariadb: MariadbServer, tmp_path: Path, charset: str
) -> None:
    if not mariadb.run(f"SHOW CHARACTER SET LIKE '{charset}'"):
        pytest.skip(f"this server has no {charset}")
    department = mariadb_department(mariadb, charset)
    department.make_cases()
    name = "Ångström" if charset == "latin1" else "占用、挖掘城市道路审批"
    department.add(1, "2026-11-03 09:00:00", name=name)
    assert rows(department, tmp_path)[0]["name"] == name


@pytest.mark.parametrize("empty", ["mariadb"], indirect=True)
def test_texts_in_an_encoding_that_mariadb_does_not_know_of_are_decoded(
    empty: DepartmentDatabase, tmp_path: Path
) -> None:
    # Bytes of GBK in a column that says latin1.
    empty.run(
        "CREATE TABLE cases (id INT, name VARCHAR(80) CHARACTER SET latin1, changed_at DATETIME)",
        f"INSERT INTO cases VALUES (1, CONVERT(0x{NAME.encode('gbk').hex()} USING latin1), '2026-11-03 09:00:00')",
    )
    empty.let_read("cases")
    assert rows(empty, tmp_path, text_encoding="gb18030")[0]["name"] == NAME


def test_texts_in_an_encoding_that_postgresql_does_not_know_of_are_decoded(
    postgres_server_here: PostgresServer, tmp_path: Path
) -> None:
    # Bytes of GBK in a database that knows of no encoding at all.
    utf8 = postgres_department(postgres_server_here)
    with psycopg.connect(utf8.writer_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(
            "CREATE DATABASE unknown ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
        )
    urls = [make_url(url).set(database="unknown").render_as_string(hide_password=False) for url in told(utf8)]
    department = replace(utf8, url=urls[0], writer_url=f"{urls[1]}&client_encoding=utf8")
    department.make_cases()
    escaped = "".join(f"\\x{byte:02x}" for byte in NAME.encode("gbk"))
    with psycopg.connect(urls[1].replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"INSERT INTO cases VALUES (1, E'{escaped}', '2026-11-03 09:00:00')".encode())
    assert rows(department, tmp_path, text_encoding="gb18030")[0]["name"] == NAME


def told(department: DepartmentDatabase) -> tuple[str, str]:
    return department.url, department.writer_url


def test_texts_in_an_encoding_of_their_own_are_decoded_in_sqlite(tmp_path: Path) -> None:
    department = sqlite_department(tmp_path)
    department.make_cases()
    department.run(f"INSERT INTO cases VALUES (1, CAST(x'{NAME.encode('gbk').hex()}' AS TEXT), '2026-11-03 09:00:00')")
    assert rows(department, tmp_path / "kept", text_encoding="gb18030")[0]["name"] == NAME


def test_a_table_of_text_is_read_by_the_dialect_csv(department: DepartmentDatabase, tmp_path: Path) -> None:
    department.add(1, "2026-11-03 09:00:00", name='with "quotes", and\na line end')
    department.add(2, "2026-11-03 09:00:01")
    (delivery,) = department.open(tmp_path, form="csv").fetch(1)
    assert delivery.media_type == "text/csv"
    assert delivery.content.decode() == (
        'id,name,changed_at\n1,"with ""quotes"", and\na line end",2026-11-03 09:00:00\n2,case-2,2026-11-03 09:00:01\n'
    )


def test_only_the_columns_that_are_named_are_handed_over(department: DepartmentDatabase, tmp_path: Path) -> None:
    department.add(1, "2026-11-03 09:00:00", name="甲")
    assert rows(department, tmp_path / "a", columns=["name"]) == [{"name": "甲"}]
    (delivery,) = department.open(tmp_path / "b", form="csv", columns=["name", "id"]).fetch(1)
    assert delivery.content.decode() == "name,id\n甲,1\n"


def test_documents_in_a_column_come_one_by_one(department: DepartmentDatabase, tmp_path: Path) -> None:
    documents = ["\n<Records>测试</Records>", '{"records": []}', "  ", "H|1"]
    for number, document in enumerate(documents, start=1):
        department.run(
            f"INSERT INTO cases VALUES ({number}, :document, '2026-11-03 09:00:0{number}')", document=document
        )
    adapter = department.open(tmp_path, form="documents", document_column="name")
    came = list(adapter.fetch(10))
    assert [one.media_type for one in came] == ["application/xml", "application/json", "text/plain", "text/plain"]
    assert [came[index].content.decode() for index in (0, 1, 3)] == [documents[index] for index in (0, 1, 3)]
    assert "column name is empty" in came[2].content.decode()
    (first,) = adapter.fetch(1)
    adapter.acknowledge(first, outcome())
    assert len(list(adapter.fetch(10))) == 3


def unfit(department: DepartmentDatabase, folder: Path, **settings: Any) -> tuple[list[Delivery], str]:
    """Return what is delivered, and the text of the first one, which no dialect of the node may read."""
    came = list(department.open(folder, **settings).fetch(10))
    told = came[0]
    assert told.media_type == "text/plain"
    for dialect in ("standard", "csv", "json", "up", "exinfo"):
        read = list(Dialects().read(dialect, io.BytesIO(told.content), DialectOptions(table="up_pro_accept")))
        assert [one for one in read if not one.problems] == []
    return came, json.loads(told.content)


def test_a_row_that_is_too_long_is_named_and_does_not_stop_the_others(
    department: DepartmentDatabase, tmp_path: Path
) -> None:
    if department.system == "mariadb":
        department.run("ALTER TABLE cases MODIFY name LONGTEXT")
    elif department.system == "postgresql":
        department.run("ALTER TABLE cases ALTER name TYPE TEXT")
    department.add(1, "2026-11-03 09:00:00", name="x" * 500_001)
    department.add(2, "2026-11-03 09:00:01")
    came, told = unfit(department, tmp_path / "kept")
    assert [row["id"] for row in json.loads(came[1].content)["rows"]] == ["2"]
    assert "the row at 2026-11-03 09:00:00" in told
    assert " 1 was not handed over: it has 500" in told
    node = Node(department, tmp_path / "kept")
    adapter = node.open()
    for delivery in adapter.fetch(10):
        adapter.reject(delivery, "no dialect reads it")
    assert list(adapter.fetch(10)) == []


def test_bytes_are_no_text_and_are_named(department: DepartmentDatabase, tmp_path: Path) -> None:
    binary = {"sqlite": "BLOB", "mariadb": "BLOB", "postgresql": "BYTEA"}[department.system]
    department.run(f"ALTER TABLE cases ADD photo {binary}")
    with department.transaction() as connection:
        statement = text("INSERT INTO cases VALUES (1, 'n', '2026-11-03 09:00:00', :photo)")
        connection.execute(statement, {"photo": b"\xff\xd8\xff"})
    department.run("INSERT INTO cases VALUES (2, 'n', '2026-11-03 09:00:01', NULL)")
    came, told = unfit(department, tmp_path / "kept")
    assert [row["id"] for row in json.loads(came[1].content)["rows"]] == ["2"]
    assert "column photo holds bytes" in told
    _, told = unfit(department, tmp_path / "other", text_encoding="ascii")
    assert "column photo holds bytes that are not ascii" in told


@pytest.mark.parametrize("empty", ["postgresql"], indirect=True)
def test_a_type_that_is_no_text_is_named(empty: DepartmentDatabase, tmp_path: Path) -> None:
    _, told = unfit(empty, tmp_path, **query("int4range(1, 5) AS span"))
    assert "column span holds a value of the type Range" in told


@pytest.mark.parametrize("empty", ["mariadb", "postgresql"], indirect=True)
def test_ids_and_watermarks_of_many_digits_lose_none(empty: DepartmentDatabase, tmp_path: Path) -> None:
    # As floating point numbers of 64 bits these three would be one.
    empty.run("CREATE TABLE cases (id DECIMAL(30) PRIMARY KEY, changed_at DECIMAL(30))")
    empty.let_read("cases")
    for last in (1, 2, 3):
        empty.run(f"INSERT INTO cases VALUES (12345678901234567890123456789{last}, 98765432109876543210)")
    number = {"watermark_form": "number", "overlap_steps": 0, "page_rows": 1}
    node = Node(empty, tmp_path / "kept", **number)
    expected = [123456789012345678901234567890 + last for last in (1, 2, 3)]
    assert node.round() == expected
    node.open()
    assert node.round() == []


def test_a_text_of_sqlite_that_is_no_text_costs_its_row_only(tmp_path: Path) -> None:
    department = sqlite_department(tmp_path)
    department.make_cases()
    department.run("INSERT INTO cases VALUES (1, CAST(x'ff41' AS TEXT), '2026-11-03 09:00:00')")
    department.add(2, "2026-11-03 09:00:01")
    came, told = unfit(department, tmp_path / "kept")
    assert [row["id"] for row in json.loads(came[1].content)["rows"]] == ["2"]
    assert "column name holds bytes" in told


def test_a_round_that_ends_beside_a_named_row_loses_neither_it_nor_its_neighbours(tmp_path: Path) -> None:
    # The three rows stand further apart than any overlap, and each opening answers one delivery.
    department = sqlite_department(tmp_path)
    department.make_cases()
    for number, at in ((1, "2026-09-01 09:00:00"), (3, "2026-11-01 09:00:00")):
        department.add(number, at)
    department.run("INSERT INTO cases VALUES (2, x'ffd8ff', '2026-10-01 09:00:00')")
    cursor, came = None, []
    for _ in range(3):
        adapter = department.open(tmp_path / "kept", cursor, overlap_s=600)
        for delivery in islice(adapter.fetch(1), 1):
            cursor = delivery.cursor
            adapter.acknowledge(delivery, outcome())
            came.append(delivery.content.decode())
        adapter.close()
    assert [json.loads(one)["rows"] for one in came if one.startswith("{")] == [
        [
            {"id": "1", "name": "case-1", "changed_at": "2026-09-01 09:00:00"},
            {"id": "3", "name": "case-3", "changed_at": "2026-11-01 09:00:00"},
        ]
    ]
    assert [one for one in came if "the row at 2026-10-01 09:00:00 2 was not handed over" in one] == came[:1]
