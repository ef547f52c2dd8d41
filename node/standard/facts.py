"""What projections need of a record: about twenty values, taken in one pass over the root's children.

This stands on the hot path of intake and of receiving, so it asks no path expression and reads every child once; a
plain slotted class takes the values. Everything else of a record is read when somebody looks at it (``content_of``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from node.standard.codec import SHAPES, TAG_PREFIX
from node.standard.families import CASE_HEADER, PENALTY_HEADER, RECORD_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.standard.families import RecordType

TREE_ZONE: Final = timezone(timedelta(hours=8), "Asia/Shanghai")
"""The tree's time zone: UTC+8 without summer time (China has had none since 1992)."""

EVENT_S_MAX: Final = 0xFFFF_FFFF
"""The latest second that ``Facts.event_s`` tells from later ones: in 2106."""

_OWN_OFFSET = "+08:00"
_DAY_LENGTH = 10
_CASE_NUMBER_LENGTH_MAX = 50


class Facts:
    """The facts of one record; what does not stand in it is None, and 0 or False for numbers and flags.

    ``event_text`` is EventTime as written; ``event_s`` the same in whole seconds since 1970, cut to 0 … EVENT_S_MAX, 0
    for none: times beyond lose a short cut and no check. ``event_day`` is ``YYYY-MM-DD`` in the tree's zone; ``code``
    is the type's deciding code (AcceptanceState, StepCode, ResultCode, Kind …); ``action`` is a ReviewStep's;
    ``amount_fen`` is what was paid, ``due_fen`` what was due, both in fen.
    """

    __slots__ = (
        "action",
        "amount_fen",
        "case_no",
        "channel",
        "code",
        "data_version",
        "deemed",
        "division",
        "due_fen",
        "event_day",
        "event_s",
        "event_text",
        "has_reason",
        "material_count",
        "organisation",
        "orig_case_no",
        "orig_system",
        "project_type",
        "record_key",
        "record_type",
        "sequence",
        "task",
        "version",
    )

    def __init__(self, record_type: str, version: str) -> None:
        self.record_type = record_type
        self.version = version
        self.case_no: str | None = None
        self.record_key: str | None = None
        self.orig_system: str | None = None
        self.orig_case_no: str | None = None
        self.sequence = 0
        self.data_version = 0
        self.channel: str | None = None
        self.division: str | None = None
        self.organisation: str | None = None
        self.task: str | None = None
        self.event_text: str | None = None
        self.event_s = 0
        self.event_day: str | None = None
        self.code: str | None = None
        self.action: str | None = None
        self.has_reason = False
        self.amount_fen = 0
        self.due_fen = 0
        self.material_count = 0
        self.deemed = False
        self.project_type: str | None = None

    def __reduce__(self) -> tuple[Callable[..., Facts], tuple[Any, ...]]:
        """Travel to another process as plain values, which costs a fifth of what a class with slots costs by itself."""
        return _facts_again, _plain_of(self)

    @property
    def event_at(self) -> datetime | None:
        """The event's time, aware and in the source's offset. Hardly a record is asked for it, so it is not kept."""
        return None if self.event_text is None else datetime.fromisoformat(self.event_text)

    @property
    def source_key(self) -> str:
        """The source's own key of the record: what tells a repeated delivery from a new one."""
        if self.record_key is None:
            return f"{self.record_type}:{self.case_no}:{self.sequence}:{self.data_version}"
        if self.data_version:
            return f"{self.record_type}:{self.record_key}:{self.data_version}"
        return f"{self.record_type}:{self.record_key}"


_plain_of = attrgetter(*Facts.__slots__)


def _facts_again(*values: Any) -> Facts:
    facts = Facts.__new__(Facts)
    # In the order of the slots, one by one: a loop over their names costs five times as much.
    (
        facts.action,
        facts.amount_fen,
        facts.case_no,
        facts.channel,
        facts.code,
        facts.data_version,
        facts.deemed,
        facts.division,
        facts.due_fen,
        facts.event_day,
        facts.event_s,
        facts.event_text,
        facts.has_reason,
        facts.material_count,
        facts.organisation,
        facts.orig_case_no,
        facts.orig_system,
        facts.project_type,
        facts.record_key,
        facts.record_type,
        facts.sequence,
        facts.task,
        facts.version,
    ) = values
    return facts


