"""Conformance: what a node would say to a delivery, record by record, before anything is sent. Nothing is kept.

Called by ``yizhan conformance``. A file goes through the very reading, numbering and preparing that intake uses; what
only a node knows (whether it serves a division, what it has already) is left out. Memory is bounded: problems go out
as they are found, and of keys and cases a limited number is remembered.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from node.cases.findings import FINDING_LABELS
from node.cases.history import APPROVAL, LifeCycle, Recorded, replay
from node.cases.penalties import PENALTY
from node.cases.penalty_codes import PENALTY_FINDING_LABELS
from node.departments.batches import numbered_batches
from node.departments.candidates import AUTOMATIC
from node.departments.deciding import RULE_CONFLICT
from node.departments.dialects import AUTO, DialectOptions, Dialects, recognise
from node.departments.prepare import came_canonical, prepare
from node.departments.report import EXIT_ALL, EXIT_NOTHING_USABLE, EXIT_SOME_REFUSED, problem_json
from node.departments.seen_keys import CONFLICT, SeenKeys
from node.errors import Problem
from node.journal.schema import upgrade_schema
from node.journal.store import open_store
from node.standard.codec import parse_record
from node.standard.compose import content_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from node.cases.life_cycle import Label
    from node.departments.candidates import Candidate
    from node.departments.prepare import Prepared
    from node.journal.store import Store
    from node.randomness import Randomness

SCHEMA: Final = "yizhan.conformance/1"
CHANNEL: Final = "API"
SYSTEM: Final = "sample"
"""The system whose own case numbers are meant where the delivery names none."""
PROBLEMS_MAX: Final = 1_000
"""Problems that are told one by one; the rest is counted by rule. Our own choice, as for an import's report."""
HINTS_MAX: Final = 200
CASES_MAX: Final = 10_000
CASE_RECORDS_HELD_MAX: Final = 50_000
"""Cases, and records of cases, that are held to be replayed. Our own choice."""
FIRST_RULES: Final = 5
"""Rules that are named as the first to mend. Our own choice."""

