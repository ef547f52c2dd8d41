"""Findings (疑点): what is illogical in the records of a case. Pure, and none of it needs a clock.

Illogical records are stored, counted and flagged, never refused (standard, decision 7). Every check is a function of
the case's records in effect, in stream order, and of the catalogue items that hold on their dates. The codes are
constants that programs rely on; docs/reference/cases.md lists them and a test compares.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from node.cases.life_cycle import Label, Legality
from node.cases.states import STATE_RANKS, TERMINAL_RANK, Event, State

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from node.standard.facts import Facts

SUPPLEMENT_NOTICES_MAX = 1
"""How often a supplement may be asked for: once, everything at once (行政许可法 art. 32(4))."""

GRANT = "GRANT"
"""ResultCode of a case whose applicant gets what was applied for."""

EXEMPT_CHANNELS: frozenset[str] = frozenset({"SERIAL", "BLUETOOTH", "MANUAL"})
"""Closed systems yield only application and conclusion; the completeness of steps is not asked of them."""

ACCEPT_AFTER_CONCLUSION = "LOGIC-ACCEPT-AFTER-CONCLUSION"
STEP_BEFORE_PREVIOUS = "LOGIC-STEP-BEFORE-PREVIOUS"
SUPP_RECEIPT_BEFORE_NOTICE = "LOGIC-SUPP-RECEIPT-BEFORE-NOTICE"
SUPP_TOO_OFTEN = "LOGIC-SUPP-TOO-OFTEN"
SUPP_AFTER_ACCEPT = "LOGIC-SUPP-AFTER-ACCEPT"
SPECIAL_END_BEFORE_START = "LOGIC-SPECIAL-END-BEFORE-START"
STEPS_INCOMPLETE = "LOGIC-STEPS-INCOMPLETE"
REASON_MISSING = "LOGIC-REASON-MISSING"
MATERIALS_INCOMPLETE = "LOGIC-MATERIALS-INCOMPLETE"
FREE_ITEM_CHARGED = "LOGIC-FREE-ITEM-CHARGED"
FEE_UNPAID = "LOGIC-FEE-UNPAID"
CERTIFIED_UNGRANTED = "LOGIC-CERTIFIED-UNGRANTED"
TRANSITION = "LOGIC-TRANSITION"
NO_APPLICATION = "LOGIC-NO-APPLICATION"
VERSION_ORDER = "LOGIC-VERSION-ORDER"
VERSION_REPEATED = "LOGIC-VERSION-REPEATED"
CASE_TOO_LONG = "LOGIC-CASE-TOO-LONG"
DIVISION_LAPSED = "LOGIC-DIVISION-LAPSED"

FINDING_LABELS: Mapping[str, Label] = {
    ACCEPT_AFTER_CONCLUSION: Label(chinese="受理晚于办结", english="accepted after it was concluded"),
    STEP_BEFORE_PREVIOUS: Label(chinese="后一环节早于前一环节", english="a later step is dated before an earlier one"),
    SUPP_RECEIPT_BEFORE_NOTICE: Label(
        chinese="补交受理早于补交告知", english="supplement received before it was asked for"
    ),
    SUPP_TOO_OFTEN: Label(chinese="补交告知超过规定次数", english="supplements asked for more often than allowed"),
    SUPP_AFTER_ACCEPT: Label(chinese="受理后补交告知", english="supplement asked for after acceptance"),
    SPECIAL_END_BEFORE_START: Label(chinese="特别程序结果早于申请", english="special procedure ended before it began"),
    STEPS_INCOMPLETE: Label(chinese="环节不完整", english="steps are missing"),
    REASON_MISSING: Label(chinese="不予受理、退回、作废、删除等无原因", english="a refusal or ending without a reason"),
    MATERIALS_INCOMPLETE: Label(chinese="材料不完整", english="accepted with fewer materials than the item requires"),
    FREE_ITEM_CHARGED: Label(chinese="不收费项目收费", english="a fee was taken for an item that is free"),
    FEE_UNPAID: Label(chinese="应收未收", english="concluded although a fee that is due was not paid"),
    CERTIFIED_UNGRANTED: Label(chinese="未准予而制证", english="a certificate although the case was not granted"),
    TRANSITION: Label(chinese="环节顺序不合规", english="a step that the case's state does not allow"),
    NO_APPLICATION: Label(chinese="无申请记录", english="the case does not begin with an application"),
    VERSION_ORDER: Label(chinese="旧版本数据晚到", english="an older data version arrived after a newer one"),
    VERSION_REPEATED: Label(chinese="数据版本重复", english="the same data version was sent twice"),
    DIVISION_LAPSED: Label(chinese="新办件使用已失效的行政区划代码", english="a new case under a lapsed division code"),
    CASE_TOO_LONG: Label(chinese="办件记录过多", english="the case has more records than are evaluated"),
}

REASONED_CODES: Mapping[str, frozenset[str]] = {
    "PreAcceptance": frozenset({"2"}),
    "Acceptance": frozenset({"2"}),
    "Conclusion": frozenset({"RETURN", "VOID", "DELETE", "REFUSE", "WITHDRAW", "TERMINATE"}),
}
"""Deciding codes that need a reason, by record type (standard, 1.3)."""

_PHASES: Mapping[str, int] = {
    "Application": 0,
    "PreAcceptance": 1,
    "Acceptance": 2,
    "ReviewStep": 3,
    "Conclusion": 4,
    "Certificate": 5,
    "Collection": 6,
    "Delivery": 6,
}
_ACCEPTANCE_PHASE = 2
_REVIEW_PHASE = 3
_CONCLUSION_PHASE = 4
_UNPAID = "2"
_PAID = "1"


NO_CONTENT: Mapping[str, Any] = MappingProxyType({})


class Finding(NamedTuple):
    """One illogical thing: its code, and the journal key of the record at which it shows."""

    code: str
    key: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemTerms:
    """What the checks need of one version of a catalogue item.

    ``valid_from`` and ``valid_to`` are dates ``YYYY-MM-DD`` (``valid_to`` is the last day, None: no end).
    """

    version: int
    valid_from: str
    valid_to: str | None
    charges: bool
    required_materials: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One record in effect, and what it did: the state that it met, the one that it left, and whether that is legal.

    ``content`` is the whole record for kinds of cases that are judged by it, else empty.
    """

    key: int
    facts: Facts
    event: str | None
    state_before: int
    state_after: int
    legality: Legality
    content: Mapping[str, Any] = field(default_factory=dict)


