"""``yizhan dialects``: the forms in which records come, what becomes of them, and empty tables that can be filled."""

from __future__ import annotations

import re
import zipfile
from io import BytesIO
from typing import TYPE_CHECKING

from node.cli import run_program
from node.departments.candidates import DEPARTMENT_TYPES
from node.departments.dialects import DIALECTS, Dialects
from node.departments.dialects.described import heading_tables, template_csv
from node.departments.dialects.table_writing import table_columns
from node.departments.dialects.xlsx import read_xlsx
from node.departments.dialects.xlsx_writing import template_xlsx
from node.standard.families import RECORD_TYPES

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.support.homes import Home

SHEET = "xl/worksheets/sheet1.xml"


def test_every_dialect_is_listed_in_both_languages(county: Home) -> None:
    listed = county.call("dialects", "list").document["dialects"]
    assert [one["name"] for one in listed] == list(DIALECTS)
    assert {one["site"] for one in listed} == {False}
    assert "电子表格" in county.call("dialects", "list", "--lang", "zh", json_wanted=False).out
    assert "spreadsheets" in county.call("dialects", "list", "--lang", "en", json_wanted=False).out


def test_no_home_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_program(["dialects", "list"]) == 0
    assert "cooperation" in capsys.readouterr().out


def test_a_dialect_of_the_site_that_cannot_be_used_is_listed_with_the_reason(county: Home) -> None:
    folder = county.folder / "mappings"
    folder.mkdir()
    (folder / "hall.xsl").write_text("<broken")
    *_, last = county.call("dialects", "list").document["dialects"]
    assert (last["name"], last["site"], "XML" in last["problem"]) == ("hall", True, True)
    assert county.call("dialects", "show", "hall", code=None).document["code"] == "YZ-CONFIG-001"


def test_a_dialect_with_the_names_of_the_standard_says_so_in_place_of_a_table(county: Home) -> None:
    shown = county.call("dialects", "show", "standard", "--lang", "en", json_wanted=False)
    assert shown.out == ""
    assert f"carries all {len(DEPARTMENT_TYPES)} record types" in shown.err
    assert "one element a record" in shown.err
    assert "yizhan standard build" in shown.err
    assert "每条记录一个元素" in county.call("dialects", "show", "json", "--lang", "zh", json_wanted=False).err
    assert county.call("dialects", "show", "json").document["tables"] == []


def test_what_a_dialect_cannot_carry_is_shown_in_both_languages(county: Home) -> None:
    chinese = county.call("dialects", "show", "up", "--lang", "zh", json_wanted=False).err
    assert "不能承载：申办 Application：" in chinese
    assert "every record" not in chinese
    assert "Cannot carry: Application: " in county.call("dialects", "show", "up", "--lang", "en", json_wanted=False).err
    (first, *_) = county.call("dialects", "show", "up").document["cannot_carry"]
    assert set(first) == {"label", "english"}


def test_the_columns_of_a_table_are_shown_with_elements_and_codes(county: Home) -> None:
    shown = county.call("dialects", "show", "csv", "--type", "受理").document
    (table,) = shown["tables"]
    columns = {one["element"]: one for one in table["columns"]}
    assert columns["AcceptanceState"] == {
        "column": "受理状态",
        "element": "AcceptanceState",
        "required": True,
        "codes": [{"code": "1", "label": "受理"}, {"code": "2", "label": "不予受理"}],
    }
    assert columns["Actor/Name"]["column"] == "经办人/姓名"
    assert not columns["Actor/Name"]["required"]
    assert "Salt" not in columns
    lines = county.call("dialects", "show", "xlsx", "--type", "Acceptance", json_wanted=False)
    assert "受理\tAcceptance\t受理状态\tAcceptanceState\t*\t1=受理 2=不予受理" in lines.out.splitlines()
    assert "begin with =" in lines.err


def test_the_expressions_of_a_stylesheet_are_shown_with_their_elements(county: Home) -> None:
    shown = county.call("dialects", "show", "cooperation@guangdong", "--type", "Conclusion").document
    (table,) = shown["tables"]
    columns = {one["element"]: one["column"] for one in table["columns"]}
    assert columns["CertificateNo"] == "certno"
    assert columns["CaseNo"] == "$application/projectno"
    assert shown["variants"][0] == "guangdong"
    application = county.call("dialects", "show", "cooperation", "--type", "申办").document["tables"][0]
    assert {"column": "name", "element": "MaterialItem/MaterialName"}.items() <= next(
        one.items() for one in application["columns"] if one["element"] == "MaterialItem/MaterialName"
    )


