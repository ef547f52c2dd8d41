"""What follows a granted case: its certificate, its delivery by post, and what the applicant thinks of it.

Old department systems do not send these, so they are made apart from the month and go through the door of the newest
systems only. Everything is in order: nothing of it is a finding.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from node.demo.chance import Chance
from node.demo.generator import GeneratedRecord
from node.demo.history import day_text, time_text
from node.demo.workdays import MONTH_END, later

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from node.demo.catalogue import Item
    from node.standard.compose import Content, Value

EVALUATED_SHARE: Final = 0.6
"""How many of the granted cases are evaluated; our own choice."""
_GRADES: Final = {
    "VERY_SATISFIED": 70,
    "SATISFIED": 20,
    "FAIRLY_SATISFIED": 6,
    "DISSATISFIED": 3,
    "VERY_DISSATISFIED": 1,
}
_CHANNELS: Final = ("HALL_TABLET", "HALL_TABLET", "MOBILE", "QR_CODE", "SMS", "PC")
_HEADER: Final = ("CaseNo", "DivisionCode", "OrgCode", "OrgName", "TaskCode")


def attach(records: Iterable[GeneratedRecord], items: Sequence[Item], *, seed: int | str) -> list[GeneratedRecord]:
    """Return what follows the granted cases among ``records``, in the order of sending.

    ``records`` are those of one division's whole cases, in the order of sending. The same seed and records give the
    same result.
    """
    plans = {item.task_code: item for item in items}
    applied: dict[str, Content] = {}
    granted: dict[str, GeneratedRecord] = {}
    collected: dict[str, datetime] = {}
    for record in records:
        number = str(record.content["CaseNo"])
        if record.record_type == "Application" and record.valid:
            applied[number] = record.content
        elif record.record_type == "Conclusion" and record.content["ResultCode"] == "GRANT":
            granted[number] = record
        elif record.record_type == "Collection":
            collected[number] = record.sent_at
    made = []
    for number, conclusion in granted.items():
        item = plans[str(conclusion.content["TaskCode"])]
        follower = _Follower(conclusion, applied[number], item, Chance(f"{seed}/attached/{number}"))
        made += follower.follow(collected.get(number))
    return sorted(made, key=lambda record: record.sent_at)


class _Follower:
    """Makes the records behind one conclusion."""

    def __init__(self, conclusion: GeneratedRecord, applied: Content, item: Item, chance: Chance) -> None:
        self._conclusion = conclusion
        self._applied = applied
        self._item = item
        self._chance = chance

    def follow(self, collected_at: datetime | None) -> list[GeneratedRecord]:
        """Return certificate, delivery where nobody collected, and evaluation, as far as they fall into the month."""
        # Nobody waits less than three minutes (``later``): the certificate stands between conclusion and collection.
        made = [self._certificate(self._conclusion.sent_at + timedelta(minutes=1))]
        ended_at = collected_at
        if ended_at is None:
            sent_at = later(made[0].sent_at, 1, self._chance)
            ended_at = later(sent_at, 2, self._chance)
            made += [self._delivery(sent_at, sent_at, None), self._delivery(ended_at, sent_at, ended_at)]
        if self._chance.happens(EVALUATED_SHARE):
            made.append(self._evaluation(later(ended_at, 0, self._chance)))
        return [record for record in made if record.sent_at < MONTH_END]

    def _certificate(self, at: datetime) -> GeneratedRecord:
        applied, department = self._applied, self._item.department
        content: dict[str, Value] = {
            "CertificateNo": self._conclusion.content["CertificateNo"],
            "CertificateName": self._item.plan.result_name,
            "CertificateTypeCode": "DEMO",
            "HolderName": applied["ApplicantName"],
            "HolderIdType": applied["ApplicantIdType"],
            "HolderIdNo": applied["ApplicantIdNo"],
            "IssueOrgName": department.name,
            "IssueOrgCode": department.credit_code,
            "IssueDate": day_text(at),
            "CertificateAreaCode": department.division,
        }
        return self._record("Certificate", at, content)

    def _delivery(self, at: datetime, sent_at: datetime, received_at: datetime | None) -> GeneratedRecord:
        content: dict[str, Value] = {
            "DeliveryState": "SENT" if received_at is None else "DELIVERED",
            "WaybillNo": f"DEMO{str(self._applied['CaseNo'])[-10:]}",
            "Carrier": "测试快递",
            "SenderOrgName": self._item.department.name,
            "SentDate": day_text(sent_at),
            "ReceiverName": self._applied["ContactName"],
        }
        if received_at is not None:
            content["ReceivedDate"] = day_text(received_at)
        return self._record("Delivery", at, content, sequence="1" if received_at is None else "2")

    def _evaluation(self, at: datetime) -> GeneratedRecord:
        content: dict[str, Value] = {
            "EvaluationChannel": self._chance.pick(_CHANNELS),
            "EvaluatorName": self._applied["ContactName"],
            "EvaluationCount": "1",
            "Satisfaction": self._chance.weighted(_GRADES),
            "SatisfactionSystem": "YIZHAN",
        }
        return self._record("Evaluation", at, content)

    def _record(self, record_type: str, at: datetime, content: Content, sequence: str = "1") -> GeneratedRecord:
        header: dict[str, Value] = {name: self._conclusion.content[name] for name in _HEADER}
        header |= {"Sequence": sequence, "DataVersion": "1", "EventTime": time_text(at)}
        return GeneratedRecord(record_type=record_type, sent_at=at, content={**header, **content})


def material_rows(records: Sequence[GeneratedRecord]) -> list[GeneratedRecord]:
    """Return the materials of applications as records of their own: exchange tables list them in a table of their own.

    They are sent with their applications, and say nothing that these do not.
    """
    made = []
    for record in records:
        listed = record.content.get("MaterialItem")
        if record.record_type != "Application" or not record.valid or not isinstance(listed, list):
            continue
        shared = {name: record.content[name] for name in (*_HEADER, "DataVersion", "EventTime")}
        for place, item in enumerate(listed, start=1):
            if isinstance(item, dict):
                content = {**shared, "Sequence": str(place), **item}
                made.append(GeneratedRecord(record_type="Material", sent_at=record.sent_at, content=content))
    return made
