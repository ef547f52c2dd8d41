"""A few administrative penalties of one division, from a seed: most in order, one in five as it must not be.

Parties do not exist and say so (node.demo.applicants). What is wrong with some is what supervision looks for: one
officer, a heavier penalty after the party was heard, a decision without legal review.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from node.demo.applicants import ENTERPRISE, make_applicant
from node.demo.chance import Chance
from node.demo.generator import GeneratedRecord
from node.demo.history import day_text, time_text
from node.demo.workdays import MONTH_END, in_office_hours, later, working_days

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from node.demo.applicants import Applicant
    from node.demo.catalogue import Department, Item
    from node.standard.compose import Content, Value

OFFICERS: Final = (
    {"Name": "测试执法员一", "CertificateNo": "DEMO001"},
    {"Name": "测试执法员二", "CertificateNo": "DEMO002"},
)
FACTS: Final = "未按规定在经营场所公示营业执照"
LAW: Final = "演示处罚依据"


class PenaltyFile:
    """A penalty on its way: each method adds a record that is sent now; ``wait`` lets working days pass."""

    def __init__(self, number: str, department: Department, party: Applicant, chance: Chance) -> None:
        self.chance = chance
        self.records: list[GeneratedRecord] = []
        self.now = in_office_hours(chance.pick(working_days()), chance)
        self._number = number
        self._department = department
        self._party = party
        self._counts: dict[str, int] = {}

    def wait(self, days: int) -> None:
        """Let ``days`` working days pass (0: some minutes)."""
        self.now = later(self.now, days, self.chance)

    def act(self, record_type: str, content: Content) -> None:
        """Add a record that is sent now."""
        count = self._counts[record_type] = self._counts.get(record_type, 0) + 1
        header: dict[str, Value] = {
            "CaseNo": self._number,
            "Sequence": str(count),
            "DataVersion": "1",
            "DivisionCode": self._department.division,
            "OrgCode": self._department.credit_code,
            "OrgName": self._department.name,
            "EventTime": time_text(self.now),
        }
        self.records.append(GeneratedRecord(record_type=record_type, sent_at=self.now, content={**header, **content}))

    def party(self) -> dict[str, Value]:
        """Return the elements that name the party."""
        party = self._party
        unit = party.kind == ENTERPRISE
        return {
            "PartyType": "LEGAL_PERSON" if unit else "CITIZEN",
            "PartyName": party.name,
            "PartyIdType": "CREDIT_CODE" if unit else "CITIZEN_CARD",
            "PartyIdNo": party.id_number,
            "PartyPhone": party.phone,
        }

    def document(self, word: str) -> str:
        """Return the number of one of the penalty's documents."""
        return f"测{word}〔2026〕{self._number[-6:]}号"

    def clue(self) -> None:
        """线索."""
        self.act(
            "PenaltyClue",
            {
                "PenaltySource": self.chance.pick(("INSPECTION", "COMPLAINT", "REPORT")),
                "FoundDate": day_text(self.now),
                "ClueText": FACTS,
                "HandleUserName": OFFICERS[0]["Name"],
            },
        )

    def file(self) -> None:
        """立案."""
        self.act(
            "PenaltyFiling",
            {
                "FilingResult": "FILED",
                "FilingNo": self.document("立"),
                "PenaltySource": "INSPECTION",
                **self.party(),
                "Cause": FACTS,
                "IllegalFacts": FACTS,
                "Officer": list(OFFICERS),
                "Approver": "测试局长",
            },
        )

    def investigate(self, officers: int = 2) -> None:
        """调查取证 by so many officers."""
        self.act(
            "PenaltyInvestigation",
            {
                "InvestigationWay": "INSPECTION",
                "Officer": list(OFFICERS[:officers]),
                "LicenceShown": "true",
                "InvestigationText": "现场检查，制作笔录",
                "Evidence": [{"EvidenceKind": "RECORD", "EvidenceName": "现场笔录", "Count": "1"}],
                "InvestigationEndDate": day_text(self.now),
            },
        )

    def review(self, yuan: int, *, complicated: bool = False) -> None:
        """审查."""
        content: dict[str, Value] = {
            "ReviewProposal": "PENALISE",
            "Opinion": "事实清楚，证据充分",
            "HandleUserName": "测试科长",
            "MajorCase": "false",
        }
        if complicated:
            content["LegalReviewGround"] = ["COMPLEX"]
        self.act("PenaltyReview", {**content, **fine(yuan)})

    def notify(self, yuan: int) -> None:
        """告知."""
        self.act(
            "PenaltyNotice",
            {
                "DocumentNo": self.document("告"),
                "ServiceWay": "DIRECT",
                "IllegalFacts": FACTS,
                "LegalBasis": LAW,
                **fine(yuan),
                "DefenceRight": "true",
                "HearingRight": "true",
                "HandleUserName": OFFICERS[0]["Name"],
            },
        )

    def defend(self) -> None:
        """陈述申辩."""
        self.act(
            "PenaltyDefence",
            {
                "DefenceForm": "WRITTEN",
                "DefenceText": "请求从轻处罚",
                "DefenceOutcome": "NOT_ADOPTED",
                "HandleUserName": OFFICERS[0]["Name"],
            },
        )

    def decide(self, yuan: int) -> None:
        """决定, and its service the next working day."""
        number = self.document("罚")
        self.act(
            "PenaltyDecision",
            {
                "DecisionKind": "PENALISE",
                "DocumentNo": number,
                **self.party(),
                "IllegalFacts": FACTS,
                "LegalBasis": LAW,
                **fine(yuan),
                "RemedyNotified": "true",
                "Approver": "测试局长",
            },
        )
        self.wait(1)
        self.act(
            "PenaltyService",
            {
                "ServedDocument": "DECISION",
                "DocumentNo": number,
                "ServiceWay": "DIRECT",
                "ReceiverName": self._party.person,
                "HandleUserName": OFFICERS[0]["Name"],
            },
        )

    def pay_and_close(self, yuan: int) -> None:
        """执行完毕 and 结案."""
        self.wait(2)
        content = {"ExecutionStage": "COMPLETED", "ExecutionWay": "VOLUNTARY", "FinePaid": f"{yuan}.00"}
        self.act("PenaltyExecution", content)
        self.wait(1)
        self.act("PenaltyClosing", {"ClosedState": "NORMAL", "Approver": "测试局长"})

    def on_the_spot(self, yuan: int) -> None:
        """当场处罚."""
        self.act(
            "PenaltySummary",
            {
                **self.party(),
                "Cause": FACTS,
                "IllegalFacts": FACTS,
                "LegalBasis": LAW,
                **fine(yuan),
                "DocumentNo": self.document("简罚"),
                "Officer": list(OFFICERS),
                "HandedOver": "true",
            },
        )


