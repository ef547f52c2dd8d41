"""The life cycle of an approval case (办件) as data: states, events and legal transitions. Pure.

The rows are the state table of the standard, section 1 (docs/reference/cases.md repeats them; a test compares). The
event of a record is a function of its type and deciding code alone. The machine is total: an event that no row allows
leaves the case in a defined state all the same (``StateMachine`` says which) and is reported, never refused, because
what a department did has happened whether or not it was in order. ``node.cases.history`` folds records with it.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

from node.cases.life_cycle import Effect, Label, StateMachine, Transition, Trigger, targets_of, trigger

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

TRIGGERS: Mapping[Event, Trigger] = {
    Event.APPLY: trigger("Application", "", "申请", "application"),
    Event.PREACCEPT: trigger("PreAcceptance", "1", "预受理通过", "pre-acceptance"),
    Event.PREREJECT: trigger("PreAcceptance", "2", "预受理不通过", "pre-acceptance denied"),
    Event.SUPPLEMENT_NOTICE: trigger("SupplementNotice", "", "补正告知", "supplement notice"),
    Event.SUPPLEMENT_RECEIPT: trigger("SupplementReceipt", "", "补正受理", "supplement receipt"),
    Event.SUPPLEMENT_TIMEOUT: trigger("Conclusion", "SUPP_TIMEOUT", "补正逾期", "supplement overdue"),
    Event.ACCEPT: trigger("Acceptance", "1", "受理", "acceptance"),
    Event.DEEM_ACCEPTED: trigger("Acceptance", "1", "视为受理", "deemed acceptance"),
    Event.REFUSE: trigger("Acceptance", "2", "不予受理", "refusal of acceptance"),
    Event.HANDLE: trigger("ReviewStep", "1", "承办", "handling"),
    Event.REVIEW: trigger("ReviewStep", "2", "审核", "review"),
    Event.DECIDE: trigger("ReviewStep", "3", "批准", "decision"),
    Event.RETURN_HANDLING: trigger("ReviewStep", "1", "承办退回", "returned by the handler"),
    Event.RETURN_REVIEW: trigger("ReviewStep", "2", "审核退回", "returned by the reviewer"),
    Event.RETURN_DECISION: trigger("ReviewStep", "3", "批准退回", "returned by the approver"),
    Event.SPECIAL_START: trigger("SpecialProcedureStart", "2", "特别程序开始", "special procedure starts"),
    Event.SPECIAL_END: trigger("SpecialProcedureEnd", "", "特别程序结束", "special procedure ends"),
    Event.EXTEND: trigger("SpecialProcedureStart", "1", "延长审批", "extension of the limit"),
    Event.CONCLUDE: trigger("Conclusion", "GRANT DENY OTHER", "办结", "conclusion"),
    Event.END: trigger(
        "Conclusion", "RETURN VOID DELETE WITHDRAW TERMINATE", "撤回或终止", "withdrawal or termination"
    ),
    Event.FORWARD: trigger("Conclusion", "FORWARD", "转报", "forwarding"),
    Event.CERTIFY: trigger("Certificate", "", "制证", "certificate made"),
    Event.DELIVER: trigger("Collection", "", "领取", "collection"),
    Event.ATTACH_MATERIAL: trigger("Material", "", "材料", "material"),
    Event.ATTACH_FEE: trigger("Fee", "", "收费", "fee"),
    Event.ATTACH_EVALUATION: trigger("Evaluation", "", "评价", "evaluation"),
    Event.DISPATCH: trigger("Delivery", "SENT RETURNED", "寄送", "dispatch"),
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

TARGETS: Mapping[tuple[int, str], int] = targets_of(row for row in TRANSITIONS if not row.instant_only)
INSTANT_TARGETS: Mapping[tuple[int, str], int] = targets_of(TRANSITIONS)


def _machine(targets: Mapping[tuple[int, str], int]) -> StateMachine:
    return StateMachine(
        targets=targets,
        landings={event.value: int(state) for event, state in _LANDINGS.items()},
        ranks={int(state): rank for state, rank in STATE_RANKS.items()},
        terminal_rank=TERMINAL_RANK,
        waiting=frozenset(map(int, (*_SUSPENDED, State.SUPP_PENDING))),
        suspended=frozenset(map(int, _SUSPENDED)),
        suspending=frozenset(event.value for event in _SUSPENDING),
    )


MACHINE: StateMachine = _machine(TARGETS)
INSTANT_MACHINE: StateMachine = _machine(INSTANT_TARGETS)
"""For instant cases (即办件)."""

_RETURNS = {"1": Event.RETURN_HANDLING, "2": Event.RETURN_REVIEW, "3": Event.RETURN_DECISION}


def _event_table() -> dict[tuple[str, str | None], str]:
    """Invert ``TRIGGERS`` and add second forms.

    The two kinds of record that need more than a code are told apart in ``event_of``.
    """
    table: dict[tuple[str, str | None], str] = {}
    for event, carrier in TRIGGERS.items():
        if event is Event.DEEM_ACCEPTED or event in _RETURNS.values():
            continue
        for code in carrier.codes or (None,):
            table[carrier.record_type, code] = event.value
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


def state_label(state: int) -> Label:
    """Return the names of a stored state number; raises ValueError for a number that was never a state."""
    return STATE_LABELS[State(state)]