def facts_of(element: Any, zone: tzinfo = TREE_ZONE) -> Facts:
    """Return the facts of a valid record; ``zone`` decides the day of an event."""
    record_type: str = element.tag[len(TAG_PREFIX) :]
    facts = Facts(record_type, element.get("Version"))
    plan = _PLANS[record_type]
    nodes = element[: plan.span]
    start = plan.read_header(facts, nodes)
    steps = plan.steps
    for node in nodes[start:]:
        step = steps.get(node.tag)
        if step is not None:
            step(facts, node.text)
    if plan.has_materials:
        facts.material_count = sum(1 for _ in element.iterchildren(_MATERIAL_ITEM))
    if zone is not TREE_ZONE and facts.event_text is not None:
        facts.event_day = _day_of(datetime.fromisoformat(facts.event_text), zone)
    return facts


def _read_case_header(facts: Facts, nodes: list[Any]) -> int:
    """Read the header of a case record by position; return where the type's own elements begin.

    The record is valid, so the order is the schema's and only the optional elements have to be looked at: reading a
    tag costs more than reading a text. A test compares this with the order in ``header.xsd``.
    """
    at = _read_parties(facts, nodes)
    facts.task = nodes[at].text
    _take_event(facts, nodes[at + 1].text)
    return at + 2


def _read_penalty_header(facts: Facts, nodes: list[Any]) -> int:
    """Read the header of a penalty record: that of a case, but for the item, which may not be known yet."""
    at = _read_parties(facts, nodes)
    if nodes[at].tag == _TASK_CODE:
        facts.task = nodes[at].text
        at += 1
    _take_event(facts, nodes[at].text)
    return at + 1


def _no_header(_: Facts, __: list[Any]) -> int:
    """Leave a record without the header of a case to its own elements; only Salt is skipped."""
    return 1


def _read_parties(facts: Facts, nodes: list[Any]) -> int:
    """Read what case and penalty headers have in common; return where TaskCode may stand."""
    facts.case_no = nodes[1].text
    at = 2
    if nodes[at].tag == _ORIG_SYSTEM:
        facts.orig_system = nodes[at].text
        at += 1
    if nodes[at].tag == _ORIG_CASE_NO:
        facts.orig_case_no = nodes[at].text
        at += 1
    facts.sequence = int(nodes[at].text)
    facts.data_version = int(nodes[at + 1].text)
    at += 2
    if nodes[at].tag == _CORRECTION:
        at += 1
    facts.channel = nodes[at].text
    facts.division = nodes[at + 1].text
    facts.organisation = nodes[at + 2].text
    return at + 4


def case_number_of(element: Any) -> str | None:
    """Return the case number that a record of any type or version seems to name, or None.

    For quarantined records, whose element was only parsed: later records of that case have to be held back.
    """
    for child in element:
        if child.tag == _CASE_NO:
            text: str = child.text or ""
            return text if 0 < len(text) <= _CASE_NUMBER_LENGTH_MAX and text.isascii() and text.isalnum() else None
    return None


def fen(amount: str) -> int:
    """Return an amount of the standard (yuan, at most two places) in fen."""
    yuan, _, places = amount.strip().partition(".")
    return int(yuan) * 100 + int(f"{places}00"[:2])


def _take_event(facts: Facts, text: str) -> None:
    facts.event_text = text = text.strip()
    event_at = datetime.fromisoformat(text)
    facts.event_s = min(EVENT_S_MAX, max(0, int(event_at.timestamp())))
    # The day as written in the tree's zone is the day: no calculation on the common path.
    facts.event_day = text[:_DAY_LENGTH] if text.endswith(_OWN_OFFSET) else _day_of(event_at, TREE_ZONE)


def _day_of(event_at: datetime, zone: tzinfo) -> str:
    return event_at.astimezone(zone).date().isoformat()


def _take_case_no(facts: Facts, text: str) -> None:
    facts.case_no = text


def _take_data_version(facts: Facts, text: str) -> None:
    facts.data_version = int(text)


def _take_channel(facts: Facts, text: str) -> None:
    facts.channel = text


def _take_record_key(facts: Facts, text: str) -> None:
    facts.record_key = text


def _take_division(facts: Facts, text: str) -> None:
    facts.division = text


def _take_organisation(facts: Facts, text: str) -> None:
    facts.organisation = text


def _take_task(facts: Facts, text: str) -> None:
    facts.task = text


def _take_code(facts: Facts, text: str) -> None:
    facts.code = text


def _take_action(facts: Facts, text: str) -> None:
    facts.action = text


