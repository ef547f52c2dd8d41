"""The life cycle of an approval case (办件) as data: states, events and legal transitions. Pure.

The rows are the state table of the standard, section 1 (docs/reference/cases.md repeats them; a test compares). The
event of a record is a function of its type and deciding code alone. The machine is total: an event that no row allows
leaves the case in a defined state all the same (``advance`` says which) and is reported, never refused, because what
a department did has happened whether or not it was in order. ``node.cases.history`` folds records with it.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

from node.cases.life_cycle import Effect, Label, Legality, Transition, Trigger

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from node.standard.facts import Facts

INSTANT_PROJECT_TYPE = "1"
"""ProjectType of an instant case (即办件), GB/T 39046—2020, annex A.6."""


class State(IntEnum):
    """Where a case stands. The numbers are stored: never change or reuse one."""

    NONE = 0
    APPLIED = 1
    PREACCEPTED = 2
    PREREJECTED = 3
    SUPP_PENDING = 4
    ACCEPTED = 5
    REFUSED = 6
    HANDLING = 7
    REVIEWING = 8
    DECIDING = 9
    SUPP_SUSPENDED = 10
    SPECIAL_SUSPENDED = 11
    FORWARDED = 12
    CONCLUDED = 13
    CERTIFIED = 14
    DELIVERED = 15
    ARCHIVED = 16


class Event(StrEnum):
    """What a record says has happened to its case."""

    APPLY = "APPLY"
    PREACCEPT = "PREACCEPT"
    PREREJECT = "PREREJECT"
    SUPPLEMENT_NOTICE = "SUPPLEMENT_NOTICE"
    SUPPLEMENT_RECEIPT = "SUPPLEMENT_RECEIPT"
    SUPPLEMENT_TIMEOUT = "SUPPLEMENT_TIMEOUT"
    ACCEPT = "ACCEPT"
    DEEM_ACCEPTED = "DEEM_ACCEPTED"
    REFUSE = "REFUSE"
    HANDLE = "HANDLE"
    REVIEW = "REVIEW"
    DECIDE = "DECIDE"
    RETURN_HANDLING = "RETURN_HANDLING"
    RETURN_REVIEW = "RETURN_REVIEW"
    RETURN_DECISION = "RETURN_DECISION"
    SPECIAL_START = "SPECIAL_START"
    SPECIAL_END = "SPECIAL_END"
    EXTEND = "EXTEND"
    CONCLUDE = "CONCLUDE"
    END = "END"
    FORWARD = "FORWARD"
    CERTIFY = "CERTIFY"
    DELIVER = "DELIVER"
    ATTACH_MATERIAL = "ATTACH_MATERIAL"
    ATTACH_FEE = "ATTACH_FEE"
    ATTACH_EVALUATION = "ATTACH_EVALUATION"
    DISPATCH = "DISPATCH"


CaseTransition = Transition[State, Event]

STATE_LABELS: Mapping[State, Label] = {
    State.NONE: Label(chinese="无申请", english="no application seen"),
    State.APPLIED: Label(chinese="已申请", english="applied"),
    State.PREACCEPTED: Label(chinese="预受理通过", english="pre-accepted"),
    State.PREREJECTED: Label(chinese="预受理不通过", english="not pre-accepted"),
    State.SUPP_PENDING: Label(chinese="待补正", english="awaiting supplement"),
    State.ACCEPTED: Label(chinese="已受理", english="accepted"),
    State.REFUSED: Label(chinese="不予受理", english="refused acceptance"),
    State.HANDLING: Label(chinese="承办中", english="in handling"),
    State.REVIEWING: Label(chinese="审核中", english="in review"),
    State.DECIDING: Label(chinese="批准中", english="for approval"),
    State.SUPP_SUSPENDED: Label(chinese="补交挂起", english="suspended for supplement"),
    State.SPECIAL_SUSPENDED: Label(chinese="特别程序挂起", english="suspended for special procedure"),
    State.FORWARDED: Label(chinese="转报", english="forwarded"),
    State.CONCLUDED: Label(chinese="已办结", english="concluded"),
    State.CERTIFIED: Label(chinese="已制证", english="certificate made"),
    State.DELIVERED: Label(chinese="已送达", english="delivered"),
    State.ARCHIVED: Label(chinese="已归档", english="archived"),
}


def _trigger(record_type: str, codes: str, chinese: str, english: str) -> Trigger:
    return Trigger(record_type=record_type, codes=tuple(codes.split()), label=Label(chinese=chinese, english=english))


TRIGGERS: Mapping[Event, Trigger] = {
    Event.APPLY: _trigger("Application", "", "申请", "application"),
    Event.PREACCEPT: _trigger("PreAcceptance", "1", "预受理通过", "pre-acceptance"),
    Event.PREREJECT: _trigger("PreAcceptance", "2", "预受理不通过", "pre-acceptance denied"),
    Event.SUPPLEMENT_NOTICE: _trigger("SupplementNotice", "", "补正告知", "supplement notice"),
    Event.SUPPLEMENT_RECEIPT: _trigger("SupplementReceipt", "", "补正受理", "supplement receipt"),
    Event.SUPPLEMENT_TIMEOUT: _trigger("Conclusion", "SUPP_TIMEOUT", "补正逾期", "supplement overdue"),
    Event.ACCEPT: _trigger("Acceptance", "1", "受理", "acceptance"),
    Event.DEEM_ACCEPTED: _trigger("Acceptance", "1", "视为受理", "deemed acceptance"),
    Event.REFUSE: _trigger("Acceptance", "2", "不予受理", "refusal of acceptance"),
    Event.HANDLE: _trigger("ReviewStep", "1", "承办", "handling"),
    Event.REVIEW: _trigger("ReviewStep", "2", "审核", "review"),
    Event.DECIDE: _trigger("ReviewStep", "3", "批准", "decision"),
    Event.RETURN_HANDLING: _trigger("ReviewStep", "1", "承办退回", "returned by the handler"),
    Event.RETURN_REVIEW: _trigger("ReviewStep", "2", "审核退回", "returned by the reviewer"),
    Event.RETURN_DECISION: _trigger("ReviewStep", "3", "批准退回", "returned by the approver"),
    Event.SPECIAL_START: _trigger("SpecialProcedureStart", "2", "特别程序开始", "special procedure starts"),
    Event.SPECIAL_END: _trigger("SpecialProcedureEnd", "", "特别程序结束", "special procedure ends"),
    Event.EXTEND: _trigger("SpecialProcedureStart", "1", "延长审批", "extension of the limit"),
    Event.CONCLUDE: _trigger("Conclusion", "GRANT DENY OTHER", "办结", "conclusion"),
    Event.END: _trigger(
        "Conclusion", "RETURN VOID DELETE WITHDRAW TERMINATE", "撤回或终止", "withdrawal or termination"
    ),
    Event.FORWARD: _trigger("Conclusion", "FORWARD", "转报", "forwarding"),
    Event.CERTIFY: _trigger("Certificate", "", "制证", "certificate made"),
    Event.DELIVER: _trigger("Collection", "", "领取", "collection"),
    Event.ATTACH_MATERIAL: _trigger("Material", "", "材料", "material"),
    Event.ATTACH_FEE: _trigger("Fee", "", "收费", "fee"),
    Event.ATTACH_EVALUATION: _trigger("Evaluation", "", "评价", "evaluation"),
    Event.DISPATCH: _trigger("Delivery", "SENT RETURNED", "寄送", "dispatch"),
}

_IN_EXAMINATION = (State.ACCEPTED, State.HANDLING, State.REVIEWING, State.DECIDING)
_SINCE_ACCEPTANCE = (
    *_IN_EXAMINATION,
    State.SUPP_SUSPENDED,
    State.SPECIAL_SUSPENDED,
    State.FORWARDED,
    State.CONCLUDED,
    State.CERTIFIED,
    State.DELIVERED,
    State.ARCHIVED,
)
_LAW = "行政许可法 art. "
_SIGNERS = "会签: one record per signer of the same step (standard, 1.3)"


def _rows() -> Iterator[CaseTransition]:
    """Yield the legal transitions in the order of the standard's table."""
    yield _row(State.NONE, Event.APPLY, State.APPLIED, "S(N)", _LAW + "32, 82")
    yield _row(State.APPLIED, Event.PREACCEPT, State.PREACCEPTED, "–", "预受理状态 1")
    yield _row(State.APPLIED, Event.PREREJECT, State.PREREJECTED, "E(N)", "预受理状态 2")
    for source in (State.APPLIED, State.PREACCEPTED):
        yield _row(source, Event.SUPPLEMENT_NOTICE, State.SUPP_PENDING, "E(N)", _LAW + "32(4)")
    yield _row(State.SUPP_PENDING, Event.SUPPLEMENT_RECEIPT, State.APPLIED, "S(N)", _LAW + "32(5)")
    yield _row(State.SUPP_PENDING, Event.SUPPLEMENT_TIMEOUT, State.CONCLUDED, "E", "办结结果 补正逾期")
    for source in (State.APPLIED, State.PREACCEPTED):
        yield _row(source, Event.ACCEPT, State.ACCEPTED, "E(N) S", _LAW + "32(5), 42")
        yield _row(source, Event.REFUSE, State.REFUSED, "E(N)", "受理状态 2; 办结 REFUSE")
        yield _row(source, Event.DEEM_ACCEPTED, State.ACCEPTED, "S", _LAW + "32(4)")
    # The refusal is often sent in both forms; the second one tells nothing new.
    yield _row(State.REFUSED, Event.REFUSE, State.REFUSED, "–", "both forms of a refusal")
    yield from _examination_rows()
    yield from _conclusion_rows()
    for state in State:
        if state is not State.NONE:
            yield _row(state, Event.ATTACH_MATERIAL, Effect.UNCHANGED, "–", "materials belong to the case")
    for source in _SINCE_ACCEPTANCE:
        yield _row(source, Event.ATTACH_FEE, Effect.UNCHANGED, "–", "收费 after acceptance")
        yield _row(source, Event.ATTACH_EVALUATION, Effect.UNCHANGED, "–", "评价 after acceptance; GB/T 39046 T9")


