"""What goes down to a department's database: documents once for each key, and answers to deliveries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from adapters.contract import DeliveryRejectedError, Document, RowProblem, SourceNeedsPersonError
from tests.support.adapter_openings import outcome

if TYPE_CHECKING:
    from pathlib import Path

    from adapters.contract import Adapter
    from tests.support.department_databases import DepartmentDatabase

pytestmark = pytest.mark.integration
NOTICE = Document(
    content="<Notice>限期</Notice>".encode(), record_type="SupervisionNotice", organisation="1", text="限期"
)


def test_a_document_goes_into_a_table_once(department: DepartmentDatabase, tmp_path: Path) -> None:
    department.run(
        "CREATE TABLE notices (delivery_key VARCHAR(200) PRIMARY KEY, record_type VARCHAR(40),"
        " organisation VARCHAR(40), content TEXT, text VARCHAR(100), delivered_at VARCHAR(40))"
    )
    department.let_read("notices", "SELECT, INSERT")
    adapter = department.open(tmp_path / "kept", deliver_table="notices")
    adapter.deliver(NOTICE, "310000/3-1/7")
    adapter.deliver(NOTICE, "310000/3-1/7")
    ((key, record_type, organisation, content, text, _at),) = department.run("SELECT * FROM notices")
    assert (key, record_type, organisation) == ("310000/3-1/7", "SupervisionNotice", "1")
    assert (content, text) == (NOTICE.content.decode(), "限期")


def test_a_document_without_a_table_for_it_needs_a_person(department: DepartmentDatabase, tmp_path: Path) -> None:
    with pytest.raises(SourceNeedsPersonError, match="deliver_table"):
        department.open(tmp_path / "kept").deliver(NOTICE, "k")
    with pytest.raises(SourceNeedsPersonError):
        department.open(tmp_path / "kept", deliver_table="no_such_table").deliver(NOTICE, "k")


@pytest.mark.parametrize("empty", ["mariadb", "postgresql"], indirect=True)
def test_a_document_that_the_table_never_takes_is_rejected(empty: DepartmentDatabase, tmp_path: Path) -> None:
    columns = "record_type VARCHAR(40), organisation VARCHAR(40), text VARCHAR(100), delivered_at VARCHAR(40)"
    empty.run(
        f"CREATE TABLE short (delivery_key VARCHAR(200), content VARCHAR(3), {columns})",
        f"CREATE TABLE strict (delivery_key VARCHAR(200), content TEXT, {columns}, UNIQUE (record_type))",
        "INSERT INTO strict (delivery_key, record_type) VALUES ('other', 'SupervisionNotice')",
    )
    for table in ("short", "strict"):
        empty.let_read(table, "SELECT, INSERT")
        with pytest.raises(DeliveryRejectedError, match=table):
            empty.open(tmp_path / "kept", deliver_table=table).deliver(NOTICE, "k")


def test_answers_go_into_a_table(department: DepartmentDatabase, tmp_path: Path) -> None:
    department.run(
        "CREATE TABLE answers (delivery_key VARCHAR(200) PRIMARY KEY, answered_at VARCHAR(40), offered INT,"
        " accepted INT, repeated INT, refused INT, received INT, reason VARCHAR(500), problems TEXT)"
    )
    department.let_read("answers", "SELECT, INSERT")
    for number in (1, 2):
        department.add(number, f"2026-11-03 09:00:{number:02d}")
    adapter = department.open(tmp_path / "kept", answers_table="answers", page_rows=1)
    problem = RowProblem(rule="schema", text="is missing", row=1, element="CaseNo")
    first, second = (delivery for delivery in answered(adapter, [outcome(refused=1, problems=(problem,)), None]))
    rows = department.run("SELECT delivery_key, offered, accepted, refused, reason, problems FROM answers ORDER BY 1")
    assert rows == [
        (first, 2, 1, 1, "", '[{"row": 1, "element": "CaseNo", "rule": "schema", "text": "is missing"}]'),
        (second, 0, 0, 0, "no dialect reads it", "[]"),
    ]


def answered(adapter: Adapter, outcomes: list[Any]) -> list[str]:
    keys = []
    for delivery, one in zip(adapter.fetch(10), outcomes, strict=True):
        keys.append(delivery.delivery_key)
        if one is None:
            adapter.reject(delivery, "no dialect reads it")
        else:
            adapter.acknowledge(delivery, one)
    return keys


def test_tables_to_write_that_do_not_fit_are_found_by_the_check(department: DepartmentDatabase, tmp_path: Path) -> None:
    department.run("CREATE TABLE half (delivery_key VARCHAR(200))")
    department.let_read("half", "SELECT, INSERT")
    for name in ("deliver_table", "answers_table"):
        for table in ("half", "no_such_table"):
            with pytest.raises(SourceNeedsPersonError):
                department.open(tmp_path / "kept", **{name: table}).check()


@pytest.mark.parametrize("empty", ["mariadb"], indirect=True)
def test_a_server_that_would_cut_what_is_too_long_is_kept_from_it(empty: DepartmentDatabase, tmp_path: Path) -> None:
    empty.make_cases()
    columns = "answered_at DATETIME, offered INT, accepted INT, repeated INT, refused INT, received INT, problems TEXT"
    empty.run(
        f"CREATE TABLE answers (delivery_key VARCHAR(200), reason VARCHAR(3), {columns})",
        "SET GLOBAL sql_mode = ''",
    )
    empty.let_read("answers", "SELECT, INSERT")
    try:
        empty.add(1, "2026-11-03 09:00:00")
        adapter = empty.open(tmp_path / "kept", answers_table="answers")
        (delivery,) = adapter.fetch(1)
        with pytest.raises(SourceNeedsPersonError, match="answers cannot be written"):
            adapter.reject(delivery, "no dialect reads it")
    finally:
        empty.run("SET GLOBAL sql_mode = DEFAULT")
