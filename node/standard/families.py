"""The record types of the standard, in one table: family, audiences and authority (rule R10).

The number of a type is what the journal stores; it is never given to another type. Authority words:

``own``
    the origin writes for its own divisions and those below (its CertificateIssued names them)
``root``
    only the root of the tree
``ancestor_of_addressee``, ``descendant_of_addressee``
    in a directed stream, by an ancestor or a descendant of the node that it is directed to
``supervisor``
    in ``ancestors`` by the origin for its own divisions and those below; in a directed stream by an ancestor of the
    node that it is directed to
``issuer``
    by the node that issues certificates to its children, with divisions of its branch, or by the root in ``trust``
``redactor``
    the origin about a record of the same stream; in a directed stream also an ancestor of the node that it is directed
    to, about a record of that node
``any``
    every node about its own streams and its own doings
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

DIRECTED = "directed"

CASE_HEADER = "case"
"""The record begins with the header of an approval case."""
PENALTY_HEADER = "penalty"
"""The record begins with the header of a penalty case."""
REQUEST_HEADER = "request"
"""The record is a consultation or complaint: it names a department, and a case only where it is about one."""
RECORD_HEADER = "record"
"""The record belongs to no case: it has a key of its own."""
KEYED_HEADERS = frozenset({REQUEST_HEADER, RECORD_HEADER})
"""Headers with a RecordKey; the others are told apart by CaseNo and Sequence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordType:
    """One record type: ``label`` is its 中文 name, ``number`` a stable small integer.

    ``audiences`` holds ``ancestors``, ``descendants``, ``directed`` (to a node's code) and ``trust``; ``header`` is
    one of the constants above: the elements that the record begins with; ``control`` says that it keeps the exchange
    itself in order and is never rejected.
    """

    name: str
    label: str
    family: str
    number: int
    audiences: frozenset[str]
    authority: str
    header: str = RECORD_HEADER
    control: bool = False

    @property
    def case_record(self) -> bool:
        """True when the record belongs to an approval case (办件) and begins with its header."""
        return self.header == CASE_HEADER


_CASE = (
    (1, "Application", "申办"),
    (2, "PreAcceptance", "预受理"),
    (3, "Acceptance", "受理"),
    (4, "ReviewStep", "审批环节"),
    (5, "SupplementNotice", "补交告知"),
    (6, "SupplementReceipt", "补交受理"),
    (7, "SpecialProcedureStart", "特别程序申请"),
    (8, "SpecialProcedureEnd", "特别程序结果"),
    (9, "Conclusion", "办结"),
    (10, "Collection", "领取登记"),
    (11, "Material", "材料"),
    (12, "Fee", "收费"),
    (13, "Extension", "延期"),
    (14, "Certificate", "证照"),
    (15, "Delivery", "物流"),
    (16, "Evaluation", "评价"),
)

_REQUESTS = (
    (17, "Consultation", "咨询"),
    (18, "Complaint", "投诉"),
)

_PENALTIES = (
    (111, "PenaltyClue", "处罚线索"),
    (112, "PenaltyFiling", "处罚立案"),
    (113, "PenaltySummary", "当场处罚"),
    (114, "PenaltyInvestigation", "处罚调查取证"),
    (115, "PenaltyReview", "处罚审查"),
    (116, "PenaltyLegalReview", "处罚法制审核"),
    (117, "PenaltyNotice", "处罚告知"),
    (118, "PenaltyDefence", "处罚陈述申辩"),
    (119, "PenaltyHearing", "处罚听证"),
    (120, "PenaltyDiscussion", "处罚集体讨论"),
    (121, "PenaltyDecision", "处罚决定"),
    (122, "PenaltyService", "处罚送达"),
    (123, "PenaltyPublication", "处罚公开"),
    (124, "PenaltyExecution", "处罚执行"),
    (125, "PenaltyReconsideration", "处罚复议诉讼"),
    (126, "PenaltyExtension", "处罚延期"),
    (127, "PenaltyClosing", "处罚结案"),
)

