"""The dialect ``csv``: a table with headings, one record a row, of one record type or of several.

What is wrong with the table as a whole (no headings, an unknown or doubled heading, no record type) refuses the file,
because every row would be wrong in the same way. What is wrong with a row costs that row.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, BinaryIO, Final

from node.departments.candidates import (
    DEPARTMENT_TYPES,
    RULE_EMPTY,
    RULE_HALF_WRITTEN,
    RULE_NOT_TEXT,
    WHOLE_BYTES_MAX,
    Candidate,
    unreadable,
)
from node.departments.dialects.csv_mapping import (
    DIALECT,
    TYPE_HEADINGS,
    TYPE_WORDS,
    RowMapping,
    all_headings,
    mapping_of,
    skipped,
)
from node.departments.dialects.csv_rows import (
    COLUMNS_MAX,
    LINE_BYTES_MAX,
    SAMPLE_BYTES,
    LineReader,
    Row,
    encoding_of,
    is_text,
    read_rows,
)
from node.errors import Problem
from node.standard.codec import RULE_NOT_UTF8
from node.standard.facts import TREE_ZONE
from node.standard.problems import is_harmless

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

RULE_HEADINGS: Final = "headings"
RULE_COLUMNS: Final = "columns"
RULE_QUOTES: Final = "quotes"
RULE_RECORD_TYPE: Final = "record-type"
_NAMED_MAX: Final = 5
_BYTE_ORDER_MARK: Final = "\ufeff"
_OTHER_ENCODING: Final = "the headings are in another encoding than the rows; save the file in one encoding"


def read_csv(
    stream: BinaryIO,
    *,
    record_type: str = "",
    zone: tzinfo = TREE_ZONE,
    types: frozenset[str] = DEPARTMENT_TYPES,
) -> Iterator[Candidate]:
    """Yield the rows of a table as candidates.

    ``record_type`` is the type of rows that do not say theirs (a name or 中文 label, "": the table has a column for
    it); ``zone`` is meant by times without an offset; ``types`` bounds the headings that are known.
    """
    sample = stream.read(SAMPLE_BYTES)
    problem = _fault_of(sample)
    encoding = encoding_of(sample)
    if problem is not None or encoding is None:
        problem = problem or Problem(rule=RULE_NOT_TEXT, text="this is not text in UTF-8 or GB18030", line=1)
        yield unreadable(problem, kept=sample[:WHOLE_BYTES_MAX], complete=len(sample) < WHOLE_BYTES_MAX)
        return
    lines = LineReader(stream, sample, encoding)
    head = _Head.read(lines, record_type=record_type, zone=zone, types=types)
    if head.problems:
        kept = sample[:WHOLE_BYTES_MAX]
        yield unreadable(*head.problems, kept=kept, line=1, complete=len(sample) < WHOLE_BYTES_MAX)
        return
    table = _Table(head)
    for number, row in enumerate(read_rows(lines, head.delimiter), start=1):
        yield table.candidate(number, row)
    if not table.rows:
        yield unreadable(Problem(rule=RULE_EMPTY, text="the table has headings and no rows", line=1), kept=sample)


def _fault_of(sample: bytes) -> Problem | None:
    """Return why this cannot be a table at all."""
    if not sample.strip(b"\xef\xbb\xbf \t\r\n"):
        return Problem(rule=RULE_EMPTY, text="there is nothing in it", line=1)
    if sample.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"<", b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"%PDF")):
        text = "this is no CSV table (a spreadsheet, XML or PDF file?); save it as CSV, or name its dialect"
        return Problem(rule=RULE_NOT_TEXT, text=text, line=1)
    first, end, _ = sample.partition(b"\n")
    if not end and len(first) > LINE_BYTES_MAX:
        return Problem(rule=RULE_NOT_TEXT, text=f"the first line is longer than {LINE_BYTES_MAX} bytes", line=1)
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    """The first row of a table: its text, delimiter, headings, and what is wrong with them."""

    text: str = ""
    delimiter: str = ","
    headings: tuple[str, ...] = ()
    type_index: int | None = None
    record_type: str = ""
    zone: tzinfo = TREE_ZONE
    types: frozenset[str] = DEPARTMENT_TYPES
    problems: tuple[Problem, ...] = ()

    @classmethod
    def read(cls, lines: LineReader, *, record_type: str, zone: tzinfo, types: frozenset[str]) -> _Head:
        """Read the headings with the delimiter by which most of them are known."""
        first = lines.next()
        known = all_headings(zone, types)
        if first is None:
            return cls(problems=(Problem(rule=RULE_EMPTY, text="there is nothing in it", line=1),))
        number, text, _ = first
        if not is_text(text):
            return cls(problems=(Problem(rule=RULE_NOT_UTF8, text=_OTHER_ENCODING, line=1),))
        delimiter = max(DIALECT["delimiters"], key=lambda mark: len(known.intersection(_split(text, mark))))
        lines.push_back([(number, text.removeprefix(_BYTE_ORDER_MARK), False)])
        row = next(read_rows(lines, delimiter), None)
        if row is None or row.fields is None:
            fault = row.fault if row is not None else "there are none"
            return cls(problems=(_heading_problem(f"the headings cannot be read: {fault}"),))
        headings = tuple(cell.strip() for cell in row.fields)
        while headings and not headings[-1]:
            headings = headings[:-1]
        index = next((place for place, heading in enumerate(headings) if heading in TYPE_HEADINGS), None)
        head = cls(
            text=row.text if row.ended else f"{row.text}\n",
            delimiter=delimiter,
            headings=headings,
            type_index=index,
            record_type=TYPE_WORDS.get(record_type, record_type),
            zone=zone,
            types=types,
        )
        return replace(head, problems=tuple(head.faults(known)))

    def faults(self, known: frozenset[str]) -> Iterator[Problem]:
        """Yield what is wrong with the headings."""
        named = [heading for heading in self.headings if not skipped(heading)]
        unknown = [heading for heading in named if heading not in known]
        if len(named) == len(unknown):
            yield _heading_problem("the first line has no heading of the standard: is it a table with headings?")
            return
        if len(self.headings) > COLUMNS_MAX:
            yield _heading_problem(f"{len(self.headings)} columns; at most {COLUMNS_MAX} are read")
        if unknown:
            text = f"unknown headings: {_listed(unknown)}; put # before a heading to leave its column out"
            yield _heading_problem(text)
        doubled = [heading for heading, count in Counter(named).items() if count > 1]
        if doubled:
            yield _heading_problem(f"headings stand twice: {_listed(doubled)}")
        if self.type_index is None and not self.record_type:
            yield _heading_problem("no column 记录类型 (RecordType) and no record type given with the table")
        if self.record_type and self.record_type not in TYPE_WORDS.values():
            yield _heading_problem(f"{self.record_type[:40]} is not a record type")
        elif not unknown and not doubled:
            yield from self._same_column()

    def _same_column(self) -> Iterator[Problem]:
        """Yield a problem where two headings name the same element.

        Labels lent by other types may meet in a table of several types, where a row fills only one of those columns.
        """
        for name in (self.record_type,) if self.record_type else sorted(self.types):
            cells = mapping_of(name, self.headings, self.zone).cells
            paths = Counter(column.path for _, column in cells if not column.lent)
            twice = ["/".join(path) for path, count in paths.items() if count > 1]
            if twice:
                yield _heading_problem(f"two columns of {name} name the same element: {_listed(twice)}")
                return


@dataclass(slots=True)
class _Table:
    """Turns rows into candidates; remembers one mapping per record type."""

    head: _Head
    rows: int = 0
    mappings: dict[str, RowMapping] = field(default_factory=dict)

    def candidate(self, number: int, row: Row) -> Candidate:
        self.rows = number
        problem = self._fault(row)
        fields = row.fields
        if problem is not None or fields is None:
            return self._refused(number, row, problem or Problem(rule=RULE_QUOTES, text=row.fault))
        record_type = self._type_of(fields)
        if record_type is None:
            cell = fields[self.head.type_index or 0].strip()
            text = f"{cell!r} is not a record type" if is_harmless(cell) else "this cell is not a record type"
            return self._refused(number, row, Problem(rule=RULE_RECORD_TYPE, element="RecordType", text=text))
        mapping = self.mappings.get(record_type)
        if mapping is None:
            mapping = self.mappings[record_type] = mapping_of(record_type, self.head.headings, self.head.zone)
        content, problems = mapping.content(fields)
        return Candidate(
            record_type=record_type,
            content=content,
            kept=lambda: self._kept(row),
            row=number,
            line=row.line,
            problems=tuple(replace(problem, row=number, line=row.line) for problem in problems),
            weight=len(row.text),
        )

    def _fault(self, row: Row) -> Problem | None:
        """Return why a row cannot be read at all."""
        if not row.ended:
            text = "the last line has no line end: is the file complete? If it is, end it with a line end"
            return Problem(rule=RULE_HALF_WRITTEN, text=text)
        if row.fields is None:
            return None
        width = len(self.head.headings)
        if len(row.fields) < width or any(cell.strip() for cell in row.fields[width:]):
            text = f"{len(row.fields)} columns, the headings have {width}: a value is missing, or holds the delimiter"
            return Problem(rule=RULE_COLUMNS, text=text)
        if not is_text(row.text):
            return Problem(rule=RULE_NOT_UTF8, text="bytes that are not text in the file's encoding")
        return None

    def _type_of(self, fields: list[str]) -> str | None:
        if self.head.type_index is None:
            return self.head.record_type
        cell = fields[self.head.type_index].strip()
        return TYPE_WORDS.get(cell) if cell else self.head.record_type or None

    def _refused(self, number: int, row: Row, problem: Problem) -> Candidate:
        located = replace(problem, row=number, line=row.line)
        return Candidate(
            record_type=self.head.record_type,
            kept=lambda: self._kept(row),
            row=number,
            line=row.line,
            problems=(located,),
            weight=len(row.text),
        )

    def _kept(self, row: Row) -> bytes:
        """Return a table of this row alone, in UTF-8, so that it can be corrected and offered again by itself."""
        text = row.text if row.ended else f"{row.text}\n"
        return f"{self.head.text}{text}".encode("utf-8", "surrogateescape")


def _split(text: str, mark: str) -> list[str]:
    return [cell.strip().strip('"') for cell in text.removeprefix(_BYTE_ORDER_MARK).rstrip("\r\n").split(mark)]


def _listed(names: list[str]) -> str:
    shown = ", ".join(name[:40] for name in names[:_NAMED_MAX])
    return f"{shown} and {len(names) - _NAMED_MAX} more" if len(names) > _NAMED_MAX else shown


def _heading_problem(text: str) -> Problem:
    return Problem(rule=RULE_HEADINGS, text=text, line=1)
