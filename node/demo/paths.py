"""The ways a case can go: which act follows which, how often, and what is wrong with some on purpose.

Legal paths follow the transitions of the standard (docs/reference/cases.md); illogical ones are what systems in
the field really send, and must be accepted and become findings. The weights are ours: chosen so that a month of some
hundred cases shows every path.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.demo.history import CaseFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """One way: ``weight`` of 100; ``illogical`` ones must be found by the node, ``late`` ones break the promise."""

    walk: Callable[[CaseFile], None]
    weight: int
    illogical: bool = False
    late: bool = False


def granted(case: CaseFile) -> None:
    """Accept, handle, decide, issue: the ordinary way."""
    _begin(case)
    _handle(case, _within_promise(case))
    _grant(case)


def granted_after_supplement(case: CaseFile) -> None:
    """The list of materials was not complete at first."""
    case.apply()
    case.wait(1)
    case.ask_supplement()
    case.wait(case.chance.number(1, 3))
    case.take_supplement()
    case.wait(1)
    case.accept()
    _handle(case, _within_promise(case))
    _grant(case)


def granted_late(case: CaseFile) -> None:
    """Everything in order, but after the promised day."""
    _begin(case)
    _handle(case, case.item.plan.promise_days + case.chance.number(2, 5))
    _grant(case)


def granted_after_inspection(case: CaseFile) -> None:
    """The clock stands still for an inspection on the spot."""
    _begin(case)
    case.wait(1)
    case.step("1")
    case.start_special(1)
    case.wait(case.chance.number(1, 4))
    case.end_special(1)
    case.wait(1)
    case.step("2")
    case.step("3")
    _grant(case)


def granted_after_return(case: CaseFile) -> None:
    """The reviewer sends it back once; the limit is extended."""
    _begin(case)
    case.wait(1)
    case.step("1")
    case.wait(1)
    case.step("2", action="RETURN")
    case.extend()
    case.wait(1)
    case.step("1")
    case.step("2")
    case.wait(1)
    case.step("3")
    _grant(case)


def denied(case: CaseFile) -> None:
    """Handled in full, the fee paid where there is one, and refused with a reason."""
    _begin(case)
    _handle(case, _within_promise(case))
    _pay(case)
    case.wait(0)
    case.conclude("DENY", reason="不符合法定条件：经营场所不具备安全条件")


def refused(case: CaseFile) -> None:
    """Not accepted, with a reason."""
    case.apply()
    case.wait(case.chance.number(0, 2))
    case.accept("2")


def rejected_early(case: CaseFile) -> None:
    """Turned away before acceptance."""
    case.apply()
    case.wait(0)
    case.pre_accept("2")


def supplement_never_came(case: CaseFile) -> None:
    """Asked for materials, and nothing came."""
    case.apply()
    case.wait(1)
    case.ask_supplement()
    case.wait(11)
    case.conclude("SUPP_TIMEOUT", reason="逾期未补正")


def withdrawn(case: CaseFile) -> None:
    """The applicant changed their mind."""
    _begin(case)
    case.wait(1)
    case.step("1")
    case.wait(1)
    case.conclude("WITHDRAW", reason="申请人书面申请撤回")


def accepted_after_conclusion(case: CaseFile) -> None:
    """受理晚于办结: the acceptance claims a later day than the conclusion."""
    case.apply()
    case.wait(1)
    started = case.now
    case.accept(event_at=started + timedelta(days=6))
    _handle(case, 1)
    _pay(case)
    case.wait(0)
    case.conclude("GRANT")


def steps_backward(case: CaseFile) -> None:
    """后一环节早于前一环节: the review claims to have been before the handling."""
    _begin(case)
    case.wait(2)
    case.step("1")
    case.wait(0)
    case.step("2", event_at=case.now - timedelta(days=1))
    case.step("3")
    _grant(case)


def steps_missing(case: CaseFile) -> None:
    """环节不完整: concluded without a single step."""
    _begin(case)
    case.wait(_within_promise(case))
    _pay(case)
    case.conclude("GRANT")


def supplement_before_notice(case: CaseFile) -> None:
    """补交受理早于补交告知."""
    case.apply()
    case.wait(1)
    case.ask_supplement()
    case.wait(1)
    case.take_supplement(event_at=case.now - timedelta(days=4))
    case.accept()
    _handle(case, _within_promise(case))
    _grant(case)


def fee_wrong(case: CaseFile) -> None:
    """不收费项目收费 where nothing is charged; 应收未收 where something is."""
    _begin(case)
    _handle(case, _within_promise(case))
    if case.item.plan.fee_yuan is None:
        case.pay(50)
    case.conclude("GRANT")


def ended_without_reason(case: CaseFile) -> None:
    """退回、终止无原因."""
    _begin(case)
    case.wait(1)
    case.conclude("TERMINATE")


PATHS: Final = {
    "granted": Path(walk=granted, weight=46),
    "granted_after_supplement": Path(walk=granted_after_supplement, weight=9),
    "granted_late": Path(walk=granted_late, weight=6, late=True),
    "granted_after_inspection": Path(walk=granted_after_inspection, weight=7),
    "granted_after_return": Path(walk=granted_after_return, weight=4),
    "denied": Path(walk=denied, weight=4),
    "refused": Path(walk=refused, weight=6),
    "rejected_early": Path(walk=rejected_early, weight=3),
    "supplement_never_came": Path(walk=supplement_never_came, weight=2),
    "withdrawn": Path(walk=withdrawn, weight=3),
    "accepted_after_conclusion": Path(walk=accepted_after_conclusion, weight=2, illogical=True),
    "steps_backward": Path(walk=steps_backward, weight=2, illogical=True),
    "steps_missing": Path(walk=steps_missing, weight=2, illogical=True),
    "supplement_before_notice": Path(walk=supplement_before_notice, weight=1, illogical=True),
    "fee_wrong": Path(walk=fee_wrong, weight=2, illogical=True),
    "ended_without_reason": Path(walk=ended_without_reason, weight=1, illogical=True),
}


def _begin(case: CaseFile) -> None:
    case.apply()
    case.wait(0 if case.item.plan.promise_days == 0 else case.chance.number(0, 2))
    if case.chance.happens(0.3):
        case.pre_accept("1")
        case.wait(0)
    case.accept()


def _within_promise(case: CaseFile) -> int:
    """Working days that keep the promise."""
    return case.chance.number(0, max(0, case.item.plan.promise_days - 1))


def _handle(case: CaseFile, days: int) -> None:
    """The three steps, spread over ``days`` working days."""
    case.wait(min(1, days))
    case.step("1")
    case.wait(max(0, days - 1))
    case.step("2")
    case.wait(0)
    case.step("3")


def _pay(case: CaseFile) -> None:
    fee_yuan = case.item.plan.fee_yuan
    if fee_yuan is not None:
        case.wait(0)
        case.pay(fee_yuan)


def _grant(case: CaseFile) -> None:
    _pay(case)
    case.wait(0)
    case.conclude("GRANT")
    if case.chance.happens(0.7):
        case.wait(case.chance.number(0, 3))
        case.collect()
