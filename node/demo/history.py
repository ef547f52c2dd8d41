"""One case's history under construction: a case file to which acts are added in the order in which they happen.

Knows the content of each case record (element names of schemas/xsd/1.0/case.xsd), not which act follows which: that is
``node.demo.paths``. Contents have no Salt; the door that makes the record adds it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from node.demo.workdays import later

if TYPE_CHECKING:
    from datetime import datetime

    from node.demo.applicants import Applicant
    from node.demo.catalogue import Item
    from node.demo.chance import Chance
    from node.standard.compose import Content, Value

STEPS: Final = {"1": ("承办", "科员"), "2": ("审核", "科长"), "3": ("批准", "副局长")}
_OFFICERS: Final = ("测试承办员一", "测试承办员二", "测试承办员三", "测试承办员四")
_RESULT_TEXTS: Final = {
    "GRANT": "经审查，符合法定条件，准予许可",
    "DENY": "经审查，不符合法定条件，不予许可",
    "WITHDRAW": "申请人书面撤回申请",
    "SUPP_TIMEOUT": "逾期未补正，视为放弃申请",
    "FORWARD": "初审通过，转报上级机关",
    "TERMINATE": "申请人主体资格终止，终止办理",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One record to be: its type, when it is sent (aware), and its content without Salt and Channel."""

    record_type: str
    sent_at: datetime
    content: Content


