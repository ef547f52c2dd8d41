from __future__ import annotations

import pytest

from node.standard.codec import SHAPES
from node.standard.families import (
    CASE_HEADER,
    KEYED_HEADERS,
    PENALTY_HEADER,
    RECORD_HEADER,
    RECORD_TYPES,
    UNKNOWN_NUMBER,
    case_header_of,
    record_name,
    record_number,
)

AUDIENCES = {"ancestors", "descendants", "directed", "trust"}
AUTHORITIES = {
    "own",
    "root",
    "ancestor_of_addressee",
    "descendant_of_addressee",
    "any",
    "issuer",
    "supervisor",
    "redactor",
}


def test_the_table_names_exactly_the_records_of_the_schema() -> None:
    assert set(RECORD_TYPES) == set(SHAPES) - {"Package", "Head", "Checkpoint", "Receipt"}


def test_numbers_are_unique_and_lead_back_to_names() -> None:
    numbers = [record_number(name) for name in RECORD_TYPES]
    assert len(set(numbers)) == len(numbers)
    assert [record_name(number) for number in numbers] == list(RECORD_TYPES)


def test_the_numbers_that_journals_hold_never_change() -> None:
    assert {name: entry.number for name, entry in RECORD_TYPES.items()} == {
        "Application": 1, "PreAcceptance": 2, "Acceptance": 3, "ReviewStep": 4, "SupplementNotice": 5,
        "SupplementReceipt": 6, "SpecialProcedureStart": 7, "SpecialProcedureEnd": 8, "Conclusion": 9,
        "Collection": 10, "Material": 11, "Fee": 12, "Extension": 13, "Certificate": 14, "Delivery": 15,
        "Evaluation": 16, "Consultation": 17, "Complaint": 18, "Item": 31, "Organisation": 32, "Division": 33,
        "Calendar": 34, "CardRules": 35, "AssessmentRules": 36, "SupervisionNotice": 51, "NoticeReply": 52, "Card": 53,
        "CardDecision": 54, "NoticeExtension": 55, "Appeal": 56, "NoticeClosing": 57, "DataChangeApproval": 58,
        "LedgerEntry": 59, "MonthlyReport": 60, "Score": 61, "StatisticsSummary": 71,
        "SummaryVerdict": 72, "FigureComparison": 73, "ComparisonAnswer": 74,
        "Handover": 91, "Takeover": 92, "Acknowledgement": 93, "Rejection": 94, "Alarm": 95,
        "ForkResolution": 96, "StreamReturn": 97, "Redaction": 98, "CertificateIssued": 99, "Revocation": 100,
        "Move": 101, "SchemaRelease": 102, "PenaltyClue": 111, "PenaltyFiling": 112, "PenaltySummary": 113,
        "PenaltyInvestigation": 114, "PenaltyReview": 115, "PenaltyLegalReview": 116, "PenaltyNotice": 117,
        "PenaltyDefence": 118, "PenaltyHearing": 119, "PenaltyDiscussion": 120, "PenaltyDecision": 121,
        "PenaltyService": 122, "PenaltyPublication": 123, "PenaltyExecution": 124, "PenaltyReconsideration": 125,
        "PenaltyExtension": 126, "PenaltyClosing": 127,
    }  # fmt: skip


def test_a_type_that_is_not_known_has_the_number_zero_and_no_way_back() -> None:
    assert record_number("Unheard") == UNKNOWN_NUMBER == 0
    with pytest.raises(KeyError):
        record_name(UNKNOWN_NUMBER)


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("Conclusion", CASE_HEADER),
        ("Takeover", CASE_HEADER),
        ("Unheard", CASE_HEADER),
        ("PenaltyClue", PENALTY_HEADER),
        ("PenaltyMediation", PENALTY_HEADER),
        ("Complaint", None),
        ("Consultation", None),
    ],
)
def test_a_record_that_cannot_be_applied_belongs_to_one_kind_of_case_at_most(name: str, header: str | None) -> None:
    assert case_header_of(name) == header


@pytest.mark.parametrize("name", sorted(RECORD_TYPES))
def test_each_type_says_who_may_write_it_and_for_whom(name: str) -> None:
    entry = RECORD_TYPES[name]
    assert entry.name == name
    assert entry.audiences
    assert entry.audiences <= AUDIENCES
    assert entry.authority in AUTHORITIES
    assert entry.control == (entry.family == "control")
    if entry.authority.endswith("_of_addressee"):
        assert entry.audiences == {"directed"}


@pytest.mark.parametrize("name", sorted(RECORD_TYPES))
def test_the_table_says_with_which_header_a_record_begins(name: str) -> None:
    entry = RECORD_TYPES[name]
    children = [child.name for child in SHAPES[name].children]
    assert children[1] == ("RecordKey" if entry.header in KEYED_HEADERS else "CaseNo")
    assert ("Channel" in children) == (entry.header != RECORD_HEADER)
    assert entry.case_record == (children[1] == "CaseNo" and entry.family == "case")


ALWAYS_IMPORTANT = {"CaseNo", "OrgCode", "TaskCode", "EventTime", "ApplicantName", "ApplicantIdNo", "ResultCode"}
"""Case number, department, item, time, applicant, result: what may be altered with an approval of the province only."""


@pytest.mark.parametrize("name", [name for name, kind in RECORD_TYPES.items() if kind.header != RECORD_HEADER])
def test_what_decides_a_case_is_marked_as_important(name: str) -> None:
    children = SHAPES[name].children
    bare = [child.name for child in children if child.name in ALWAYS_IMPORTANT and not child.important]
    money = [child.name for child in children if child.simple and child.simple.name == "Amount" and not child.important]
    assert (bare, money) == ([], [])
