"""Preview: what would become of each record of a delivery if it were taken in now. Nothing is kept.

Called by ``yizhan import --preview`` and by the pages for second entry. The delivery goes through the very reading,
numbering, preparing and deciding that intake uses, against what this node holds. Where cases wait for numbers, these
are given out in transactions that are undone, a batch at a time, so that a running node is not kept waiting; the
numbers that a preview shows are the next free ones, and another delivery may take them first. What a record would
bring about for a later one of the same delivery is remembered within bounds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from node.departments.accept import Job
from node.departments.batches import batches
from node.departments.candidates import AUTOMATIC
from node.departments.case_headers import parts_of
from node.departments.deciding import RULE_CONFLICT, Decision
from node.departments.numbering import Asked, ForeignNumber, asked_by, number_cases, remember_numbers
from node.departments.preparing import prepared_batches
from node.departments.report import ACCEPTED, RECEIVED, REFUSED, REPEATED, ImportReport, Verdict
from node.departments.seen_keys import CONFLICT, SeenKeys
from node.departments.serials import STEM_LENGTH, raise_serials
from node.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from node.departments.accept import Intake
    from node.departments.candidates import Candidate
    from node.departments.prepare import Prepared
    from node.departments.report import Outcome
    from node.departments.sources import Source
    from node.journal.store import Store, Transaction

T = TypeVar("T")

SCHEMA: Final = "yizhan.import-preview/1"
NUMBERS_MAX: Final = 200_000
"""Foreign numbers of one delivery whose case numbers are remembered. Our own choice: some 50 MB."""


def preview(
    intake: Intake,
    candidates: Iterable[Candidate],
    *,
    source: Source,
    dialect: str,
    told: Callable[[Verdict], None] = lambda _: None,
) -> ImportReport:
    """Return the report that taking these candidates in would give; ``told`` hears each verdict in their order.

    Accepted records have no position yet, refused ones no number. Raises what ``Intake.accept`` raises before it takes
    anything in.
    """
    intake.check_open()
    waiting = intake.in_doubt()
    report = ImportReport()
    seen = SeenKeys()
    cut = batches(candidates) if waiting else _numbered(intake, candidates, source)
    for prepared in prepared_batches(cut, channel=source.channel, randomness=intake.randomness):
        job = Job(source=source, dialect=dialect, prepared=prepared)
        for verdict in _waiting(job) if waiting else _decided(intake, job, seen):
            report.add(verdict)
            told(verdict)
    return report


def preview_json(report: ImportReport) -> dict[str, Any]:
    """Return the document ``yizhan.import-preview/1``: counts and problems as in the report of an import."""
    return {**report.as_json(), "schema": SCHEMA}


def _numbered(intake: Intake, candidates: Iterable[Candidate], source: Source) -> Iterator[Sequence[Candidate]]:
    """Yield candidates in batches as intake does, their numbers given out and taken back."""
    rehearsal = _Rehearsal(intake.store, source.name)
    before: Sequence[Candidate] = ()
    for batch in batches(candidates):
        rehearsal.begin(batch)
        numbered = number_cases(
            rehearsal,
            batch,
            source=source.name,
            before=before,
            rights=intake.rights_of(source),
            stream=intake.stream,
        )
        rehearsal.learn(numbered)
        yield numbered
        before = batch


class _UndoneError(Exception):
    """Carries a result out of a transaction that is to be rolled back."""

    def __init__(self, result: Any) -> None:
        super().__init__("undone on purpose")
        self.result = result


@dataclass(slots=True)
class _Rehearsal:
    """Stands for a store while numbers are given out: every transaction finds what those before it gave, and is undone.

    ``given`` are the case numbers by foreign number; ``last`` is the newest case number of each stem.
    """

    store: Store
    source: str
    given: dict[ForeignNumber, str] = field(default_factory=dict)
    last: dict[str, str] = field(default_factory=dict)
    _asked: list[Asked | None] = field(default_factory=list)

    def begin(self, batch: Sequence[Candidate]) -> None:
        """Take note of what the candidates of a batch ask for."""
        self._asked = [asked_by(candidate, self.source) for candidate in batch]

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Run ``work`` and undo it; return what it returned."""
        asked = [one for one in self._asked if one is not None]
        known = {one.foreign: self.given[one.foreign] for one in asked if one.foreign in self.given}
        numbers = {self.last[one.stem] for one in asked if one.stem in self.last}

        def undone(transaction: Transaction) -> T:
            remember_numbers(transaction.connection, known)
            raise_serials(transaction.connection, numbers)
            raise _UndoneError(work(transaction))

        try:
            return self.store.write(undone)
        except _UndoneError as done:
            result: T = done.result
            return result

    def learn(self, numbered: Sequence[Candidate]) -> None:
        """Remember the numbers that the candidates of the batch got."""
        for asked, candidate in zip(self._asked, numbered, strict=True):
            parts = None if asked is None or candidate.problems else parts_of(candidate)
            if asked is None or parts is None or not parts["CaseNo"] or len(self.given) >= NUMBERS_MAX:
                continue
            number = self.given[asked.foreign] = parts["CaseNo"]
            self.last[number[:STEM_LENGTH]] = max(self.last.get(number[:STEM_LENGTH], ""), number)


def _waiting(job: Job) -> Iterator[Verdict]:
    """Yield what a node in doubt says: what can be read waits."""
    for one in job.prepared:
        if one.candidate.complete:
            yield _verdict(one, RECEIVED)
        else:
            yield _verdict(one, REFUSED, problems=one.problems)


def _decided(intake: Intake, job: Job, seen: SeenKeys) -> Iterator[Verdict]:
    """Yield a verdict for each record of a batch, by what this node holds and what stood before it in the delivery."""
    with intake.store.reading() as connection:
        decision = Decision(connection, intake.stream, intake.rights(connection))
        decision.decide(job)
        for one in job.prepared:
            outcome = decision.outcome(one)
            if outcome == REFUSED:
                yield _verdict(one, REFUSED, problems=decision.problems(one))
            elif outcome == REPEATED:
                yield _verdict(one, REPEATED, stream=str(intake.stream), position=decision.position(one))
            else:
                yield _beside(one, seen)


def _beside(one: Prepared, seen: SeenKeys) -> Verdict:
    """Return the verdict of a record that this node would accept, if none of its key stood before in the delivery."""
    if not seen.known(one) or (one.candidate.versioning == AUTOMATIC and not seen.same(one)):
        return _verdict(one, ACCEPTED)
    if seen.same(one):
        return _verdict(one, REPEATED)
    place = one.candidate
    return _verdict(
        one, REFUSED, problems=(Problem(rule=RULE_CONFLICT, text=CONFLICT, row=place.row, line=place.line),)
    )


def _verdict(
    one: Prepared,
    outcome: Outcome,
    *,
    stream: str | None = None,
    position: int | None = None,
    problems: tuple[Problem, ...] = (),
) -> Verdict:
    return Verdict(
        outcome=outcome,
        record_type=one.entry.record_type if one.entry is not None else one.candidate.record_type[:64],
        key=one.source_key,
        row=one.candidate.row,
        line=one.candidate.line,
        stream=stream,
        position=position,
        problems=problems,
    )
