"""The dialect cooperation: one cumulative XML per case, of which only what is new becomes records."""

from __future__ import annotations

import re
from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest

from node.departments.dialects import BUILT_IN, DialectOptions, read, recognise
from tests.support.intake import generated, intake_on, offer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from node.demo.generator import GeneratedRecord
    from node.departments.candidates import Candidate
    from node.journal.store import Store


def written(records: list[GeneratedRecord]) -> str:
    writes = BUILT_IN["cooperation"].writes
    assert writes is not None
    return writes(records, DialectOptions()).decode()


def one_case(*types: str) -> list[GeneratedRecord]:
    """Return the records of a generated case that has all of these types."""
    records = generated(400)
    by_case: dict[str, list[GeneratedRecord]] = {}
    for record in records:
        by_case.setdefault(str(record.content["CaseNo"]), []).append(record)
    return next(case for case in by_case.values() if {"Application", *types} <= {one.record_type for one in case})


def document(*types: str) -> str:
    return written(one_case(*types))


def candidates(text: str, dialect: str = "cooperation") -> list[Candidate]:
    return list(read(dialect, BytesIO(text.encode()), DialectOptions(system="land")))


def material_content(header: Mapping[str, Any]) -> dict[str, Any]:
    """Return a Material of the case that a record's header names."""
    names = ("CaseNo", "Sequence", "DataVersion", "DivisionCode", "OrgCode", "OrgName", "TaskCode", "EventTime")
    return {name: header[name] for name in names} | {"MaterialName": "申请书", "MediaType": "1", "CopyKind": "2"}


def conclusion(text: str, dialect: str = "cooperation") -> Candidate:
    (found,) = [one for one in candidates(text, dialect) if one.record_type == "Conclusion"]
    return found


def with_value(text: str, name: str, value: str) -> str:
    """Return a document in which the first element of a name has another value."""
    changed, count = re.subn(f"<{name}>[^<]*</{name}>", f"<{name}>{value}</{name}>", text, count=1)
    assert count == 1
    return changed


def test_a_generated_month_goes_out_and_comes_back_the_same() -> None:
    records = generated(400)
    assert {"PreAcceptance", "Extension", "SpecialProcedureEnd", "Collection"} < {one.record_type for one in records}
    came = candidates(written(records))
    assert [one.problems for one in came if one.problems] == []
    assert sorted((one.record_type, repr(sorted(dict(one.content or {}).items()))) for one in came) == sorted(
        (one.record_type, repr(sorted(one.content.items()))) for one in records
    )


def test_what_a_record_does_not_say_comes_back_unsaid(memory: Store) -> None:
    unsaid = {"ProjectType", "AcceptDocNo", "StepState", "EventEndTime", "Action", "ResultText"}
    records = []
    for one in one_case("Acceptance", "ReviewStep", "Conclusion"):
        content = {name: value for name, value in one.content.items() if name not in unsaid}
        if one.record_type in {"Acceptance", "Conclusion"}:
            content.pop("HandleUserName")
        if "MaterialItem" in content:
            content["MaterialItem"] = [{"MaterialName": "申请书"}]
        records.append(replace(one, content=content))
    came = {repr(sorted(dict(one.content or {}).items())) for one in candidates(written(records))}
    assert came == {repr(sorted(one.content.items())) for one in records}
    assert offer(intake_on(memory), written(records).encode(), "cooperation").accepted == len(records)


def test_a_step_that_has_an_end_is_done_and_of_another_nothing_is_said() -> None:
    text = re.sub("<status>[^<]*</status>", "", document("ReviewStep"))
    states = {(one.content or {}).get("StepState") for one in candidates(text) if one.record_type == "ReviewStep"}
    assert states == {"2"}
    open_ended = re.sub("<endtime>[^<]*</endtime>", "", text)
    steps = [one.content or {} for one in candidates(open_ended) if one.record_type == "ReviewStep"]
    assert [one for one in steps if "StepState" in one] == []


def test_a_conclusion_without_a_result_is_refused_by_the_standard(memory: Store) -> None:
    text = document("Conclusion")
    node = text.index('<node id="0004">')
    report = offer(intake_on(memory), (text[:node] + with_value(text[node:], "result", "")).encode(), "cooperation")
    assert "ResultCode )" in report.problems[0].text