@dataclass(slots=True, kw_only=True)
class CaseFile:
    """A case on its way: ``now`` is when its last act was sent, ``acts`` what happened so far."""

    case_number: str
    item: Item
    applicant: Applicant
    chance: Chance
    now: datetime
    acts: list[Act] = field(default_factory=list)
    _counts: dict[str, int] = field(default_factory=dict)

    def act(
        self, record_type: str, content: Content, *, event_at: datetime | None = None, sequence: int | None = None
    ) -> None:
        """Add an act that is sent now; ``event_at`` only where it claims another time (illogical on purpose)."""
        department = self.item.department
        count = self._counts[record_type] = self._counts.get(record_type, 0) + 1
        header: dict[str, Value] = {
            "CaseNo": self.case_number,
            "Sequence": str(sequence or count),
            "DataVersion": "1",
            "DivisionCode": department.division,
            "OrgCode": department.credit_code,
            "OrgName": department.name,
            "TaskCode": self.item.task_code,
            "EventTime": time_text(event_at or self.now),
        }
        self.acts.append(Act(record_type=record_type, sent_at=self.now, content={**header, **content}))

    def wait(self, working_days: int) -> None:
        """Let ``working_days`` pass (0: some minutes)."""
        self.now = later(self.now, working_days, self.chance)

    def officer(self) -> str:
        """Return the name of somebody at the counter, who does not exist either."""
        return self.chance.pick(_OFFICERS)

    def apply(self) -> None:
        """申请, with its list of materials."""
        applicant = self.applicant
        content: dict[str, Value] = {
            "TaskName": self.item.plan.name,
            "TaskVersion": "1",
            "ProjectType": self.item.plan.project_type,
            "ApplyType": self.chance.pick(("0", "1", "1", "11")),
            "ApplicantType": applicant.kind,
            "ApplicantName": applicant.name,
            "ApplicantIdType": applicant.id_type,
            "ApplicantIdNo": applicant.id_number,
            "ContactName": applicant.person,
            "ContactPhone": applicant.phone,
            "MaterialItem": [material(name) for name in self.item.plan.materials],
            "Remark": "生成的演示数据",
        }
        if applicant.kind == "2":
            content["LegalPerson"] = applicant.person
        self.act("Application", content)

    def pre_accept(self, state: str) -> None:
        """预受理: ``1`` passed, ``2`` not, with a reason."""
        content: dict[str, Value] = {"PreAcceptanceState": state, "HandleUserName": self.officer()}
        if state == "2":
            content["Reason"] = "申请事项不属于本机关职权范围"
        self.act("PreAcceptance", content)

    def accept(self, state: str = "1", *, event_at: datetime | None = None) -> None:
        """受理 (``1``) or 不予受理 (``2``, with a reason)."""
        plan = self.item.plan
        content: dict[str, Value] = {
            "AcceptanceState": state,
            "AcceptDocNo": f"受理〔2026〕{self.case_number[-6:]}号",
            "HandleUserName": self.officer(),
            "StatutoryLimit": str(plan.statutory_days),
            "StatutoryLimitUnit": "G",
            "PromiseLimit": str(plan.promise_days),
            "PromiseLimitUnit": "G",
            "ProjectType": plan.project_type,
        }
        if state == "2":
            content["Reason"] = "申请材料不符合法定形式，且未在规定期限内更正"
        if plan.fee_yuan is not None:
            content["FeeDue"] = f"{plan.fee_yuan}.00"
        self.act("Acceptance", content, event_at=event_at)

    def step(self, code: str, *, action: str = "PASS", event_at: datetime | None = None) -> None:
        """承办 (``1``), 审核 (``2``) or 批准 (``3``); done by the time it is sent."""
        name, duty = STEPS[code]
        at = event_at or self.now
        content = {
            "StepCode": code,
            "StepName": name,
            "HandleUserName": self.officer(),
            "Duty": duty,
            "Opinion": "同意" if action == "PASS" else "材料有疑点，退回复核",
            "StepState": "2",
            "Action": action,
            "EventEndTime": time_text(at + timedelta(minutes=10)),
        }
        self.act("ReviewStep", content, event_at=at)

    def ask_supplement(self) -> None:
        """补交告知 for the first material of the item."""
        content: dict[str, Value] = {
            "HandleUserName": self.officer(),
            "Reason": "缺少材料或材料不清晰，请一次性补齐",
            "MaterialItem": [material(self.item.plan.materials[0])],
            "TimeLimit": "10",
        }
        self.act("SupplementNotice", content)

    def take_supplement(self, *, event_at: datetime | None = None) -> None:
        """补交受理."""
        content: dict[str, Value] = {
            "HandleUserName": self.officer(),
            "MaterialItem": [material(self.item.plan.materials[0])],
            "Place": "政务服务大厅",
        }
        self.act("SupplementReceipt", content, event_at=event_at)

    def start_special(self, number: int) -> None:
        """特别程序申请 for an inspection on the spot (行政许可法 art. 45)."""
        content = {
            "Kind": "2",
            "KindDetail": "INSPECTION",
            "KindName": "检验",
            "Approver": "测试副局长",
            "Reason": "依法需要现场检验",
            "Limit": "5",
            "LimitUnit": "G",
            "NotifiedTime": time_text(self.now),
        }
        self.act("SpecialProcedureStart", content, sequence=number)

    def end_special(self, number: int) -> None:
        """特别程序结果; pairs with its start by the number."""
        self.act("SpecialProcedureEnd", {"Outcome": "现场检验合格", "OutcomeDate": day_text(self.now)}, sequence=number)

    def extend(self) -> None:
        """延长审批: at most ten working days, approved by the head (行政许可法 art. 42)."""
        content = {
            "ExtensionDays": "10",
            "Approver": "测试局长",
            "Reason": "案情复杂，经负责人批准延长",
            "NotifiedTime": time_text(self.now),
        }
        self.act("Extension", content)

    def pay(self, yuan: int) -> None:
        """收费, paid in full."""
        content = {
            "PaymentNo": f"JK{self.case_number[-14:]}",
            "FeeOrgName": self.item.department.name,
            "FeeItem": "行政事业性收费",
            "AmountDue": f"{yuan}.00",
            "AmountPaid": f"{yuan}.00",
            "FeeState": "1",
            "Payer": self.applicant.name,
        }
        self.act("Fee", content)

    def conclude(self, result: str, *, event_at: datetime | None = None, reason: str = "") -> None:
        """办结 with a result code; ``reason`` empty for a grant, or where it is missing on purpose."""
        content: dict[str, Value] = {
            "ResultCode": result,
            "ResultText": _RESULT_TEXTS[result],
            "HandleUserName": self.officer(),
        }
        if reason:
            content["Reason"] = reason
        if result == "GRANT":
            content["CertificateName"] = self.item.plan.result_name
            content["CertificateNo"] = f"测试证字{self.case_number[-14:]}"
            content["IssueOrgName"] = self.item.department.name
        self.act("Conclusion", content, event_at=event_at)

    def collect(self) -> None:
        """领取登记 by the applicant in person."""
        person = self.applicant
        content = {
            "CollectorName": person.person,
            "CollectorIdType": person.id_type,
            "CollectorIdNo": person.id_number,
            "CollectionWay": "0",
        }
        self.act("Collection", content)


def material(name: str) -> dict[str, Value]:
    """Return one line of a list of materials: one electronic copy."""
    return {"MaterialName": name, "MediaType": "1", "CopyKind": "2", "Count": "1"}


def time_text(moment: datetime) -> str:
    """Return an aware time as the standard writes it, to the second."""
    return moment.isoformat(timespec="seconds")


def day_text(moment: datetime) -> str:
    """Return the day of an aware time, YYYY-MM-DD."""
    return moment.date().isoformat()
