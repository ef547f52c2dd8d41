"""What a mapping makes of a sample, field by field, for the person who writes it; nothing is taken in.

Called by ``yizhan mapping check``. Values whose element has a privacy mark are masked; errors never hold values.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from node.cases.view import mask_text
from node.departments.candidates import Candidate
from node.departments.dialects.mapped import source_rows
from node.departments.dialects.mapping_described import source_of
from node.departments.dialects.row_mapping import RowMapper
from node.departments.prepare import prepare
from node.standard.families import RECORD_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from node.departments.dialects.dialect import DialectOptions
    from node.departments.dialects.mapping_file import MappingFile
    from node.departments.dialects.row_elements import ReadElement
    from node.departments.dialects.row_mapping import OpenedRow, RecordReader
    from node.errors import Problem
    from node.randomness import Randomness
    from node.standard.shape import ElementShape

ROWS_MAX: Final = 1000
CHANNEL: Final = "IMPORT"
_NUMBER_TO_COME: Final = "0"
"""Stands for the case number that the node will give to a case of another system, so that the rest can be checked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedField:
    """One element: where it comes from, its value as it may be shown ("" for none), and what is wrong with it."""

    element: str
    label: str
    source: str
    column: str
    value: str
    error: str

    def as_json(self) -> dict[str, str]:
        """Return it as part of the document ``yizhan.mapping-check/1``."""
        return {name: getattr(self, name) for name in ("element", "label", "source", "column", "value", "error")}


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedRecord:
    """One record of a row, its fields, and what the standard says against it beyond them."""

    record_type: str
    fields: tuple[CheckedField, ...]
    problems: tuple[Problem, ...]

    @property
    def right(self) -> bool:
        """Whether a node would take it in, as far as the record alone can tell."""
        return not self.problems and not any(one.error for one in self.fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedRow:
    """One row of the sample, or what stood in place of one; ``problems`` concern it as a whole."""

    row: int | None
    line: int | None
    table: str
    records: tuple[CheckedRecord, ...]
    problems: tuple[Problem, ...]

    @property
    def right(self) -> bool:
        """Whether all of it would be taken in."""
        return not self.problems and all(record.right for record in self.records)


def check_sample(
    mapping: MappingFile, stream: BinaryIO, options: DialectOptions, *, rows: int, randomness: Randomness
) -> Iterator[CheckedRow]:
    """Yield the first ``rows`` (1 to ROWS_MAX) rows of a sample, each with what the mapping makes of it."""
    mapper = RowMapper(mapping, options)
    for row in islice(source_rows(mapping, stream, options), min(rows, ROWS_MAX)):
        if isinstance(row, Candidate):
            yield CheckedRow(row=row.row, line=row.line, table="", records=(), problems=row.problems)
        else:
            yield _checked(mapper.opened(row), randomness)


def _checked(opened: OpenedRow, randomness: Randomness) -> CheckedRow:
    row = opened.row
    return CheckedRow(
        row=row.row,
        line=row.line,
        table=row.table,
        records=tuple(_record(record, opened, randomness) for record in opened.records),
        problems=tuple(opened.problems),
    )


def _record(reader: RecordReader, opened: OpenedRow, randomness: Randomness) -> CheckedRecord:
    elements = reader.elements(opened.values)
    problems: tuple[Problem, ...] = ()
    if not any(one.problem for one in elements):
        candidate = _numbered(reader.candidate(opened.values, opened.row))
        problems = prepare([candidate], channel=CHANNEL, randomness=randomness)[0].problems
    wrong = {problem.element: problem.text for problem in problems if problem.element}
    fields = tuple(_field(one, wrong) for one in elements)
    said = {one.element for one in fields if one.error}
    return CheckedRecord(
        record_type=reader.record_type,
        fields=fields,
        problems=tuple(problem for problem in problems if problem.element not in said),
    )


def _numbered(candidate: Candidate) -> Candidate:
    """Return a record of another system's case as if it had its number; the node gives it at intake."""
    content = candidate.content or {}
    if "CaseNo" in content or not content.get("OrigCaseNo") or not RECORD_TYPES[candidate.record_type].case_record:
        return candidate
    return replace(candidate, content={**content, "CaseNo": _NUMBER_TO_COME})


def _field(found: ReadElement, wrong: Mapping[str, str]) -> CheckedField:
    path = "/".join(found.path)
    error = found.problem.text if found.problem is not None else wrong.get(path, "")
    return CheckedField(
        element=path,
        label=found.shape.label,
        source=source_of(found.element),
        column=found.column,
        value=_shown(found.value, found.shape),
        error=error,
    )


def _shown(value: Any, shape: ElementShape) -> str:
    """Return a value as text, masked by the privacy mark of its element or of its part."""
    if value is None:
        return ""
    if isinstance(value, str):
        return mask_text(value, shape.privacy) if shape.privacy else value
    if isinstance(value, dict):
        return ", ".join(_shown(value[part.name], part) for part in shape.children if part.name in value)
    return " | ".join(_shown(item, shape) for item in value)
