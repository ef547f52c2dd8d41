"""The dialect xlsx: spreadsheets as people lay them out; what a spreadsheet spoils is refused, never guessed."""

from __future__ import annotations

import zipfile
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest

from node.departments.dialects import BUILT_IN, DialectOptions
from node.departments.dialects.xlsx_writing import write_xlsx
from node.departments.refused import list_refused, offer_refused, show_refused
from node.web.reference.samples import first_case
from tests.support.intake import generated, intake_on, offer
from tests.support.spreadsheet_candidates import HEADINGS, ROW, content, only, read, rule_and_text
from tests.support.spreadsheets import raw_row, raw_spreadsheet, sheet_of, spreadsheet

if TYPE_CHECKING:
    from node.journal.store import Store


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


def test_the_same_records_give_the_same_bytes_at_any_time() -> None:
    with zipfile.ZipFile(BytesIO(write_xlsx(first_case(), DialectOptions()))) as book:
        assert b"1980-01-01T00:00:00Z" in book.read("docProps/core.xml")
        assert {entry.date_time[0] for entry in book.infolist()} == {1980}
