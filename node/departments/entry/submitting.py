"""Submitting: a form that was filled in goes through the same intake as every other door, under the id of its draft.

What intake would refuse is found out before, by a preview, so that a slip of the hand leaves no refused delivery.
A record that is taken in takes its draft away in the same transaction, and the same form handed in twice (a double
click, a reload) gets the answer of the first time: one draft gives one record.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from node.departments.accept import Job
from node.departments.answers import RequestKey, body_hash_of, find_answer
from node.departments.candidates import Candidate
from node.departments.case_headers import RULE_NUMBER
from node.departments.entry.drafts import drop_draft
from node.departments.preview import preview
from node.errors import StateConflictError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection

    from node.departments.accept import Intake
    from node.departments.entry.filling import FieldProblem, Filled
    from node.departments.prepare import Prepared
    from node.departments.report import Verdict
    from node.departments.sources import Source
    from node.errors import Problem

CHANNEL: Final = "MANUAL"
DIALECT: Final = "standard"
"""In which a record that is refused after all is kept: it is written as XML."""
SCHEMA: Final = "yizhan.entry/1"
_KEY: Final = "录入/"
"""Begins the names of forms among answers: no Idempotency-Key of the open API can, which is ASCII."""
_ANY_CASE: Final = "0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """What became of a record: its verdict (``accepted``, ``repeated``, ``received``, ``refused``) and its case.

    ``problems`` are those of a refused one, by field. ``position`` is its place in this node's stream.
    """

    outcome: str
    record_type: str
    case_no: str = ""
    position: int | None = None
    problems: tuple[FieldProblem, ...] = ()


def problems_of(intake: Intake, source: Source, filled: Filled, draft_id: str) -> tuple[FieldProblem, ...]:
    """Return what is wrong with a form: what cannot be read in it, and what intake would say of the rest."""
    complete = filled.with_number_of(draft_id)
    found = _looked_at(intake, source, complete)
    if complete.numbered_by_node and any(problem.rule == RULE_NUMBER for problem in found):
        # No number can be made of what is wrong itself: with any number the fields that are wrong are told.
        complete = complete.with_case(_ANY_CASE)
        found = _looked_at(intake, source, complete) or found
    placed = complete.placed(found)
    known = {problem.name for problem in filled.problems}
    return (*filled.problems, *(problem for problem in placed if not problem.name or problem.name not in known))


def submit(intake: Intake, source: Source, filled: Filled, draft_id: str) -> Submitted:
    """Take in a form without problems; return what became of its record.

    Raises StateConflictError when another content was handed in under this draft, and what ``Intake.settle`` raises.
    """
    complete = filled.with_number_of(draft_id)
    candidate = _candidate(complete)
    intake.check_open()
    by_hand = source.on_channel(CHANNEL)
    prepared = intake.prepared([candidate], source=by_hand)
    settled = intake.settle(
        Job(
            source=by_hand,
            dialect=DIALECT,
            prepared=prepared,
            request=RequestKey(
                source=source.name, key=_KEY + draft_id, body_hash=body_hash_of(DIALECT, candidate.markup or b"")
            ),
            document=partial(_document, prepared[0]),
            taken=lambda transaction: drop_draft(transaction, source.name, draft_id),
        )
    )
    if settled.other_body:
        raise StateConflictError(
            "This form was handed in before, with other content",
            why="one form gives one record",
            action="look at what was taken in; a correction is a record of its own, with 数据版本号 one higher",
        )
    if not settled.verdicts and settled.answer is not None:
        return _read(settled.answer)
    return _submitted(prepared[0], settled.verdicts[0], complete)


def submitted_before(connection: Connection, source: Source, draft_id: str) -> Submitted | None:
    """Return what became of the form with this id, None when it was not handed in, or too long ago."""
    answer = find_answer(connection, RequestKey(source=source.name, key=_KEY + draft_id, body_hash=b""))
    return None if answer is None else _read(answer.answer)


def _looked_at(intake: Intake, source: Source, filled: Filled) -> list[Problem]:
    """Return what intake would find wrong with a record."""
    told: list[Verdict] = []
    preview(intake, [_candidate(filled)], source=source.on_channel(CHANNEL), dialect=DIALECT, told=told.append)
    return [problem for verdict in told for problem in verdict.problems]


def _candidate(filled: Filled) -> Candidate:
    markup = filled.markup()
    return Candidate(
        record_type=filled.form.record_type, markup=markup, kept=lambda: markup, line=1, weight=len(markup)
    )


def _document(prepared: Prepared, verdicts: Sequence[Verdict]) -> bytes:
    verdict = verdicts[0]
    document = {
        "schema": SCHEMA,
        "outcome": verdict.outcome,
        "record_type": verdict.record_type,
        "case_no": _case_of(prepared),
        "position": verdict.position,
    }
    return json.dumps(document).encode()


def _submitted(prepared: Prepared, verdict: Verdict, filled: Filled) -> Submitted:
    return Submitted(
        outcome=verdict.outcome,
        record_type=verdict.record_type,
        case_no=_case_of(prepared),
        position=verdict.position,
        problems=tuple(filled.placed(verdict.problems)),
    )


def _read(answer: bytes) -> Submitted:
    told: dict[str, Any] = json.loads(answer)
    return Submitted(
        outcome=told["outcome"],
        record_type=told["record_type"],
        case_no=told["case_no"],
        position=told["position"],
    )


def _case_of(prepared: Prepared) -> str:
    facts = None if prepared.entry is None else prepared.entry.facts
    return "" if facts is None else facts.case_no or ""