def _examination_rows() -> Iterator[CaseTransition]:
    """Yield the steps between acceptance and conclusion, with returns and suspensions."""
    steps = "环节代码 1承办 2审核 3批准"
    yield _row(State.ACCEPTED, Event.HANDLE, State.HANDLING, "–", steps)
    yield _row(State.HANDLING, Event.REVIEW, State.REVIEWING, "–", steps)
    yield _row(State.REVIEWING, Event.DECIDE, State.DECIDING, "–", steps)
    yield _row(State.HANDLING, Event.HANDLE, State.HANDLING, "–", _SIGNERS)
    yield _row(State.REVIEWING, Event.REVIEW, State.REVIEWING, "–", _SIGNERS)
    yield _row(State.DECIDING, Event.DECIDE, State.DECIDING, "–", _SIGNERS)
    # A returning record names the step that returns, not the one it goes back to; we take the handler's desk.
    back = "业务动作 退回, GB/T 39046 T7"
    for source in (State.ACCEPTED, State.HANDLING):
        yield _row(source, Event.RETURN_HANDLING, State.ACCEPTED, "–", back)
    for source in (State.HANDLING, State.REVIEWING):
        yield _row(source, Event.RETURN_REVIEW, State.HANDLING, "–", back)
    for source in (State.REVIEWING, State.DECIDING):
        yield _row(source, Event.RETURN_DECISION, State.HANDLING, "–", back)
    for source in _IN_EXAMINATION:
        yield _row(source, Event.SPECIAL_START, State.SPECIAL_SUSPENDED, "P", _LAW + "45")
        yield _row(source, Event.EXTEND, Effect.UNCHANGED, "X", _LAW + "42")
        yield _row(source, Event.SUPPLEMENT_NOTICE, State.SUPP_SUSPENDED, "P by rule", "practice; always flagged")
    yield _row(State.SPECIAL_SUSPENDED, Event.SPECIAL_END, Effect.STATE_BEFORE, "R", _LAW + "45")
    yield _row(State.SUPP_SUSPENDED, Event.SUPPLEMENT_RECEIPT, Effect.STATE_BEFORE, "R", "practice")


