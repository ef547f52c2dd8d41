"""Failed rows: only the refused records, in the form in which they came; corrected, they are taken in."""

from __future__ import annotations

import json
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest

from node.departments.dialects import DialectOptions, Dialects
from node.departments.dialects.failed_rows import PROBLEM_HEADING
from node.departments.failed_rows import check_writable, failed_rows, write_failed_rows
from node.departments.failures import TEXT_LENGTH_MAX, Failures
from node.departments.report import Verdict
from node.departments.sources import OPERATOR
from node.errors import Problem, UsageError
from tests.support.intake import generated, offer, standard_records, table, wrapped
from tests.support.spreadsheets import spreadsheet

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from node.departments.accept import Intake
    from node.departments.report import ImportReport

WRONG = "2026-13-45T00:00:00+08:00"
"""A time that no calendar has."""


def taken(
    intake: Intake, data: bytes, dialect: str, *, record_type: str = "", **limits: int
) -> tuple[ImportReport, bytes | None]:
    """Take a delivery in; return the report and the file of its failed rows."""
    options = DialectOptions(record_type=record_type)
    with Failures() as failures:
        candidates = intake.dialects.read(dialect, BytesIO(data), options)
        report = intake.accept(candidates, source=OPERATOR, dialect=dialect, told=failures.add)
        assert failures.count == report.refused
        return report, failed_rows(intake.dialects, dialect, data, failures, options=options, **limits)


def damaged(text: str, *rows: int) -> str:
    """Give some rows of a table (from 1) a time that is none."""
    lines = text.splitlines(keepends=True)
    for row in rows:
        begin = lines[row].index("2026-")
        lines[row] = lines[row][:begin] + WRONG + lines[row][begin + len(WRONG) :]
    return "".join(lines)


