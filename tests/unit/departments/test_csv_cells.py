"""Cells of tables: loose times, dates and truths are understood; what only looks right is refused."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import pytest

from node.departments.dialects.csv_mapping import columns_of, date_of, time_of
from node.departments.dialects.csv_table import read_csv
from node.departments.dialects.values import CellError, value_of, zone_offset
from node.standard.facts import TREE_ZONE
from tests.support.csv_candidates import HEADINGS, ROW, rows
from tests.support.intake import offer

if TYPE_CHECKING:
    from node.departments.accept import Intake


@pytest.mark.parametrize(
    ("cell", "time"),
    [
        ("2026-11-03T09:12:00+08:00", "2026-11-03T09:12:00+08:00"),
        ("2026-11-03T09:12:00.25Z", "2026-11-03T09:12:00.25Z"),
        ("2026-11-03 09:12", "2026-11-03T09:12:00+08:00"),
        ("2026-11-03 09:12:07", "2026-11-03T09:12:07+08:00"),
        ("2026-11-03 09:12:07.1234567", "2026-11-03T09:12:07.123456+08:00"),
        ("2026/11/3 9:12:00", "2026-11-03T09:12:00+08:00"),
        ("2026/1/3 9:02", "2026-01-03T09:02:00+08:00"),
        ("2026.1.3 9:02", "2026-01-03T09:02:00+08:00"),
        ("2026-11-03T09:12", "2026-11-03T09:12:00+08:00"),
        ("2026-11-03 09:12:00 +0900", "2026-11-03T09:12:00+09:00"),
        ("2026-11-03 09:12:00Z", "2026-11-03T09:12:00Z"),
        ("2026年11月3日 9时12分", "2026-11-03T09:12:00+08:00"),
        ("2026年11月3日9:12:05", "2026-11-03T09:12:05+08:00"),
        ("2026年11月3日 9时12分5秒", "2026-11-03T09:12:05+08:00"),
        ("20261103091205", "2026-11-03T09:12:05+08:00"),
        ("202611030912", "2026-11-03T09:12:00+08:00"),
    ],
)
def test_loose_times_mean_the_zone_of_the_tree(cell: str, time: str) -> None:
    assert time_of(cell, TREE_ZONE) == time


@pytest.mark.parametrize("cell", ["2026-11-03", "45964.38", "11/3/2026 9:12", "9:12", "２０２６-11-03 09:12", ""])
def test_what_is_no_time_is_not_guessed(cell: str) -> None:
    with pytest.raises(CellError):
        time_of(cell, TREE_ZONE)


@pytest.mark.parametrize(
    "cell", ["2026-11-03", "2026/11/3", "2026.11.3", "2026年11月3日", "20261103", "2026/11/3 0:00"]
)
def test_loose_dates(cell: str) -> None:
    assert date_of(cell) == "2026-11-03"


@pytest.mark.parametrize("cell", ["2026-11-03 09:12", "3.11.2026", "明天"])
def test_what_is_no_date_is_not_guessed(cell: str) -> None:
    with pytest.raises(CellError):
        date_of(cell)


def test_truth_is_written_in_many_ways() -> None:
    meaning = columns_of("Acceptance", TREE_ZONE)["视为受理"].meaning
    assert [meaning(cell) for cell in ("是", "否", "true", "1", "perhaps")] == ["true", "false", "true", "1", "perhaps"]


def test_the_offset_of_a_zone_is_written_as_in_the_standard() -> None:
    assert zone_offset(TREE_ZONE) == "+08:00"


def test_a_formula_in_a_cell_is_refused() -> None:
    text = '记录类型,办件编号,备注\n申办,A1,=SUM(A1)\n申办,"=""369902""",x\n申办,A1,a=b\n'
    first, second, third = read_csv(BytesIO(text.encode()))
    assert [problem.element for problem in first.problems] == ["Remark"]
    assert "formula" in first.problems[0].text
    assert [problem.element for problem in second.problems] == ["CaseNo"]
    assert third.problems == ()


@pytest.mark.parametrize(
    ("heading", "cell"),
    [
        ("业务发生时间", "２０２６-11-03 09:12"),
        ("业务发生时间", "2026-11-03 24:00"),
        ("业务发生时间", "2026-02-30 09:12"),
        ("业务发生时间", "2026年2月30日 9时12分"),
        ("行政区划代码", "３６９９０２"),
        ("序号", "１"),
        ("收费金额（元）", "１２.00"),
        ("办结结果", "准予许可"),
    ],
)
def test_a_value_that_only_looks_right_is_refused(intake: Intake, heading: str, cell: str) -> None:
    headings = [*HEADINGS.split(","), "序号", "收费金额（元）"]
    values = [*ROW.format(1).split(","), "1", "12.00"]
    good = f"{','.join(headings)}\n{','.join(values)}\n"
    assert offer(intake, good.replace("A1", "A2").encode(), "csv").accepted == 1
    values[headings.index(heading)] = cell
    report = offer(intake, f"{','.join(headings)}\n{','.join(values)}\n".encode(), "csv")
    assert (report.refused, len(report.problems)) == (1, 1)
    assert heading.split("（", maxsplit=1)[0] in report.problems[0].text


def test_two_forms_of_times_in_one_table_are_each_understood(intake: Intake) -> None:
    second = ROW.format(2).replace("2026-11-03 09:12", "2026年11月3日 9时12分")
    assert offer(intake, f"{HEADINGS}\n{rows(1)}{second}\n".encode(), "csv").accepted == 2


@pytest.mark.parametrize("cell", ["3.69902E+17", "3.69902202611030E+17", "1E+11", "-2.5E+012", "4.2E+100"])
def test_a_number_that_a_spreadsheet_rounded_is_refused(cell: str) -> None:
    with pytest.raises(CellError, match="rounded"):
        value_of(cell)


@pytest.mark.parametrize(
    "cell", ["1.5E+5", "E+17", "A3.7E+17", "3.7E+17号", "3.7e17", "369902202611030004", "", "1E-12"]
)
def test_what_only_looks_like_a_rounded_number_is_taken(cell: str) -> None:
    assert value_of(cell) == cell