def _conclusion_rows() -> Iterator[CaseTransition]:
    """Yield the ways in which a case ends, and what follows."""
    yield _row(State.DECIDING, Event.CONCLUDE, State.CONCLUDED, "E S(D)", _LAW + "38, 42, 44")
    yield Transition(
        source=State.HANDLING,
        event=Event.CONCLUDE,
        target=State.CONCLUDED,
        clock="E S(D)",
        support=_LAW + "38, 42, 44; 即办件",
        instant_only=True,
    )
    for source in _IN_EXAMINATION:
        yield _row(source, Event.END, State.CONCLUDED, "E", "办结结果 1–5 with reason")
        yield _row(source, Event.FORWARD, State.FORWARDED, "E", _LAW + "43")
    yield _row(State.CONCLUDED, Event.CERTIFY, State.CERTIFIED, "–", "GB/T 39046 T8")
    for source in (State.CONCLUDED, State.CERTIFIED):
        yield _row(source, Event.DELIVER, State.DELIVERED, "E(D)", _LAW + "44")
        yield _row(source, Event.DISPATCH, Effect.UNCHANGED, "–", "GB/T 39046 T15")
    # A result that went by post is often reported twice, as delivered and as collected.
    yield _row(State.DELIVERED, Event.DELIVER, State.DELIVERED, "–", "领取登记 and 物流 of one result")


