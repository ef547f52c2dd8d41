"""The life cycle of an administrative penalty (行政处罚) as data: states, events and legal transitions. Pure.

The rows are the state table of the standard, section 2 (docs/reference/penalties.md repeats them; a test compares),
after 行政处罚法 (2021). The event of a record is a function of its type and deciding code alone. The machine is the one
of approval cases: total, and what no row allows is reported, never refused.

The days that the law counts are calendar days for 15 and 90, working days for 2, 3, 5 and 7 (art. 85).
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

from node.cases.life_cycle import Effect, Label, StateMachine, Transition, Trigger, targets_of, trigger

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from node.standard.facts import Facts


class PenaltyState(IntEnum):
    """Where a penalty stands. The numbers are stored, and apart from those of approval cases: never change one."""

    NONE = 0
    CLUE = 101
    FILED = 102
    INVESTIGATING = 103
    REVIEWED = 104
    LEGAL_REVIEWED = 105
    NOTIFIED = 106
    HEARING = 107
    DECIDED = 108
    SERVED = 109
    EXECUTING = 110
    EXECUTED = 111
    CLOSED = 112


class PenaltyEvent(StrEnum):
    """What a record says has happened to its penalty."""

    REGISTER = "REGISTER"
    FILE = "FILE"
    NOT_FILE = "NOT_FILE"
    PENALISE_ON_SPOT = "PENALISE_ON_SPOT"
    INVESTIGATE = "INVESTIGATE"
    REVIEW = "REVIEW"
    SEND_BACK = "SEND_BACK"
    REVIEW_LEGALLY = "REVIEW_LEGALLY"
    NOTIFY = "NOTIFY"
    DEFEND = "DEFEND"
    REQUEST_HEARING = "REQUEST_HEARING"
    ANNOUNCE_HEARING = "ANNOUNCE_HEARING"
    END_HEARING = "END_HEARING"
    DISCUSS = "DISCUSS"
    DECIDE = "DECIDE"
    DECIDE_NO_PENALTY = "DECIDE_NO_PENALTY"
    SERVE = "SERVE"
    SERVE_OTHER = "SERVE_OTHER"
    PUBLISH = "PUBLISH"
    EXECUTE = "EXECUTE"
    COMPLETE = "COMPLETE"
    CHALLENGE = "CHALLENGE"
    EXTEND = "EXTEND"
    CLOSE = "CLOSE"
    CLOSE_UNPENALISED = "CLOSE_UNPENALISED"
    REVOKE_FILING = "REVOKE_FILING"
    REVOKE_DECISION = "REVOKE_DECISION"
    TERMINATE = "TERMINATE"


PenaltyTransition = Transition[PenaltyState, PenaltyEvent]

PENALTY_STATE_LABELS: Mapping[PenaltyState, Label] = {
    PenaltyState.NONE: Label(chinese="无线索", english="nothing seen"),
    PenaltyState.CLUE: Label(chinese="线索", english="clue"),
    PenaltyState.FILED: Label(chinese="已立案", english="filed"),
    PenaltyState.INVESTIGATING: Label(chinese="调查取证", english="under investigation"),
    PenaltyState.REVIEWED: Label(chinese="已审查", english="reviewed"),
    PenaltyState.LEGAL_REVIEWED: Label(chinese="已法制审核", english="legally reviewed"),
    PenaltyState.NOTIFIED: Label(chinese="已告知", english="party notified"),
    PenaltyState.HEARING: Label(chinese="听证中", english="in hearing"),
    PenaltyState.DECIDED: Label(chinese="已决定", english="decided"),
    PenaltyState.SERVED: Label(chinese="已送达", english="served"),
    PenaltyState.EXECUTING: Label(chinese="执行中", english="in execution"),
    PenaltyState.EXECUTED: Label(chinese="执行完毕", english="executed"),
    PenaltyState.CLOSED: Label(chinese="已结案", english="closed"),
}

PENALTY_TRIGGERS: Mapping[PenaltyEvent, Trigger] = {
    PenaltyEvent.REGISTER: trigger("PenaltyClue", "", "线索登记", "clue registered"),
    PenaltyEvent.FILE: trigger("PenaltyFiling", "FILED", "立案", "filing"),
    PenaltyEvent.NOT_FILE: trigger("PenaltyFiling", "NOT_FILED", "不予立案", "filing refused"),
    PenaltyEvent.PENALISE_ON_SPOT: trigger("PenaltySummary", "", "当场处罚", "penalty on the spot"),
    PenaltyEvent.INVESTIGATE: trigger("PenaltyInvestigation", "", "调查取证", "investigation"),
    PenaltyEvent.REVIEW: trigger("PenaltyReview", "PENALISE MINOR UNPROVEN TRANSFER", "审查", "review"),
    PenaltyEvent.SEND_BACK: trigger("PenaltyReview", "INVESTIGATE", "退回补充调查", "sent back to investigation"),
    PenaltyEvent.REVIEW_LEGALLY: trigger("PenaltyLegalReview", "", "法制审核", "legal review"),
    PenaltyEvent.NOTIFY: trigger("PenaltyNotice", "", "告知", "notice"),
    PenaltyEvent.DEFEND: trigger("PenaltyDefence", "", "陈述申辩", "statement and defence"),
    PenaltyEvent.REQUEST_HEARING: trigger("PenaltyHearing", "REQUESTED", "申请听证", "hearing asked for"),
    PenaltyEvent.ANNOUNCE_HEARING: trigger("PenaltyHearing", "ANNOUNCED", "通知听证", "hearing announced"),
    PenaltyEvent.END_HEARING: trigger("PenaltyHearing", "ENDED WITHDRAWN", "听证结束", "hearing ended or given up"),
    PenaltyEvent.DISCUSS: trigger("PenaltyDiscussion", "", "集体讨论", "collective discussion"),
    PenaltyEvent.DECIDE: trigger("PenaltyDecision", "PENALISE", "决定处罚", "penalty decided"),
    PenaltyEvent.DECIDE_NO_PENALTY: trigger(
        "PenaltyDecision", "MINOR UNPROVEN TRANSFER", "决定不予处罚或移送", "no penalty, or handed over"
    ),
    PenaltyEvent.SERVE: trigger("PenaltyService", "DECISION", "送达决定", "decision served"),
    PenaltyEvent.SERVE_OTHER: trigger(
        "PenaltyService", "NOTICE HEARING_NOTICE DEMAND OTHER", "送达其他文书", "other document served"
    ),
    PenaltyEvent.PUBLISH: trigger("PenaltyPublication", "", "公开或撤回", "published or withdrawn"),
    PenaltyEvent.EXECUTE: trigger("PenaltyExecution", "ONGOING", "执行", "execution"),
    PenaltyEvent.COMPLETE: trigger("PenaltyExecution", "COMPLETED", "执行完毕", "execution completed"),
    PenaltyEvent.CHALLENGE: trigger("PenaltyReconsideration", "", "复议或诉讼", "reconsideration or lawsuit"),
    PenaltyEvent.EXTEND: trigger("PenaltyExtension", "", "延期", "extension"),
    PenaltyEvent.CLOSE: trigger("PenaltyClosing", "NORMAL", "结案", "closing"),
    PenaltyEvent.CLOSE_UNPENALISED: trigger(
        "PenaltyClosing", "NOT_PENALISED TRANSFERRED", "不予处罚或移送结案", "closed without penalty"
    ),
    PenaltyEvent.REVOKE_FILING: trigger("PenaltyClosing", "FILING_REVOKED", "撤销立案", "filing revoked"),
    PenaltyEvent.REVOKE_DECISION: trigger("PenaltyClosing", "DECISION_REVOKED", "撤销原处罚决定", "decision revoked"),
    PenaltyEvent.TERMINATE: trigger("PenaltyClosing", "TERMINATED", "终结", "terminated"),
}

_LAW = "行政处罚法 art. "
_BEFORE_NOTICE = (PenaltyState.REVIEWED, PenaltyState.LEGAL_REVIEWED)
_BEFORE_DECISION = (
    PenaltyState.FILED,
    PenaltyState.INVESTIGATING,
    *_BEFORE_NOTICE,
    PenaltyState.NOTIFIED,
    PenaltyState.HEARING,
)
_SINCE_DECISION = (PenaltyState.DECIDED, PenaltyState.SERVED, PenaltyState.EXECUTING, PenaltyState.EXECUTED)
_SINCE_SERVICE = (PenaltyState.SERVED, PenaltyState.EXECUTING, PenaltyState.EXECUTED, PenaltyState.CLOSED)


def _rows() -> Iterator[PenaltyTransition]:
    """Yield the legal transitions in the order of the standard's table."""
    state, event = PenaltyState, PenaltyEvent
    yield _row(state.NONE, event.REGISTER, state.CLUE, "–", "案件来源")
    yield _row(state.CLUE, event.FILE, state.FILED, "S", _LAW + "54, 60")
    yield _row(state.CLUE, event.NOT_FILE, state.CLOSED, "–", "with reason")
    for source in (state.NONE, state.CLUE):
        # The decision is handed over on the spot, so it is served with it.
        yield _row(source, event.PENALISE_ON_SPOT, state.SERVED, "–", _LAW + "51, 52")
    yield from _investigation_rows()
    yield from _hearing_rows()
    yield from _decision_rows()
    yield from _execution_rows()
    for source in _BEFORE_DECISION:
        yield _row(source, event.EXTEND, Effect.UNCHANGED, "X", _LAW + "60")


