"""The dialect ``up``: rows of the national exchange tables become records, in JSON, XML and text, and go out again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest

from node.demo.catalogue import items_of
from node.demo.generator import generate_month
from node.demo.writers import item_file, organisation_file
from node.departments.dialects import BUILT_IN, DialectOptions, read, recognise
from node.departments.dialects.mapped import write_mapped
from node.departments.dialects.mapping_loading import built_in_mapping
from node.departments.prepare import content_of_candidate
from node.standard.examples import example_content
from node.web.reference.samples import first_case, sample_delivery
from tests.support.intake import NODE, intake_on, offer
from tests.support.national import ACCEPT, CASE, RESULT, STEP
from tests.support.round_trips import by_key, came_back, carried, expected

if TYPE_CHECKING:
    from pathlib import Path

    from node.departments.candidates import Candidate
    from node.journal.store import Store

UP = built_in_mapping("up")


@dataclass(frozen=True)
class Out:
    record_type: str
    content: dict[str, Any]


def taken(tables: dict[str, list[dict[str, Any]]] | bytes, dialect: str = "up", *, table: str = "") -> list[Candidate]:
    data = tables if isinstance(tables, bytes) else json.dumps(tables, ensure_ascii=False).encode()
    return list(read(dialect, BytesIO(data), DialectOptions(system="platform", table=table)))


def one(table: str, row: dict[str, Any], dialect: str = "up") -> Candidate:
    """Return the last record of a delivery of an acceptance and a row of ``table``."""
    return taken({"up_pro_accept": [ACCEPT], table: [row]}, dialect)[-1]


@pytest.mark.parametrize(
    ("begin", "dialect"),
    [
        (b'{"up_pro_accept": [', "up"),
        (b'{ "table": "up_pro_result", "rows"', "up"),
        (b"#table up_pro_accept\nproject_no", "up"),
        (b"<tables>", "up"),
        (b'{"EX_GDBS_SB": [', "exinfo"),
        (b"#table EX_GDBS_SB\n", "exinfo"),
        (b'{"records": [', "json"),
        (b'{"table": "other"', "json"),
        (b"#table other\n", "csv"),
        (b'{"\xff', "json"),
    ],
)
def test_a_file_is_known_by_the_table_that_it_names(begin: bytes, dialect: str) -> None:
    assert recognise("x", begin) == dialect


def test_one_row_is_an_application_and_an_acceptance() -> None:
    application, acceptance = taken({"up_pro_accept": [ACCEPT]})
    assert (application.problems, acceptance.problems) == ((), ())
    assert (application.record_type, acceptance.record_type) == ("Application", "Acceptance")
    assert (application.content or {})["EventTime"] == "2026-10-08T10:52:17+08:00"
    assert (acceptance.content or {})["EventTime"] == "2026-10-08T15:00:00+08:00"
    assert (acceptance.content or {})["AcceptanceState"] == "1"
    only_applied = {**ACCEPT, "accept_date": None}
    assert [found.record_type for found in taken({"up_pro_accept": [only_applied]})] == ["Application"]
    neither = {**ACCEPT, "accept_date": "", "apply_date": ""}
    assert [problem.rule for found in taken({"up_pro_accept": [neither]}) for problem in found.problems] == [
        "condition"
    ]


def test_a_step_takes_its_department_from_the_case() -> None:
    step = one("up_pro_process", STEP)
    found = step.content or {}
    assert (found["StepCode"], found["Action"], "StepState" in found) == ("1", "PASS", False)
    assert (found["OrgName"], found["DivisionCode"]) == ("测试区城市管理局", "369902")
    (alone,) = taken({"up_pro_process": [STEP]})
    assert "OrgCode" not in (alone.content or {})


def test_steps_are_told_apart_by_their_own_keys() -> None:
    numbers = [
        (one("up_pro_process", {**STEP, **more}).content or {}).get("Sequence")
        for more in ({}, {"row_guid": "2"}, {"sequence": 2}, {"row_guid": ""})
    ]
    assert len(set(numbers)) == 4
    assert numbers[2:] == ["2", None]


def test_a_special_procedure_is_a_start_and_when_it_has_ended_an_end() -> None:
    row = {
        "project_no": CASE,
        "row_guid": "7",
        "special_type": "2",
        "special_name": "听证",
        "special_time": "2026-10-10 9:00:00",
        "special_reason": "依法听证",
        "handle_user": "测试局长",
    }
    _, _, start = taken({"up_pro_accept": [ACCEPT], "up_pro_special_procedure": [row]})
    assert start.record_type == "SpecialProcedureStart"
    assert (start.content or {})["Approver"] == "测试局长"
    ended = {**row, "end_time": "2026-10-15 9:00:00", "result": "听证结束"}
    *_, start, end = taken({"up_pro_accept": [ACCEPT], "up_pro_special_procedure": [ended]})
    assert (start.record_type, end.record_type) == ("SpecialProcedureStart", "SpecialProcedureEnd")
    assert (start.content or {})["Sequence"] == (end.content or {})["Sequence"]


@pytest.mark.parametrize(
    ("get_type", "media", "kind"), [("1", "0", None), ("2", "1", "2"), ("3", "1", "2"), ("4", "1", "2")]
)
def test_how_a_material_came_says_what_it_is(get_type: str, media: str, kind: str | None) -> None:
    row = {"project_no": CASE, "material_name": "申请书", "get_type": get_type, "cd_time": "2026-10-08 16:00:00"}
    found = one("up_pro_material", row).content or {}
    assert (found["MediaType"], found.get("CopyKind"), "Count" in found) == (media, kind, False)
    refused = one("up_pro_material", {**row, "get_type": "9"})
    assert [problem.rule for problem in refused.problems] == ["condition"]


def test_what_the_tables_do_not_say_is_left_out(memory: Store) -> None:
    special = {
        "project_no": CASE,
        "row_guid": "7",
        "special_type": "2",
        "special_time": "2026-10-10 9:00:00",
        "special_reason": "依法听证",
        "end_time": "2026-10-15 9:00:00",
    }
    empty = {"accept_doc_no", "handle_user_name", "project_type"}
    accepted = {name: value for name, value in ACCEPT.items() if name not in empty}
    result = {name: value for name, value in RESULT.items() if name != "result_explain"}
    step = {name: value for name, value in STEP.items() if name != "event_name"}
    tables = {
        "up_pro_accept": [accepted],
        "up_pro_process": [step],
        "up_pro_special_procedure": [special],
        "up_pro_result": [result],
    }
    report = offer(intake_on(memory), json.dumps(tables, ensure_ascii=False).encode(), "up")
    assert (report.accepted, report.problems) == (6, [])
    given = {one.record_type: dict(one.content or {}) for one in taken(tables)}
    left_out = {
        "Application": {"ProjectType"},
        "Acceptance": {"AcceptDocNo", "HandleUserName", "ProjectType"},
        "ReviewStep": {"StepState", "Action"},
        "SpecialProcedureStart": {"KindName", "Approver", "Limit", "LimitUnit"},
        "SpecialProcedureEnd": {"Outcome"},
        "Conclusion": {"ResultText", "HandleUserName"},
    }
    assert [name for name, unsaid in left_out.items() if unsaid & given[name].keys()] == []


@pytest.mark.parametrize(
    ("column", "element"), [("anticipate_type", "StatutoryLimitUnit"), ("anticipate_day", "StatutoryLimit")]
)
def test_an_acceptance_that_makes_no_sense_without_a_value_is_refused(memory: Store, column: str, element: str) -> None:
    tables = {"up_pro_accept": [{**ACCEPT, column: ""}]}
    report = offer(intake_on(memory), json.dumps(tables, ensure_ascii=False).encode(), "up")
    assert (report.accepted, report.refused) == (1, 1)
    assert f"{element} )" in report.problems[0].text


# ---- codes


@pytest.mark.parametrize(
    ("table", "column", "code", "dialect", "element", "meant"),
    [
        ("up_pro_result", "result_type", "0", "up", "ResultCode", "GRANT"),
        ("up_pro_result", "result_type", "1", "up@shandong", "ResultCode", "DENY"),
        ("up_pro_result", "result_type", "1", "up@guangdong", "ResultCode", "RETURN"),
        ("up_pro_result", "result_type", "6", "up@shandong", "ResultCode", "REFUSE"),
        ("up_pro_accept", "project_type", "1", "up", "ProjectType", "1"),
        ("up_pro_accept", "project_type", "1", "up@hunan", "ProjectType", "2"),
        ("up_pro_accept", "project_type", "4", "up@shandong", "ProjectType", "9"),
        ("up_pro_accept", "anticipate_type", "2", "up", "StatutoryLimitUnit", "Z"),
    ],
)
def test_codes_mean_what_the_variant_says(
    table: str, column: str, code: str, dialect: str, element: str, meant: str
) -> None:
    base = ACCEPT if table == "up_pro_accept" else RESULT
    units = {"anticipate_type": "1"} if dialect == "up@shandong" and base is ACCEPT else {}
    found = taken({table: [{**base, **units, column: code}]}, dialect)[-1]
    assert found.problems == ()
    assert (found.content or {})[element] == meant


@pytest.mark.parametrize(
    ("table", "column", "code", "said"),
    [
        ("up_pro_result", "result_type", "1", "shandong: DENY"),
        ("up_pro_result", "result_type", "6", "icity-licence: GRANT"),
        ("up_pro_accept", "apply_type", "8", "shandong: no counterpart"),
    ],
)
def test_a_code_that_provinces_use_for_different_things_is_refused(
    table: str, column: str, code: str, said: str
) -> None:
    base = ACCEPT if table == "up_pro_accept" else RESULT
    (problem,) = [problem for found in taken({table: [{**base, column: code}]}) for problem in found.problems]
    assert problem.rule == "code"
    assert said in problem.text
    assert "name the variant behind @" in problem.text


# ---- bad input


@pytest.mark.parametrize(
    ("table", "changed", "rule", "said"),
    [
        ("up_pro_delete", {}, "table", "has no table up_pro_delete"),
        ("up_pro_result", {"project_no": None}, "key", "the column project_no is empty"),
        ("up_pro_result", {"colour": "red"}, "column", "unknown columns of up_pro_result: colour"),
        ("up_pro_result", {"PROJECT_NO": CASE}, "doubled", "project_no stands twice"),
        ("up_pro_result", {"result_date": "２０２６-10-19 14:10:10"}, "schema", "full-width digits"),
        ("up_pro_result", {"result_date": "2026-10-19 24:00:00"}, "schema", "24:00 is no time of a day"),
        ("up_pro_result", {"result_date": "2026-02-30 14:10:10"}, "schema", "there is no day 02-30 in 2026"),
        ("up_pro_result", {"result_date": "2026-10-19"}, "schema", "this is not a time in the form"),
        ("up_pro_result", {"result_explain": "=A1"}, "schema", "a formula stands where a value should be"),
        ("up_pro_result", {"result_type": "99"}, "code", "the code 99 is not one of"),
        ("up_pro_result", {"cd_operation": "D"}, "condition", "the column cd_operation holds D"),
        ("up_pro_result", {"result_explain": ["a"]}, "schema", "a column holds a list or an object"),
    ],
)
def test_bad_input_is_refused_clearly(table: str, changed: dict[str, Any], rule: str, said: str) -> None:
    (refused,) = taken({table: [{**RESULT, **changed}]})
    assert refused.problems[0].rule == rule
    assert said in refused.problems[0].text


def test_two_forms_of_times_in_one_delivery_are_refused() -> None:
    rows = [RESULT, {**RESULT, "project_no": "N2", "result_date": "2026/10/19 14:10"}]
    first, second = taken({"up_pro_result": rows})
    assert first.problems == ()
    assert "earlier rows of this delivery have YYYY-M-D h:mm:ss[.f]" in second.problems[0].text


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"", "empty"),
        (b"{}", "empty"),
        (b"<tables></tables>", "empty"),
        ('{"up_pro_result": [{"project_no": "甲"}]}'.encode("gb18030"), "not-text"),
        (b"#table up_pro_result\nproject_no,project_no\n1,2\n", "headings"),
        (b"#table up_pro_result\nproject_no,colour\n1,2\n", "headings"),
        (b"#table up_pro_result\nproject_no,result_type\n1,2,3\n", "columns"),
        (b"#table up_other\nproject_no\n1\n", "table"),
        (b"<!DOCTYPE a><tables/>", "forbidden"),
    ],
)
def test_what_is_no_delivery_is_refused(data: bytes, rule: str) -> None:
    assert [problem.rule for found in taken(data) for problem in found.problems] == [rule]


# ---- there and back


@pytest.mark.parametrize("variant", ["guangdong", "icity", "shandong"])
@pytest.mark.parametrize("form", ["xml", "json"])
def test_a_month_goes_out_and_comes_back(variant: str, form: str) -> None:
    month = generate_month(items_of(NODE, "测试区"), cases=150, seed="up")
    sent = (found for found in month.records if found.valid)
    # Shandong's way of handing in at a helper's does not go out.
    records = [found for found in carried(UP, sent) if variant != "shandong" or found.content.get("ApplyType") != "11"]
    options = DialectOptions(variant=variant)
    data = write_mapped(UP, records, options, form=form)
    back = came_back(BUILT_IN["up"].reads(BytesIO(data), options))
    assert by_key(back) == by_key((found.record_type, expected(UP, found, variant)) for found in records)


def test_each_table_goes_out_as_text_and_comes_back() -> None:
    month = generate_month(items_of(NODE, "测试区"), cases=80, seed="text")
    options = DialectOptions(variant="guangdong")
    for types in (
        {"Application", "Acceptance"},
        {"ReviewStep"},
        {"Conclusion"},
        {"SpecialProcedureStart", "SpecialProcedureEnd"},
    ):
        records = [found for found in month.records if found.valid and found.record_type in types]
        data = write_mapped(UP, records, options, form="csv")
        back = came_back(BUILT_IN["up"].reads(BytesIO(data), options))
        assert by_key(back) == by_key((found.record_type, expected(UP, found, "guangdong")) for found in records)


@pytest.mark.parametrize("record_type", ["Certificate", "Material", "Item", "Organisation"])
@pytest.mark.parametrize("form", ["xml", "json", "csv"])
def test_other_records_go_out_and_come_back(record_type: str, form: str) -> None:
    content = example_content(record_type, full=True)
    content.pop("Channel", None)
    if record_type == "Item":
        content["RecordKey"] = f"item:{content['TaskCode']}:{content['TaskVersion']}"
    if record_type == "Organisation":
        content["RecordKey"] = f"organisation:{content['OrgCode']}"
    content.pop("OrigCaseNo", None)
    record = Out(record_type, content)
    data = write_mapped(UP, [record], DialectOptions(), form=form)
    ((name, back),) = came_back(BUILT_IN["up"].reads(BytesIO(data), DialectOptions()))
    assert (name, back) == (record_type, expected(UP, record, ""))


def test_the_catalogue_of_the_demonstration_goes_out_and_comes_back(tmp_path: Path) -> None:
    items = items_of(NODE, "测试区")
    for path in (item_file(tmp_path, items), organisation_file(tmp_path, items)):
        records = [
            Out(found.record_type, content_of_candidate(found))
            for found in read("standard", BytesIO(path.read_bytes()))
        ]
        data = write_mapped(UP, records, DialectOptions())
        back = came_back(BUILT_IN["up"].reads(BytesIO(data), DialectOptions()))
        assert back == [(found.record_type, expected(UP, found, "")) for found in records]


def test_every_element_that_is_listed_as_lost_is_lost_and_no_other() -> None:
    for table in UP.tables.values():
        for record in table.records:
            lost = set(UP.not_carried(record.record_type))
            assert not lost & {"/".join(element.path) for element in record.elements}


# ---- through intake


def test_a_month_is_accepted_and_a_changed_row_is_the_next_version(memory: Store) -> None:
    intake = intake_on(memory)
    month = generate_month(items_of(NODE, "测试区"), cases=12, seed="intake")
    records = carried(UP, (found for found in month.records if found.valid))
    data = write_mapped(UP, records, DialectOptions(variant="guangdong"))
    report = offer(intake, data, "up@guangdong")
    assert (report.accepted, report.refused) == (len(records), 0)
    assert offer(intake, data, "up@guangdong").repeated == len(records)
    tables = json.loads(data)
    tables["up_pro_result"][0]["result_explain"] = "更正说明"
    again = offer(intake, json.dumps(tables).encode(), "up@guangdong")
    assert (again.accepted, again.repeated) == (1, len(records) - 1)


def test_the_sample_for_vendors_leaves_out_what_the_tables_do_not_hold() -> None:
    case = first_case()
    sample = BytesIO(sample_delivery("up@shandong", case))
    back = came_back(BUILT_IN["up"].reads(sample, DialectOptions(variant="shandong")))
    held = [one.record_type for one in case if one.record_type != "Collection"]
    assert sorted(name for name, _ in back) == sorted(held)
