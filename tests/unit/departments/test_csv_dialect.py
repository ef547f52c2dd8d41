"""The dialect csv: tables as departments export them; a bad row costs itself, a bad head line the file."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import pytest

from node.departments.dialects import csv_table
from node.departments.dialects.csv_mapping import columns_of
from node.departments.dialects.csv_rows import LINE_BYTES_MAX, ROW_LINES_MAX, SAMPLE_BYTES, encoding_of
from node.departments.dialects.csv_table import read_csv
from node.standard.codec import parse_record
from node.standard.compose import content_of
from node.standard.facts import TREE_ZONE
from tests.support.csv_candidates import HEADINGS, ROW, candidates, rows, rules
from tests.support.intake import NODE, generated, offer, table

if TYPE_CHECKING:
    from node.departments.accept import Intake


def test_a_table_of_generated_records_is_accepted_and_says_what_the_records_said(intake: Intake) -> None:
    records = generated(200)
    report = offer(intake, table(records).encode(), "csv")
    assert (report.accepted, report.problems) == (200, [])
    with intake.store.reading() as connection:
        found = intake.journal.stored(connection, intake.stream, 1, 200)
    for one, stored in zip(records, found, strict=True):
        content = content_of(parse_record(stored.body or b""))
        assert content.pop("Channel") == "IMPORT"
        assert content == one.content


def test_headings_and_codes_may_be_chinese(intake: Intake) -> None:
    report = offer(intake, f"{HEADINGS}\n{rows(1)}".encode(), "csv")
    assert report.accepted == 1, report.problems
    with intake.store.reading() as connection:
        (stored,) = intake.journal.stored(connection, intake.stream, 1, 1)
    content = content_of(parse_record(stored.body or b""))
    assert content["ResultCode"] == "GRANT"
    assert content["EventTime"] == "2026-11-03T09:12:00+08:00"
    assert (content["Sequence"], content["DataVersion"]) == ("1", "1")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_encodings_delimiters_and_line_ends_are_found(intake: Intake, encoding: str, delimiter: str, end: str) -> None:
    text = f"{HEADINGS}\n{rows(1, 2)}".replace(",", delimiter).replace("\n", end)
    report = offer(intake, text.encode(encoding), "csv")
    assert report.accepted == 2, report.problems


def test_quoted_cells_may_hold_delimiters_quotes_and_lines(intake: Intake) -> None:
    text = f"{HEADINGS},原因\n" + ROW.format(1) + ',"第一行,\n""第二行"""\n' + ROW.format(2) + ',""\n'
    report = offer(intake, text.encode(), "csv")
    assert report.accepted == 2, report.problems
    with intake.store.reading() as connection:
        stored = intake.journal.stored(connection, intake.stream, 1, 1)[0]
    assert content_of(parse_record(stored.body or b""))["Reason"] == '第一行,\n"第二行"'


def test_a_row_names_its_place_in_rows_and_lines(intake: Intake) -> None:
    text = f"{HEADINGS},原因\n" + ROW.format(1) + ',"a\nb"\n\n' + ROW.format(2).replace("准予,", "也许,") + ",\n"
    (problem,) = offer(intake, text.encode(), "csv").problems
    assert (problem.row, problem.line, problem.element, problem.rule) == (2, 5, "ResultCode", "schema")
    assert "GRANT" in problem.text


def test_the_record_type_may_be_given_with_the_table(intake: Intake) -> None:
    text = f"{HEADINGS}\n{rows(1)}".replace("记录类型,", "").replace("办结,A", "A")
    assert offer(intake, text.encode(), "csv", record_type="办结").accepted == 1
    assert offer(intake, text.encode(), "csv", record_type="Conclusion").repeated == 1


