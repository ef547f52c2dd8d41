"""Tables with headings of the standard, whatever file they stand in: their head and their rows as candidates.

What is wrong with the head (an unknown or doubled heading, no record type) refuses the table, because every row would
be wrong in the same way. What is wrong with a row costs that row. Called by the dialects ``csv`` and ``xlsx``.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from node.departments.candidates import DEPARTMENT_TYPES, Candidate
from node.departments.dialects.csv_mapping import (
    TYPE_HEADINGS,
    TYPE_WORDS,
    RowMapping,
    all_headings,
    mapping_of,
    skipped,
)
from node.errors import Problem
from node.standard.facts import TREE_ZONE
from node.standard.problems import is_harmless

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import tzinfo

COLUMNS_MAX: Final = 400
RULE_HEADINGS: Final = "headings"
RULE_COLUMNS: Final = "columns"
RULE_RECORD_TYPE: Final = "record-type"
_NAMED_MAX: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class TableHead:
    """The headings of a table, what they leave open, and what is wrong with them.

    ``record_type`` is the type of rows that do not say theirs ("": each says it), ``zone`` is meant by times without an
    offset, ``types`` bounds the headings that are known, ``line`` is where the headings stand.
    """

    headings: tuple[str, ...] = ()
    type_index: int | None = None
    record_type: str = ""
    zone: tzinfo = TREE_ZONE
    types: frozenset[str] = DEPARTMENT_TYPES
    line: int = 1
    problems: tuple[Problem, ...] = ()

    @classmethod
    def of(
        cls,
        cells: Sequence[str],
        *,
        record_type: str = "",
        zone: tzinfo = TREE_ZONE,
        types: frozenset[str] = DEPARTMENT_TYPES,
        line: int = 1,
    ) -> TableHead:
        """Return the head that these cells make; ``record_type`` is a name or 中文 label."""
        headings = tuple(cell.strip() for cell in cells)
        while headings and not headings[-1]:
            headings = headings[:-1]
        head = cls(
            headings=headings,
            type_index=next((place for place, heading in enumerate(headings) if heading in TYPE_HEADINGS), None),
            record_type=TYPE_WORDS.get(record_type, record_type),
            zone=zone,
            types=types,
            line=line,
        )
        return replace(head, problems=tuple(head.faults(all_headings(zone, types))))

    def faults(self, known: frozenset[str]) -> Iterator[Problem]:
        """Yield what is wrong with the headings."""
        named = [heading for heading in self.headings if not skipped(heading)]
        unknown = [heading for heading in named if heading not in known]
        if len(named) == len(unknown):
            yield self.problem("the first line has no heading of the standard: is it a table with headings?")
            return
        if len(self.headings) > COLUMNS_MAX:
            yield self.problem(f"{len(self.headings)} columns; at most {COLUMNS_MAX} are read")
        if unknown:
            yield self.problem(f"unknown headings: {_listed(unknown)}; put # before a heading to leave its column out")
        doubled = [heading for heading, count in Counter(named).items() if count > 1]
        if doubled:
            yield self.problem(f"headings stand twice: {_listed(doubled)}")
        if self.type_index is None and not self.record_type:
            yield self.problem("no column 记录类型 (RecordType) and no record type given with the table")
        if self.record_type and self.record_type not in TYPE_WORDS.values():
            yield self.problem(f"{self.record_type[:40]} is not a record type")
        elif not unknown and not doubled:
            yield from self._same_column()

    def problem(self, text: str) -> Problem:
        """Return a problem of the headings."""
        return Problem(rule=RULE_HEADINGS, text=text, line=self.line)

    def _same_column(self) -> Iterator[Problem]:
        """Yield a problem where two headings name the same element.

        Labels lent by other types may meet in a table of several types, where a row fills only one of those columns.
        """
        for name in (self.record_type,) if self.record_type else sorted(self.types):
            cells = mapping_of(name, self.headings, self.zone).cells
            paths = Counter(column.path for _, column in cells if not column.lent)
            twice = ["/".join(path) for path, count in paths.items() if count > 1]
            if twice:
                yield self.problem(f"two columns of {name} name the same element: {_listed(twice)}")
                return


@dataclass(frozen=True, slots=True, kw_only=True)
class RowPlace:
    """Where a row stands, and the bytes that are kept of it: number among the data rows, line of the file, weight.

    ``sheet`` names the part of the file, "" where it has one part only.
    """

    number: int
    line: int
    kept: Callable[[], bytes]
    weight: int
    sheet: str = ""


@dataclass(slots=True)
class Table:
    """Turns rows into candidates; remembers one mapping per record type."""

    head: TableHead
    mappings: dict[str, RowMapping] = field(default_factory=dict)

    def candidate(
        self,
        place: RowPlace,
        fields: list[str],
        texts: Callable[[RowMapping], tuple[list[str], list[Problem]]] | None = None,
    ) -> Candidate:
        """Return the candidate of a row; ``texts`` gives the cells as text once the row's mapping is known."""
        width = len(self.head.headings)
        if len(fields) < width or any(cell.strip() for cell in fields[width:]):
            text = f"{len(fields)} columns, the headings have {width}: a value is missing, or holds the delimiter"
            return self.refused(place, Problem(rule=RULE_COLUMNS, text=text))
        record_type = self._type_of(fields)
        if record_type is None:
            cell = fields[self.head.type_index or 0].strip()
            text = f"{cell!r} is not a record type" if is_harmless(cell) else "this cell is not a record type"
            return self.refused(place, Problem(rule=RULE_RECORD_TYPE, element="RecordType", text=text))
        mapping = self.mappings.get(record_type)
        if mapping is None:
            mapping = self.mappings[record_type] = mapping_of(record_type, self.head.headings, self.head.zone)
        found: list[Problem] = []
        if texts is not None:
            fields, found = texts(mapping)
        content, problems = mapping.content(fields)
        return Candidate(
            record_type=record_type,
            content=content,
            kept=place.kept,
            row=place.number,
            line=place.line,
            sheet=place.sheet,
            problems=tuple(_located(problem, place) for problem in (*found, *problems)),
            weight=place.weight,
        )

    def refused(self, place: RowPlace, problem: Problem) -> Candidate:
        """Return the candidate of a row that cannot be read at all."""
        return Candidate(
            record_type=self.head.record_type,
            kept=place.kept,
            row=place.number,
            line=place.line,
            sheet=place.sheet,
            problems=(_located(problem, place),),
            weight=place.weight,
        )

    def _type_of(self, fields: list[str]) -> str | None:
        if self.head.type_index is None:
            return self.head.record_type
        cell = fields[self.head.type_index].strip()
        return TYPE_WORDS.get(cell) if cell else self.head.record_type or None


def _located(problem: Problem, place: RowPlace) -> Problem:
    text = f"{place.sheet}: {problem.text}" if place.sheet else problem.text
    return replace(problem, row=place.number, line=place.line, text=text)


def _listed(names: list[str]) -> str:
    shown = ", ".join(name[:40] for name in names[:_NAMED_MAX])
    return f"{shown} and {len(names) - _NAMED_MAX} more" if len(names) > _NAMED_MAX else shown