def times(count: int) -> list[str]:
    return [str(one.content["EventTime"]) for one in generated(count)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_the_failed_rows_of_a_table_have_its_encoding_delimiter_and_headings_and_are_taken_once_corrected(
    intake: Intake, encoding: str, delimiter: str
) -> None:
    text = table(generated(6), delimiter=delimiter)
    wrong = damaged(text, 2, 5)
    report, failed = taken(intake, wrong.encode(encoding), "csv")
    assert (report.accepted, report.refused) == (4, 2)
    assert failed is not None
    assert failed.startswith(b"\xef\xbb\xbf") == (encoding != "gb18030")
    lines = failed.decode(encoding).removeprefix("\ufeff").splitlines(keepends=True)
    assert lines[0] == f"{PROBLEM_HEADING}{delimiter}{text.splitlines(keepends=True)[0]}"
    assert [line.partition(delimiter)[2] for line in lines[1:]] == [wrong.splitlines(keepends=True)[n] for n in (2, 5)]
    assert all(line.startswith("不符合标准的模式 schema: ") for line in lines[1:])
    # As it is, all of it is refused again; with the right times all of it is taken.
    again, _ = taken(intake, failed, "csv")
    assert (again.refused, again.offered) == (2, 2)
    right = failed.decode(encoding)
    for moment in (times(6)[1], times(6)[4]):
        right = right.replace(WRONG, moment, 1)
    corrected, none = taken(intake, right.encode(encoding), "csv")
    assert (corrected.accepted, corrected.offered, none) == (2, 2, None)


def test_failed_rows_that_fail_again_keep_one_column_of_problems(intake: Intake) -> None:
    _, first = taken(intake, damaged(table(generated(4)), 1, 2, 3).encode(), "csv")
    assert first is not None
    half = first.decode().replace(WRONG, times(4)[0], 1)
    report, second = taken(intake, half.encode(), "csv")
    assert (report.accepted, report.refused) == (1, 2)
    assert second is not None
    assert second.count(PROBLEM_HEADING.encode()) == 1
    assert second.splitlines()[0] == first.splitlines()[0]
    assert [line.count(b",") for line in second.splitlines()[1:]] == [
        line.count(b",") for line in first.splitlines()[2:]
    ]


def test_rows_of_a_table_are_copied_whatever_is_wrong_with_them(intake: Intake) -> None:
    head = "RecordType,CaseNo,原因\r\n"
    rows = [
        "Fee,A1\r\n",  # Too few cells.
        "Fee,A2,x,y\r\n",  # Too many.
        'Fee,"A3,x\r\n',  # A quote that is not closed.
        'Fee,A4,"two\r\nlines"\r\n',
        "Fee,A5,\xff\r\n",
        "Fee,A6,x",  # No line end.
    ]
    data = (head + "".join(rows)).encode().replace("\xff".encode(), b"\xff")
    report, failed = taken(intake, data, "csv")
    assert report.refused == report.offered == 6
    assert failed is not None
    assert failed.startswith(f"\ufeff{PROBLEM_HEADING},RecordType,CaseNo,原因\r\n".encode())
    assert [row.encode().replace("\xff".encode(), b"\xff") in failed for row in rows] == [True] * 6
    assert not failed.endswith(b"\n")
    rules = [problem.rule for problem in report.problems]
    assert [problem.rule for problem in taken(intake, failed, "csv")[0].problems] == rules


def test_a_line_that_is_longer_than_is_read_is_left_out_and_counted(intake: Intake) -> None:
    data = b"RecordType,CaseNo\nFee," + b"A" * 300_000 + b"\nFee,A2\n"
    with Failures() as failures:
        intake.accept(intake.dialects.read("csv", BytesIO(data)), source=OPERATOR, dialect="csv", told=failures.add)
        output = BytesIO()
        done = write_failed_rows("csv", BytesIO(data), failures, output)
    assert (done.rows, done.left_out) == (1, 1)
    assert output.getvalue().count(b"\n") == 2


@pytest.mark.parametrize("data", [b"", b"\x00" * 100, b"no heading\nx\n", b"RecordType,CaseNo\n", b"\xff\xfea\x00"])
def test_a_table_that_is_refused_as_a_whole_has_no_failed_rows(intake: Intake, data: bytes) -> None:
    report, failed = taken(intake, data, "csv")
    assert (report.refused, failed) == (1, None)


def test_the_wrapper_of_failed_records_is_that_of_the_delivery(intake: Intake) -> None:
    bodies = standard_records(generated(5))
    wrong = [
        body.replace(b"<Sequence>1<", b"<Sequence>0<") if place in {1, 3} else body for place, body in enumerate(bodies)
    ]
    report, failed = taken(intake, wrapped(wrong), "standard")
    assert (report.accepted, report.refused) == (3, 2)
    assert failed is not None
    assert failed.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<Records xmlns="urn:yizhan:standard:1">\n')
    assert failed.count(b"<Sequence>0<") == 2
    corrected, _ = taken(intake, failed.replace(b"<Sequence>0<", b"<Sequence>1<"), "standard")
    assert (corrected.accepted, corrected.offered) == (2, 2)


def test_failed_records_on_one_line_are_told_apart_and_keep_their_encoding(intake: Intake) -> None:
    bodies = [body.decode() for body in standard_records(generated(3))]
    joined = "".join([bodies[0], bodies[1].replace("<Sequence>1<", "<Sequence>0<"), bodies[2]])
    data = f'<?xml version="1.0" encoding="GBK"?><Records xmlns="urn:yizhan:standard:1">{joined}</Records>'
    report, failed = taken(intake, data.encode("gb18030"), "standard")
    assert (report.accepted, report.refused) == (2, 1)
    assert failed is not None
    text = failed.decode("gb18030")
    assert text.startswith('<?xml version="1.0" encoding="GB18030"?>\n')
    assert "测试" in text
    assert text.count("<Sequence>0<") == 1
    corrected, _ = taken(intake, text.replace("<Sequence>0<", "<Sequence>1<").encode("gb18030"), "standard")
    assert (corrected.accepted, corrected.offered) == (1, 1)


def test_pieces_that_are_no_records_are_copied_too(intake: Intake) -> None:
    bodies = standard_records(generated(3))
    data = bodies[0] + b"\nrubbish\n" + bodies[1] + b"\n" + bodies[2][:-5]
    report, failed = taken(intake, data, "standard")
    assert (report.accepted, report.refused) == (2, 2)
    assert failed is not None
    assert b"rubbish" in failed
    again, _ = taken(intake, failed, "standard")
    assert [problem.rule for problem in again.problems] == [problem.rule for problem in report.problems]


@pytest.mark.parametrize("data", [b"", b"<!DOCTYPE a>", b'<Records xmlns="urn:x"/>', b"plain text"])
def test_a_document_in_which_no_record_can_be_told_has_no_failed_records(intake: Intake, data: bytes) -> None:
    report, failed = taken(intake, data, "standard")
    assert report.refused == 1
    assert failed is None or failed.count(b"plain text") == 1


def document(records: list[Any], **others: Any) -> str:
    return json.dumps({**others, "records": records}, ensure_ascii=False)


def test_failed_records_of_a_document_stand_in_the_same_document_with_their_problems(intake: Intake) -> None:
    records: list[Any] = [{"type": one.record_type, "content": dict(one.content)} for one in generated(4)]
    records[1]["content"]["Sequence"] = "0"
    records[2] = "no object"
    data = document(records, batch="7").replace('"Sequence": "0"', '"Sequence" : 0.50')
    report, failed = taken(intake, data.encode(), "json")
    assert (report.accepted, report.refused) == (2, 2)
    assert failed is not None
    assert b'"Sequence" : 0.50' in failed, "values stay as they are written"
    told = json.loads(failed)
    assert told["batch"] == "7"
    assert [type(one) for one in told["records"]] == [dict, str]
    assert told["records"][0]["problems"].startswith("不符合标准的模式 schema: ")
    # A second round has one text of problems as well.
    _, second = taken(intake, failed, "json")
    assert second is not None
    assert second.count(b'"problems"') == 1
    right = failed.replace(b"0.50", b"1").replace(b',\n"no object"', b"")
    corrected, none = taken(intake, right, "json")
    assert (corrected.accepted, corrected.offered, none) == (1, 1, None)


@pytest.mark.parametrize(
    "data", [b"[]", b"{}", b'{"records": 7}', b"{", b"\xff", b'{"records": []} x', b'{"records": [1 2]}']
)
def test_a_document_that_is_none_has_no_failed_records(intake: Intake, data: bytes) -> None:
    _, failed = taken(intake, data, "json")
    assert failed is None


def two_sheets(*, wrong: bool) -> Callable[[Any], None]:
    """Two sheets of one type each: titles above, headings in two rows, days as days, a number and a truth value."""
    accepted = [one for one in generated(60) if one.record_type == "Acceptance"][:3]
    concluded = [one for one in generated(60) if one.record_type == "Conclusion"][:2]

    def fill(book: Any) -> None:
        title, day = book.add_format({"bold": True}), book.add_format({"num_format": "yyyy-mm-dd hh:mm"})
        sheet = book.add_worksheet("受理")
        sheet.merge_range(0, 0, 0, 4, "某局受理登记表", title)
        names = [name for name in accepted[0].content if name != "Actor"]
        for column, name in enumerate(names):
            sheet.merge_range(2, column, 3, column, name)
        sheet.merge_range(2, len(names), 2, len(names) + 1, "经办人")
        sheet.write_row(3, len(names), ["姓名", "职务"])
        for row, one in enumerate(accepted, start=4):
            for column, name in enumerate(names):
                value = str(one.content.get(name, ""))
                if name == "EventTime" and not (wrong and row == 5):
                    sheet.write_datetime(row, column, _local(value), day)
                elif name == "EventTime":
                    sheet.write_formula(row, column, "=NOW()")
                elif name in {"StatutoryLimit", "Sequence"}:
                    sheet.write_number(row, column, int(value))
                else:
                    sheet.write_string(row, column, value)
            sheet.write_row(row, len(names), ["测试甲", "科员"])
        other = book.add_worksheet("办结")
        names = list(concluded[0].content)
        other.write_row(0, 0, names)
        for row, one in enumerate(concluded, start=1):
            other.write_row(row, 0, [str(one.content.get(name, "")) for name in names])
        book.add_worksheet("#说明").write_string(0, 0, "不导入")

    return fill


def _local(value: str) -> Any:
    from datetime import datetime  # noqa: PLC0415 - a spreadsheet's moment, without a zone.

    return datetime.fromisoformat(value).replace(tzinfo=None, microsecond=0)


def strings(data: bytes) -> list[list[str]]:
    """Every cell of every sheet as text, read by the reader of rows that the dialect uses."""
    from node.departments.dialects.xlsx_file import SpreadsheetFile  # noqa: PLC0415 - see above.
    from node.departments.dialects.xlsx_sheet import Sheet, plain  # noqa: PLC0415

    with SpreadsheetFile(BytesIO(data)) as file:
        return [
            [part.name, str(row.number), *(plain(cell) for _, cell in sorted(row.cells.items()))]
            for part in file.sheets
            for row in Sheet(file, part).rows()
        ]


def test_the_failed_rows_of_a_spreadsheet_stand_in_its_sheets_below_its_titles(intake: Intake) -> None:
    report, failed = taken(intake, spreadsheet(two_sheets(wrong=True)), "xlsx")
    assert (report.offered, report.refused) == (5, 1)
    assert failed is not None
    rows = strings(failed)
    assert {row[0] for row in rows} == {"受理"}, "a sheet of which nothing was refused is left out"
    assert rows[0][2] == "某局受理登记表"
    assert (rows[1][1], rows[1][2]) == ("3", PROBLEM_HEADING)
    assert [row[1] for row in rows[2:]] == ["4", "5"]
    assert "=NOW()" in rows[3]
    assert rows[3][2].startswith("不符合标准的模式 schema: ")
    assert "sheet 受理" in rows[3][2]
    again, second = taken(intake, failed, "xlsx")
    assert (again.offered, again.refused) == (1, 1)
    assert second is not None
    assert [len(row) for row in strings(second)] == [len(row) for row in rows]


def test_corrected_rows_of_a_spreadsheet_are_what_they_were_but_for_the_correction(intake: Intake) -> None:
    right, wrong = spreadsheet(two_sheets(wrong=False)), spreadsheet(two_sheets(wrong=True))
    _, failed = taken(intake, wrong, "xlsx")
    assert failed is not None
    expected = next(one for one in intake.dialects.read("xlsx", BytesIO(right)) if one.line == 6).content
    (candidate,) = intake.dialects.read("xlsx", BytesIO(failed))
    assert candidate.content is not None
    assert expected is not None
    assert dict(candidate.content) == {name: value for name, value in expected.items() if name != "EventTime"}


def test_what_was_no_value_in_a_spreadsheet_stays_none(intake: Intake) -> None:
    def fill(book: Any) -> None:
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        sheet = book.add_worksheet("收费")
        sheet.write_row(0, 0, ["记录类型", "办件编号", "收费项目", "减免原因", "业务发生时间", "来源系统"])
        sheet.write_formula(1, 1, "=A1", None, "A1")
        sheet.merge_range(2, 1, 2, 3, "横跨")
        sheet.write_formula(3, 1, "=1/0", None, "#DIV/0!")
        sheet.write_number(4, 1, 123456789012345678)
        sheet.write_boolean(5, 3, boolean=True)
        sheet.write_number(5, 4, 45000, day)
        sheet.write_string(6, 7, "表外")
        for row in range(1, 7):
            sheet.write_string(row, 0, "收费")

    report, failed = taken(intake, spreadsheet(fill), "xlsx")
    assert report.refused == report.offered == 6
    assert failed is not None
    again, _ = taken(intake, failed, "xlsx")
    # Every row for its own reason; a cell that was merged, computed or wrong is not taken for what it showed.
    words = ["a formula", "merged cell", "a formula", "more than 15 digits", "without a time", "8 columns"]
    assert [word in problem.text for word, problem in zip(words, report.problems, strict=True)] == [True] * 6
    told = [(one.row, one.rule, one.element) for one in report.problems]
    assert [(one.row, one.rule, one.element) for one in again.problems] == told


def test_a_spreadsheet_of_the_other_day_count_keeps_its_days(intake: Intake) -> None:
    def fill(book: Any) -> None:
        sheet = book.add_worksheet("受理")
        sheet.write_row(0, 0, ["办件编号", "业务发生时间"])
        sheet.write_string(1, 0, "a b")
        sheet.write_datetime(
            1, 1, _local("2026-11-03T09:12:30+08:00"), book.add_format({"num_format": "yyyy-mm-dd hh:mm"})
        )

    _, failed = taken(intake, spreadsheet(fill, date_1904=True), "xlsx")
    assert failed is not None
    (candidate,) = intake.dialects.read("xlsx", BytesIO(failed))
    assert (candidate.content or {})["EventTime"] == "2026-11-03T09:12:30+08:00"


def test_a_table_under_the_name_of_the_spreadsheets_is_written_as_a_table(intake: Intake) -> None:
    report, failed = taken(intake, damaged(table(generated(2)), 1).encode(), "xlsx")
    assert report.refused == 1
    assert failed is not None
    assert failed.startswith(f"\ufeff{PROBLEM_HEADING}".encode())


@pytest.mark.parametrize("data", [b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b""])
def test_a_spreadsheet_that_cannot_be_read_has_no_failed_rows(intake: Intake, data: bytes) -> None:
    report, failed = taken(intake, data, "xlsx")
    assert (report.refused, failed) == (1, None)


def test_the_record_type_that_was_given_beside_a_table_is_given_again(intake: Intake) -> None:
    rows = [one for one in generated(30) if one.record_type == "Application"][:2]
    text = table(rows).replace("RecordType", "#RecordType")
    report, failed = taken(intake, damaged(text, 2).encode(), "csv", record_type="申办")
    assert (report.accepted, report.refused) == (1, 1)
    assert failed is not None
    corrected, _ = taken(
        intake, failed.replace(WRONG.encode(), str(rows[1].content["EventTime"]).encode()), "csv", record_type="申办"
    )
    assert corrected.accepted == 1


@pytest.mark.parametrize(
    ("dialect", "why"), [("exinfo", "earlier row"), ("up", "earlier row"), ("cooperation", "as a whole")]
)
def test_a_dialect_whose_records_mean_nothing_alone_says_why_it_has_no_failed_rows(
    intake: Intake, dialect: str, why: str
) -> None:
    with pytest.raises(UsageError, match="cannot be written") as raised:
        check_writable(Dialects(), dialect)
    assert why in raised.value.why
    assert taken(intake, b"<nothing/>", dialect)[1] is None


def test_nothing_is_made_when_nothing_was_refused_or_it_is_too_large(intake: Intake, tmp_path: Path) -> None:
    assert taken(intake, table(generated(2)).encode(), "csv")[1] is None
    data = damaged(table(generated(3)), 1).encode()
    assert taken(intake, data, "csv", bytes_max=100)[1] is None
    path = tmp_path / "delivered.csv"
    path.write_bytes(data)
    with Failures() as failures:
        intake.accept(intake.dialects.read("csv", BytesIO(data)), source=OPERATOR, dialect="csv", told=failures.add)
        assert failed_rows(intake.dialects, "csv", path, failures) == failed_rows(
            intake.dialects, "csv", data, failures
        )


def test_failures_are_found_by_row_in_whatever_order_they_came() -> None:
    problem = Problem(rule="schema", text="x" * 3000)
    with Failures() as failures:
        for row in (7, 3, 9, None, 1):
            failures.add(Verdict(outcome="refused", record_type="Fee", row=row, problems=(problem,)))
        failures.add(Verdict(outcome="accepted", record_type="Fee", row=5))
        assert failures.count == 5
        assert [row for row in range(1, 11) if failures.of_row(row) is not None] == [1, 3, 7, 9]
        assert [place for place in range(1, 7) if failures.of_piece(place) is not None] == [4]
        assert len(failures.of_row(7) or "") == TEXT_LENGTH_MAX


def test_the_command_line_and_the_doors_offer_the_same_refusals_again(intake: Intake) -> None:
    data = damaged(table(generated(3)), 2).encode()
    _, failed = taken(intake, data, "csv")
    assert failed is not None
    assert offer(intake, failed, "csv").refused == 1