def test_materials_are_written_in_one_cell(intake: Intake) -> None:
    head = HEADINGS.replace("办结结果,结果描述", "补交原因,补交材料清单")
    row = (
        ROW.format(1).replace("办结,", "补正告知,").replace("准予,准予许可", "材料不齐,申请书^纸质^原件^1 | 执照^1^2^3")
    )
    report = offer(intake, f"{head}\n{row}\n".encode(), "csv")
    assert report.accepted == 1, report.problems
    with intake.store.reading() as connection:
        (stored,) = intake.journal.stored(connection, intake.stream, 1, 1)
    assert content_of(parse_record(stored.body or b""))["MaterialItem"] == [
        {"MaterialName": "申请书", "MediaType": "0", "CopyKind": "0", "Count": "1"},
        {"MaterialName": "执照", "MediaType": "1", "CopyKind": "2", "Count": "3"},
    ]


def test_a_material_with_too_many_parts_is_refused() -> None:
    head = HEADINGS.replace("办结结果,结果描述", "补交原因,补交材料清单")
    row = ROW.format(1).replace("办结,", "补交告知,").replace("准予,准予许可", "材料不齐,申请书^0^0^1^5")
    (one,) = candidates(f"{head}\n{row}\n")
    assert (one.problems[0].element, one.problems[0].rule) == ("MaterialItem", "schema")


def test_columns_are_left_out_on_purpose_only() -> None:
    assert rules(f"{HEADINGS},#备注,\n" + ROW.format(1) + ",随便,\n") == [None]
    (one,) = candidates(f"{HEADINGS},备注栏\n" + ROW.format(1) + ",随便\n")
    assert one.problems[0].rule == "headings"
    assert "备注栏" in one.problems[0].text


def test_channel_and_salt_of_a_table_are_not_taken() -> None:
    (one,) = candidates(f"{HEADINGS},Channel,Salt\n" + ROW.format(1) + ",API,x\n")
    assert not {"Channel", "Salt"} & set(one.content or {})


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "empty"),
        ("\r\n \n", "empty"),
        ("\ufeff", "empty"),
        (f"{HEADINGS}\n", "empty"),
        ("姓名,电话\na,b\n", "headings"),
        (rows(1), "headings"),
        (f"{HEADINGS},办结结果\n{rows(1)}", "headings"),
        (f"{HEADINGS},ResultCode\n{rows(1)}", "headings"),
        (HEADINGS.replace("记录类型,", "") + "\n", "headings"),
        ('记录类型,"办件编号\n' + rows(1), "headings"),
        (b"\xff\xfeC\0a\0", "not-text"),
        (b"CaseNo,Sequence\n\0\0\0\n", "not-text"),
        (bytes(2_000_000), "not-text"),
        (b"a" * 2_000_000, "not-text"),
        (b"PK\x03\x04rest of a spreadsheet", "not-text"),
        (b"<Records/>", "not-text"),
        (",".join(f"#{number}" for number in range(500)) + ",办件编号,记录类型\n", "headings"),
    ],
)
def test_what_is_no_table_is_refused_as_a_whole(text: str | bytes, rule: str) -> None:
    (one,) = candidates(text)
    assert one.problems[0].rule == rule
    assert one.problems[0].line == 1


def test_a_wrong_record_type_given_with_the_table_is_named() -> None:
    (one,) = candidates(f"{HEADINGS}\n{rows(1)}", record_type="Letter")
    assert one.problems[0].text == "Letter is not a record type"


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        (ROW.format(2).replace("测试局,", ""), "columns"),
        (ROW.format(2).replace("测试局", "测,试局"), "columns"),
        (ROW.format(2).replace("办结,", "信访,", 1), "record-type"),
        (ROW.format(2).replace("办结,", ",", 1), "record-type"),
        (ROW.format(2).replace("2026-11-03 09:12", "昨天"), "schema"),
        (ROW.format(2).replace("2026-11-03 09:12", "2026-11-03"), "schema"),
        (ROW.format(2).replace("测试局", '"测试局'), "quotes"),
        (ROW.format(2).replace("测试局", '测"试"局"x"'), None),
        (ROW.format(2).replace("测试局", '"测试"局'), "quotes"),
        ("x" * (LINE_BYTES_MAX + 10), "quotes"),
    ],
)
def test_a_row_that_cannot_be_read_costs_itself_only(row: str, rule: str | None) -> None:
    assert rules(f"{HEADINGS}\n{rows(1)}{row}\n{rows(3)}") == [None, rule, None]


