from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import product
from typing import Any

import pytest

from node.standard.codec import TAG_PREFIX, parse_record, parse_unvalidated
from node.standard.facts import case_number_of, facts_of, fen
from tests.support.samples import CASE_NO, CREDIT_CODE, SAMPLES, record

_CODES = {
    "Application": "11",
    "PreAcceptance": "2",
    "Acceptance": "1",
    "ReviewStep": "2",
    "SupplementNotice": None,
    "SpecialProcedureStart": "2",
    "Conclusion": "GRANT",
    "Fee": "1",
    "Delivery": "DELIVERED",
    "Evaluation": "VERY_SATISFIED",
    "Complaint": "ANSWERED",
    "PenaltyFiling": "FILED",
    "PenaltyHearing": "ENDED",
    "PenaltyDecision": "PENALISE",
    "PenaltyNotice": None,
    "Item": "1",
    "Division": "STATUTORY",
    "Calendar": "OFFICIAL",
    "SummaryVerdict": "DISPUTED",
    "Rejection": "INVALID",
    "Alarm": "FORK",
    "Handover": None,
}


@pytest.mark.parametrize("record_type", sorted(SAMPLES))
def test_the_facts_of_every_type_agree_with_its_content(record_type: str) -> None:
    content = SAMPLES[record_type]
    facts = facts_of(parse_record(record(record_type)))
    assert facts.record_type == record_type
    assert facts.version == "1.0"
    assert facts.case_no == content.get("CaseNo")
    assert facts.record_key == content.get("RecordKey")
    assert facts.division == content.get("DivisionCode")
    assert facts.organisation == content.get("OrgCode")
    assert facts.task == content.get("TaskCode")
    assert facts.channel == content.get("Channel")
    assert facts.event_at == datetime(2026, 1, 5, 1, 30, tzinfo=UTC)
    assert facts.event_day == "2026-01-05"
    assert facts.code == _CODES.get(record_type, facts.code)


@pytest.mark.parametrize(
    ("orig_system", "orig_case_no", "correction"), list(product((True, False), (True, False), (True, False)))
)
def test_the_header_is_read_whatever_optional_elements_stand(
    *, orig_system: bool, orig_case_no: bool, correction: bool
) -> None:
    changes: dict[str, Any] = {}
    if not orig_system:
        changes["OrigSystem"] = None
    if not orig_case_no:
        changes["OrigCaseNo"] = None
    if not correction:
        changes["Correction"] = None
    facts = facts_of(parse_record(record("Conclusion", **changes)))
    assert (facts.orig_system is not None) == orig_system
    assert (facts.orig_case_no is not None) == orig_case_no
    assert (facts.case_no, facts.sequence, facts.data_version) == (CASE_NO, 1, 2)
    assert (facts.channel, facts.division, facts.organisation) == ("FILE", "360102", CREDIT_CODE)
    assert facts.task == "10131300500698857413440400"


def test_money_reason_and_flags_are_read() -> None:
    acceptance = facts_of(parse_record(record("Acceptance")))
    assert (acceptance.due_fen, acceptance.deemed, acceptance.has_reason, acceptance.project_type) == (
        1250,
        True,
        True,
        "2",
    )
    fee = facts_of(parse_record(record("Fee")))
    assert (fee.due_fen, fee.amount_fen) == (12050, 10000)
    conclusion = facts_of(parse_record(record("Conclusion", Reason=None)))
    assert (conclusion.amount_fen, conclusion.has_reason) == (12050, False)
    step = facts_of(parse_record(record("ReviewStep")))
    assert (step.action, step.project_type, step.deemed) == ("PASS", None, False)
    assert not facts_of(parse_record(record("Acceptance", Deemed="0", Reason=" "))).has_reason


@pytest.mark.parametrize(
    ("record_type", "count"), [("Application", 2), ("SupplementNotice", 1), ("Fee", 0), ("Item", 0)]
)
def test_materials_of_a_case_are_counted(record_type: str, count: int) -> None:
    assert facts_of(parse_record(record(record_type))).material_count == count


@pytest.mark.parametrize(
    ("time", "day"),
    [
        ("2026-01-05T23:59:59+08:00", "2026-01-05"),
        ("2026-01-05T16:00:00Z", "2026-01-06"),
        ("2026-01-05T15:59:59.999999Z", "2026-01-05"),
        ("2026-01-05T23:30:00+09:00", "2026-01-05"),
        ("2026-01-05T00:30:00+09:00", "2026-01-04"),
        (" 2026-01-05T23:59:59+08:00", "2026-01-05"),
        ("2026-01-05T23:59:59+08:00 ", "2026-01-05"),
    ],
)
def test_the_day_of_an_event_is_that_of_the_trees_zone(time: str, day: str) -> None:
    facts = facts_of(parse_record(record("Fee", EventTime=time)))
    assert facts.event_day == day
    assert facts.event_at is not None
    assert facts.event_at.tzinfo is not None


def test_another_zone_can_be_asked() -> None:
    element = parse_record(record("Fee", EventTime="2026-01-05T00:30:00+08:00"))
    assert facts_of(element, timezone(timedelta(hours=0))).event_day == "2026-01-04"


@pytest.mark.parametrize("task", ["10131300500698857413440400", None])
def test_a_penalty_may_have_no_item_yet(task: str | None) -> None:
    facts = facts_of(parse_record(record("PenaltyClue", TaskCode=task)))
    assert (facts.task, facts.code, facts.event_day) == (task, "INSPECTION", "2026-01-05")
    assert (facts.sequence, facts.data_version, facts.organisation) == (1, 2, CREDIT_CODE)


def test_a_complaint_has_a_version_and_a_channel_and_may_name_a_case() -> None:
    facts = facts_of(parse_record(record("Complaint")))
    assert (facts.case_no, facts.channel, facts.data_version, facts.code) == (CASE_NO, "FILE", 2, "ANSWERED")
    assert facts_of(parse_record(record("Complaint", CaseNo=None))).case_no is None


def test_the_sources_own_key_names_type_case_sequence_and_version() -> None:
    assert facts_of(parse_record(record("Complaint"))).source_key == "Complaint:TS2026-0001:2"
    assert facts_of(parse_record(record("Fee"))).source_key == f"Fee:{CASE_NO}:1:2"
    assert facts_of(parse_record(record("Division"))).source_key == "Division:sample:1"


@pytest.mark.parametrize(("text", "expected"), [("0", 0), ("12", 1200), ("12.5", 1250), ("12.05", 1205), ("\n1 ", 100)])
def test_yuan_become_fen(text: str, expected: int) -> None:
    assert fen(text) == expected


def test_a_quarantined_record_still_names_its_case() -> None:
    newer = record("Fee").replace(b'"1.0"', b'"1.7"').replace(b"<PaymentNo>", b"<New></New><PaymentNo>")
    assert case_number_of(parse_unvalidated(newer)) == CASE_NO
    assert case_number_of(parse_unvalidated(record("Division"))) is None


@pytest.mark.parametrize("text", ["", "x" * 51, "a-b", "办件"])
def test_a_doubtful_case_number_is_none(text: str) -> None:
    body = f'<New xmlns="{TAG_PREFIX[1:-1]}"><CaseNo>{text}</CaseNo></New>'.encode()
    assert case_number_of(parse_unvalidated(body)) is None
