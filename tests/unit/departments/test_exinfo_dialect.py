"""The dialect ``exinfo``: Guangdong's messages become records, go out again, and are refused where not sure."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest

from node.demo.catalogue import items_of
from node.demo.generator import generate_month
from node.departments.dialects import BUILT_IN, DialectOptions, read, recognise
from node.departments.dialects.mapped import write_mapped
from node.departments.dialects.mapping_loading import built_in_mapping
from node.departments.refused import list_refused, offer_refused
from node.errors import UsageError
from node.web.reference.samples import Sample
from tests.support.intake import NODE, intake_on, offer
from tests.support.round_trips import by_key, came_back, carried, expected

if TYPE_CHECKING:
    from node.departments.candidates import Candidate
    from node.journal.store import Store

EXINFO = built_in_mapping("exinfo")
CASE = "36990211369902GE0000032FXK001320012026100800035K"
STEP = {
    "SBLSH": CASE,
    "SXBM": "XK0013200111369902GE0000032F",
    "XZQHDM": "369902",
    "SPBMZZJGDM": "11369902GE0000032F",
    "SPBMMC": "测试区城市管理局",
    "SPBZH": "1",
    "SPHJDM": "1",
    "SPHJMC": "承办",
    "SPRXM": "测试承办员一",
    "SPYJ": "同意",
    "SPHJZTDM": "2",
    "SPSJ": "2026-10-9 14:10:10",
}
RESULT = {
    "SBLSH": CASE,
    "SXBM": "XK0013200111369902GE0000032F",
    "XZQHDM": "369902",
    "BJBMZZJDDM": "11369902GE0000032F",
    "BJBMMC": "测试区城市管理局",
    "BJJGDM": "0",
    "BJJGMS": "准予许可",
    "BLRXM": "测试承办员二",
    "BJSJ": "2026-10-19 14:10:10",
}


def message(process: str, fields: dict[str, str]) -> str:
    cells = "".join(f'<Field FieldName="{name}">{text}</Field>' for name, text in fields.items())
    return f'<standardInfo process="{process}">{cells}</standardInfo>'


def delivery(*messages: str) -> bytes:
    return f"<?xml version='1.0' encoding='utf-8'?>\n<ExInfo>{''.join(messages)}</ExInfo>".encode()


def taken(data: bytes, dialect: str = "exinfo") -> list[Candidate]:
    return list(read(dialect, BytesIO(data), DialectOptions(system="land")))


def content(process: str, fields: dict[str, str], dialect: str = "exinfo") -> dict[str, Any]:
    (candidate,) = taken(delivery(message(process, fields)), dialect)
    assert candidate.problems == ()
    return dict(candidate.content or {})


def test_the_file_is_known_by_its_root() -> None:
    assert recognise("x.xml", delivery()) == "exinfo"
    assert recognise("x.xml", b"<ExInfo>") == "exinfo"
    assert recognise("x.xml", b"<Records>") == "standard"


@pytest.mark.parametrize("name", ["EX_GDBS_SP", "EX_GDBS_SPCL", "ex_gdbs_sp"])
def test_a_step_comes_under_either_name(name: str) -> None:
    found = content(name, STEP)
    assert found["EventTime"] == found["EventEndTime"] == "2026-10-09T14:10:10+08:00"
    assert (found["StepCode"], found["Sequence"], "Action" in found) == ("1", "1", False)


def test_node_ids_of_steps_are_codes_of_steps() -> None:
    assert content("EX_GDBS_SP", {**STEP, "SPHJDM": "0002"})["StepCode"] == "2"


@pytest.mark.parametrize(
    ("process", "fields", "element", "value"),
    [
        ("EX_GDBS_SL", {"SLZTDM": "2", "BSLYY": "材料不齐"}, "AcceptanceState", "2"),
        ("EX_GDBS_SL", {"SLZTDM": "4", "BSLYY": "材料不齐"}, "AcceptanceState", "2"),
        ("EX_GDBS_SL", {"SLZTDM": "1", "VERSION": "3"}, "DataVersion", "3"),
    ],
)
def test_codes_of_an_acceptance(process: str, fields: dict[str, str], element: str, value: str) -> None:
    base = {"SBLSH": CASE, "SXBM": "X1", "XZQHDM": "369902", "SLBMMC": "测试局", "SLBMZZJGDM": "11369902GE0000032F"}
    more = {"SLSJ": "2026/10/8 9:00:00", "SLHZH": "S1", "BLRXM": "甲", "GDBLSX": "20", "GDBLSXDDW": "G"}
    assert content(process, {**base, **more, **fields})[element] == value


def test_a_pre_acceptance_that_asks_for_materials_is_a_notice(memory: Store) -> None:
    asked = {
        "SBLSH": CASE,
        "SXBM": "XK0013200111369902GE0000032F",
        "XZQHDM": "369902",
        "YSLBMZZJGDM": "11369902GE0000032F",
        "YSLBMMC": "测试区城市管理局",
        "YSLSJ": "2026-10-8 14:00:00",
        "YSLZTDM": "3",
        "BJBZSM": "请补交营业执照",
        "BLRXM": "测试承办员一",
    }
    (notice,) = taken(delivery(message("EX_GDBS_WSYSL", asked)))
    assert (notice.record_type, (notice.content or {})["Reason"]) == ("SupplementNotice", "请补交营业执照")
    assert offer(intake_on(memory), delivery(message("EX_GDBS_WSYSL", asked)), "exinfo").accepted == 1
    (passed,) = taken(delivery(message("EX_GDBS_WSYSL", {**asked, "YSLZTDM": "1"})))
    assert (passed.record_type, (passed.content or {})["PreAcceptanceState"]) == ("PreAcceptance", "1")
    (unknown,) = taken(delivery(message("EX_GDBS_WSYSL", {**asked, "YSLZTDM": "7"})))
    assert [problem.rule for problem in unknown.problems] == ["condition"]
    assert "SupplementNotice when YSLZTDM is one of 3" in unknown.problems[0].text


def test_an_acceptance_that_asks_for_materials_is_a_notice_and_goes_out_as_one() -> None:
    asked = {"SBLSH": CASE, "SLZTDM": "3", "SLSJ": "2026-10-8 14:00:00", "BSLYY": "缺营业执照", "BLRXM": "测试承办员一"}
    (notice,) = taken(delivery(message("EX_GDBS_SL", asked)))
    assert (notice.record_type, (notice.content or {})["Reason"]) == ("SupplementNotice", "缺营业执照")
    writes = BUILT_IN["exinfo"].writes
    assert writes is not None
    written = writes([Sample(record_type="SupplementNotice", content=dict(notice.content or {}))], DialectOptions())
    assert b'process="EX_GDBS_BJGZ"' in written
    (back,) = taken(written)
    assert (back.record_type, back.content) == (notice.record_type, notice.content)


def test_a_later_message_takes_the_department_from_an_earlier_one() -> None:
    special = {
        "SBLSH": CASE,
        "XH": "1",
        "TBCXZL": "A",
        "TBCXKSRQ": "2026-10-10 9:00:00",
        "TBCXPZR": "测试局长",
        "TBCXQDLY": "案情复杂",
        "TBCXSX": "10",
        "TBCXSXDW": "G",
    }
    _, start = taken(delivery(message("EX_GDBS_SP", STEP), message("EX_GDBS_TBCXSQ", special)))
    found = start.content or {}
    assert (found["Kind"], "KindName" in found) == ("1", False)
    assert (found["OrgCode"], found["OrgName"]) == ("11369902GE0000032F", "测试区城市管理局")
    assert (found["TaskCode"], found["DivisionCode"]) == ("XK0013200111369902GE0000032F", "369902")
    (alone,) = taken(start.kept())
    assert alone.content == start.content


def test_materials_are_records_of_their_own() -> None:
    fields = {"SBLSH": CASE, "SEQ": "4711", "CLMC": "申请书", "WJLX": "1", "CLLX": "2", "CLSL": "1"}
    found = content("EX_GDBS_SBCL", {**fields, "INSERTTIME": "2026-10-8 9:00:00.0", "ATTACH_NAME": "申请书.pdf"})
    assert (found["MaterialName"], found["AttachmentName"]) == ("申请书", "申请书.pdf")
    assert found["EventTime"] == "2026-10-08T09:00:00+08:00"
    assert found["Sequence"] != "1"


def test_what_a_message_does_not_say_is_left_out(memory: Store) -> None:
    applied = {
        "SBLSH": CASE,
        "SXBM": "XK0013200111369902GE0000032F",
        "XZQHDM": "369902",
        "SLBMZZJGDM": "11369902GE0000032F",
        "SLBMMC": "测试区城市管理局",
        "SBSJ": "2026-10-8 10:52:17",
        "SXMC": "占用、挖掘城市道路审批",
        "TJFS": "1",
        "SQRLX": "2",
        "SQRMC": "生成测试戊戌物流有限公司",
        "SQRZJLX": "001",
        "SQRZJHM": "91999999GE00335476",
        "SBCLQD": "申请书|营业执照^1",
    }
    found = content("EX_GDBS_SB", applied)
    assert found["MaterialItem"] == [{"MaterialName": "申请书"}, {"MaterialName": "营业执照", "MediaType": "1"}]
    assert "ProjectType" not in found
    report = offer(intake_on(memory), delivery(message("EX_GDBS_SB", applied), message("EX_GDBS_SP", STEP)), "exinfo")
    assert (report.accepted, report.problems) == (2, [])


# ---- codes that provinces use for different things


@pytest.mark.parametrize(
    ("dialect", "code", "meant"),
    [
        ("exinfo", "0", "GRANT"),
        ("exinfo", "1", "RETURN"),
        ("exinfo", "4", "FORWARD"),
        ("exinfo", "5", "SUPP_TIMEOUT"),
        ("exinfo@guangdong", "6", "OTHER"),
        ("exinfo@icity", "6", "OTHER"),
        ("exinfo@icity-licence", "6", "GRANT"),
        ("exinfo@icity-licence", "7", "DENY"),
    ],
)
def test_result_codes_mean_what_the_variant_says(dialect: str, code: str, meant: str) -> None:
    assert content("EX_GDBS_BJ", {**RESULT, "BJJGDM": code}, dialect)["ResultCode"] == meant


def test_a_code_that_provinces_use_for_different_things_is_refused_unless_the_dialect_says_which() -> None:
    (refused,) = taken(delivery(message("EX_GDBS_BJ", {**RESULT, "BJJGDM": "6"})))
    (problem,) = refused.problems
    assert (problem.rule, problem.element) == ("code", "ResultCode")
    assert "(guangdong: OTHER, icity: OTHER, icity-licence: GRANT); name the variant behind @" in problem.text
    with pytest.raises(UsageError, match="has no variant"):
        taken(delivery(), "exinfo@hunan")


# ---- bad input


@pytest.mark.parametrize(
    ("process", "changed", "rule", "said"),
    [
        ("EX_GDBS_XX", {}, "table", "has no table EX_GDBS_XX"),
        ("EX_GDBS_BJ", {"SBLSH": ""}, "key", "the column SBLSH is empty"),
        ("EX_GDBS_BJ", {"COLOUR": "red"}, "column", "unknown columns of EX_GDBS_BJ: COLOUR"),
        ("EX_GDBS_BJ", {"sblsh": CASE}, "doubled", "SBLSH stands twice"),
        ("EX_GDBS_BJ", {"BJSJ": "２０２６-10-19 14:10:10"}, "schema", "full-width digits"),
        ("EX_GDBS_BJ", {"XZQHDM": "３６９９０２"}, "schema", "full-width digits"),
        ("EX_GDBS_BJ", {"BJSJ": "2026-10-19 24:00:00"}, "schema", "24:00 is no time of a day"),
        ("EX_GDBS_BJ", {"BJSJ": "2026-2-30 14:10:10"}, "schema", "there is no day 02-30 in 2026"),
        ("EX_GDBS_BJ", {"BJSJ": "2026-10-19"}, "schema", "this is not a time in the form"),
        ("EX_GDBS_BJ", {"SFJE": "=10*2"}, "schema", "a formula stands where a value should be"),
        ("EX_GDBS_BJ", {"BJJGDM": "99"}, "code", "the code 99 is not one of"),
        ("EX_GDBS_BJ", {"JEDWDM": "美元"}, "condition", "the column JEDWDM holds, which is not taken in"),
    ],
)
def test_bad_input_is_refused_clearly(process: str, changed: dict[str, str], rule: str, said: str) -> None:
    (refused,) = taken(delivery(message(process, {**RESULT, **changed})))
    assert refused.problems[0].rule == rule
    assert said in refused.problems[0].text
    assert (refused.row, refused.line) == (1, 2)


def test_two_forms_of_times_in_one_delivery_are_refused() -> None:
    other = {**RESULT, "SBLSH": "N2", "BJSJ": "2026/10/19 14:10:10"}
    first, second = taken(delivery(message("EX_GDBS_BJ", RESULT), message("EX_GDBS_BJ", other)))
    assert first.problems == ()
    assert "earlier rows of this delivery have YYYY-M-D h:mm:ss[.f]" in second.problems[0].text


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"", "empty"),
        (delivery(), "empty"),
        (delivery(message("EX_GDBS_BJ", RESULT)).decode().encode("gb18030"), "not-utf8"),
        (delivery(message("EX_GDBS_BJ", RESULT)).decode().encode("utf-16"), "not-text"),
        (b"<!DOCTYPE a []>" + delivery(), "forbidden"),
    ],
)
def test_what_is_no_delivery_is_refused(data: bytes, rule: str) -> None:
    assert [problem.rule for one in taken(data) for problem in one.problems] == [rule]


def test_a_field_that_stands_twice_is_refused() -> None:
    doubled = message("EX_GDBS_BJ", RESULT).replace(
        "</standardInfo>", '<Field FieldName="BJJGDM">1</Field></standardInfo>'
    )
    (refused,) = taken(delivery(doubled))
    assert refused.problems[0].rule == "doubled"


# ---- there and back


@pytest.mark.parametrize("variant", ["guangdong", "icity"])
@pytest.mark.parametrize("form", ["xml", "json"])
def test_a_month_goes_out_and_comes_back(variant: str, form: str) -> None:
    month = generate_month(items_of(NODE, "测试区"), cases=150, seed="exinfo")
    records = carried(EXINFO, (one for one in month.records if one.valid))
    assert {one.record_type for one in records} == EXINFO.record_types() - {"Material"}
    options = DialectOptions(variant=variant)
    data = write_mapped(EXINFO, records, options, form=form)
    back = came_back(BUILT_IN["exinfo"].reads(BytesIO(data), options))
    wanted = [(one.record_type, expected(EXINFO, one, variant)) for one in records]
    assert by_key(back) == by_key(wanted)


def test_each_message_goes_out_as_text_and_comes_back() -> None:
    month = generate_month(items_of(NODE, "测试区"), cases=60, seed="text")
    options = DialectOptions(variant="guangdong")
    for record_type in sorted(EXINFO.record_types() - {"Material"}):
        records = [one for one in month.records if one.valid and one.record_type == record_type]
        data = write_mapped(EXINFO, records, options, form="csv")
        back = came_back(BUILT_IN["exinfo"].reads(BytesIO(data), options))
        assert by_key(back) == by_key((record_type, expected(EXINFO, one, "guangdong")) for one in records)


def test_without_a_variant_a_result_that_is_not_sure_does_not_go_out() -> None:
    month = generate_month(items_of(NODE, "测试区"), cases=150, seed="exinfo")
    (withdrawn, *_) = [one for one in month.records if one.content.get("ResultCode") == "WITHDRAW"]
    with pytest.raises(UsageError, match="has no code for ResultCode WITHDRAW"):
        write_mapped(EXINFO, [withdrawn], DialectOptions())


def test_every_element_that_is_listed_as_lost_is_lost_and_no_other() -> None:
    # A column holds an element or the list has it: nothing is both, and nothing is neither.
    for table in EXINFO.tables.values():
        for record in table.records:
            lost = set(EXINFO.not_carried(record.record_type))
            assert not lost & {"/".join(element.path) for element in record.elements}


# ---- through intake


def test_a_month_is_accepted_and_a_refused_message_can_be_offered_again(memory: Store) -> None:
    intake = intake_on(memory)
    month = generate_month(items_of(NODE, "测试区"), cases=12, seed="intake")
    records = carried(EXINFO, (one for one in month.records if one.valid))
    data = write_mapped(EXINFO, records, DialectOptions(variant="guangdong"))
    report = offer(intake, data, "exinfo@guangdong")
    assert (report.accepted, report.refused) == (len(records), 0)
    again = offer(intake, data, "exinfo@guangdong")
    assert (again.repeated, again.accepted) == (len(records), 0)
    report = offer(intake, delivery(message("EX_GDBS_BJ", {**RESULT, "BJJGDM": "6"})), "exinfo")
    assert report.refused == 1
    with memory.reading() as connection:
        (refused,) = list_refused(connection)
    right = delivery(message("EX_GDBS_BJ", {**RESULT, "BJJGDM": "4"}))
    assert offer_refused(intake, refused.id, by="甲", corrected=right).accepted == 1


def test_a_number_of_another_system_gets_a_case_number_of_ours(memory: Store) -> None:
    foreign = "10131300500698857411409161687"
    data = delivery(
        message("EX_GDBS_SP", {**STEP, "SBLSH": foreign}), message("EX_GDBS_BJ", {**RESULT, "SBLSH": foreign})
    )
    report = offer(intake_on(memory), data, "exinfo")
    assert (report.accepted, report.problems) == (2, [])