_HEAD_BYTES: Final = 4096
_LIFE_CYCLES: Final = (APPROVAL, PENALTY)
_LABELS: Final = {**FINDING_LABELS, **PENALTY_FINDING_LABELS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One record: whether it conforms, where it stands, its source key ("" where none can be told), its problems."""

    record_type: str
    key: str
    row: int | None
    line: int | None
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """Something illogical in a case as the delivery tells it: a finding, and the record at which it shows."""

    code: str
    case_no: str
    record_type: str
    row: int | None
    line: int | None

    @property
    def label(self) -> Label:
        """What the finding is called."""
        return _LABELS[self.code]

    def as_json(self) -> dict[str, Any]:
        """Return the hint for programs."""
        return {
            "code": self.code,
            "case_no": self.case_no,
            "record_type": self.record_type,
            "row": self.row,
            "line": self.line,
            "label": self.label.chinese,
            "english": self.label.english,
        }


@dataclass(slots=True, kw_only=True)
class Conformance:
    """What was found in a delivery; ``problems`` and ``hints`` hold the first of them, the counts tell of all."""

    dialect: str
    records: int = 0
    conforming: int = 0
    repeated: int = 0
    canonical: int = 0
    rules: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    problems_omitted: int = 0
    keys_unchecked: int = 0
    cases: int = 0
    records_unplayed: int = 0
    hints: list[Hint] = field(default_factory=list)
    hints_omitted: int = 0

    @property
    def exit_code(self) -> int:
        """0 all conform, 9 some do, 1 none (an empty delivery included)."""
        if self.conforming == 0:
            return EXIT_NOTHING_USABLE
        return EXIT_ALL if self.conforming == self.records else EXIT_SOME_REFUSED

    def first(self) -> list[tuple[str, int]]:
        """Return the rules to mend first, with how often each is broken: the most frequent ones."""
        return sorted(self.rules.items(), key=lambda pair: (-pair[1], pair[0]))[:FIRST_RULES]

    def as_json(self) -> dict[str, Any]:
        """Return the document ``yizhan.conformance/1``."""
        return {
            "schema": SCHEMA,
            "dialect": self.dialect,
            "records": self.records,
            "conforming": self.conforming,
            "repeated": self.repeated,
            "canonical": self.canonical,
            "rules": dict(sorted(self.rules.items())),
            "first": [{"rule": rule, "count": count} for rule, count in self.first()],
            "problems": [problem_json(problem) for problem in self.problems],
            "problems_omitted": self.problems_omitted,
            "keys_unchecked": self.keys_unchecked,
            "cases": self.cases,
            "records_unplayed": self.records_unplayed,
            "hints": [hint.as_json() for hint in self.hints],
            "hints_omitted": self.hints_omitted,
        }


def check_delivery(
    stream: BinaryIO,
    name: str,
    *,
    randomness: Randomness,
    dialects: Dialects,
    dialect: str = AUTO,
    record_type: str = "",
    table: str = "",
    told: Callable[[Checked], None] = lambda _: None,
) -> Conformance:
    """Check a delivery from a stream that can be read again from its start; ``name`` helps to tell its dialect.

    ``told`` is called with each record in turn. Raises UsageError for a dialect that does not exist.
    """
    if dialect == AUTO:
        dialect = recognise(name, stream.read(_HEAD_BYTES))
        stream.seek(0)
    candidates = dialects.read(dialect, stream, DialectOptions(record_type=record_type, table=table, system=SYSTEM))
    found = Conformance(dialect=dialect)
    keys, cases = SeenKeys(), _Cases()
    with TemporaryDirectory(prefix="yizhan-conformance-") as folder:
        # Numbers for cases of other systems are given out as a node would, from a journal that is thrown away.
        store = open_store("sqlite:///journal.db", home=Path(folder))
        try:
            upgrade_schema(store)
            for one in _prepared(candidates, store, randomness):
                checked = _checked(one, keys, found)
                _count(found, checked)
                if not checked.problems:
                    found.canonical += came_canonical(one, CHANNEL)
                    cases.add(one)
                told(checked)
        finally:
            store.close()
    found.keys_unchecked = keys.unchecked
    cases.report(found)
    return found


def _prepared(candidates: Iterable[Candidate], store: Store, randomness: Randomness) -> Iterator[Prepared]:
    for batch in numbered_batches(store, candidates, source=SYSTEM):
        yield from prepare(batch, channel=CHANNEL, randomness=randomness)


def _checked(one: Prepared, keys: SeenKeys, found: Conformance) -> Checked:
    """Return what is to be said of a record, a second record under a key that stands for other content included."""
    candidate, problems = one.candidate, one.problems
    if not problems and keys.known(one):
        if keys.same(one):
            found.repeated += 1
        elif candidate.versioning != AUTOMATIC:
            place = {"row": candidate.row, "line": candidate.line}
            problems = (Problem(rule=RULE_CONFLICT, element=candidate.record_type, text=CONFLICT, **place),)
    record_type = one.entry.record_type if one.entry is not None else candidate.record_type
    return Checked(
        record_type=record_type, key=one.source_key, row=candidate.row, line=candidate.line, problems=problems
    )


def _count(found: Conformance, checked: Checked) -> None:
    found.records += 1
    found.conforming += not checked.problems
    found.rules.update(problem.rule for problem in checked.problems)
    room = max(0, PROBLEMS_MAX - len(found.problems))
    found.problems += checked.problems[:room]
    found.problems_omitted += max(0, len(checked.problems) - room)


class _Cases:
    """The records of the delivery's cases, held to be replayed at its end."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], list[Recorded]] = {}
        self._places: list[tuple[str, int | None, int | None]] = []
        self._unplayed = 0

    def add(self, one: Prepared) -> None:
        """Hold a record of a case or a penalty, while there is room."""
        facts = one.entry.facts if one.entry is not None else None
        cycle = None if facts is None else _life_cycle_of(facts.record_type)
        if one.entry is None or facts is None or facts.case_no is None or cycle is None:
            return
        case = (cycle.name, facts.case_no)
        if len(self._places) == CASE_RECORDS_HELD_MAX or (case not in self._held and len(self._held) == CASES_MAX):
            self._unplayed += 1
            return
        content = content_of(parse_record(one.entry.body)) if cycle.reads_content else {}
        recorded = Recorded(len(self._places), facts, quarantined=False, content=content)
        self._held.setdefault(case, []).append(recorded)
        self._places.append((facts.record_type, one.candidate.row, one.candidate.line))

    def report(self, found: Conformance) -> None:
        """Replay every case that is held and report what is illogical in it."""
        found.cases, found.records_unplayed = len(self._held), self._unplayed
        hints = self._hints()
        found.hints += islice(hints, HINTS_MAX)
        found.hints_omitted = sum(1 for _ in hints)

    def _hints(self) -> Iterator[Hint]:
        cycles = {cycle.name: cycle for cycle in _LIFE_CYCLES}
        for (name, case_no), records in self._held.items():
            for finding in replay(records, (), cycles[name]).findings:
                record_type, row, line = self._places[finding.key]
                yield Hint(code=finding.code, case_no=case_no, record_type=record_type, row=row, line=line)


def _life_cycle_of(record_type: str) -> LifeCycle | None:
    return next((cycle for cycle in _LIFE_CYCLES if record_type in cycle.record_types), None)
