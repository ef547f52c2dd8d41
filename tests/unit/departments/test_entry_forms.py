"""Forms made of the schema: every record type that departments hand in can be typed, and mistakes find their fields."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from node.departments.candidates import DEPARTMENT_TYPES
from node.departments.entry.fields import (
    AMOUNT,
    AREA,
    CHECKS,
    CHOICES_MAX,
    DATE,
    LINES,
    LIST,
    NUMBER,
    SELECT,
    TEXT,
    TIME,
    Field,
    Group,
    fields_of,
    form_of,
    hint_of,
    pattern_hints,
)
from node.departments.entry.filling import BY_NODE, NUMBERING, FieldProblem, Filled, read_form
from node.errors import Problem, RecordRefusedError
from node.standard.codec import SHAPES, parse_record
from node.standard.compose import content_of
from node.standard.examples import example
from tests.support.web_forms import typed_values


def content_of_example(record_type: str) -> dict[str, Any]:
    """A full valid record of a type, without what the node sets itself."""
    content = content_of(parse_record(example(record_type)))
    content.pop("Channel", None)
    return content


@pytest.mark.parametrize("record_type", sorted(DEPARTMENT_TYPES))
def test_every_record_that_departments_hand_in_can_be_typed_whole(record_type: str) -> None:
    content = content_of_example(record_type)
    filled = read_form(form_of(record_type), typed_values(content))
    assert filled.problems == ()
    assert filled.content == content
    # As XML with a line for each element it is the same record, and each line leads back to its field.
    has_channel = SHAPES[record_type].child("Channel") is not None
    body = _with_channel(filled.markup()) if has_channel else filled.markup().replace(b">\n<", b"><")
    assert content_of(parse_record(body)) == content | ({"Channel": "MANUAL"} if has_channel else {})
    lines = filled.markup().decode().split("\n")
    for line, name in filled._lines():
        assert f"<{name.rpartition('/')[2]}>" in lines[line - 1]


def _with_channel(markup: bytes) -> bytes:
    return markup.replace(b">\n<", b"><").replace(b"<DivisionCode>", b"<Channel>MANUAL</Channel><DivisionCode>", 1)


def test_names_labels_and_controls_come_from_the_schema() -> None:
    fields = {"/".join(one.path): one for one in fields_of(form_of("Application").entries)}
    assert not {"Salt", "Channel"} & set(fields)
    assert fields["Actor/Name"].label == ("姓名", "Name")
    controls = {name: fields[name].control for name in ("CaseNo", "EventTime", "ApplyType", "Remark", "Sequence")}
    assert controls == {"CaseNo": TEXT, "EventTime": TIME, "ApplyType": SELECT, "Remark": AREA, "Sequence": NUMBER}
    assert len(fields["ApplyType"].choices) == 12
    acceptance = {one.element: one for one in fields_of(form_of("Acceptance").entries)}
    assert (acceptance["PromiseDate"].control, acceptance["FeeDue"].control) == (DATE, AMOUNT)
    assert [code for code, _, _ in acceptance["Deemed"].choices] == ["true", "false"]
    every = [one for name in DEPARTMENT_TYPES for one in fields_of(form_of(name).entries)]
    assert {one.control for one in every if len(one.path) == 1 and one.element == "PenaltyKind"} == {CHECKS}
    assert {one.control for one in every if one.element == "JoinedBranch"} == {LINES}
    assert all(
        (one.control == LIST) == (len(one.simple.codes) > CHOICES_MAX) for one in every if one.control in {SELECT, LIST}
    )


def test_what_is_required_is_required_only_where_its_group_is_there() -> None:
    form = form_of("Application")
    (actor,) = [one for one in form.entries if one.element == "Actor"]
    assert isinstance(actor, Group)
    name = actor.entries[1]
    assert isinstance(name, Field)
    assert (actor.required, name.required, name.always) == (False, True, False)
    (materials,) = [one for one in form.entries if one.element == "MaterialItem"]
    assert isinstance(materials, Group)
    assert (materials.repeated, materials.rows_max, actor.repeated) == (True, 200, False)


def test_every_section_has_a_heading_and_every_field_stands_in_one() -> None:
    for record_type in DEPARTMENT_TYPES:
        form = form_of(record_type)
        assert [entry for section in form.sections for entry in section.entries] != []
        assert {id(entry) for section in form.sections for entry in section.entries} == set(map(id, form.entries))
        assert all(zh and en for section in form.sections for zh, en in (section.title,))


def test_every_pattern_is_put_into_words() -> None:
    simple = {one.simple.name: one.simple for name in DEPARTMENT_TYPES for one in fields_of(form_of(name).entries)}
    with_pattern = {name for name, one in simple.items() if one.pattern and one.base == "string"}
    assert with_pattern == set(pattern_hints())
    assert all(hint_of(one)[0] and hint_of(one)[1] for one in simple.values() if not one.codes)
    assert hint_of(simple["Count"]) == ("整数，0 至 9999", "a whole number from 0 to 9999")
    assert hint_of(simple["Text1000"]) == ("至多 1000 字", "at most 1000 characters")


def test_a_type_that_the_standard_does_not_have_has_no_form() -> None:
    with pytest.raises(RecordRefusedError):
        form_of("Nothing")


def filled(record_type: str, changed: dict[str, str]) -> Filled:
    values = typed_values(content_of_example(record_type))
    return read_form(form_of(record_type), {**values, **changed})


@pytest.mark.parametrize(
    ("name", "typed", "meant"),
    [
        ("EventTime", "2026-11-03T09:12", "2026-11-03T09:12:00+08:00"),
        ("EventTime", "2026年11月3日9时12分", "2026-11-03T09:12:00+08:00"),
        ("EventTime", "2026-11-03T01:12:00Z", "2026-11-03T01:12:00Z"),
        ("ResultCode", " 准予 ", "GRANT"),
        ("ResultText", "一\r\n二\r\n", "一\n二"),
        ("HandleUserName", " 测试甲 ", "测试甲"),
    ],
)
def test_what_is_typed_is_read_as_generously_as_a_table(name: str, typed: str, meant: str) -> None:
    read = filled("Conclusion", {name: typed})
    assert (read.problems, read.content[name]) == ((), meant)


def test_what_cannot_be_read_is_told_at_its_field_in_both_languages() -> None:
    read = filled("Conclusion", {"EventTime": "昨天", "FeeAmount": "１０"})
    assert [(one.name, one.label) for one in read.problems] == [
        ("EventTime", "业务发生时间"),
        ("FeeAmount", "收费金额（元）"),
    ]
    assert read.problems[0].text[0] == "不符合要求，应为：日期和时间，如 2026-11-03 09:12"
    assert read.problems[1].text[0].endswith("；数字请用半角")
    assert "昨天" not in str(read.problems)
    assert "EventTime" not in read.content


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("ResultCode", "准 予"),
        ("Sequence", "0"),
        ("Sequence", "1.0"),
        ("Sequence", "1000000"),
        ("OrgCode", "91350100M000100Y4"),
        ("FeeAmount", "12.345"),
        ("HandleUserName", "长" * 31),
        ("ResultText", "长" * 1001),
        ("CaseNo", "a1"),
    ],
)
def test_a_value_that_the_schema_would_refuse_is_told_even_where_others_are_missing(name: str, typed: str) -> None:
    read = filled("Conclusion", {name: typed, "OrgName": ""})
    assert {one.name for one in read.problems} == {name, "OrgName"}
    # And the schema is of the same opinion.
    values = {**typed_values(content_of_example("Conclusion"))}
    body = read_form(form_of("Conclusion"), values).markup().decode()
    wrong = body.replace(f"<{name}>{values[name]}<", f"<{name}>{typed}<") if name in values else body
    with pytest.raises(RecordRefusedError):
        parse_record(_with_channel(wrong.encode()))


def test_everything_that_is_missing_is_told_at_once() -> None:
    read = read_form(form_of("Conclusion"), {"Sequence": "1"})
    missing = [one.name for one in read.problems]
    assert missing == [
        "CaseNo",
        "DataVersion",
        "DivisionCode",
        "OrgCode",
        "OrgName",
        "TaskCode",
        "EventTime",
        "ResultCode",
    ]
    assert read.problems[0].text == ("请填写办件编号", "Case no is required")


def test_a_group_that_is_begun_is_finished_and_an_empty_row_is_none() -> None:
    read = filled("Application", {"Actor/Name": "", "Actor/Role": "科员"})
    assert [one.name for one in read.problems] == ["Actor/Name"]
    values = {"rows:MaterialItem": "4", "MaterialItem.0/MaterialName": "", "MaterialItem.0/Count": ""}
    values |= {"MaterialItem.1/MaterialName": "申请书", "MaterialItem.3/Count": "2"}
    base = {
        name: text
        for name, text in typed_values(content_of_example("Application")).items()
        if "MaterialItem" not in name
    }
    read = read_form(form_of("Application"), {**base, **values})
    assert read.content["MaterialItem"] == [{"MaterialName": "申请书"}, {"Count": "2"}]
    assert [one.name for one in read.problems] == ["MaterialItem.3/MaterialName"]


@pytest.mark.parametrize(
    ("given", "count"), [("", 1), ("0", 1), ("3", 3), ("9999", 200), ("-1", 1), ("x", 1), ("9" * 99, 1)]
)
def test_how_many_rows_are_read_is_bounded(given: str, count: int) -> None:
    from node.departments.entry.filling import rows_of  # noqa: PLC0415 - beside what it is about.

    (group,) = [one for one in form_of("Application").entries if one.element == "MaterialItem"]
    assert isinstance(group, Group)
    assert rows_of(group, "MaterialItem", {"rows:MaterialItem": given}) == count


def problems(read: Filled) -> list[FieldProblem]:
    """What the parser of records says of a form, put back to its fields."""
    with pytest.raises(RecordRefusedError) as raised:
        # Intake puts the channel in without a line of its own.
        parse_record(read.markup().replace(b"<DivisionCode>", b"<Channel>MANUAL</Channel><DivisionCode>", 1))
    return list(read.placed(raised.value.problems))


def test_a_value_in_a_row_is_told_in_its_row() -> None:
    changed = {"rows:MaterialItem": "2"}
    for row, name in enumerate(("申请书", "营业执照")):
        changed |= {f"MaterialItem.{row}/MaterialName": name, f"MaterialItem.{row}/Count": ("1", "12345")[row]}
    (found,) = filled("Application", changed).problems
    assert found.name == "MaterialItem.1/Count"
    assert found.text[0] == "不符合要求，应为：整数，0 至 9999"


def test_what_intake_says_of_a_line_is_told_at_the_field_that_stands_on_it() -> None:
    changed = {"rows:MaterialItem": "2", "MaterialItem.1/MaterialName": "营业执照", "MaterialItem.1/Count": "2"}
    read = filled("Application", {**changed, "Remark": "一\n二\n三"})
    (line,) = [line for line, name in read._lines() if name == "MaterialItem.1/Count"]
    problem = Problem(rule="schema", text="x; expected y", element="MaterialItem/Count", line=line)
    (found,) = read.placed([problem])
    assert (found.name, found.label) == ("MaterialItem.1/Count", "份数")
    # A form with problems of its own does not repeat what intake stumbles over because of them.
    incomplete = filled("Application", {"TaskName": ""})
    assert [*incomplete.placed([Problem(rule="schema", text="TaskName is missing", line=1)])] == []
    assert [one.name for one in incomplete.placed([replace(problem, line=None)])] == ["MaterialItem"]


def test_a_wrong_check_digit_is_told_at_its_field_with_what_to_do() -> None:
    read = filled("Application", {"OrgCode": "91350100M000100Y44"})
    (found,) = problems(read)
    assert (found.name, found.label) == ("OrgCode", "办理机构代码")
    assert "校验码不正确" in found.text[0]


def test_what_is_wrong_with_no_field_is_told_of_the_form() -> None:
    read = filled("Application", {})
    (found,) = read.placed([Problem(rule="conflict", text="other content")])
    assert (found.name, found.text[1]) == ("", "other content")
    assert found.text[0].endswith("。")
    (unknown,) = read.placed([Problem(rule="a-rule-of-tomorrow", text="x", element="Nowhere", line=999)])
    assert (unknown.name, unknown.text) == ("", ("未被接收", "x"))
    (row,) = read.placed([Problem(rule="schema", text="x; expected y", element="MaterialItem/Count", line=999)])
    assert row.name == "MaterialItem"


def test_a_case_without_a_number_gets_one_of_the_source_by_which_the_node_gives_it_its_own() -> None:
    base = {
        name: text
        for name, text in typed_values(content_of_example("Application")).items()
        if not name.startswith("Orig")
    }
    read = read_form(form_of("Application"), {**base, "CaseNo": "ignored", NUMBERING: BY_NODE})
    assert read.problems == ()
    assert "CaseNo" not in read.content
    numbered = read.with_number_of("ABC")
    assert (numbered.content["OrigCaseNo"], numbered.with_number_of("X")) == ("ABC", numbered)
    assert [name for _, name in numbered._lines()][:2] == ["OrigCaseNo", "Sequence"]
    own = read_form(form_of("Application"), {**base, "OrigSystem": "台账", "OrigCaseNo": "17", NUMBERING: BY_NODE})
    assert own.with_number_of("ABC") is own
    system = read_form(form_of("Application"), {**base, "OrigSystem": "台账", NUMBERING: BY_NODE}).with_number_of("A")
    assert [name for _, name in system._lines()][:2] == ["OrigSystem", "OrigCaseNo"]