def _take_reason(facts: Facts, text: str) -> None:
    facts.has_reason = not text.isspace()


def _take_amount(facts: Facts, text: str) -> None:
    facts.amount_fen = fen(text)


def _take_due(facts: Facts, text: str) -> None:
    facts.due_fen = fen(text)


def _take_deemed(facts: Facts, text: str) -> None:
    facts.deemed = text.strip() in {"true", "1"}


def _take_project_type(facts: Facts, text: str) -> None:
    facts.project_type = text


_CASE_NO = TAG_PREFIX + "CaseNo"
_ORIG_SYSTEM = TAG_PREFIX + "OrigSystem"
_ORIG_CASE_NO = TAG_PREFIX + "OrigCaseNo"
_CORRECTION = TAG_PREFIX + "Correction"
_TASK_CODE = TAG_PREFIX + "TaskCode"
_MATERIAL_ITEM = TAG_PREFIX + "MaterialItem"
_COMMON = {
    "CaseNo": _take_case_no,
    "RecordKey": _take_record_key,
    "DataVersion": _take_data_version,
    "Channel": _take_channel,
    "DivisionCode": _take_division,
    "OrgCode": _take_organisation,
    "TaskCode": _take_task,
    "EventTime": _take_event,
    "Action": _take_action,
    "Reason": _take_reason,
    "AmountPaid": _take_amount,
    "FeeAmount": _take_amount,
    "AmountDue": _take_due,
    "FeeDue": _take_due,
    "Deemed": _take_deemed,
    "ProjectType": _take_project_type,
}
_DECIDING_CODE = {
    "Application": "ApplyType",
    "PreAcceptance": "PreAcceptanceState",
    "Acceptance": "AcceptanceState",
    "ReviewStep": "StepCode",
    "SpecialProcedureStart": "Kind",
    "Conclusion": "ResultCode",
    "Collection": "CollectionWay",
    "Material": "MediaType",
    "Fee": "FeeState",
    "Delivery": "DeliveryState",
    "Evaluation": "Satisfaction",
    "Consultation": "RequestState",
    "Complaint": "RequestState",
    "PenaltyClue": "PenaltySource",
    "PenaltyFiling": "FilingResult",
    "PenaltyReview": "ReviewProposal",
    "PenaltyLegalReview": "LegalReviewOutcome",
    "PenaltyDefence": "DefenceForm",
    "PenaltyHearing": "HearingStage",
    "PenaltyDecision": "DecisionKind",
    "PenaltyService": "ServedDocument",
    "PenaltyPublication": "PublicationAction",
    "PenaltyExecution": "ExecutionStage",
    "PenaltyReconsideration": "RemedyStage",
    "PenaltyClosing": "ClosedState",
    "Item": "TaskState",
    "Division": "Kind",
    "Calendar": "Status",
    "SummaryVerdict": "Verdict",
    "Card": "CardLevel",
    "CardDecision": "CardDecisionCode",
    "NoticeClosing": "ClosingResult",
    "DataChangeApproval": "ApprovalDecision",
    "LedgerEntry": "LedgerKind",
    "MonthlyReport": "ReportState",
    "Score": "ScoreGrade",
    "Rejection": "Reason",
    "Alarm": "Kind",
}


_HEADERS = {CASE_HEADER: _read_case_header, PENALTY_HEADER: _read_penalty_header}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """How the facts of one type are read: ``span`` children are looked at (None: all)."""

    read_header: Callable[[Facts, list[Any]], int]
    steps: dict[str, Callable[[Facts, str], None]]
    span: int | None
    has_materials: bool


def _plan_of(record_type: RecordType) -> _Plan:
    wanted = dict(_COMMON)
    if record_type.name in _DECIDING_CODE:
        wanted[_DECIDING_CODE[record_type.name]] = _take_code
    children = SHAPES[record_type.name].children
    places = [place for place, child in enumerate(children, start=1) if child.name in wanted]
    # Optional elements that are missing only move the wanted ones forward; repeated ones could move them back.
    movable = any(child.repeated for child in children[: max(places)])
    return _Plan(
        read_header=_HEADERS.get(record_type.header, _no_header),
        steps={TAG_PREFIX + name: step for name, step in wanted.items()},
        span=None if movable else max(places),
        has_materials=record_type.header == CASE_HEADER and any(child.name == "MaterialItem" for child in children),
    )


_PLANS = {name: _plan_of(record_type) for name, record_type in RECORD_TYPES.items()}
