"""The dialect xlsx: spreadsheets as people fill them; what a spreadsheet spoils is refused, never guessed."""

from __future__ import annotations

import zipfile
from datetime import datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest

from node.departments.dialects import BUILT_IN, DialectOptions, xlsx_file, xlsx_sheet
from node.departments.dialects.values import CellError
from node.departments.dialects.xlsx import read_xlsx
from node.departments.dialects.xlsx_sheet import Special, cell_text, column_number, number_text
from node.departments.dialects.xlsx_writing import write_xlsx
from node.departments.refused import list_refused, offer_refused, show_refused
from node.web.reference.samples import first_case
from tests.support.intake import generated, intake_on, offer
from tests.support.spreadsheets import raw_row, raw_spreadsheet, sheet_of, spreadsheet

if TYPE_CHECKING:
    from node.departments.candidates import Candidate
    from node.journal.store import Store

HEADINGS = ("记录类型", "办件编号", "业务发生时间", "法定办结时限", "备注")
ROW = ("受理", "A20261103001", "2026-11-03 09:12", "5", "")


def read(data: bytes, **options: Any) -> list[Candidate]:
    return list(read_xlsx(BytesIO(data), **options))


def only(data: bytes, **options: Any) -> Candidate:
    (candidate,) = read(data, **options)
    return candidate


def content(data: bytes, **options: Any) -> dict[str, Any]:
    candidate = only(data, **options)
    assert candidate.problems == ()
    return dict(candidate.content or {})


def rule_and_text(data: bytes) -> tuple[str, str]:
    candidate = only(data)
    (problem,) = candidate.problems
    return problem.rule, problem.text


def cell(value: str, kind: str = "n") -> bytes:
    """Return a table of one row whose fourth column, a limit in days, holds a raw cell."""
    return raw_spreadsheet(
        raw_row(1, *HEADINGS) + raw_row(2, "受理", "A1", "2026-11-03 09:12", f'<c t="{kind}"><v>{value}</v></c>', "")
    )


def test_a_generated_month_goes_out_and_comes_back_the_same() -> None:
    records = generated(300)
    data = BUILT_IN["xlsx"].writes(records, DialectOptions())  # type: ignore[misc] # It has that direction.
    came = read(data)
    assert [candidate.problems for candidate in came if candidate.problems] == []
    assert sorted((one.record_type, repr(sorted(dict(one.content or {}).items()))) for one in came) == sorted(
        (one.record_type, repr(sorted(one.content.items()))) for one in records
    )


def test_a_spreadsheet_is_accepted_like_a_table(memory: Store) -> None:
    records = generated(12)
    intake = intake_on(memory)
    options = DialectOptions()
    first = offer(intake, BUILT_IN["xlsx"].writes(records, options), "xlsx")  # type: ignore[misc]
    assert (first.accepted, first.refused) == (12, 0)
    again = offer(intake, BUILT_IN["csv"].writes(records, options), "csv")  # type: ignore[misc]
    assert (again.repeated, again.refused) == (12, 0)


def test_titles_and_notes_above_the_headings_are_passed_over() -> None:
    def fill(book: Any) -> None:
        sheet = book.add_worksheet()
        sheet.merge_range("A1:E1", "某某局 2026 年 11 月受理登记表")
        sheet.write("A2", "填表人：测试甲")
        sheet.write_row("A4", HEADINGS)
        sheet.write_row("A5", ROW)

    candidate = only(spreadsheet(fill))
    assert (candidate.row, candidate.line, candidate.record_type) == (1, 5, "Acceptance")
    assert candidate.content == {
        "CaseNo": "A20261103001", "Sequence": "1", "DataVersion": "1",
        "EventTime": "2026-11-03T09:12:00+08:00", "StatutoryLimit": "5",
    }  # fmt: skip


def test_a_value_merged_over_rows_means_each_of_them() -> None:
    def fill(book: Any) -> None:
        sheet = book.add_worksheet()
        sheet.write_row("A1", HEADINGS)
        sheet.merge_range("A2:A4", "受理")
        for row in (1, 2, 3, 4):
            sheet.write_row(row, 1, (f"A{row}", "2026-11-03 09:12"))
        sheet.write("A5", "办结")

    assert [(one.record_type, one.content["CaseNo"]) for one in read(spreadsheet(fill)) if one.content] == [
        ("Acceptance", "A1"), ("Acceptance", "A2"), ("Acceptance", "A3"), ("Conclusion", "A4"),
    ]  # fmt: skip