_OTHER = (
    (31, "Item", "事项", "catalogue", "ancestors descendants", "own"),
    (32, "Organisation", "组织机构", "catalogue", "ancestors descendants", "own"),
    (33, "Division", "行政区划", "catalogue", "descendants", "root"),
    (34, "Calendar", "工作日历", "catalogue", "descendants", "root"),
    (35, "CardRules", "发牌规则", "assessment", "descendants", "root"),
    (36, "AssessmentRules", "考评规则", "assessment", "descendants", "root"),
    (51, "SupervisionNotice", "监察通知", "supervision", "directed", "ancestor_of_addressee"),
    (52, "NoticeReply", "监察通知反馈", "supervision", "directed", "descendant_of_addressee"),
    (53, "Card", "监察牌", "supervision", "ancestors", "own"),
    (54, "CardDecision", "监察处理", "supervision", "ancestors directed", "supervisor"),
    (55, "NoticeExtension", "监察反馈延期", "supervision", "directed", "descendant_of_addressee"),
    (56, "Appeal", "监察申诉", "supervision", "directed", "descendant_of_addressee"),
    (57, "NoticeClosing", "监察结案", "supervision", "directed", "ancestor_of_addressee"),
    (58, "DataChangeApproval", "数据修改审批", "supervision", "directed", "root"),
    (59, "LedgerEntry", "监察台帐", "supervision", "ancestors", "any"),
    (60, "MonthlyReport", "监察月报", "assessment", "ancestors directed", "supervisor"),
    (61, "Score", "绩效得分", "assessment", "ancestors directed", "supervisor"),
    (71, "StatisticsSummary", "统计汇总", "statistics", "ancestors", "any"),
    (72, "SummaryVerdict", "汇总核对结论", "statistics", "directed", "ancestor_of_addressee"),
    (73, "FigureComparison", "数据比对", "statistics", "directed", "ancestor_of_addressee"),
    (74, "ComparisonAnswer", "比对答复", "statistics", "directed", "descendant_of_addressee"),
    (91, "Handover", "移交", "control", "directed", "own"),
    (92, "Takeover", "接办", "control", "ancestors directed", "own"),
    (93, "Acknowledgement", "知悉", "control", "ancestors directed", "any"),
    (94, "Rejection", "拒用通知", "control", "directed", "any"),
    (95, "Alarm", "警报", "control", "ancestors directed", "any"),
    (96, "ForkResolution", "分叉裁定", "control", "descendants trust", "root"),
    (97, "StreamReturn", "数据流归位", "control", "ancestors descendants directed trust", "any"),
    (98, "Redaction", "数据擦除", "control", "ancestors descendants directed", "redactor"),
    (99, "CertificateIssued", "证书签发", "control", "ancestors trust", "issuer"),
    (100, "Revocation", "证书吊销", "control", "ancestors trust", "issuer"),
    (101, "Move", "节点迁移", "control", "trust", "root"),
    (102, "SchemaRelease", "标准发布", "control", "descendants", "root"),
)


def _table() -> dict[str, RecordType]:
    groups = (
        ("case", CASE_HEADER, _CASE),
        ("case", REQUEST_HEADER, _REQUESTS),
        ("penalty", PENALTY_HEADER, _PENALTIES),
    )
    departments = [
        RecordType(
            name=name,
            label=label,
            family=family,
            number=number,
            audiences=frozenset({"ancestors"}),
            authority="own",
            header=header,
        )
        for family, header, rows in groups
        for number, name, label in rows
    ]
    others = [
        RecordType(
            name=name,
            label=label,
            family=family,
            number=number,
            audiences=frozenset(audiences.split()),
            authority=authority,
            control=family == "control",
        )
        for number, name, label, family, audiences, authority in _OTHER
    ]
    return {entry.name: entry for entry in (*departments, *others)}


RECORD_TYPES: Mapping[str, RecordType] = MappingProxyType(_table())
UNKNOWN_NUMBER = 0
"""What the journal stores for a quarantined record of a type that this version does not know."""

_NUMBERS = {name: entry.number for name, entry in RECORD_TYPES.items()}
_NAMES = {number: name for name, number in _NUMBERS.items()}


def record_number(name: str) -> int:
    """Return the stable number of a record type, ``UNKNOWN_NUMBER`` (0) for a type that is not known."""
    return _NUMBERS.get(name, UNKNOWN_NUMBER)


def case_header_of(name: str) -> str | None:
    """Return the header of the kind of case that a record which cannot be applied may belong to; None: to none.

    Its CaseNo alone does not say whether an approval or a penalty is meant. A type that this version does not know
    belongs to a penalty if it is named like one, as all of them are.
    """
    known = RECORD_TYPES.get(name)
    header = (PENALTY_HEADER if name.startswith("Penalty") else CASE_HEADER) if known is None else known.header
    if header == REQUEST_HEADER:
        return None
    return PENALTY_HEADER if header == PENALTY_HEADER else CASE_HEADER


def record_name(number: int) -> str:
    """Return the record type of a number; raises KeyError for a number that was never given, 0 included."""
    return _NAMES[number]
