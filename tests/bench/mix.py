"""The mix of records that the benchmark is made of.

Case records of about 1.6 KB mean, eight types, about six records a case, open cases hit at random: the mix that
docs/performance.md names. Every applicant is generated and lives in a division that does not exist.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from node.demo.codes import credit_code
from node.randomness import SeededRandomness
from node.standard.compose import compose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ORGANISATION = credit_code("999999", 1)
OPEN_CASES = 1_500
"""Open cases a county, so that ten counties hit 15,000 at random."""

_START = datetime(2026, 10, 8, 1, 0, tzinfo=UTC)
_ORDINARY = (
    ("Application", 1.0),
    ("SupplementNotice", 0.4),
    ("SupplementReceipt", 1.0),
    ("Acceptance", 1.0),
    ("ReviewStep", 1.0),
    ("ReviewStep", 1.0),
    ("ReviewStep", 1.0),
    ("Fee", 0.4),
    ("Conclusion", 1.0),
    ("Collection", 0.6),
)
_INSTANT = (("Application", 1.0), ("Acceptance", 1.0), ("ReviewStep", 1.0), ("Conclusion", 1.0), ("Collection", 0.6))
"""Legal paths, each step with the share of cases that take it (a SupplementReceipt follows its notice only)."""
_INSTANT_SHARE = 0.3
_SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许邓冯韩曹曾彭萧蔡潘田董袁于余叶蒋杜"
_GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉萍红玲飞燕辉建国志文海云龙梅兰春晓东林峰"
_SENTENCES = (
    "经审查,申请人提交的材料齐全,符合法定形式。",
    "建议按照承诺时限办理,并将核查记录一并归档。",
    "现场核查意见与申请内容一致,消防通道畅通。",
    "影像资料、法律文书由承办人保管,请审核。",
    "营业场所面积与房屋产权证明所载不符,已要求说明。",
    "从业人员健康证明在有效期内,管理制度已经上墙。",
    "平面布置图比例有误,申请人当场更正并签字。",
    "专家评审意见已经采纳,整改完成情况属实。",
    "依据有关规定,拟同意,请负责人批准。",
    "授权委托书缺少受托人签名,应予补正。",
    "排水去向经现场确认,接入市政管网。",
    "同意承办人意见,按程序办理。",
)
_MATERIALS = (
    "营业场所使用证明",
    "平面布置图",
    "法定代表人身份证明",
    "授权委托书",
    "健康证明",
    "设计方案",
    "环境影响评价文件",
    "管理制度文本",
    "从业人员名单",
    "设备清单",
    "租赁合同",
    "安全评价报告",
)


@dataclass(slots=True)
class _OpenCase:
    number: str
    path: tuple[tuple[str, float], ...]
    step: int = 0
    reviews: int = 0


@dataclass(slots=True)
class CaseMix:
    """Yields records of random open cases of one county; a case that has ended makes room for a new one."""

    division: str
    seed: int
    organisation: str = ORGANISATION
    open_cases: int = OPEN_CASES
    _serials: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _cases: list[_OpenCase] = field(default_factory=list)

    def records(self, count: int) -> list[bytes]:
        """Return ``count`` canonical records, each a legal next step of its case."""
        salts = SeededRandomness(f"{self.division}:{self.seed}:salt:{next(self._serials)}")
        return [compose(kind, content, salt=salts.token(16)) for kind, content in self.contents(count)]

    def contents(self, count: int) -> list[tuple[str, dict[str, Any]]]:
        """Return type and content of ``count`` records, as a department has them."""
        randomness = SeededRandomness(f"{self.division}:{self.seed}:{next(self._serials)}")
        while len(self._cases) < self.open_cases:
            self._cases.append(self._new_case(randomness))
        writer = _Writer(randomness, self.division, self.organisation)
        return [self._next_record(randomness, writer) for _ in range(count)]

    def _new_case(self, randomness: SeededRandomness) -> _OpenCase:
        instant = randomness.uniform(0, 1) < _INSTANT_SHARE
        return _OpenCase(f"{self.division}20261008{next(self._serials):010d}", _INSTANT if instant else _ORDINARY)

    def _next_record(self, randomness: SeededRandomness, writer: _Writer) -> tuple[str, dict[str, Any]]:
        place = min(int(randomness.uniform(0, len(self._cases))), len(self._cases) - 1)
        case = self._cases[place]
        record_type = case.path[case.step][0]
        case.reviews += record_type == "ReviewStep"
        content = writer.content(
            record_type,
            case_no=case.number,
            sequence=case.reviews if record_type == "ReviewStep" else 1,
            minutes=case.step * 600 + place,
            instant=case.path is _INSTANT,
        )
        case.step = _step_after(case, randomness)
        if case.step == len(case.path):
            self._cases[place] = self._new_case(randomness)
        return record_type, content


def _step_after(case: _OpenCase, randomness: SeededRandomness) -> int:
    """Return the next step that this case takes, the length of its path when it has ended."""
    following = case.step + 1
    while following < len(case.path) and randomness.uniform(0, 1) >= case.path[following][1]:
        following += 2 if case.path[following][0] == "SupplementNotice" else 1
    return following


class _Writer:
    """Writes the content of records in words that vary: text that repeats itself would flatter every compression."""

    def __init__(self, randomness: SeededRandomness, division: str, organisation: str) -> None:
        self._randomness = randomness
        self._division = division
        self._organisation = organisation

    def content(self, record_type: str, *, case_no: str, sequence: int, minutes: int, instant: bool) -> dict[str, Any]:
        """Return the content of one case record; ``minutes`` is its time after the start of the mix."""
        header = {
            "CaseNo": case_no,
            "OrigSystem": "BENCH",
            "OrigCaseNo": f"B{self._digits(16)}",
            "Sequence": str(sequence),
            "DataVersion": "1",
            "Channel": "API",
            "DivisionCode": self._division,
            "OrgCode": self._organisation,
            "OrgName": "生成测试区行政审批局(仅用于性能测量)",
            "TaskCode": f"0010100{minutes % 40:03d}",
            "EventTime": (_START + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S+08:00"),
            "Actor": {
                "Account": f"gen{self._digits(3)}",
                "Name": self._person(),
                "Role": "经办",
                "Unit": "综合受理窗口",
            },
        }
        writers: dict[str, Callable[[], dict[str, Any]]] = {
            "Application": self._application,
            "Acceptance": self._acceptance,
            "ReviewStep": self._review_step,
            "SupplementNotice": self._supplement_notice,
            "SupplementReceipt": self._supplement_receipt,
            "Fee": self._fee,
            "Conclusion": self._conclusion,
            "Collection": self._collection,
        }
        content = header | writers[record_type]()
        if record_type == "ReviewStep":
            content["StepCode"] = str(sequence)
        if instant and "ProjectType" in content:
            content["ProjectType"] = "1"
        return content

    def _number(self, below: int) -> int:
        return min(int(self._randomness.uniform(0, below)), below - 1)

    def _digits(self, count: int) -> str:
        return f"{self._number(10**count):0{count}d}"

    def _person(self) -> str:
        names = (_SURNAMES, _GIVEN, _GIVEN)
        return "".join(letters[self._number(len(letters))] for letters in names)

    def _text(self, sentences: int) -> str:
        return "".join(_SENTENCES[self._number(len(_SENTENCES))] for _ in range(sentences))

    def _materials(self, count: int) -> list[dict[str, str]]:
        return [
            {
                "MaterialName": _MATERIALS[self._number(len(_MATERIALS))],
                "MediaType": str(self._number(2)),
                "CopyKind": str(self._number(3)),
                "Count": str(1 + self._number(4)),
            }
            for _ in range(count)
        ]

    def _application(self) -> dict[str, Any]:
        name = f"生成测试{self._person()}"
        return {
            "TaskName": "公众聚集场所投入使用营业前消防安全检查",
            "ProjectType": "2",
            "ApplyType": "1",
            "ProjectName": f"{name}的门店装修后重新投入使用",
            "ApplicantType": "1",
            "ApplicantName": name,
            "ApplicantIdType": "414",
            "ApplicantIdNo": f"G{self._digits(8)}",
            "ContactPhone": f"000{self._digits(8)}",
            "Address": f"生成测试省生成测试市生成测试路{self._number(999)}号",
            "MaterialItem": self._materials(5),
        }

    def _acceptance(self) -> dict[str, Any]:
        return {
            "AcceptanceState": "1",
            "AcceptDocNo": f"生测受字2026第{self._digits(6)}号",
            "HandleUserName": self._person(),
            "StatutoryLimit": "20",
            "StatutoryLimitUnit": "G",
            "PromiseLimit": "7",
            "PromiseLimitUnit": "G",
            "ProjectType": "2",
            "QueueNo": f"A{self._digits(3)}",
        }

    def _review_step(self) -> dict[str, Any]:
        return {
            "StepCode": "1",
            "StepName": "承办人审查",
            "HandleUserName": self._person(),
            "Duty": "四级主任科员",
            "Opinion": self._text(20),
            "StepState": "2",
            "Action": "PASS",
        }

    def _supplement_notice(self) -> dict[str, Any]:
        return {
            "HandleUserName": self._person(),
            "Reason": self._text(12),
            "MaterialItem": self._materials(4),
            "TimeLimit": "5",
        }

    def _supplement_receipt(self) -> dict[str, Any]:
        return {"HandleUserName": self._person(), "MaterialItem": self._materials(6)}

    def _fee(self) -> dict[str, Any]:
        return {
            "PaymentNo": f"P{self._digits(12)}",
            "FeeOrgName": "生成测试区行政审批局",
            "FeeItem": "证照工本费",
            "AmountDue": "10.00",
            "AmountPaid": "10.00",
            "FeeState": "1",
        }

    def _conclusion(self) -> dict[str, Any]:
        return {
            "ResultCode": "GRANT",
            "ResultText": "准予行政许可。" + self._text(13),
            "HandleUserName": self._person(),
            "DocumentNo": f"生测许字2026第{self._digits(6)}号",
            "CertificateName": "准予许可决定书",
            "CertificateNo": f"ZC{self._digits(8)}",
        }

    def _collection(self) -> dict[str, Any]:
        return {
            "CollectorName": self._person(),
            "CollectorIdType": "414",
            "CollectorIdNo": f"G{self._digits(8)}",
            "CollectionWay": "0",
        }