def test_a_value_merged_over_columns_is_refused() -> None:
    def fill(book: Any) -> None:
        sheet = book.add_worksheet()
        sheet.write_row("A1", HEADINGS)
        sheet.write_row("A2", ROW)
        sheet.merge_range("D2:E2", "5")

    rule, text = rule_and_text(spreadsheet(fill))
    assert rule == "schema"
    assert "merged cell" in text


def test_rows_that_only_a_merge_reaches_are_empty() -> None:
    def fill(book: Any) -> None:
        sheet = book.add_worksheet()
        sheet.write_row("A1", HEADINGS)
        sheet.write_row("B2", ROW[1:])
        sheet.merge_range("A2:A9", "受理")

    assert len(read(spreadsheet(fill))) == 1


def test_grouped_headings_over_two_rows_are_paths() -> None:
    def fill(book: Any) -> None:
        sheet = book.add_worksheet("受理")
        sheet.merge_range("A1:A2", "办件编号")
        sheet.merge_range("B1:C1", "经办人")
        sheet.write_row("B2", ("姓名", "职务"))
        sheet.write_row("A3", ("A1", "测试甲", "科员"))

    found = content(spreadsheet(fill))
    assert found["Actor"] == {"Name": "测试甲", "Role": "科员"}


def test_a_sheet_named_after_a_record_type_needs_no_column_for_it() -> None:
    candidate = only(spreadsheet(sheet_of(("办件编号",), ("A1",), name="受理")))
    assert candidate.record_type == "Acceptance"
    assert only(spreadsheet(sheet_of(("办件编号",), ("A1",))), record_type="办结").record_type == "Conclusion"


def test_headings_may_be_identifiers_and_may_be_broken_into_lines() -> None:
    assert content(spreadsheet(sheet_of(("CaseNo", "业务发生\n时间"), ("A1", "2026-11-03 09:12"), name="受理")))[
        "EventTime"
    ] == ("2026-11-03T09:12:00+08:00")


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


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ("<c><f>1+4</f><v>5</v></c>", "formula"),
        ('<c t="str"><f t="shared" si="0"/><v>5</v></c>', "formula"),
        ('<c t="e"><v>#N/A</v></c>', "error value"),
        ('<c t="inlineStr"><is><t>=1+4</t></is></c>', "formula"),
        ("<c><v>369901199001010000</v></c>", "format the column as text"),
    ],
)
def test_what_is_no_value_is_refused_and_stays_refused_when_offered_again(raw: str, said: str, memory: Store) -> None:
    data = raw_spreadsheet(raw_row(1, *HEADINGS) + raw_row(2, *ROW[:3], raw))
    intake = intake_on(memory)
    report = offer(intake, data, "xlsx")
    assert (report.refused, report.problems[0].line) == (1, 2)
    assert said in report.problems[0].text
    with memory.reading() as connection:
        (refused,) = list_refused(connection)
        kept = show_refused(connection, refused.id).content
    assert kept is not None
    assert kept.decode().splitlines()[0] == ",".join(HEADINGS)
    assert offer_refused(intake, refused.id, by="tester").refused == 1


def test_a_corrected_row_of_text_settles_a_refused_row_of_a_spreadsheet(memory: Store) -> None:
    (record,) = [one for one in generated(30) if one.record_type == "Acceptance"][:1]
    data = BUILT_IN["xlsx"].writes([record], DialectOptions())  # type: ignore[misc]
    intake = intake_on(memory)
    good = BUILT_IN["csv"].writes([record], DialectOptions())  # type: ignore[misc]
    broken = read(data)[0].kept().replace(record.content["CaseNo"].encode(), b"=A1")  # type: ignore[union-attr]
    offer(intake, broken, "xlsx", record_type="Acceptance")
    with memory.reading() as connection:
        (refused,) = list_refused(connection)
    assert offer_refused(intake, refused.id, by="tester", corrected=good).accepted == 1