def _investigation_rows() -> Iterator[PenaltyTransition]:
    """Yield the steps from filing to legal review."""
    state, event = PenaltyState, PenaltyEvent
    for source in (state.FILED, state.INVESTIGATING):
        yield _row(source, event.INVESTIGATE, state.INVESTIGATING, "–", _LAW + "42, 55, 56")
    yield _row(state.INVESTIGATING, event.REVIEW, state.REVIEWED, "–", _LAW + "57")
    yield _row(state.INVESTIGATING, event.SEND_BACK, state.INVESTIGATING, "–", "补充调查")
    for source in _BEFORE_NOTICE:
        yield _row(source, event.INVESTIGATE, state.INVESTIGATING, "–", "补充调查")
    yield _row(state.REVIEWED, event.REVIEW_LEGALLY, state.LEGAL_REVIEWED, "–", _LAW + "58")
    for source in (state.LEGAL_REVIEWED, state.NOTIFIED):
        yield _row(source, event.REVIEW_LEGALLY, Effect.UNCHANGED, "–", _LAW + "58: before the decision")


def _hearing_rows() -> Iterator[PenaltyTransition]:
    """Yield what the party is told, says and asks for."""
    state, event = PenaltyState, PenaltyEvent
    for source in _BEFORE_NOTICE:
        yield _row(source, event.NOTIFY, state.NOTIFIED, "–", _LAW + "44")
    yield _row(state.NOTIFIED, event.NOTIFY, state.NOTIFIED, "–", _LAW + "44: told anew when something changed")
    yield _row(state.NOTIFIED, event.DEFEND, Effect.UNCHANGED, "–", _LAW + "45")
    yield _row(state.NOTIFIED, event.REQUEST_HEARING, state.HEARING, "–", _LAW + "63, 64(1)")
    yield _row(state.HEARING, event.ANNOUNCE_HEARING, Effect.UNCHANGED, "–", _LAW + "64(2)")
    yield _row(state.HEARING, event.DEFEND, Effect.UNCHANGED, "–", _LAW + "64(7)")
    yield _row(state.HEARING, event.END_HEARING, state.NOTIFIED, "–", _LAW + "64, 65")
    yield _row(state.NOTIFIED, event.DISCUSS, Effect.UNCHANGED, "–", _LAW + "57")