def test_every_type_of_departments_has_a_table() -> None:
    tables = heading_tables()
    assert {"Application", "Conclusion", "Item"} <= {one.record_type for one in tables}
    for table in tables:
        headings = [column.source for column in table.columns]
        assert len(set(headings)) == len(headings), table.record_type


def test_an_empty_table_goes_to_a_file_that_is_not_there_yet(county: Home, tmp_path: Path) -> None:
    path = tmp_path / "受理.xlsx"
    county.call("dialects", "template", "xlsx", "--type", "受理", "-o", str(path))
    made = path.read_bytes()
    assert made.startswith(b"PK")
    assert "already" in county.call("dialects", "template", "xlsx", "--type", "受理", "-o", str(path), code=2).err
    path.write_bytes(b"filled")
    county.call("dialects", "template", "csv", "--type", "受理", "-o", str(path), "--yes")
    assert path.read_bytes().startswith("\ufeff记录类型,办件编号".encode())


def test_an_empty_table_goes_to_standard_output(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert run_program(["dialects", "template", "csv", "--type", "办结"]) == 0
    assert capfdbinary.readouterr().out == template_csv("Conclusion")


def test_an_empty_table_holds_no_row_and_every_heading_is_known() -> None:
    for name in ("Application", "Acceptance", "ReviewStep", "Conclusion", "Item"):
        (candidate,) = read_xlsx(BytesIO(template_xlsx(name)))
        assert [problem.rule for problem in candidate.problems] == ["empty"], name
        (candidate,) = Dialects().read("csv", BytesIO(template_csv(name)))
        assert [problem.rule for problem in candidate.problems] == ["empty"], name


def test_a_spreadsheet_to_fill_helps_with_drop_downs_formats_and_notes() -> None:
    with zipfile.ZipFile(BytesIO(template_xlsx("Acceptance"))) as archive:
        sheet = archive.read(SHEET).decode()
        notes = archive.read("xl/comments1.xml").decode()
        book = archive.read("xl/workbook.xml").decode()
    coded = [one for one in table_columns("Acceptance") if one.shape.simple and one.shape.simple.codes]
    truths = [one for one in table_columns("Acceptance") if one.shape.simple and one.shape.simple.base == "boolean"]
    assert sheet.count('<dataValidation type="list"') == len(coded) + len(truths)
    assert re.search(r'name="#代码 codes"[^>]*state="hidden"', book)
    assert notes.count("<comment ") == len(table_columns("Acceptance"))
    assert "必填 required" in notes
    assert RECORD_TYPES["Acceptance"].label in book


def test_a_filled_spreadsheet_is_imported_as_it_stands(county: Home, tmp_path: Path) -> None:
    values = {
        "CaseNo": "A20261103001", "Sequence": "1", "DataVersion": "1", "DivisionCode": "360102",
        "OrgCode": "91350100M000100Y43", "OrgName": "测试局", "TaskCode": "XK00131001", "EventTime": "2026-11-03 09:12",
        "AcceptanceState": "受理", "AcceptDocNo": "测试1号", "HandleUserName": "测试甲", "StatutoryLimit": "20",
        "StatutoryLimitUnit": "工作日", "ProjectType": "承诺件",
    }  # fmt: skip
    cells = "".join(
        f'<c t="inlineStr"><is><t>{values.get(column.name, "")}</t></is></c>' for column in table_columns("Acceptance")
    )
    path = tmp_path / "受理.xlsx"
    with zipfile.ZipFile(BytesIO(template_xlsx("Acceptance"))) as empty, zipfile.ZipFile(path, "w") as filled:
        for name in empty.namelist():
            part = empty.read(name)
            if name == SHEET:
                part = part.replace(b"</sheetData>", f'<row r="2">{cells}</row></sheetData>'.encode())
            filled.writestr(name, part)
    report = county.call("import", str(path)).document
    assert (report["accepted"], report["problems"]) == (1, [])