def needs_reason(facts: Facts) -> bool:
    """Tell whether a record decides something that must be explained and is not."""
    return not facts.has_reason and facts.code in REASONED_CODES.get(facts.record_type, ())


def terms_on(items: Sequence[ItemTerms], day: str | None) -> ItemTerms | None:
    """Return the newest version of the item that holds on ``day`` (YYYY-MM-DD), or None where none is known."""
    if day is None:
        return None
    held = [item for item in items if item.valid_from <= day and (item.valid_to is None or day <= item.valid_to)]
    return max(held, key=lambda item: item.version, default=None)


def check_case(steps: Sequence[Step], items: Sequence[ItemTerms]) -> list[Finding]:
    """Return every finding of a case, sorted, without repetition.

    ``steps`` are the records in effect in stream order; ``items`` the known versions of the case's item (empty: the
    checks that need the item find nothing, and are made again when it arrives).
    """
    found = {
        *_transitions(steps),
        *_times(steps),
        *_pairs(steps, "SupplementNotice", "SupplementReceipt", SUPP_RECEIPT_BEFORE_NOTICE),
        *_pairs(steps, "SpecialProcedureStart", "SpecialProcedureEnd", SPECIAL_END_BEFORE_START),
        *_supplements(steps),
        *(Finding(REASON_MISSING, step.key) for step in steps if needs_reason(step.facts)),
        *_certificates(steps),
        *_materials(steps, items),
        *_fees(steps, items),
    }
    return sorted(found)


def _transitions(steps: Sequence[Step]) -> Iterator[Finding]:
    """Find steps that leap (unless the channel may) and steps that no row of the state table allows."""
    if steps and steps[0].facts.record_type != "Application":
        yield Finding(NO_APPLICATION, steps[0].key)
    for step in steps:
        if step.legality is Legality.ILLEGAL:
            yield Finding(TRANSITION, step.key)
        elif step.legality is Legality.SKIPPED and step.facts.channel not in EXEMPT_CHANNELS:
            yield Finding(STEPS_INCOMPLETE, step.key)


def _times(steps: Sequence[Step]) -> Iterator[Finding]:
    """Find steps dated before a step of an earlier phase, whatever the order of sending; whole seconds count."""
    dated = [
        (_phase_of(step), step.facts.event_at.replace(microsecond=0), step.key)
        for step in steps
        # What was sent has not been delivered yet: it is no stage that others follow.
        if step.facts.record_type in _PHASES and step.event != Event.DISPATCH and step.facts.event_at is not None
    ]
    reviewed_at = None
    for phase, at, key in dated:
        if phase == _REVIEW_PHASE:
            # Steps may be gone through again after a return: among themselves only the order of sending counts.
            if reviewed_at is not None and at < reviewed_at:
                yield Finding(STEP_BEFORE_PREVIOUS, key)
            reviewed_at = at
    for key, phase, earlier in dated_too_early(dated):
        late_acceptance = (earlier, phase) == (_ACCEPTANCE_PHASE, _CONCLUSION_PHASE)
        yield Finding(ACCEPT_AFTER_CONCLUSION if late_acceptance else STEP_BEFORE_PREVIOUS, key)


