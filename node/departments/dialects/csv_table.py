"""The dialect ``csv``: a table with headings in a text file, one record a row, of one record type or of several."""

from __future__ import annotations

from dataclasses import dataclass
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
from node.departments.dialects.csv_mapping import DIALECT, all_headings
from node.departments.dialects.csv_rows import (
    LINE_BYTES_MAX,
    SAMPLE_BYTES,
    LineReader,
    Row,
    encoding_of,
    is_text,
    read_rows,
)
from node.departments.dialects.table import RowPlace, Table, TableHead
from node.errors import Problem
from node.standard.codec import RULE_NOT_UTF8
from node.standard.facts import TREE_ZONE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

RULE_QUOTES: Final = "quotes"
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
    problem = fault_of_text(sample)
    encoding = encoding_of(sample)
    if problem is not None or encoding is None:
        problem = problem or Problem(rule=RULE_NOT_TEXT, text="this is not text in UTF-8 or GB18030", line=1)
        yield unreadable(problem, kept=sample[:WHOLE_BYTES_MAX], complete=len(sample) < WHOLE_BYTES_MAX)
        return
    lines = LineReader(stream, sample, encoding)
    text_head = TextHead.read(lines, all_headings(zone, types))
    head = TableHead.of(text_head.cells, record_type=record_type, zone=zone, types=types)
    if problems := text_head.problems or head.problems:
        kept = sample[:WHOLE_BYTES_MAX]
        yield unreadable(*problems, kept=kept, line=1, complete=len(sample) < WHOLE_BYTES_MAX)
        return
    table = _TextTable(text_head.text, Table(head))
    number = 0
    for number, row in enumerate(read_rows(lines, text_head.delimiter), start=1):
        yield table.candidate(number, row)
    if not number:
        yield unreadable(Problem(rule=RULE_EMPTY, text="the table has headings and no rows", line=1), kept=sample)


def fault_of_text(sample: bytes) -> Problem | None:
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
class TextHead:
    """The first row of a text: as it stands, its delimiter and cells, and why it cannot be read."""

    text: str = ""
    delimiter: str = ","
    cells: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()

    @classmethod
    def read(cls, lines: LineReader, known: frozenset[str]) -> TextHead:
        """Read the first row with the delimiter by which most of its headings are known."""
        first = lines.next()
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
            return cls(problems=(TableHead().problem(f"the headings cannot be read: {fault}"),))
        text = row.text if row.ended else f"{row.text}\n"
        return cls(text=text, delimiter=delimiter, cells=tuple(row.fields))


@dataclass(frozen=True, slots=True)
class _TextTable:
    """Turns rows of a text into candidates; ``head`` is the first row as it stands."""

    head: str
    table: Table

    def candidate(self, number: int, row: Row) -> Candidate:
        place = RowPlace(number=number, line=row.line, kept=lambda: self._kept(row), weight=len(row.text))
        problem = fault_of_row(row)
        if problem is not None or row.fields is None:
            return self.table.refused(place, problem or Problem(rule=RULE_QUOTES, text=row.fault))
        return self.table.candidate(place, row.fields)

    def _kept(self, row: Row) -> bytes:
        """Return a table of this row alone, in UTF-8, so that it can be corrected and offered again by itself."""
        text = row.text if row.ended else f"{row.text}\n"
        return f"{self.head}{text}".encode("utf-8", "surrogateescape")


def fault_of_row(row: Row) -> Problem | None:
    """Return why the text of a row cannot be used."""
    if not row.ended:
        text = "the last line has no line end: is the file complete? If it is, end it with a line end"
        return Problem(rule=RULE_HALF_WRITTEN, text=text)
    if row.fields is not None and not is_text(row.text):
        return Problem(rule=RULE_NOT_UTF8, text="bytes that are not text in the file's encoding")
    return None


def _split(text: str, mark: str) -> list[str]:
    return [cell.strip().strip('"') for cell in text.removeprefix(_BYTE_ORDER_MARK).rstrip("\r\n").split(mark)]