def _row(source: State, event: Event, target: State | Effect, clock: str, support: str) -> CaseTransition:
    return Transition(source=source, event=event, target=target, clock=clock, support=support)


TRANSITIONS: tuple[CaseTransition, ...] = tuple(_rows())

TERMINAL_RANK = 70
"""From this rank on a case has ended."""

STATE_RANKS: Mapping[State, int] = {
    State.NONE: 0,
    State.APPLIED: 10,
    State.SUPP_PENDING: 15,
    State.PREREJECTED: 15,
    State.PREACCEPTED: 20,
    State.ACCEPTED: 30,
    State.HANDLING: 40,
    State.REVIEWING: 50,
    State.DECIDING: 60,
    State.SUPP_SUSPENDED: 60,
    State.SPECIAL_SUSPENDED: 60,
    State.REFUSED: TERMINAL_RANK,
    State.FORWARDED: TERMINAL_RANK,
    State.CONCLUDED: TERMINAL_RANK,
    State.CERTIFIED: 80,
    State.DELIVERED: 90,
    State.ARCHIVED: 100,
}
"""How far a case has come; an event out of order moves a case forward only. The numbers are ours."""

# Where a case stands after an event that no row allowed. Suspensions and returns out of order move nothing.
_LANDINGS: Mapping[Event, State] = {
    Event.APPLY: State.APPLIED,
    Event.PREACCEPT: State.PREACCEPTED,
    Event.PREREJECT: State.PREREJECTED,
    Event.ACCEPT: State.ACCEPTED,
    Event.DEEM_ACCEPTED: State.ACCEPTED,
    Event.REFUSE: State.REFUSED,
    Event.HANDLE: State.HANDLING,
    Event.REVIEW: State.REVIEWING,
    Event.DECIDE: State.DECIDING,
    Event.CONCLUDE: State.CONCLUDED,
    Event.END: State.CONCLUDED,
    Event.SUPPLEMENT_TIMEOUT: State.CONCLUDED,
    Event.FORWARD: State.FORWARDED,
    Event.CERTIFY: State.CERTIFIED,
    Event.DELIVER: State.DELIVERED,
}

_SUSPENDED = (State.SUPP_SUSPENDED, State.SPECIAL_SUSPENDED)
_SUSPENDING = (Event.SPECIAL_START, Event.SUPPLEMENT_NOTICE)