def test_what_it_cannot_carry_is_left_out() -> None:
    case = one_case("Acceptance")
    elsewhere = replace(case[1], content={**case[1].content, "DivisionCode": "369903"})
    material = replace(case[1], record_type="Material", content=dict(material_content(case[1].content)))
    came = candidates(written([case[0], elsewhere, material]))
    assert [one.record_type for one in came if not one.problems] == ["Application"]
    (alone,) = candidates(written(case[1:2]))
    assert alone.problems[0].rule == "empty"
    losses = BUILT_IN["cooperation"].cannot_carry
    assert any("Material (材料)" in loss.english and "材料（Material）" in loss.chinese for loss in losses)


def test_a_case_sent_again_adds_only_what_is_new(memory: Store) -> None:
    case = one_case("ReviewStep", "Conclusion")
    intake = intake_on(memory)
    first = offer(intake, written(case[:2]).encode(), "cooperation")
    assert (first.accepted, first.refused) == (2, 0)
    whole = offer(intake, written(case).encode(), "cooperation")
    assert (whole.repeated, whole.accepted, whole.refused) == (2, len(case) - 2, 0)


def test_it_is_recognised_by_its_root() -> None:
    assert recognise("a.xml", b"<?xml version='1.0'?>\n<Cooperations>") == "cooperation"
    assert recognise("a.xml", b"<Cooperation>") == "cooperation"
    assert recognise("a.xml", b"<CooperationX>") == "standard"


def test_a_number_of_another_system_is_kept_with_that_system() -> None:
    text = with_value(document(), "projectno", "101313005006988574114091616870")
    content = candidates(text)[0].content or {}
    assert (content["OrigSystem"], content["OrigCaseNo"]) == ("land", "101313005006988574114091616870")
    assert "CaseNo" not in content
    named = text.replace("</projectno>", "</projectno><system>国土</system>")
    assert (candidates(named)[0].content or {})["OrigSystem"] == "国土"


@pytest.mark.parametrize(
    ("dialect", "digit", "letters"),
    [
        ("cooperation", "GRANT", "GRANT"),
        ("cooperation", "0", "GRANT"),
        ("cooperation", "2", "VOID"),
        ("cooperation", "3", "DELETE"),
        ("cooperation@guangdong", "1", "RETURN"),
        ("cooperation", "4", "FORWARD"),
        ("cooperation@guangdong", "5", "SUPP_TIMEOUT"),
        ("cooperation@guangdong", "6", "OTHER"),
        ("cooperation@icity", "6", "OTHER"),
        ("cooperation@icity-licence", "6", "GRANT"),
        ("cooperation@icity-licence", "7", "DENY"),
        ("cooperation@shandong", "1", "DENY"),
        ("cooperation@shandong", "6", "REFUSE"),
    ],
)
def test_a_result_means_what_its_variant_says(dialect: str, digit: str, letters: str) -> None:
    text = document("Conclusion")
    node = text.index('<node id="0004">')
    changed = text[:node] + with_value(text[node:], "result", digit)
    assert (conclusion(changed, dialect).content or {})["ResultCode"] == letters


@pytest.mark.parametrize("digit", ["1", "5", "6", "7"])
def test_a_result_that_provinces_use_for_different_things_is_refused_without_a_variant(digit: str) -> None:
    text = document("Conclusion")
    node = text.index('<node id="0004">')
    found = conclusion(text[:node] + with_value(text[node:], "result", digit))
    (problem,) = found.problems
    assert (problem.element, "cooperation@guangdong" in problem.text) == ("result", True)


@pytest.mark.parametrize("dialect", ["cooperation", "cooperation@guangdong"])
def test_a_result_that_no_table_has_is_refused_by_the_standard(memory: Store, dialect: str) -> None:
    text = document("Conclusion")
    node = text.index('<node id="0004">')
    report = offer(intake_on(memory), (text[:node] + with_value(text[node:], "result", "8")).encode(), dialect)
    assert report.refused == 1
    assert report.problems[0].element == "ResultCode"