def test_rows_count_through_all_sheets_and_problems_name_theirs() -> None:
    def fill(book: Any) -> None:
        for name in ("受理", "王小明"):
            sheet = book.add_worksheet(name)
            sheet.write_row("A1", ("记录类型", "办件编号", "业务发生时间"))
            sheet.write_row("A2", ("受理", "A1", "soon"))

    first, second = read(spreadsheet(fill))
    assert (first.row, first.line, second.row, second.line) == (1, 2, 2, 2)
    assert first.problems[0].text.startswith("sheet 受理: ")
    # A name on a tab may be anybody's.
    assert second.problems[0].text.startswith("sheet 2: ")


def test_a_sheet_without_headings_is_left_out_on_purpose_only() -> None:
    def fill(book: Any) -> None:
        book.add_worksheet("受理").write_column("A1", ("办件编号", "A1"))
        book.add_worksheet("空表")
        book.add_worksheet("#说明").write("A1", "请逐行填写")
        hidden = book.add_worksheet("代码")
        hidden.write("A1", "准予")
        hidden.hide()
        book.add_worksheet("说明").write("A1", "请逐行填写")

    taken, told = read(spreadsheet(fill))
    assert (taken.problems, told.problems[0].rule) == ((), "headings")
    assert "begin its name with #" in told.problems[0].text


def test_a_hidden_sheet_with_headings_is_refused() -> None:
    def fill(book: Any) -> None:
        book.add_worksheet("受理").write_column("A1", ("办件编号", "A1"))
        hidden = book.add_worksheet("办结")
        hidden.write_column("A1", ("办件编号", "A1"))
        hidden.very_hidden()

    _, told = read(spreadsheet(fill))
    assert "hidden" in told.problems[0].text


@pytest.mark.parametrize(
    ("rows", "rule", "said"),
    [
        ((("办件编号", "办件编号"), ("A1", "A2")), "headings", "stand twice"),
        ((("办件编号", "CaseNo"), ("A1", "A2")), "headings", "same element"),
        ((("办件编号", "温度"), ("A1", "A2")), "headings", "unknown headings: 温度"),
        ((("温度",), ("A1",)), "headings", "no row has headings"),
        ((("办件编号",),), "empty", "no row below headings"),
        ((), "empty", "no row below headings"),
        ((("办件编号",), ("A1", "extra")), "columns", "2 columns"),
        ((("记录类型", "办件编号"), ("烹饪", "A1")), "record-type", "not a record type"),
    ],
)
def test_what_is_wrong_with_a_table_is_told(rows: tuple[tuple[str, ...], ...], rule: str, said: str) -> None:
    found_rule, text = rule_and_text(spreadsheet(sheet_of(*rows, name="受理")))
    assert found_rule == rule
    assert said in text


@pytest.mark.parametrize(
    "time",
    ["２０２６-11-03 09:12", "2026-11-03 24:00", "2026-02-30 09:12", "2026-11-03", "11/03/2026 09:12"],
)
def test_a_time_that_is_none_is_refused(memory: Store, time: str) -> None:
    (record,) = [one for one in generated(30) if one.record_type == "Acceptance"][:1]
    data = BUILT_IN["csv"].writes([record], DialectOptions()).decode("utf-8-sig")  # type: ignore[misc]
    head, row = (line.split(",") for line in data.splitlines())
    row[head.index("EventTime")] = time
    report = offer(intake_on(memory), spreadsheet(sheet_of(head, row)), "xlsx")
    assert report.refused == 1
    assert report.problems[0].element == "EventTime"


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


def test_many_rows_need_no_more_memory_than_few(monkeypatch: pytest.MonkeyPatch) -> None:
    # Of each row nothing may stay: the parser holds one row at a time, so this limit is passed by none of many rows.
    monkeypatch.setattr(xlsx_file, "HELD_BYTES_MAX", 70_000)
    rows = "".join(raw_row(number, *ROW) for number in range(2, 3000))
    assert sum(1 for _ in read_xlsx(BytesIO(raw_spreadsheet(raw_row(1, *HEADINGS) + rows)))) == 2998


def test_the_same_records_give_the_same_bytes_at_any_time() -> None:
    with zipfile.ZipFile(BytesIO(write_xlsx(first_case(), DialectOptions()))) as book:
        assert b"1980-01-01T00:00:00Z" in book.read("docProps/core.xml")
        assert {entry.date_time[0] for entry in book.infolist()} == {1980}


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