# The hot path reads plain integers: (state, event) to target state, or one of the two effects as a negative number.
TARGET_UNCHANGED = -1
TARGET_STATE_BEFORE = -2
_EFFECT_NUMBERS = {Effect.UNCHANGED: TARGET_UNCHANGED, Effect.STATE_BEFORE: TARGET_STATE_BEFORE}


def _targets(*, instant: bool) -> dict[tuple[int, str], int]:
    return {
        (int(row.source), row.event.value): int(row.target)
        if isinstance(row.target, State)
        else _EFFECT_NUMBERS[row.target]
        for row in TRANSITIONS
        if instant or not row.instant_only
    }


TARGETS: Mapping[tuple[int, str], int] = _targets(instant=False)
INSTANT_TARGETS: Mapping[tuple[int, str], int] = _targets(instant=True)

_RETURNS = {"1": Event.RETURN_HANDLING, "2": Event.RETURN_REVIEW, "3": Event.RETURN_DECISION}


def _event_table() -> dict[tuple[str, str | None], str]:
    """Invert ``TRIGGERS`` and add second forms.

    The two kinds of record that need more than a code are told apart in ``event_of``.
    """
    table: dict[tuple[str, str | None], str] = {}
    for event, trigger in TRIGGERS.items():
        if event is Event.DEEM_ACCEPTED or event in _RETURNS.values():
            continue
        for code in trigger.codes or (None,):
            table[trigger.record_type, code] = event.value
    table["Conclusion", "REFUSE"] = Event.REFUSE.value
    table["Extension", None] = Event.EXTEND.value
    table["Delivery", "DELIVERED"] = Event.DELIVER.value
    return table


_EVENTS = _event_table()
CASE_RECORD_TYPES: frozenset[str] = frozenset(record_type for record_type, _ in _EVENTS)
"""Every record type that belongs to a case."""


def event_of(facts: Facts) -> str | None:
    """Return the event that a record carries (a value of ``Event``), or None when its code names none.

    A function of the record alone: type, deciding code, and for review steps and deemed acceptances the action.
    """
    record_type = facts.record_type
    code = facts.code
    if record_type == "ReviewStep" and facts.action == "RETURN" and code in _RETURNS:
        return _RETURNS[code].value
    if record_type == "Acceptance" and facts.deemed and code == "1":
        return Event.DEEM_ACCEPTED.value
    return _EVENTS.get((record_type, code)) or _EVENTS.get((record_type, None))


def advance(state: int, before: int, event: str | None, *, instant: bool) -> tuple[int, int, Legality]:
    """Return (state, state before the suspension, legality) after ``event`` met a case in ``state``.

    Total: an event that no row allows moves a case to where the event says it is, when that is further than it had
    come; else the state stays. Leaping over steps is ``SKIPPED``, everything else that no row allows ``ILLEGAL``.
    """
    target = (INSTANT_TARGETS if instant else TARGETS).get((state, event or ""))
    if target is not None:
        return _arrive(state, before, event, target)
    landing = _LANDINGS.get(Event(event)) if event else None
    if landing is None:
        return state, before, Legality.ILLEGAL
    forward = STATE_RANKS[landing] > STATE_RANKS[State(state)]
    if not forward:
        return state, before, Legality.ILLEGAL
    leapt = state not in _SUSPENDED and STATE_RANKS[State(state)] < TERMINAL_RANK and state != State.SUPP_PENDING
    return int(landing), 0, Legality.SKIPPED if leapt else Legality.ILLEGAL


def _arrive(state: int, before: int, event: str | None, target: int) -> tuple[int, int, Legality]:
    """Carry out a legal row."""
    if target == TARGET_UNCHANGED:
        return state, before, Legality.LEGAL
    if target == TARGET_STATE_BEFORE:
        return before, 0, Legality.LEGAL
    if target in _SUSPENDED and event in _SUSPENDING:
        return target, state, Legality.LEGAL
    return target, 0, Legality.LEGAL


def state_label(state: int) -> Label:
    """Return the names of a stored state number; raises ValueError for a number that was never a state."""
    return STATE_LABELS[State(state)]
