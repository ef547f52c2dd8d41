"""Findings of penalties: each is made by the one thing that the law forbids, and by nothing else."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from node.cases import penalty_codes as codes
from node.cases.penalty_amounts import certainly_late, heavier, years_after
from tests.support.penalty_records import bodies, body, outcome, replayed

ORDINARY = "clue file investigate review notify decide serve pay close"
ONE_OFFICER = [{"Name": "测试甲", "CertificateNo": "36010001"}]
TWICE_THE_SAME = ONE_OFFICER * 2


def found(line: str, **changes: dict[str, Any]) -> list[str]:
    return [finding.code for finding in outcome(line, **changes).findings]


@pytest.mark.parametrize(
    "line",
    [
        ORDINARY,
        "clue drop",
        "onspot pay close",
        "clue file investigate review legal notify defend discuss decide serve publish pay close",
        "clue file investigate review notify request announce hold legal decide serve pay close",
        "clue file investigate review spare serve unpenalised",
    ],
)
def test_a_penalty_in_order_has_no_finding(line: str) -> None:
    assert found(line) == []


CASES: list[tuple[str, str, dict[str, dict[str, Any]]]] = [
    (codes.STEPS_INCOMPLETE, "file investigate review notify decide serve pay close", {}),
    (codes.TRANSITION, "clue extend", {}),
    (codes.STEP_BEFORE_PREVIOUS, ORDINARY, {"serve": {"day": 4}}),
    (codes.REASON_MISSING, "clue drop", {"drop": {"Reason": None}}),
    (codes.REASON_MISSING, "clue file terminate", {"terminate": {"Reason": None}}),
    (codes.REASON_MISSING, "clue file investigate review spare", {"spare": {"Reason": " "}}),
    (
        codes.REASON_MISSING,
        "clue file investigate review notify decide serve publish withdraw",
        {"withdraw": {"Reason": None}},
    ),
    (codes.TOO_FEW_OFFICERS, ORDINARY, {"investigate": {"Officer": ONE_OFFICER}}),
    (codes.TOO_FEW_OFFICERS, ORDINARY, {"investigate": {"Officer": TWICE_THE_SAME}}),
    (codes.TOO_FEW_OFFICERS, "onspot", {"onspot": {"Officer": ONE_OFFICER}}),
    (codes.LIMITATION, ORDINARY, {"file": {"IllegalEndDate": "2024-01-03"}}),
    (
        codes.LIMITATION,
        ORDINARY,
        {"file": {"IllegalEndDate": "2021-01-03", "LongLimitation": "true"}},
    ),
    (codes.PRESERVATION_OPEN, ORDINARY, {"investigate": {"PreservationTime": "2026-01-07T09:00:00+08:00"}}),
    (
        # More than 2 x 7 + 14 days: 7 January to 5 February.
        codes.PRESERVATION_LATE,
        ORDINARY,
        {
            "investigate": {
                "PreservationTime": "2026-01-07T09:00:00+08:00",
                "PreservationEndTime": "2026-02-05T09:00:00+08:00",
            }
        },
    ),
    (codes.LEGAL_REVIEW_MISSING, ORDINARY, {"review": {"LegalReviewGround": ["COMPLEX"]}}),
    (codes.LEGAL_REVIEW_MISSING, "clue file investigate review notify request hold decide", {}),
    (
        codes.LEGAL_REVIEW_MISSING,
        "clue file investigate review legal notify decide",
        {"review": {"LegalReviewGround": ["COMPLEX"]}, "legal": {"LegalReviewOutcome": "DISAGREE"}},
    ),
    (codes.DISCUSSION_MISSING, ORDINARY, {"review": {"MajorCase": "1"}}),
    (codes.DEFENCE_RIGHT_MISSING, ORDINARY, {"notify": {"DefenceRight": "false"}}),
    (codes.REMEDY_NOT_NOTIFIED, ORDINARY, {"decide": {"RemedyNotified": "0"}}),
    (
        codes.HOST_INVESTIGATED,
        "clue file investigate review notify request hold legal decide",
        {"hold": {"HostName": "测试己"}},
    ),
    (
        codes.HEAVIER_AFTER_DEFENCE,
        "clue file investigate review notify defend decide",
        {"decide": {"PenaltyFine": "100.01"}},
    ),
    (
        codes.HEAVIER_AFTER_DEFENCE,
        "clue file investigate review notify request hold legal decide",
        {"decide": {"PenaltyKind": ["FINE", "WARNING"]}},
    ),
    # Filed on 6 January; 90 days later is 6 April.
    (codes.DECISION_LATE, "clue file investigate review notify decide", {"decide": {"day": 92}}),
    (codes.DECISION_LATE, "clue file investigate review notify decide", {"file": {"DecisionLimit": "3"}}),
    (
        codes.DECISION_LATE,
        "clue file extend investigate review notify decide",
        {"extend": {"ExtensionDays": "30"}, "decide": {"day": 122}},
    ),
    (codes.SUMMARY_LIMIT, "onspot", {"onspot": {"PenaltyFine": "200.01"}}),
    (codes.SUMMARY_LIMIT, "onspot", {"onspot": {"PartyType": "ORGANISATION", "PenaltyFine": "3000.01"}}),
    (codes.SUMMARY_LIMIT, "onspot", {"onspot": {"PenaltyKind": ["CONFISCATE_PROPERTY"], "PenaltyFine": None}}),
    (codes.NOT_HANDED_OVER, "onspot", {"onspot": {"HandedOver": "false"}}),
    (codes.SERVICE_LATE, "clue file investigate review notify decide serve", {"serve": {"day": 34}}),
    (
        codes.WITHDRAWN_LATE,
        "clue file investigate review notify decide serve publish annul withdraw",
        {"withdraw": {"day": 29}},
    ),
    (codes.ON_SPOT_LIMIT, "onspot", {"onspot": {"PenaltyFine": "150", "CollectedOnSpot": "true"}}),
    (
        codes.ON_SPOT_LIMIT,
        "clue file investigate review notify decide serve pay",
        {"pay": {"FinePaid": "100.01", "CollectedOnSpot": "true"}},
    ),
    (
        # Paid on 12 January, handed in more than 2 x 2 + 14 days later.
        codes.HANDED_IN_LATE,
        "clue file investigate review notify decide serve pay",
        {"pay": {"HandedInDate": "2026-01-31"}},
    ),
    (codes.PLUS_FINE_LIMIT, "clue file investigate review notify decide serve pay", {"pay": {"PlusFine": "100.01"}}),
    (codes.UNEXECUTED, "clue file investigate review notify decide serve close", {}),
]


@pytest.mark.parametrize(("code", "line", "changes"), CASES)
def test_each_finding_shows_alone(code: str, line: str, changes: dict[str, dict[str, Any]]) -> None:
    assert found(line, **changes) == [code]


def test_every_finding_is_tested() -> None:
    elsewhere = {codes.NOTICE_MISSING, codes.HEARING_RIGHT_MISSING}
    assert {code for code, _, _ in CASES} | elsewhere == set(codes.PENALTY_FINDING_LABELS)


def test_a_decision_without_notice_is_found_beside_the_leap() -> None:
    assert found("clue file investigate review decide") == [codes.NOTICE_MISSING, codes.STEPS_INCOMPLETE]


def test_a_closed_system_need_not_send_every_stage() -> None:
    line = "clue decide serve close"
    everywhere = {word: {"Channel": "SERIAL"} for word in line.split()}
    assert found(line, **everywhere) == []
    assert codes.NOTICE_MISSING in found(line)


def test_a_second_notice_does_not_heal_a_heavier_penalty() -> None:
    line = "clue file investigate review notify defend"
    first = bodies(line)
    second = [
        body("notify", sequence=2, day=6, PenaltyFine="500"),
        body("decide", day=7, PenaltyFine="500"),
    ]
    assert [one.code for one in replayed([*first, *second]).findings] == [codes.HEAVIER_AFTER_DEFENCE]


@pytest.mark.parametrize(
    "kind", ["LOWER_QUALIFICATION", "REVOKE_LICENCE", "ORDER_SUSPENSION", "ORDER_CLOSURE", "RESTRICT_EMPLOYMENT"]
)
def test_a_hearing_must_be_offered_before_the_kinds_that_the_law_names(kind: str) -> None:
    line = "clue file investigate review notify"
    penalty = {"PenaltyKind": [kind], "HearingRight": "false"}
    assert found(line, notify=penalty) == [codes.HEARING_RIGHT_MISSING]
    assert found(line, notify={**penalty, "HearingRight": "true"}) == []
    assert found(line, notify={"HearingRight": "false"}) == []


@pytest.mark.parametrize(
    ("line", "changes"),
    [
        # On the last day of a limit nothing is late yet.
        ("clue file investigate review notify decide", {"decide": {"day": 91}}),
        ("clue file extend investigate review notify decide", {"decide": {"day": 121}}),
        ("clue file investigate review notify decide serve", {"serve": {"day": 33}}),
        ("clue file", {"file": {"IllegalEndDate": "2024-01-04"}}),
        ("onspot", {"onspot": {"PenaltyFine": "200"}}),
        ("onspot", {"onspot": {"PartyType": "LEGAL_PERSON", "PenaltyFine": "3000"}}),
        ("onspot", {"onspot": {"PenaltyFine": "150", "CollectedOnSpot": "true", "OnSpotGround": "HARD_TO_EXECUTE"}}),
        ("clue file investigate review notify decide serve pay", {"pay": {"PlusFine": "100"}}),
        # Heavier than proposed, but the party was not heard; and heard, but the same.
        ("clue file investigate review notify decide", {"decide": {"PenaltyFine": "500"}}),
        ("clue file investigate review notify defend decide", {"decide": {"PenaltyFine": "100.0"}}),
        (
            "clue file investigate review notify defend decide",
            {"defend": {"DefenceForm": "WAIVED"}, "decide": {"PenaltyFine": "500"}},
        ),
        ("clue file investigate review notify discuss decide", {"review": {"MajorCase": "true"}}),
        (
            "clue file investigate review notify decide serve publish annul withdraw",
            {"withdraw": {"day": 20}},
        ),
        (
            "clue file investigate investigate review notify decide",
            {
                "investigate": {
                    "PreservationTime": "2026-01-07T09:00:00+08:00",
                    "PreservationEndTime": "2026-01-08T09:00:00+08:00",
                }
            },
        ),
        (
            "clue file investigate review notify decide serve close",
            {"notify": {"PenaltyKind": ["WARNING"]}, "decide": {"PenaltyKind": ["WARNING"], "PenaltyFine": None}},
        ),
    ],
)
def test_what_is_just_allowed_makes_no_finding(line: str, changes: dict[str, dict[str, Any]]) -> None:
    assert found(line, **changes) == []


def test_blanks_around_dates_flags_and_amounts_change_nothing() -> None:
    changes = {
        "clue": {"FoundDate": " 2026-01-04 "},
        "file": {"IllegalEndDate": " 2026-01-04 ", "DecisionLimit": " 90 "},
        "decide": {"PenaltyFine": " 100 ", "RemedyNotified": " true "},
    }
    assert found(ORDINARY, **changes) == []


def test_the_bound_of_working_days_holds_under_the_longest_holidays() -> None:
    # After Friday 13 February 2026 the working days are 14, 24 to 28 February and 2 March: the seventh is 2 March.
    assert not certainly_late(date(2026, 2, 13), date(2026, 3, 2), 7)
    assert not certainly_late(date(2026, 1, 1), date(2026, 1, 29), 7)
    assert certainly_late(date(2026, 1, 1), date(2026, 1, 30), 7)


def test_years_are_counted_by_the_calendar() -> None:
    assert years_after(date(2024, 2, 29), 2) == date(2026, 2, 28)
    assert years_after(date(2024, 1, 4), 2) == date(2026, 1, 4)


@pytest.mark.parametrize(
    ("decided", "expected"),
    [
        ({}, False),
        ({"PenaltyKind": ["FINE"], "PenaltyFine": "100"}, False),
        ({"PenaltyKind": ["FINE"], "PenaltyFine": "100.01"}, True),
        ({"PenaltyKind": ["DETENTION"], "DetentionDays": "1"}, True),
        ({"PenaltyKind": ["FINE"], "SuspensionDays": "31"}, True),
        ({"PenaltyKind": ["FINE"], "SuspensionDays": "30"}, False),
        ({"PenaltyKind": ["FINE"], "ConfiscatedAmount": "1"}, True),
    ],
)
def test_a_penalty_is_heavier_by_kind_money_or_days(decided: dict[str, Any], *, expected: bool) -> None:
    proposed = {"PenaltyKind": ["FINE"], "PenaltyFine": "100", "SuspensionDays": "30"}
    assert heavier(decided, proposed) is expected
