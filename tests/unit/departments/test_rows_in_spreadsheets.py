"""Rows of other systems' tables in spreadsheets: one table a sheet, nothing guessed, refused rows kept as text."""

from __future__ import annotations

from datetime import datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest

from node.departments.dialects.dialect import DialectOptions
from node.departments.dialects.mapped import read_mapped
from tests.support.mappings import CASE, hall, result_row
from tests.support.spreadsheets import raw_row, raw_spreadsheet, sheet_of, spreadsheet

if TYPE_CHECKING:
    from node.departments.candidates import Candidate

RIGHT = dict(result_row().values)
HEADINGS = tuple(RIGHT)
ROW = tuple(RIGHT.values())


def read(data: bytes, *, table: str = "") -> list[Candidate]:
    return list(read_mapped(hall(), BytesIO(data), DialectOptions(table=table, system="land")))


def told(data: bytes, **options: str) -> str:
    return " / ".join(problem.text for candidate in read(data, **options) for problem in candidate.problems)


@pytest.mark.parametrize(("tab", "table"), [("result", ""), ("RESULT", ""), ("Sheet1", "result"), ("Sheet1", "")])
def test_a_sheet_is_the_table_of_its_tab_of_the_caller_or_of_its_headings(tab: str, table: str) -> None:
    (candidate,) = read(spreadsheet(sheet_of(("某某局办结表",), HEADINGS, ROW, name=tab)), table=table)
    assert candidate.problems == ()
    assert (candidate.record_type, candidate.row, candidate.line) == ("Conclusion", 1, 3)
    assert (candidate.content or {})["CaseNo"] == CASE


def test_names_of_columns_may_be_in_capitals() -> None:
    (candidate,) = read(spreadsheet(sheet_of(tuple(map(str.upper, HEADINGS)), ROW, name="result")))
    assert candidate.problems == ()


def test_rows_count_through_all_sheets() -> None:
    def fill(book: Any) -> None:
        for name in ("result", "一月"):
            sheet = book.add_worksheet(name)
            sheet.write_row(0, 0, HEADINGS)
            sheet.write_row(1, 0, ROW)

    assert [(one.row, one.line, one.problems) for one in read(spreadsheet(fill))] == [(1, 2, ()), (2, 2, ())]


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("<c><f>1+1</f><v>2</v></c>", "formula"),
        ('<c t="e"><v>#N/A</v></c>', "error value"),
        ("<c><v>369901199001010000</v></c>", "more than 15 digits"),
    ],
)
def test_what_is_no_value_refuses_its_row_and_stays_refused(cell: str, said: str) -> None:
    data = raw_spreadsheet(raw_row(1, *HEADINGS) + raw_row(2, cell, *ROW[1:]))
    (refused,) = read(data)
    assert said in refused.problems[0].text
    assert refused.kept().startswith(b"#table result\n")
    (again,) = read(refused.kept())
    assert again.problems


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ((HEADINGS,), "no sheet has a row"),
        ((("温度",), ("1",)), "no row has headings"),
        (((*HEADINGS, "温度"), (*ROW, "1")), "several tables|no table has all|unknown columns"),
        ((HEADINGS, (*ROW, "beside")), "beside the table"),
        (((*HEADINGS, HEADINGS[0]), (*ROW, "1")), "twice"),
    ],
)
def test_what_is_wrong_with_a_sheet_is_told(rows: tuple[tuple[str, ...], ...], said: str) -> None:
    text = told(spreadsheet(sheet_of(*rows, name="result")))
    assert any(part in text for part in said.split("|")), text


def test_a_file_that_is_no_spreadsheet_is_told() -> None:
    assert "damaged" in told(b"PK\x03\x04 and nothing more")


def test_a_spreadsheet_from_a_pipe_is_told() -> None:
    class Pipe(BytesIO):
        def seekable(self) -> bool:
            return False

    data = spreadsheet(sheet_of(HEADINGS, ROW, name="result"))
    (candidate,) = read_mapped(hall(), Pipe(data), DialectOptions())
    assert "pipe" in candidate.problems[0].text


def test_a_day_in_a_cell_is_a_text_that_the_mapping_reads() -> None:
    def fill(book: Any) -> None:
        sheet = book.add_worksheet("result")
        sheet.write_row(0, 0, HEADINGS)
        sheet.write_row(1, 0, ROW)
        column = next(place for place, text in enumerate(ROW) if text.startswith("2026"))
        shown = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        sheet.write_datetime(1, column, datetime(2026, 11, 3, 9, 12), shown)  # noqa: DTZ001 - a cell has no zone.

    (candidate,) = read(spreadsheet(fill))
    assert candidate.problems == ()
    assert (candidate.content or {})["EventTime"] == "2026-11-03T09:12:00+08:00"
