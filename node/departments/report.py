"""What intake answers: a verdict per record, and the report of a whole delivery (``yizhan.import/1``)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from node.errors import Problem

SCHEMA: Final = "yizhan.import/1"
PROBLEMS_MAX: Final = 1000
"""Problems that one report lists; ``problems_omitted`` counts the rest, which stand in the refused deliveries."""
EXIT_ALL: Final = 0
EXIT_SOME_REFUSED: Final = 9
EXIT_NOTHING_USABLE: Final = 1

Outcome = Literal["accepted", "repeated", "refused", "received"]
ACCEPTED: Final[Outcome] = "accepted"
REPEATED: Final[Outcome] = "repeated"
REFUSED: Final[Outcome] = "refused"
RECEIVED: Final[Outcome] = "received"
"""It waits, because this node is in doubt about its own database (02, R12)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of one record.

    ``stream`` and ``position`` say where an accepted or repeated record stands; ``refused_id`` is the number of the
    refused delivery (None when it was not kept, which a problem then says).
    """

    outcome: Outcome
    record_type: str
    key: str = ""
    row: int | None = None
    line: int | None = None
    stream: str | None = None
    position: int | None = None
    refused_id: int | None = None
    problems: tuple[Problem, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the verdict for the open API."""
        return {
            "verdict": self.outcome,
            "record_type": self.record_type,
            "key": self.key,
            "row": self.row,
            "line": self.line,
            "stream": self.stream,
            "position": self.position,
            "refused_id": self.refused_id,
            "problems": [problem_json(problem) for problem in self.problems],
        }


@dataclass(slots=True)
class ImportReport:
    """Counts and problems of one delivery; ``verdicts`` holds one per record when asked for, else none."""

    offered: int = 0
    accepted: int = 0
    refused: int = 0
    repeated: int = 0
    received: int = 0
    problems: list[Problem] = field(default_factory=list)
    problems_omitted: int = 0
    verdicts: list[Verdict] = field(default_factory=list)

    def add(self, verdict: Verdict, *, keep: bool = False) -> None:
        """Count one verdict; ``keep`` it whole for an answer per record."""
        self.offered += 1
        if verdict.outcome == ACCEPTED:
            self.accepted += 1
        elif verdict.outcome == REPEATED:
            self.repeated += 1
        elif verdict.outcome == RECEIVED:
            self.received += 1
        else:
            self.refused += 1
        room = PROBLEMS_MAX - len(self.problems)
        self.problems += verdict.problems[: max(room, 0)]
        self.problems_omitted += max(0, len(verdict.problems) - max(room, 0))
        if keep:
            self.verdicts.append(verdict)

    @property
    def exit_code(self) -> int:
        """0 all accepted, repeated or received, 9 some refused, 1 nothing usable (an empty file included)."""
        if self.accepted + self.repeated + self.received == 0:
            return EXIT_NOTHING_USABLE
        return EXIT_SOME_REFUSED if self.refused else EXIT_ALL

    def as_json(self) -> dict[str, Any]:
        """Return the document ``yizhan.import/1``."""
        return {
            "schema": SCHEMA,
            "offered": self.offered,
            "accepted": self.accepted,
            "refused": self.refused,
            "repeated": self.repeated,
            "received": self.received,
            "problems": [problem_json(problem) for problem in self.problems],
            "problems_omitted": self.problems_omitted,
        }


def problem_json(problem: Problem) -> dict[str, Any]:
    """Return a problem with the names of the contract: row, line, element, rule, text."""
    return {
        "row": problem.row,
        "line": problem.line,
        "element": problem.element,
        "rule": problem.rule,
        "text": problem.text,
    }
