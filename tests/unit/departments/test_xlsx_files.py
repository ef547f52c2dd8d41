"""Files that are damaged, oversized or no spreadsheets: told, with what came before the damage taken."""

from __future__ import annotations

import zipfile
from io import BytesIO

import pytest

from node.departments.dialects import xlsx_file, xlsx_sheet
from node.departments.dialects.xlsx import read_xlsx
from tests.support.spreadsheet_candidates import HEADINGS, ROW, read, rule_and_text
from tests.support.spreadsheets import raw_row, raw_spreadsheet


@pytest.mark.parametrize(
    ("rows", "strings"),
    [
        ('<row><c t="s"><v>7</v></c></row>', "<si><t>x</t></si>"),
        ('<row><c t="s"><v>x</v></c></row>', "<si><t>x</t></si>"),
        ('<row><c t="s"><v>0</v></c></row>', None),
        ('<row r="2"><c><v>1</v></c></row><row r="2"/>', None),
        (f'<row r="{"9" * 5000}"/>', None),
        (f'<row><c t="s"><v>{"9" * 5000}</v></c></row>', "<si><t>x</t></si>"),
        ('<row><c r="12"><v>1</v></c></row>', None),
        ('<row><c r="a1"><v>1</v></c></row>', None),
        ("<row><c><v>1</v></c>", None),
    ],
)
def test_a_damaged_sheet_is_told(rows: str, strings: str | None) -> None:
    rule, text = rule_and_text(raw_spreadsheet(rows, strings=strings))
    assert rule in {"not-text", "half-written"}
    assert "damaged" in text


def test_rows_before_the_damage_are_taken_and_the_rest_is_told() -> None:
    rows = raw_row(1, *HEADINGS) + "".join(raw_row(number, *ROW) for number in range(2, 40)) + '<row r="1"/>'
    came = read(raw_spreadsheet(rows))
    assert len(came) == 39
    assert "what stands below row 39 was not read" in came[-1].problems[0].text


@pytest.mark.parametrize(
    ("data", "rule", "said"),
    [
        (b"", "empty", "nothing in it"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1000), "not-text", "a spreadsheet with a password"),
        (b"PK\x03\x04" + bytes(1000), "half-written", "damaged or not complete"),
        (raw_spreadsheet("")[:-30], "half-written", "damaged or not complete"),
        (raw_spreadsheet("", parts={"xl/workbook.xml": b"<workbook/>"}), "empty", "no sheet"),
        (raw_spreadsheet("", before="<!DOCTYPE x [<!ENTITY a 'b'>]>"), "forbidden", "document type"),
        (raw_spreadsheet("", parts={"xl/worksheets/sheet1.xml": "<a/>".encode("utf-16")}), "not-text", "UTF-8"),
        (raw_spreadsheet("", parts={"xl/_rels/workbook.xml.rels": b"<a/>"}), "empty", "no sheet"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_spreadsheet_is_told(data: bytes, rule: str, said: str) -> None:
    found_rule, text = rule_and_text(data)
    assert (found_rule, said in text) == (rule, True), text


def test_an_archive_that_is_no_spreadsheet_is_told() -> None:
    output = BytesIO()
    with zipfile.ZipFile(output, "w") as archive:
        archive.writestr("word/document.xml", "<a/>")
    assert rule_and_text(output.getvalue()) == ("not-text", "this is no .xlsx spreadsheet; save it as .xlsx or CSV")


def test_a_spreadsheet_whose_sheet_is_missing_is_told() -> None:
    whole = raw_spreadsheet("")
    output = BytesIO()
    with zipfile.ZipFile(BytesIO(whole)) as source, zipfile.ZipFile(output, "w") as archive:
        for name in source.namelist():
            if "sheet1" not in name:
                archive.writestr(name, source.read(name))
    assert "is missing" in rule_and_text(output.getvalue())[1]


def test_a_bomb_is_refused_by_its_ratio_before_it_is_expanded() -> None:
    bomb = b"<worksheet>" + b" " * (xlsx_file.RATIO_FREE_BYTES + 1)
    rule, text = rule_and_text(raw_spreadsheet("", parts={"xl/worksheets/sheet1.xml": bomb}))
    assert (rule, "expands to" in text) == ("too-large", True)


def test_limits_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    data = raw_spreadsheet(
        raw_row(1, "办件编号") + raw_row(2, "x" * 9000), strings="<si><t>a</t></si><si><t>b</t></si>"
    )
    for module, name, value in (
        (xlsx_file, "PARTS_MAX", 2),
        (xlsx_file, "SHEETS_MAX", 0),
        (xlsx_file, "EXPANDED_BYTES_MAX", 100),
        (xlsx_file, "STRINGS_MAX", 1),
        (xlsx_file, "HELD_BYTES_MAX", 1000),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, value)
            assert rule_and_text(data)[0] == "too-large", name
    merged = '<mergeCells><mergeCell ref="A1:A2"/><mergeCell ref="B1:B2"/></mergeCells>'
    monkeypatch.setattr(xlsx_sheet, "MERGES_MAX", 1)
    assert rule_and_text(raw_spreadsheet("", behind=merged))[0] == "too-large"


def test_a_pipe_is_told() -> None:
    class Pipe(BytesIO):
        def seekable(self) -> bool:
            return False

    (candidate,) = read_xlsx(Pipe(b"PK"))
    assert "pipe" in candidate.problems[0].text


def test_many_rows_need_no_more_memory_than_few(monkeypatch: pytest.MonkeyPatch) -> None:
    # Of each row nothing may stay: the parser holds one row at a time, so this limit is passed by none of many rows.
    monkeypatch.setattr(xlsx_file, "HELD_BYTES_MAX", 70_000)
    rows = "".join(raw_row(number, *ROW) for number in range(2, 3000))
    assert sum(1 for _ in read_xlsx(BytesIO(raw_spreadsheet(raw_row(1, *HEADINGS) + rows)))) == 2998
