"""Conformance: what a node would say of a delivery, record by record, without a node and without taking anything in.

For vendors, before they have a key. Every record goes through the same preparing as at the door; beside that, records
of one key are told, and what would be found in the cases of the delivery. What depends on a node (its divisions, its
sources, what it holds already) is not asked.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from node.cases.history import Recorded, replay
from node.cases.states import CASE_RECORD_TYPES
from node.departments.accept import BATCH_MAX
from node.departments.candidates import AUTOMATIC
from node.departments.numbering import number_cases
from node.departments.prepare import prepare
from node.departments.report import EXIT_ALL, EXIT_NOTHING_USABLE, EXIT_SOME_REFUSED, problem_json
from node.errors import Problem
from node.journal.memory import memory_store
from node.journal.schema import upgrade_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from node.departments.candidates import Candidate
    from node.departments.prepare import Prepared
    from node.journal.store import Store
    from node.randomness import Randomness
    from node.standard.facts import Facts

SCHEMA: Final = "yizhan.conformance/1"
PROBLEMS_MAX: Final = 1_000
"""Problems that are told one by one; the rest is counted. Our own choice."""
KEYS_MAX: Final = 200_000
"""Keys that are remembered to tell repeated ones. Our own choice: some 40 MB."""
RECORDS_HELD_MAX: Final = 50_000
"""Records held to look at whole cases. Our own choice: some 60 MB."""
RULE_REPEATED: Final = "repeated"
_SOURCE: Final = "conformance"
_CHANNEL: Final = "IMPORT"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFinding:
    """Something illogical in a case of the delivery: its number, the finding's code, and the row that shows it."""

    case_no: str
    code: str
    row: int | None
    line: int | None


@dataclass(slots=True)
class Conformance:
    """What was seen of a delivery: ``conforming`` of ``records`` would be accepted by any node that serves them.

    ``complete`` is False when the delivery was too large for its keys and cases to be looked at to the end.
    """

    records: int = 0
    conforming: int = 0
    problems: list[Problem] = field(default_factory=list)
    problems_omitted: int = 0
    by_rule: Counter[str] = field(default_factory=Counter)
    by_type: Counter[str] = field(default_factory=Counter)
    findings: list[CaseFinding] = field(default_factory=list)
    complete: bool = True

    @property
    def exit_code(self) -> int:
        """0 all conform, 9 some do, 1 none does (an empty delivery included)."""
        if self.conforming == 0:
            return EXIT_NOTHING_USABLE
        return EXIT_ALL if self.conforming == self.records else EXIT_SOME_REFUSED

    def add(self, problems: Iterable[Problem]) -> None:
        """Take problems in: told one by one up to a bound, counted beyond."""
        for problem in problems:
            self.by_rule[problem.rule] += 1
            if len(self.problems) < PROBLEMS_MAX:
                self.problems.append(problem)
            else:
                self.problems_omitted += 1

    def as_json(self) -> dict[str, Any]:
        """Return the document ``yizhan.conformance/1``."""
        return {
            "schema": SCHEMA,
            "records": self.records,
            "conforming": self.conforming,
            "by_type": dict(self.by_type),
            "by_rule": dict(self.by_rule),
            "problems": [problem_json(problem) for problem in self.problems],
            "problems_omitted": self.problems_omitted,
            "findings": [
                {"case_no": one.case_no, "code": one.code, "row": one.row, "line": one.line} for one in self.findings
            ],
            "complete": self.complete,
        }


def judge_delivery(
    candidates: Iterable[Candidate], *, randomness: Randomness, told: Callable[[int], None] = lambda _: None
) -> Conformance:
    """Return what a node would say of a delivery; ``told`` hears how many records were looked at."""
    judge = _Judge()
    numbers = _Numbers()
    rest = iter(candidates)
    while batch := list(islice(rest, BATCH_MAX)):
        numbered = number_cases(numbers, batch, source=_SOURCE)  # type: ignore[arg-type]  # All that it asks of a store.
        for one in prepare(numbered, channel=_CHANNEL, randomness=randomness):
            judge.take(one)
        told(judge.seen.records)
    judge.look_at_cases()
    return judge.seen


class _Numbers:
    """Gives case numbers as a node would, from a store in memory that is made when the first one is wanted."""

    def __init__(self) -> None:
        self._store: Store | None = None

    def write(self, work: Callable[[Any], Any]) -> Any:
        """Run ``work`` in a transaction, as a store does."""
        if self._store is None:
            self._store = memory_store()
            upgrade_schema(self._store)
        return self._store.write(work)


class _Judge:
    def __init__(self) -> None:
        self.seen = Conformance()
        self._keys: dict[str, bytes] = {}
        self._cases: dict[str, list[tuple[Prepared, Facts]]] = {}
        self._held = 0

    def take(self, one: Prepared) -> None:
        """Look at one record."""
        seen = self.seen
        seen.records += 1
        seen.by_type[one.entry.record_type if one.entry is not None else one.candidate.record_type] += 1
        problems = one.problems or self._repeated(one)
        seen.add(problems)
        if not problems:
            seen.conforming += 1
        if one.entry is None or one.entry.facts is None or one.entry.facts.case_no is None:
            return
        if self._held < RECORDS_HELD_MAX:
            self._held += 1
            one.entry.element = None  # Its facts are enough, and a tree is large.
            self._cases.setdefault(one.entry.facts.case_no, []).append((one, one.entry.facts))
        else:
            seen.complete = False

    def look_at_cases(self) -> None:
        """Find what is illogical in the cases whose records were held."""
        if not self.seen.complete:
            return  # A case that is not whole would look illogical.
        for number, records in self._cases.items():
            approval = [(one, facts) for one, facts in records if facts.record_type in CASE_RECORD_TYPES]
            outcome = replay([Recorded(key, facts, quarantined=False) for key, (_, facts) in enumerate(approval)], ())
            for found in outcome.findings:
                code, key = found
                place = approval[key][0].candidate
                self.seen.findings.append(CaseFinding(case_no=number, code=code, row=place.row, line=place.line))

    def _repeated(self, one: Prepared) -> tuple[Problem, ...]:
        """Tell a key that stands twice: the second is left out by a node, or refused when it says something else."""
        before = self._keys.get(one.source_key)
        if before is None:
            if len(self._keys) < KEYS_MAX:
                self._keys[one.source_key] = one.content_hash
            return ()
        if one.candidate.versioning == AUTOMATIC:
            return ()
        same = before == one.content_hash
        what = "says the same: it is left out" if same else "says something else: raise DataVersion, or Sequence"
        text = f"the same record stands in this delivery before, and {what}"
        return (Problem(rule=RULE_REPEATED, text=text, row=one.candidate.row, line=one.candidate.line),)
