"""Cells of spreadsheets: days, numbers, formats and texts become what people see in them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from node.departments.dialects import xlsx_file
from node.departments.dialects.values import CellError
from node.departments.dialects.xlsx_sheet import Special, cell_text, column_number, number_text
from tests.support.spreadsheet_candidates import HEADINGS, cell, content, read
from tests.support.spreadsheets import raw_row, raw_spreadsheet, sheet_of, spreadsheet


# 2026-11-03 is day 46329 since 1899-12-30 and 44867 since 1904-01-01; 09:12 is 552 of a day's 1440 minutes.
@pytest.mark.parametrize(("workbook", "day"), [("", 46329), ('<workbookPr date1904="1"/>', 44867)])
def test_a_serial_day_is_a_time_where_a_time_is_meant(workbook: str, day: int) -> None:
    serial = f"<c><v>{day + 552 / 1440}</v></c>"
    rows = raw_row(1, *HEADINGS) + raw_row(2, "受理", "A1", serial, f"<c><v>{day}</v></c>")
    found = content(raw_spreadsheet(rows, workbook=workbook))
    assert found["EventTime"] == "2026-11-03T09:12:00+08:00"
    assert found["StatutoryLimit"] == str(day)


def test_a_serial_day_is_a_date_where_a_date_is_meant() -> None:
    assert cell_text(Special("number", "46329"), "date", days_1904=False) == "2026-11-03"
    assert cell_text(Special("number", "0"), "date", days_1904=True) == "1904-01-01"
    assert cell_text(Special("number", "61"), "date", days_1904=False) == "1900-03-01"


@pytest.mark.parametrize(
    ("value", "base", "said"),
    [
        ("46329", "dateTime", "without a time of day"),
        ("46329.5", "date", "a time of day where only a day"),
        ("60", "date", "no day"),
        ("-1", "date", "no day"),
        ("2958466", "date", "no day"),
        ("1E+300", "dateTime", "no day"),
        ("1E+999", "string", "no number"),
        ("NaN", "string", "no number"),
        ("twelve", "string", "no number"),
        ("0." + "1" * 50, "string", "no number"),
        ("1000000000000000", "string", "more than 15 digits"),
        ("3.6990119900101E+17", "string", "more than 15 digits"),
    ],
)
def test_a_number_that_cannot_be_meant_is_told(value: str, base: str, said: str) -> None:
    with pytest.raises(CellError, match=said):
        cell_text(Special("number", value), base, days_1904=False)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("5", "5"),
        ("5.0", "5"),
        ("12.5", "12.5"),
        ("0.30000000000000004", "0.3"),
        ("999999999999999", "999999999999999"),
        ("1E+3", "1000"),
        ("1.5E-3", "0.0015"),
        ("-7", "-7"),
    ],
)
def test_a_number_is_the_text_that_people_see(value: str, text: str) -> None:
    assert number_text(value) == text


def test_a_number_written_as_text_is_that_text() -> None:
    assert content(cell("5", "str"))["StatutoryLimit"] == "5"
    assert content(cell("5"))["StatutoryLimit"] == "5"


def test_a_true_cell_and_a_day_as_text_are_taken() -> None:
    rows = raw_row(1, "办件编号", "视为受理", "业务发生时间") + raw_row(
        2, "A1", '<c t="b"><v>1</v></c>', '<c t="d"><v>2026-11-03T09:12:00</v></c>'
    )
    found = content(raw_spreadsheet(rows), record_type="受理")
    assert (found["Deemed"], found["EventTime"]) == ("true", "2026-11-03T09:12:00+08:00")


def test_two_forms_of_days_in_one_file_are_each_understood() -> None:
    rows = (("办件编号", "业务发生时间"), ("A1", "2026/11/3 9:12"), ("A2", "2026年11月3日 9时12分"))
    came = read(spreadsheet(sheet_of(*rows, name="受理")))
    assert [one.content["EventTime"] for one in came if one.content] == ["2026-11-03T09:12:00+08:00"] * 2


def test_shared_strings_give_their_text_without_phonetic_hints_and_escapes() -> None:
    strings = (
        '<si><t>办件编号</t></si><si><r><t>A</t></r><r><t>_x0031_</t></r><rPh sb="0" eb="1"><t>hint</t></rPh></si><si/>'
    )
    rows = '<row><c r="A1" t="s"><v>0</v></c></row><row><c t="s"><v>1</v></c><c t="s"><v>2</v></c></row>'
    assert content(raw_spreadsheet(rows, strings=strings), record_type="受理")["CaseNo"] == "A1"


@pytest.mark.parametrize(("cell_name", "number"), [("A1", 1), ("Z9", 26), ("AA10", 27), ("XFD1048576", 16384)])
def test_columns_are_counted_by_letters(cell_name: str, number: int) -> None:
    assert column_number(cell_name) == number


def test_a_real_day_from_another_program_is_read() -> None:
    def fill(book: Any) -> None:
        sheet = book.add_worksheet("受理")
        sheet.write_row("A1", ("办件编号", "业务发生时间"))
        sheet.write("A2", "A1")
        sheet.write_datetime("B2", datetime(2026, 11, 3, 9, 12, 30))  # noqa: DTZ001 - a cell has no zone.

    assert content(spreadsheet(fill))["EventTime"] == "2026-11-03T09:12:30+08:00"


def test_a_day_typed_into_a_column_of_texts_is_that_day() -> None:
    def fill(book: Any) -> None:
        sheet = book.add_worksheet("办结")
        sheet.write_row("A1", ("办件编号", "证件有效期限", "办结结果描述"))
        sheet.write("A2", "A1")
        sheet.write_datetime("B2", datetime(2029, 12, 31), book.add_format({"num_format": "yyyy/m/d"}))  # noqa: DTZ001
        sheet.write_datetime("C2", datetime(2029, 12, 31, 9, 12), book.add_format({"num_format": 22}))  # noqa: DTZ001

    for options in ({}, {"date_1904": True}):
        found = content(spreadsheet(fill, **options))
        assert (found["CertificateValidity"], found["ResultText"]) == ("2029-12-31", "2029-12-31 09:12:00")


@pytest.mark.parametrize(
    ("form", "days"),
    [
        ("yyyy-mm-dd", True),
        ('yyyy"年"m"月"d"日"', True),
        ("[$-804]h:mm:ss AM/PM", True),
        ("General", False),
        ("0.00E+00", False),
        ("#,##0.00_);[Red]\\(#,##0.00\\)", False),
        ('0"days"', False),
        ("[Red]0\\d", False),
        ("@", False),
        ("", False),
    ],
)
def test_a_number_format_shows_days_or_not(form: str, days: bool) -> None:  # noqa: FBT001 - what is expected.
    assert xlsx_file.shows_days(form) is days


def test_a_format_of_the_users_own_may_replace_one_that_every_spreadsheet_has() -> None:
    styles = (
        b'<styleSheet xmlns="urn:x"><numFmts><numFmt numFmtId="14" formatCode="0"/></numFmts><cellStyleXfs>'
        b'<xf numFmtId="15"/></cellStyleXfs><cellXfs><xf numFmtId="15"/><xf numFmtId="14"/></cellXfs></styleSheet>'
    )
    row = raw_row(2, "A1", '<c s="0"><v>46329</v></c>', '<c s="1"><v>46329</v></c>')
    rows = raw_row(1, "办件编号", "证件有效期限", "办结结果描述") + row
    found = content(raw_spreadsheet(rows, parts={"xl/styles.xml": styles}), record_type="办结")
    assert (found["CertificateValidity"], found["ResultText"]) == ("2026-11-03", "46329")


def test_a_format_of_zeros_keeps_the_zeros_that_people_see() -> None:
    styles = (
        b'<styleSheet xmlns="urn:x"><numFmts><numFmt numFmtId="164" formatCode="000000;-000000"/>'
        b'<numFmt numFmtId="165" formatCode="0"/></numFmts>'
        b'<cellXfs><xf numFmtId="164"/><xf numFmtId="165"/></cellXfs></styleSheet>'
    )
    numbers = (("0", "123"), ("1", "123"), ("0", "1234567"), ("0", "-123"), ("0", "12.5"))
    rows = raw_row(1, "办件编号", "办结结果描述") + "".join(
        raw_row(place, "A1", f'<c s="{style}"><v>{number}</v></c>')
        for place, (style, number) in enumerate(numbers, start=2)
    )
    found = [
        one.content or {} for one in read(raw_spreadsheet(rows, parts={"xl/styles.xml": styles}), record_type="办结")
    ]
    assert [one["ResultText"] for one in found] == ["000123", "123", "1234567", "-123", "12.5"]
