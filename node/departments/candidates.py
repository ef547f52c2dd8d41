"""Candidates: what a dialect made of a delivery, one record each, before anything was checked.

A dialect yields candidates one by one, so that a file of any size is read with bounded memory. A candidate that the
dialect itself could not read carries its problems; intake keeps it as a refused delivery like every other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from node.standard.families import RECORD_HEADER, RECORD_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from node.errors import Problem
    from node.standard.compose import Value

RULE_NOT_TEXT: Final = "not-text"
"""Binary content, or an encoding that is not accepted."""
RULE_EMPTY: Final = "empty"
RULE_HALF_WRITTEN: Final = "half-written"
"""The end of the file is missing; perhaps it is still being written."""

GIVEN: Final = "given"
AUTOMATIC: Final = "automatic"
"""Who counts the versions of a record: its source, or the node."""

WHOLE_BYTES_MAX: Final = 1_048_576
"""Bytes kept of a delivery in which no record could be recognised; beyond, only its beginning. Our own choice."""

DEPARTMENT_TYPES: Final = frozenset(
    name
    for name, entry in RECORD_TYPES.items()
    if entry.header != RECORD_HEADER or (entry.family == "catalogue" and "ancestors" in entry.audiences)
)
"""Record types that a department may hand in; every other type is made by nodes only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One record that a source offers.

    Exactly one of ``content`` (typed, without Salt) and ``markup`` (bytes of one XML element as they came) is set,
    unless ``problems`` is not empty. ``row`` counts the data rows of a table and ``line`` the lines of the file, both
    from 1. ``kept`` gives the bytes that are kept if the record is refused, complete enough to be offered again by
    themselves in the same dialect; ``complete`` is False when a limit cut them. ``weight`` is about how many bytes the
    delivery gave for it: batches are bounded by it as well. ``versioning`` is GIVEN when the source counts the
    versions of a record, AUTOMATIC when the node does (cumulative deliveries). ``sheet`` names the part of the delivery
    in which it stands, "" where there is one part only. ``place`` counts the records of a delivery that was put into
    another order, from 0 as they stand there; all 0 where it was not.
    """

    record_type: str
    kept: Callable[[], bytes]
    content: Mapping[str, Value] | None = None
    markup: bytes | None = None
    row: int | None = None
    line: int | None = None
    problems: tuple[Problem, ...] = ()
    complete: bool = True
    weight: int = 0
    versioning: str = GIVEN
    sheet: str = ""
    place: int = 0

    def located(self, problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
        """Return problems of the record with its row, and with lines counted in the delivery."""
        return tuple(
            replace(problem, row=self.row, line=self._line_of(problem), text=self._placed(problem.text))
            for problem in problems
        )

    def _placed(self, text: str) -> str:
        return f"{self.sheet}: {text}" if self.sheet else text

    def _line_of(self, problem: Problem) -> int | None:
        if self.markup is None or self.line is None:
            return self.line
        return self.line + (problem.line or 1) - 1


def unreadable(*problems: Problem, kept: bytes, line: int | None = None, complete: bool = True) -> Candidate:
    """Return the candidate of something in which no record could be recognised."""
    return Candidate(
        record_type="", kept=lambda: kept, line=line, problems=problems, complete=complete, weight=len(kept)
    )
