"""Penalty records for tests: a whole penalty in one line of words, with the few fields that a test is about.

``bodies("clue file investigate review notify decide serve pay close")`` is in order and without a finding.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from node.cases.history import Outcome, Recorded, replay
from node.cases.penalties import PENALTY
from node.standard.codec import parse_record
from node.standard.compose import compose, content_of
from node.standard.facts import facts_of
from tests.support.case_records import START
from tests.support.samples import SALT, sample

if TYPE_CHECKING:
    from collections.abc import Sequence

PENALTY_NO = "CF3601022026000001"
_FREE = {
    "Correction": None,
    "OrigSystem": None,
    "OrigCaseNo": None,
    "PenaltyKind": ["FINE"],
    "PenaltyFine": "100",
    "ConfiscatedAmount": None,
    "ConfiscatedProperty": None,
    "SuspensionDays": None,
    "DetentionDays": None,
    "PreservationTime": None,
    "PreservationEndTime": None,
    "PreservationOutcome": None,
    "MajorCase": "false",
    "LegalReviewGround": None,
    "CollectedOnSpot": None,
    "OnSpotGround": None,
    "HandedInDate": None,
    "PlusFine": None,
    "Reason": None,
}
_REASON = {"Reason": "依法"}

# One word of a history line: record type and what differs from the sample.
WORDS: dict[str, tuple[str, dict[str, Any]]] = {
    "clue": ("PenaltyClue", {}),
    "file": ("PenaltyFiling", {}),
    "drop": ("PenaltyFiling", {"FilingResult": "NOT_FILED", **_REASON}),
    "onspot": ("PenaltySummary", {"PartyType": "CITIZEN"}),
    "investigate": ("PenaltyInvestigation", {}),
    "review": ("PenaltyReview", {}),
    "sendback": ("PenaltyReview", {"ReviewProposal": "INVESTIGATE"}),
    "legal": ("PenaltyLegalReview", {}),
    "notify": ("PenaltyNotice", {}),
    "defend": ("PenaltyDefence", {}),
    "request": ("PenaltyHearing", {"HearingStage": "REQUESTED"}),
    "announce": ("PenaltyHearing", {"HearingStage": "ANNOUNCED"}),
    "hold": ("PenaltyHearing", {}),
    "giveup": ("PenaltyHearing", {"HearingStage": "WITHDRAWN"}),
    "discuss": ("PenaltyDiscussion", {}),
    "decide": ("PenaltyDecision", {}),
    "spare": ("PenaltyDecision", {"DecisionKind": "MINOR", "PenaltyKind": None, "PenaltyFine": None, **_REASON}),
    "serve": ("PenaltyService", {}),
    "serveother": ("PenaltyService", {"ServedDocument": "NOTICE"}),
    "publish": ("PenaltyPublication", {"PublicationAction": "PUBLISHED"}),
    "withdraw": ("PenaltyPublication", {**_REASON}),
    "execute": ("PenaltyExecution", {"ExecutionStage": "ONGOING"}),
    "pay": ("PenaltyExecution", {}),
    "sue": ("PenaltyReconsideration", {"RemedyStage": "OPENED"}),
    "annul": ("PenaltyReconsideration", {"RemedyStage": "ANNULLED"}),
    "extend": ("PenaltyExtension", {**_REASON}),
    "close": ("PenaltyClosing", {}),
    "unpenalised": ("PenaltyClosing", {"ClosedState": "NOT_PENALISED", **_REASON}),
    "revokefiling": ("PenaltyClosing", {"ClosedState": "FILING_REVOKED", **_REASON}),
    "revoke": ("PenaltyClosing", {"ClosedState": "DECISION_REVOKED", **_REASON}),
    "terminate": ("PenaltyClosing", {"ClosedState": "TERMINATED", **_REASON}),
}


def body(word: str, *, case_no: str = PENALTY_NO, sequence: int = 1, day: float = 0, **changes: Any) -> bytes:
    """Return the bytes of one record, ``day`` days after ``START``; a keyword is an element's name."""
    record_type, own = WORDS[word]
    at = (START + timedelta(days=day)).isoformat(timespec="seconds")
    free = {name: value for name, value in _FREE.items() if name in sample(record_type)}
    header = {"CaseNo": case_no, "Sequence": str(sequence), "DataVersion": "1", "EventTime": at}
    return compose(record_type, sample(record_type, **{**free, **header, **own, **changes}), salt=SALT)


def bodies(line: str, case_no: str = PENALTY_NO, **changes: dict[str, Any]) -> list[bytes]:
    """Return the records of a history line, one a day; a keyword (a word of the line) changes that word's records."""
    made = []
    counts: dict[str, int] = {}
    for day, word in enumerate(line.split()):
        record_type = WORDS[word][0]
        counts[record_type] = counts.get(record_type, 0) + 1
        values: dict[str, Any] = {"sequence": counts[record_type], "day": day, **changes.get(word, {})}
        made.append(body(word, case_no=case_no, **values))
    return made


def outcome(line: str, **changes: dict[str, Any]) -> Outcome:
    """Return what a replay makes of a history line; arguments as for ``bodies``."""
    return replayed(bodies(line, PENALTY_NO, **changes))


def replayed(made: Sequence[bytes]) -> Outcome:
    """Return what a replay makes of records, whose keys count from 1."""
    records = []
    for key, one in enumerate(made, start=1):
        element = parse_record(one)
        records.append(Recorded(key, facts_of(element), quarantined=False, content=content_of(element)))
    return replay(records, (), PENALTY)