def test_a_quote_that_never_closes_does_not_swallow_the_rest() -> None:
    many = rows(*range(2 * ROW_LINES_MAX))
    text = f"{HEADINGS}\n" + ROW.format(0).replace("测试局", '"测试局') + "\n" + many
    assert rules(text) == ["quotes"] + [None] * (2 * ROW_LINES_MAX)


def test_a_quote_before_an_endless_line_does_not_swallow_it() -> None:
    text = f"{HEADINGS}\n" + ROW.format(0).replace("测试局", '"测试局') + "\n" + "y" * (LINE_BYTES_MAX + 9) + "\n"
    assert rules(text + rows(1)) == ["quotes", "quotes", None]


def test_shifted_columns_are_named_as_what_they_look_like(intake: Intake) -> None:
    shifted = "办结,369902,91350100M000100Y43,测试局,XK1,2026-11-03 09:12,2026-11-03 09:12,准予许可,测试甲,"
    report = offer(intake, f"{HEADINGS}\n{rows(1)}{shifted}\n".encode(), "csv")
    assert (report.accepted, report.refused) == (1, 1)
    assert report.problems[0].rule == "shifted"
    assert {problem.row for problem in report.problems} == {2}


@pytest.mark.parametrize("cut", [1, 8, 40])
def test_a_half_written_table_gives_its_whole_rows_and_says_so(cut: int) -> None:
    assert rules(f"{HEADINGS}\n{rows(1, 2)}"[:-cut]) == [None, "half-written"]


def test_a_half_written_quoted_cell_is_refused() -> None:
    assert rules(f"{HEADINGS}\n{rows(1)}" + ROW.format(2).replace("测试局", '"测试')) == [None, "half-written"]


def test_a_cell_in_a_column_of_another_type_is_a_problem() -> None:
    text = f"{HEADINGS},受理状态\n" + ROW.format(1) + ",\n" + ROW.format(2) + ",1\n"
    first, second = candidates(text)
    assert first.problems == ()
    assert (second.problems[0].rule, second.problems[0].element) == ("column", "受理状态")


def test_one_damaged_line_does_not_turn_a_utf8_file_into_nonsense(intake: Intake) -> None:
    data = f"{HEADINGS}\n{rows(1, 2, 3)}".encode().replace("测试局".encode(), b"\xb2\xe2\xff", 1)
    report = offer(intake, data, "csv")
    assert [verdict.outcome for verdict in report.verdicts] == ["refused", "accepted", "accepted"]
    assert report.problems[0].rule == "not-utf8"


def test_headings_in_another_encoding_than_the_rows_are_named_so(intake: Intake) -> None:
    rows = "".join(f"Application,测试{number}\n" for number in range(3))
    report = offer(intake, "RecordType,办件编号\n".encode("gb18030") + rows.encode(), "csv")
    assert (report.refused, [(one.rule, one.line) for one in report.problems]) == (1, [("not-utf8", 1)])


def test_a_file_with_ascii_headings_and_rows_in_gb18030_is_read_as_gb18030() -> None:
    data = b"RecordType,CaseNo,OrgName\n" + "办结,A1,测试局\n办结,A2,甲乙丙丁\n".encode("gb18030")
    first, second = candidates(data)
    assert (first.content or {})["OrgName"] == "测试局"
    assert (second.content or {})["OrgName"] == "甲乙丙丁"


def test_a_table_larger_than_the_sample_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_table, "SAMPLE_BYTES", 4000)
    count = 100
    found = candidates(f"{HEADINGS}\n{rows(*range(count))}")
    assert len(found) == count
    assert all(not one.problems for one in found)
    assert [one.line for one in found] == list(range(2, count + 2))


