"""Findings (疑点) of administrative penalties: what the law forbids or asks for, told from the records alone. Pure.

As with approval cases nothing is refused for it. No check needs a clock. The law counts 2, 3, 5 and 7 days as working
days (行政处罚法 art. 85): a deadline in working days is found here only when it is missed under any calendar
(``certainly_late``); the exact day is the business of supervision, which holds the calendar of the year. Whether fines
are large enough for a hearing (art. 63) is set by each department and province, so only the kinds that the law names
are judged here. The codes are constants that programs rely on; docs/reference/penalties.md lists them.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

from node.cases import penalty_codes as codes
from node.cases.findings import EXEMPT_CHANNELS, Finding, ItemTerms, Step, dated_too_early
from node.cases.life_cycle import Legality
from node.cases.penalty_amounts import (
    amount_of,
    certainly_late,
    days_between,
    heavier,
    over_summary_limit,
    years_after,
)
from node.cases.penalty_states import PenaltyEvent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

DECISION_DAYS: Final = 90
"""Calendar days from filing to decision, unless a law or rule sets others (行政处罚法 art. 60)."""
OFFICERS_MIN: Final = 2
"""行政处罚法 art. 42."""
ON_SPOT_FEN: Final = 10_000
"""What may be collected on the spot in any case, in fen: 100 yuan (行政处罚法 art. 68(1))."""
SERVICE_WORKING_DAYS: Final = 7
PRESERVATION_WORKING_DAYS: Final = 7
WITHDRAWAL_WORKING_DAYS: Final = 3
HANDING_IN_WORKING_DAYS: Final = 2
LIMITATION_YEARS: Final = 2
LONG_LIMITATION_YEARS: Final = 5

_HEARING_KINDS: Final = frozenset(
    {"LOWER_QUALIFICATION", "REVOKE_LICENCE", "ORDER_SUSPENSION", "ORDER_CLOSURE", "RESTRICT_EMPLOYMENT"}
)
"""Kinds of penalty before which a hearing must be offered (行政处罚法 art. 63(1), 3 and 4)."""
_MONEY_KINDS: Final = frozenset({"FINE", "CONFISCATE_INCOME"})
_MISSING: Final = frozenset({codes.NOTICE_MISSING, codes.LEGAL_REVIEW_MISSING, codes.DISCUSSION_MISSING})
_CHANGED: Final = frozenset({"CHANGED", "ANNULLED", "UNLAWFUL"})
_PHASES: Final[Mapping[str, int]] = {
    PenaltyEvent.REGISTER: 0,
    PenaltyEvent.FILE: 1,
    PenaltyEvent.NOT_FILE: 1,
    PenaltyEvent.NOTIFY: 2,
    PenaltyEvent.DECIDE: 3,
    PenaltyEvent.DECIDE_NO_PENALTY: 3,
    PenaltyEvent.SERVE: 4,
    PenaltyEvent.EXECUTE: 5,
    PenaltyEvent.COMPLETE: 5,
    PenaltyEvent.CLOSE: 6,
}
"""Stages that follow each other in time; investigation and review may be gone through again."""
_REASONED: Final = frozenset(
    {
        PenaltyEvent.NOT_FILE,
        PenaltyEvent.DECIDE_NO_PENALTY,
        PenaltyEvent.CLOSE_UNPENALISED,
        PenaltyEvent.REVOKE_FILING,
        PenaltyEvent.REVOKE_DECISION,
        PenaltyEvent.TERMINATE,
    }
)


def check_penalty(steps: Sequence[Step], items: Sequence[ItemTerms]) -> list[Finding]:  # noqa: ARG001 - a LifeCycle's.
    """Return every finding of a penalty, sorted, without repetition; ``steps`` are the records in effect, in order."""
    found = {
        *_transitions(steps),
        *(Finding(codes.STEP_BEFORE_PREVIOUS, key) for key, _, _ in dated_too_early(_dated(steps))),
        *_reasons(steps),
        *_officers(steps),
        *_limitation(steps),
        *_preservation(steps),
        *_notices(steps),
        *_decisions(steps),
        *_decision_limit(steps),
        *_summary(steps),
        *_service(steps),
        *_publication(steps),
        *_money(steps),
        *_closing(steps),
    }
    return sorted(found)


def _transitions(steps: Sequence[Step]) -> Iterator[Finding]:
    for step in steps:
        if step.legality is Legality.ILLEGAL:
            yield Finding(codes.TRANSITION, step.key)
        elif step.legality is Legality.SKIPPED and step.facts.channel not in EXEMPT_CHANNELS:
            yield Finding(codes.STEPS_INCOMPLETE, step.key)


def _dated(steps: Sequence[Step]) -> list[tuple[int, datetime, int]]:
    return [
        (_PHASES[step.event or ""], step.facts.event_at.replace(microsecond=0), step.key)
        for step in steps
        if step.event in _PHASES and step.facts.event_at is not None
    ]


def _reasons(steps: Sequence[Step]) -> Iterator[Finding]:
    for step in steps:
        withdrawn = step.event == PenaltyEvent.PUBLISH and step.facts.code == "WITHDRAWN"
        if (step.event in _REASONED or withdrawn) and not step.facts.has_reason:
            yield Finding(codes.REASON_MISSING, step.key)


def _officers(steps: Sequence[Step]) -> Iterator[Finding]:
    for step in steps:
        if step.event in {PenaltyEvent.INVESTIGATE, PenaltyEvent.PENALISE_ON_SPOT}:
            persons = {(one["Name"], one.get("CertificateNo")) for one in step.content["Officer"]}
            if len(persons) < OFFICERS_MIN:
                yield Finding(codes.TOO_FEW_OFFICERS, step.key)


def _limitation(steps: Sequence[Step]) -> Iterator[Finding]:
    """Compare the end of the act with the day on which it was found (art. 36)."""
    clue = _first(steps, "PenaltyClue")
    for step in _of(steps, "PenaltyFiling"):
        ended = _day(step.content.get("IllegalEndDate"))
        found = _day_of(step) if clue is None else _day(clue.content["FoundDate"])
        years = LONG_LIMITATION_YEARS if _true(step, "LongLimitation") else LIMITATION_YEARS
        if ended is not None and found is not None and found > years_after(ended, years):
            yield Finding(codes.LIMITATION, step.key)


def _preservation(steps: Sequence[Step]) -> Iterator[Finding]:
    """Pair what was preserved with what was decided about it, first in first out (art. 56)."""
    open_: list[tuple[Step, date]] = []
    for step in steps:
        begin, end = (_day(step.content.get(name)) for name in ("PreservationTime", "PreservationEndTime"))
        if begin is not None:
            open_.append((step, begin))
        if end is not None and open_:
            _, begun = open_.pop(0)
            if certainly_late(begun, end, PRESERVATION_WORKING_DAYS):
                yield Finding(codes.PRESERVATION_LATE, step.key)
        if step.event in {PenaltyEvent.DECIDE, PenaltyEvent.DECIDE_NO_PENALTY, PenaltyEvent.TERMINATE}:
            yield from (Finding(codes.PRESERVATION_OPEN, preserved.key) for preserved, _ in open_)


def _notices(steps: Sequence[Step]) -> Iterator[Finding]:
    investigators: set[str] = set()
    for step in steps:
        content = step.content
        if step.event == PenaltyEvent.INVESTIGATE:
            investigators.update(one["Name"] for one in content["Officer"])
        elif step.event == PenaltyEvent.NOTIFY:
            if not _true(step, "DefenceRight"):
                yield Finding(codes.DEFENCE_RIGHT_MISSING, step.key)
            if not _true(step, "HearingRight") and _HEARING_KINDS & set(content.get("PenaltyKind", ())):
                yield Finding(codes.HEARING_RIGHT_MISSING, step.key)
        elif content.get("HostName") in investigators and step.facts.record_type == "PenaltyHearing":
            yield Finding(codes.HOST_INVESTIGATED, step.key)


def _decisions(steps: Sequence[Step]) -> Iterator[Finding]:
    """Judge a decision by what stands before it in the stream."""
    for place, step in enumerate(steps):
        if step.facts.record_type != "PenaltyDecision":
            continue
        if not _true(step, "RemedyNotified"):
            yield Finding(codes.REMEDY_NOT_NOTIFIED, step.key)
        if step.event == PenaltyEvent.DECIDE:
            found = _faults_of_decision(steps[:place], step.content)
            # Closed systems do not send every stage: what is not seen may have happened all the same.
            exempt = _MISSING if step.facts.channel in EXEMPT_CHANNELS else ()
            yield from (Finding(code, step.key) for code in found if code not in exempt)


def _faults_of_decision(before: Sequence[Step], content: Mapping[str, Any]) -> Iterator[str]:
    notices = list(_of(before, "PenaltyNotice"))
    if not notices:
        yield codes.NOTICE_MISSING
    # A second notice does not heal it: what the party argued against is what it was told first.
    if any(_was_heard(before, notice) and heavier(content, notice.content) for notice in notices):
        yield codes.HEAVIER_AFTER_DEFENCE
    if any(_true(step, "MajorCase") for step in before) and _last(before, "PenaltyDiscussion") is None:
        yield codes.DISCUSSION_MISSING
    hearing = any(step.event == PenaltyEvent.END_HEARING and step.facts.code == "ENDED" for step in before)
    if hearing or any(step.content.get("LegalReviewGround") for step in before):
        review = _last(before, "PenaltyLegalReview")
        if review is None or review.facts.code == "DISAGREE":
            yield codes.LEGAL_REVIEW_MISSING


def _was_heard(before: Sequence[Step], notice: Step) -> bool:
    """Tell whether the party argued, or had a hearing, after it was told what is proposed."""
    after = before[before.index(notice) + 1 :]
    return any(
        (step.event == PenaltyEvent.DEFEND and step.facts.code != "WAIVED")
        or (step.event == PenaltyEvent.END_HEARING and step.facts.code == "ENDED")
        for step in after
    )


def _decision_limit(steps: Sequence[Step]) -> Iterator[Finding]:
    """Count calendar days from filing to decision against the limit and its extensions (art. 60)."""
    filing = next((step for step in steps if step.event == PenaltyEvent.FILE), None)
    if filing is None:
        return
    limit = int(filing.content.get("DecisionLimit", DECISION_DAYS))
    for step in steps:
        if step.event == PenaltyEvent.EXTEND:
            limit += int(step.content["ExtensionDays"])
        elif step.event in {PenaltyEvent.DECIDE, PenaltyEvent.DECIDE_NO_PENALTY}:
            taken = days_between(filing.facts.event_day, step.facts.event_day)
            if taken is not None and taken > limit:
                yield Finding(codes.DECISION_LATE, step.key)


def _summary(steps: Sequence[Step]) -> Iterator[Finding]:
    for step in _of(steps, "PenaltySummary"):
        if over_summary_limit(step.content):
            yield Finding(codes.SUMMARY_LIMIT, step.key)
        if not _true(step, "HandedOver"):
            yield Finding(codes.NOT_HANDED_OVER, step.key)


def _service(steps: Sequence[Step]) -> Iterator[Finding]:
    decision: Step | None = None
    for step in steps:
        if step.facts.record_type == "PenaltyDecision":
            decision = step
        elif step.event == PenaltyEvent.SERVE and decision is not None:
            begin, end = _day_of(decision), _day_of(step)
            if begin is not None and end is not None and certainly_late(begin, end, SERVICE_WORKING_DAYS):
                yield Finding(codes.SERVICE_LATE, step.key)


def _publication(steps: Sequence[Step]) -> Iterator[Finding]:
    """Find a published decision that stayed published long after it was changed, void or annulled (art. 48)."""
    published: Step | None = None
    changed_on: date | None = None
    for step in steps:
        day = _day_of(step)
        if changed_on is not None and day is not None and certainly_late(changed_on, day, WITHDRAWAL_WORKING_DAYS):
            if published is not None:
                yield Finding(codes.WITHDRAWN_LATE, published.key)
            return
        if step.event == PenaltyEvent.PUBLISH:
            published = step if step.facts.code == "PUBLISHED" else None
        elif step.event == PenaltyEvent.REVOKE_DECISION or (
            step.event == PenaltyEvent.CHALLENGE and step.facts.code in _CHANGED
        ):
            changed_on = changed_on or day


def _money(steps: Sequence[Step]) -> Iterator[Finding]:
    fine = plus = 0
    for step in steps:
        content = step.content
        if step.event in {PenaltyEvent.DECIDE, PenaltyEvent.PENALISE_ON_SPOT}:
            fine = amount_of(content, "PenaltyFine")
        if _true(step, "CollectedOnSpot") and content.get("OnSpotGround", "SMALL") == "SMALL":
            collected = amount_of(content, "FinePaid") or amount_of(content, "PenaltyFine")
            if collected > ON_SPOT_FEN:
                yield Finding(codes.ON_SPOT_LIMIT, step.key)
        plus += amount_of(content, "PlusFine")
        if amount_of(content, "PlusFine") and 0 < fine < plus:
            yield Finding(codes.PLUS_FINE_LIMIT, step.key)
        handed_in, day = _day(content.get("HandedInDate")), _day_of(step)
        if handed_in is not None and day is not None and certainly_late(day, handed_in, HANDING_IN_WORKING_DAYS):
            yield Finding(codes.HANDED_IN_LATE, step.key)


def _closing(steps: Sequence[Step]) -> Iterator[Finding]:
    """Find a normal closing of a penalty in money whose execution was never completed."""
    owed = False
    for step in steps:
        if step.event in {PenaltyEvent.DECIDE, PenaltyEvent.PENALISE_ON_SPOT}:
            owed = bool(_MONEY_KINDS & set(step.content.get("PenaltyKind", ())))
            owed = owed and not _true(step, "CollectedOnSpot")
        elif step.event == PenaltyEvent.COMPLETE:
            owed = False
        elif step.event == PenaltyEvent.CLOSE and owed and step.facts.channel not in EXEMPT_CHANNELS:
            yield Finding(codes.UNEXECUTED, step.key)


def _of(steps: Iterable[Step], record_type: str) -> Iterator[Step]:
    return (step for step in steps if step.facts.record_type == record_type)


def _first(steps: Sequence[Step], record_type: str) -> Step | None:
    return next(_of(steps, record_type), None)


def _last(steps: Sequence[Step], record_type: str) -> Step | None:
    return next(_of(reversed(steps), record_type), None)


def _true(step: Step, name: str) -> bool:
    return str(step.content.get(name, "")).strip() in {"true", "1"}


def _day(text: str | None) -> date | None:
    """Return the day of a date or time as it was written."""
    return None if not text else date.fromisoformat(text.strip()[:10])


def _day_of(step: Step) -> date | None:
    return _day(step.facts.event_day)