def _decision_rows() -> Iterator[PenaltyTransition]:
    """Yield decision, service and publication."""
    state, event = PenaltyState, PenaltyEvent
    yield _row(state.NOTIFIED, event.DECIDE, state.DECIDED, "E", _LAW + "57, 60")
    for source in (*_BEFORE_NOTICE, state.NOTIFIED):
        yield _row(source, event.DECIDE_NO_PENALTY, state.DECIDED, "E", _LAW + "57; art. 44 asks notice of penalties")
    yield _row(state.DECIDED, event.SERVE, state.SERVED, "–", _LAW + "61")
    for source in (*_BEFORE_DECISION, *_SINCE_DECISION):
        yield _row(source, event.SERVE_OTHER, Effect.UNCHANGED, "–", "告知书, 听证通知书, 催告书")
    for source in _SINCE_SERVICE:
        yield _row(source, event.PUBLISH, Effect.UNCHANGED, "–", _LAW + "48")
        yield _row(source, event.CHALLENGE, Effect.UNCHANGED, "–", _LAW + "7, 73")


def _execution_rows() -> Iterator[PenaltyTransition]:
    """Yield execution and the ways in which a penalty is closed."""
    state, event = PenaltyState, PenaltyEvent
    for source in (state.SERVED, state.EXECUTING):
        yield _row(source, event.EXECUTE, state.EXECUTING, "–", _LAW + "66, 67, 72")
        yield _row(source, event.COMPLETE, state.EXECUTED, "–", _LAW + "66, 67, 72")
    yield _row(state.EXECUTED, event.CLOSE, state.CLOSED, "–", "结案")
    yield _row(state.SERVED, event.CLOSE, state.CLOSED, "–", "a warning needs no execution")
    for source in (state.DECIDED, state.SERVED):
        yield _row(source, event.CLOSE_UNPENALISED, state.CLOSED, "–", _LAW + "57")
    for source in _BEFORE_DECISION:
        yield _row(source, event.REVOKE_FILING, state.CLOSED, "E", "撤销立案")
    for source in _SINCE_DECISION:
        yield _row(source, event.REVOKE_DECISION, state.CLOSED, "–", "撤销原处罚决定")
    for source in (*_BEFORE_DECISION, *_SINCE_DECISION):
        yield _row(source, event.TERMINATE, state.CLOSED, "E", "终结")