def _phase_of(step: Step) -> int:
    """Return the phase of a step; a refusal of acceptance ends the case, in whichever of its two forms it is told."""
    return _CONCLUSION_PHASE if step.event == Event.REFUSE else _PHASES[step.facts.record_type]


def dated_too_early(dated: Sequence[tuple[int, datetime, int]]) -> Iterator[tuple[int, int, int]]:
    """Yield (key, phase, earlier phase) for each step (phase, time, key) dated before one of an earlier phase."""
    latest: dict[int, datetime] = {}
    for phase, at, _ in dated:
        latest[phase] = max(latest.get(phase, at), at)
    for phase, at, key in dated:
        for earlier, latest_at in latest.items():
            if earlier < phase and latest_at > at:
                yield key, phase, earlier


def _pairs(steps: Sequence[Step], opening: str, closing: str, code: str) -> Iterator[Finding]:
    """Find closings dated before the opening with the same Sequence (or, without one, before the first opening)."""
    openings = [step.facts for step in steps if step.facts.record_type == opening and step.facts.event_at]
    by_sequence = {facts.sequence: facts for facts in openings}
    for step in steps:
        facts = step.facts
        if facts.record_type != closing or facts.event_at is None or not openings:
            continue
        opened = by_sequence.get(facts.sequence, openings[0])
        if opened.event_at is not None and facts.event_at < opened.event_at:
            yield Finding(code, step.key)


def _supplements(steps: Sequence[Step]) -> Iterator[Finding]:
    notices = [step for step in steps if step.event == Event.SUPPLEMENT_NOTICE]
    for step in notices[SUPPLEMENT_NOTICES_MAX:]:
        yield Finding(SUPP_TOO_OFTEN, step.key)
    for step in notices:
        if step.state_after == State.SUPP_SUSPENDED:
            yield Finding(SUPP_AFTER_ACCEPT, step.key)


def _certificates(steps: Sequence[Step]) -> Iterator[Finding]:
    """Find certificates behind a conclusion that grants nothing (standard, 1.3: 制证 follows 准予)."""
    granted = True
    for step in steps:
        if step.facts.record_type == "Conclusion":
            granted = step.facts.code == GRANT
        elif step.facts.record_type == "Certificate" and not granted:
            yield Finding(CERTIFIED_UNGRANTED, step.key)


def _materials(steps: Sequence[Step], items: Sequence[ItemTerms]) -> Iterator[Finding]:
    """Compare numbers: names of materials are written differently by every department."""
    given = sum(materials_of(step.facts) for step in steps)
    for step in steps:
        if step.event in {Event.ACCEPT, Event.DEEM_ACCEPTED}:
            terms = terms_on(items, step.facts.event_day)
            if terms is not None and given < terms.required_materials:
                yield Finding(MATERIALS_INCOMPLETE, step.key)


def materials_of(facts: Facts) -> int:
    """Return how many materials a record brings; a supplement notice only asks for some."""
    if facts.record_type == "Material":
        return 1
    return facts.material_count if facts.record_type in {"Application", "SupplementReceipt"} else 0


def _fees(steps: Sequence[Step], items: Sequence[ItemTerms]) -> Iterator[Finding]:
    paid_last = -1
    claims = []
    ended: Step | None = None
    for index, step in enumerate(steps):
        facts = step.facts
        if facts.record_type == "Fee":
            if facts.code == _PAID:
                paid_last = index
            elif facts.code == _UNPAID:
                claims.append(index)
            terms = terms_on(items, facts.event_day)
            if facts.amount_fen > 0 and terms is not None and not terms.charges:
                yield Finding(FREE_ITEM_CHARGED, step.key)
        elif facts.record_type == "Acceptance" and facts.due_fen > 0:
            claims.append(index)
        elif step.event == Event.CONCLUDE:
            ended = ended or step
    if ended is not None and any(paid_last < claim for claim in claims):
        yield Finding(FEE_UNPAID, ended.key)


def has_ended(state: int) -> bool:
    """Tell whether a state is past the end of the examination."""
    return STATE_RANKS[State(state)] >= TERMINAL_RANK