def test_the_sample_may_end_in_the_middle_of_a_character() -> None:
    sample = ("测" * SAMPLE_BYTES).encode()[: SAMPLE_BYTES - 1]
    assert encoding_of(b"a\n" + sample[:-1]) == "utf-8"


def test_what_is_kept_of_a_refused_row_is_a_table_of_that_row(intake: Intake) -> None:
    text = f"{HEADINGS}\r\n" + ROW.format(1).replace("准予,", "也许,") + "\r\n" + rows(2)
    bad = candidates(text.encode("gb18030"))[0]
    assert bad.kept().decode() == f"{HEADINGS}\r\n" + ROW.format(1).replace("准予,", "也许,") + "\r\n"
    assert offer(intake, bad.kept().replace("也许".encode(), "准予".encode()), "csv").accepted == 1


def test_nested_columns_have_names_with_slashes_or_dots_in_both_languages() -> None:
    columns = columns_of("Application", TREE_ZONE)
    for heading in ("Actor/Name", "Actor.Name", "经办人/姓名"):
        assert columns[heading].path == ("Actor", "Name")
    assert columns["办件流水号"].path == ("CaseNo",)


def test_the_parts_of_an_actor_stand_in_columns_of_their_own(intake: Intake) -> None:
    text = f"{HEADINGS},经办人/姓名,Actor.Role\n" + ROW.format(1) + ",测试甲,科长\n" + ROW.format(2) + ",,\n"
    report = offer(intake, text.encode(), "csv")
    assert report.accepted == 2, report.problems
    with intake.store.reading() as connection:
        stored = intake.journal.stored(connection, intake.stream, 1, 2)
    contents = [content_of(parse_record(one.body or b"")) for one in stored]
    assert [content.get("Actor") for content in contents] == [{"Name": "测试甲", "Role": "科长"}, None]


def test_one_column_serves_several_types_that_call_the_element_by_other_names() -> None:
    head = HEADINGS.replace("办结结果,结果描述", "环节代码,环节名称,审批意见,环节状态,业务动作")
    row = ROW.format(1).replace("办结,", "审批环节,").replace("准予,准予许可", "审核,审核,同意,已办,通过")
    (one,) = candidates(f"{head}\n{row}\n")
    assert (one.content or {})["HandleUserName"] == "测试甲"
    assert (one.content or {})["StepCode"] == "2"


def test_what_is_no_record_type_is_quoted_only_where_it_cannot_be_a_person() -> None:
    data = "RecordType,CaseNo\nFees,1\n测试乙,1\n110105194912310021,1\n"
    texts = [one.problems[0].text for one in read_csv(BytesIO(data.encode()))]
    assert texts == ["'Fees' is not a record type", *["this cell is not a record type"] * 2]


def test_divisions_come_from_the_county_only(intake: Intake) -> None:
    text = f"{HEADINGS}\n{rows(1)}".replace(NODE, "360102")
    assert offer(intake, text.encode(), "csv").problems[0].rule == "no-authority"


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "empty"),
        (f"{HEADINGS}\n", "empty"),
        (f"{HEADINGS},办件编号\n{rows(1)[:-1]},A1\n", "headings"),
        (f"{HEADINGS},case_code\n{rows(1)[:-1]},A1\n", "headings"),
        (f"{HEADINGS}\n{rows(1)[:-1]},extra\n", "columns"),
        (f"{HEADINGS}\n{rows(1).replace('测试局,', '', 1)}", "columns"),
        (f"{HEADINGS.replace('办件编号', '#')}\n{rows(1)}", None),
    ],
)
def test_tables_that_are_wrong_are_told_with_their_rule(text: str, rule: str | None) -> None:
    assert rules(text) == [rule]


def test_a_missing_key_is_told(intake: Intake) -> None:
    report = offer(intake, f"{HEADINGS.replace('办件编号', '#')}\n{rows(1)}".encode(), "csv")
    assert report.refused == 1
    assert "CaseNo" in report.problems[0].text