@pytest.mark.parametrize(
    ("state", "missing"),
    [("3", "a node 0004"), ("-1", "a node 0004"), ("5", "a node 0000"), ("1", "a precheck"), ("7", "a suspension")],
)
def test_a_state_whose_record_is_missing_is_refused(state: str, missing: str) -> None:
    (application,) = [one for one in one_case() if one.record_type == "Application"]
    *_, last = candidates(with_value(written([application]), "isfinish", state))
    (problem,) = last.problems
    assert (problem.element, missing in problem.text) == ("isfinish", True)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("<isfinish>", "<isfinish>9", "not what the dialect has"),
        ("<isfinish>", "<finished/><isfinish>", "not expected"),
        ("<taskcode>", "<regionid>369902</regionid><taskcode>", "not expected"),
        ("<Application>", "<Application><Application/>", "not expected"),
        ("<Permission>", "<Permission>text", "Character content"),
        ("<Cooperation>", '<Cooperation xmlns="urn:other">', "No matching global declaration"),
        ("<Cooperation>", '<Cooperation kind="1">', "not allowed"),
    ],
)
def test_what_the_dialect_does_not_have_refuses_the_case(old: str, new: str, said: str) -> None:
    (candidate,) = candidates(document("Acceptance").replace(old, new, 1))
    assert candidate.problems[0].rule == "schema"
    assert said in " ".join(problem.text for problem in candidate.problems)


@pytest.mark.parametrize("name", ["projectno", "regionid", "applytime", "isfinish"])
def test_a_missing_or_empty_key_refuses_the_case(name: str) -> None:
    text = document()
    for value in ("", f"<{name}></{name}>"):
        (candidate,) = candidates(re.sub(f"<{name}>[^<]*</{name}>", value, text))
        assert candidate.problems[0].rule == "schema"


def test_an_unknown_node_refuses_the_case() -> None:
    (candidate,) = candidates(document("Acceptance").replace('id="0000"', 'id="0005"'))
    assert candidate.problems


def test_a_suspension_without_a_time_is_refused() -> None:
    text = document("SupplementNotice")
    suspension = text.index("<suspension ")
    (problem,) = [
        problem
        for one in candidates(text[:suspension] + re.sub(r"<(start|end)time>[^<]*</\1time>", "", text[suspension:]))
        for problem in one.problems
    ]
    assert "neither starttime nor endtime" in problem.text


@pytest.mark.parametrize("time", ["２０２６-11-03 09:12", "2026-11-03 24:00", "2026-02-30 09:12", "2026-11-03"])
def test_a_time_that_is_none_is_refused_by_the_standard(memory: Store, time: str) -> None:
    (application,) = [one for one in one_case() if one.record_type == "Application"]
    report = offer(intake_on(memory), with_value(written([application]), "applytime", time).encode(), "cooperation")
    assert report.refused == 1
    assert report.problems[0].element == "EventTime"


def test_two_forms_of_times_in_one_case_are_each_understood() -> None:
    text = with_value(
        with_value(document("Acceptance"), "applytime", "2026/11/3 9:12"), "starttime", "2026年11月3日9时12分"
    )
    first, second, *_ = candidates(text)
    assert (first.content or {})["EventTime"] == (second.content or {})["EventTime"] == "2026-11-03T09:12:00+08:00"


def test_records_name_the_line_of_their_element() -> None:
    text = document("Acceptance").replace("><", ">\n<")
    lines = text.splitlines()
    for candidate in candidates(text):
        if candidate.record_type == "Acceptance":
            assert candidate.line is not None
            assert lines[candidate.line - 1] == '<node id="0000">'


def test_a_case_whose_content_changed_is_a_new_version_of_that_record(memory: Store) -> None:
    text = document("Acceptance")
    intake = intake_on(memory)
    first = offer(intake, text.encode(), "cooperation")
    again = offer(intake, with_value(text, "taskname", "改过的事项").encode(), "cooperation")
    assert (first.refused, again.refused) == (0, 0)
    assert (again.accepted, again.repeated) == (1, first.accepted - 1)
    (changed,) = [verdict for verdict in again.verdicts if verdict.outcome == "accepted"]
    assert changed.key.endswith(":2")