def _row(
    source: PenaltyState, event: PenaltyEvent, target: PenaltyState | Effect, clock: str, support: str
) -> PenaltyTransition:
    return Transition(source=source, event=event, target=target, clock=clock, support=support)


PENALTY_TRANSITIONS: tuple[PenaltyTransition, ...] = tuple(_rows())

PENALTY_STATE_RANKS: Mapping[PenaltyState, int] = {
    state: 10 * place
    for place, state in enumerate(state for state in PenaltyState if state is not PenaltyState.HEARING)
} | {PenaltyState.HEARING: 65}
"""How far a penalty has come; an event out of order moves it forward only. The numbers are ours."""

_LANDINGS: Mapping[PenaltyEvent, PenaltyState] = {
    PenaltyEvent.REGISTER: PenaltyState.CLUE,
    PenaltyEvent.FILE: PenaltyState.FILED,
    PenaltyEvent.NOT_FILE: PenaltyState.CLOSED,
    PenaltyEvent.PENALISE_ON_SPOT: PenaltyState.SERVED,
    PenaltyEvent.INVESTIGATE: PenaltyState.INVESTIGATING,
    PenaltyEvent.REVIEW: PenaltyState.REVIEWED,
    PenaltyEvent.REVIEW_LEGALLY: PenaltyState.LEGAL_REVIEWED,
    PenaltyEvent.NOTIFY: PenaltyState.NOTIFIED,
    PenaltyEvent.REQUEST_HEARING: PenaltyState.HEARING,
    PenaltyEvent.DECIDE: PenaltyState.DECIDED,
    PenaltyEvent.DECIDE_NO_PENALTY: PenaltyState.DECIDED,
    PenaltyEvent.SERVE: PenaltyState.SERVED,
    PenaltyEvent.EXECUTE: PenaltyState.EXECUTING,
    PenaltyEvent.COMPLETE: PenaltyState.EXECUTED,
    PenaltyEvent.CLOSE: PenaltyState.CLOSED,
    PenaltyEvent.CLOSE_UNPENALISED: PenaltyState.CLOSED,
    PenaltyEvent.REVOKE_FILING: PenaltyState.CLOSED,
    PenaltyEvent.REVOKE_DECISION: PenaltyState.CLOSED,
    PenaltyEvent.TERMINATE: PenaltyState.CLOSED,
}

PENALTY_MACHINE = StateMachine(
    targets=targets_of(PENALTY_TRANSITIONS),
    landings={event.value: int(state) for event, state in _LANDINGS.items()},
    ranks={int(state): rank for state, rank in PENALTY_STATE_RANKS.items()},
    terminal_rank=PENALTY_STATE_RANKS[PenaltyState.CLOSED],
)

_EVENTS: Mapping[tuple[str, str | None], str] = {
    (carrier.record_type, code): event.value
    for event, carrier in PENALTY_TRIGGERS.items()
    for code in carrier.codes or (None,)
}
PENALTY_RECORD_TYPES: frozenset[str] = frozenset(record_type for record_type, _ in _EVENTS)
"""Every record type that belongs to a penalty."""


def penalty_event_of(facts: Facts) -> str | None:
    """Return the event that a record carries (a value of ``PenaltyEvent``), or None when its code names none."""
    return _EVENTS.get((facts.record_type, facts.code)) or _EVENTS.get((facts.record_type, None))


def penalty_state_label(state: int) -> Label:
    """Return the names of a stored state number; raises ValueError for a number that was never a penalty's state."""
    return PENALTY_STATE_LABELS[PenaltyState(state)]