def ordinary(penalty: PenaltyFile) -> None:
    """From clue to closing, in order."""
    _begin(penalty)
    penalty.review(1000)
    penalty.notify(1000)
    penalty.wait(3)
    penalty.decide(1000)
    penalty.pay_and_close(1000)


def on_the_spot(penalty: PenaltyFile) -> None:
    """A fine of 50 yuan on the spot."""
    penalty.clue()
    penalty.wait(0)
    penalty.on_the_spot(50)
    penalty.pay_and_close(50)


def heavier_after_defence(penalty: PenaltyFile) -> None:
    """因申辩加重处罚: the party argued, and the fine doubled."""
    _begin(penalty)
    penalty.review(1000)
    penalty.notify(1000)
    penalty.wait(1)
    penalty.defend()
    penalty.wait(1)
    penalty.decide(2000)
    penalty.pay_and_close(2000)


def without_legal_review(penalty: PenaltyFile) -> None:
    """One officer, and a complicated case decided without legal review."""
    _begin(penalty, officers=1)
    penalty.review(5000, complicated=True)
    penalty.notify(5000)
    penalty.wait(2)
    penalty.decide(5000)
    penalty.pay_and_close(5000)


PENALTY_PATHS: Final[tuple[Callable[[PenaltyFile], None], ...]] = (
    ordinary,
    on_the_spot,
    ordinary,
    heavier_after_defence,
    on_the_spot,
    ordinary,
    on_the_spot,
    without_legal_review,
    ordinary,
    on_the_spot,
)
"""Taken by turns."""


def generate_penalties(items: Sequence[Item], *, count: int, seed: int | str) -> list[GeneratedRecord]:
    """Return the records of ``count`` penalties of one division's departments, in the order of sending.

    Penalties begun late in the month are still open at its end. The same arguments give the same records, to the byte.
    """
    records: list[GeneratedRecord] = []
    for serial in range(count):
        item = items[serial % len(items)]
        division = item.department.division
        chance = Chance(f"{seed}/penalty/{division}/{serial}")
        party = make_applicant(chance.pick(("1", "2")), chance)
        penalty = PenaltyFile(f"CF{division}2026{serial + 1:06d}", item.department, party, chance)
        PENALTY_PATHS[serial % len(PENALTY_PATHS)](penalty)
        records += [record for record in penalty.records if record.sent_at < MONTH_END]
    return sorted(records, key=lambda record: record.sent_at)


def fine(yuan: int) -> dict[str, Value]:
    """Return the elements of a penalty that is a fine."""
    return {"PenaltyKind": ["FINE"], "PenaltyFine": f"{yuan}.00", "PenaltyText": f"罚款 {yuan} 元"}


def _begin(penalty: PenaltyFile, officers: int = 2) -> None:
    penalty.clue()
    penalty.wait(1)
    penalty.file()
    penalty.wait(1)
    penalty.investigate(officers)
    penalty.wait(1)
