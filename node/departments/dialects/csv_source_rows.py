"""Rows of a source's table as text with headings: one file per table, as a database writes it.

Which table it is the caller says, or a first line ``#table NAME``, or the headings, where only one table of the mapping
has them all. What is wrong with the headings refuses the file; what is wrong with a row costs that row.
"""

from __future__ import annotations

import csv
from collections import Counter
from io import StringIO
from typing import TYPE_CHECKING, BinaryIO, Final

from node.departments.candidates import RULE_EMPTY, RULE_NOT_TEXT, WHOLE_BYTES_MAX, Candidate, unreadable
from node.departments.dialects.csv_rows import SAMPLE_BYTES, LineReader, Row, encoding_of, read_rows
from node.departments.dialects.csv_table import RULE_QUOTES, TextHead, fault_of_row, fault_of_text
from node.departments.dialects.source_rows import ROW_COLUMNS_MAX, RULE_TABLE, SourceRow
from node.departments.dialects.table import RULE_COLUMNS, RULE_HEADINGS
from node.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from node.departments.dialects.mapping_file import MappingFile, TableMapping

TABLE_MARK: Final = "#table "
"""Begins a first line that names the table of all rows."""
_NAMED_MAX: Final = 5


def read_csv_rows(stream: BinaryIO, mapping: MappingFile, *, table: str = "") -> Iterator[SourceRow | Candidate]:
    """Yield the rows of one table as text; ``table`` is its name, "" where the file says it."""
    sample = stream.read(SAMPLE_BYTES)
    complete = len(sample) < WHOLE_BYTES_MAX
    problem = fault_of_text(sample)
    encoding = encoding_of(sample)
    if problem is not None or encoding is None:
        problem = problem or Problem(rule=RULE_NOT_TEXT, text="this is not text in UTF-8 or GB18030", line=1)
        yield unreadable(problem, kept=sample[:WHOLE_BYTES_MAX], complete=complete)
        return
    lines = LineReader(stream, sample, encoding)
    table = _named(lines) or table
    head = TextHead.read(lines, known_columns(mapping))
    headings = tuple(cell.strip() for cell in head.cells)
    found, problems = table_of(mapping, table, headings)
    problems = [*head.problems] or [*problems, *faults_of(headings, found, mapping)]
    if problems:
        yield unreadable(*problems, kept=sample[:WHOLE_BYTES_MAX], line=1, complete=complete)
        return
    reader = _Rows(found.name if found is not None else table, head.text, headings)
    number = 0
    for number, row in enumerate(read_rows(lines, head.delimiter), start=1):
        yield reader.row(number, row)
    if not number:
        yield unreadable(Problem(rule=RULE_EMPTY, text="the table has headings and no rows", line=1), kept=sample)


def csv_of(table: str, rows: Sequence[Mapping[str, str]]) -> bytes:
    """Return the rows of one table as text that ``read_csv_rows`` reads, with a first line that names the table."""
    headings = list(dict.fromkeys(name for row in rows for name in row))
    text = StringIO(newline="")
    writer = csv.DictWriter(text, headings, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return f"{TABLE_MARK}{table}\n{text.getvalue()}".encode()


class _Rows:
    """Turns rows of a text into rows of its table; ``head`` is the first row as it stands."""

    def __init__(self, table: str, head: str, headings: tuple[str, ...]) -> None:
        self._table = table
        self._head = head
        self._headings = headings
        self._named = [(place, name) for place, name in enumerate(headings) if name]

    def row(self, number: int, row: Row) -> SourceRow:
        problem = fault_of_row(row) or self._fault(row)
        fields = row.fields
        values = {} if problem or fields is None else {name: fields[place] for place, name in self._named}
        return SourceRow(
            table=self._table,
            values=values,
            row=number,
            line=row.line,
            kept=lambda: self._kept(row),
            weight=len(row.text),
            problems=() if problem is None else (problem,),
        )

    def _fault(self, row: Row) -> Problem | None:
        if row.fields is None:
            return Problem(rule=RULE_QUOTES, text=row.fault)
        width = len(self._headings)
        if len(row.fields) < width or any(cell.strip() for cell in row.fields[width:]):
            text = f"{len(row.fields)} columns, the headings have {width}: a value is missing, or holds the delimiter"
            return Problem(rule=RULE_COLUMNS, text=text)
        return None

    def _kept(self, row: Row) -> bytes:
        text = row.text if row.ended else f"{row.text}\n"
        return f"{TABLE_MARK}{self._table}\n{self._head}{text}".encode("utf-8", "surrogateescape")


def _named(lines: LineReader) -> str:
    """Return the table that the first line names, "" when it names none (it is then read as headings)."""
    first = lines.next()
    if first is None:
        return ""
    text = first[1].removeprefix("\ufeff")
    if text.startswith(TABLE_MARK):
        return text.removeprefix(TABLE_MARK).strip().rstrip(",;\t")
    lines.push_back([first])
    return ""


def known_columns(mapping: MappingFile) -> frozenset[str]:
    """Return the columns of all tables of a mapping."""
    return frozenset(name for table in mapping.tables.values() for name in table.columns())


def table_of(mapping: MappingFile, name: str, headings: tuple[str, ...]) -> tuple[TableMapping | None, list[Problem]]:
    """Return the table of a file, by its name or by its headings, or why it cannot be told."""
    if name:
        found = mapping.table_named(name)
        if found is not None:
            return found, []
        text = f"the mapping {mapping.name} has no such table; it has {', '.join(mapping.tables)}"
        return None, [Problem(rule=RULE_TABLE, text=text, line=1)]
    wanted = {heading.casefold() for heading in headings if heading}
    fitting = [
        table for table in mapping.tables.values() if wanted <= {column.casefold() for column in table.columns()}
    ]
    if len(fitting) == 1:
        return fitting[0], []
    which = "no table has all of these headings" if not fitting else "several tables have these headings"
    text = f"{which}: name the table with the delivery, or in a first line {TABLE_MARK}NAME"
    return None, [Problem(rule=RULE_TABLE, text=text, line=1)]


def faults_of(headings: tuple[str, ...], table: TableMapping | None, mapping: MappingFile) -> Iterator[Problem]:
    """Yield what is wrong with the headings of a table that is known."""
    if table is None:
        return
    known = {column.casefold() for column in table.columns()}
    unknown = [heading[:40] for heading in headings if heading and heading.casefold() not in known]
    if unknown:
        shown = ", ".join(unknown[:_NAMED_MAX]) + (" …" if len(unknown) > _NAMED_MAX else "")
        text = (
            f"unknown columns of {table.name}: {shown}; leave them out at the source, or list them under ignored in a "
            f"mapping of this node that extends {mapping.name}"
        )
        yield Problem(rule=RULE_HEADINGS, text=text, line=1)
    doubled = [name for name, count in Counter(map(str.casefold, filter(None, headings))).items() if count > 1]
    if doubled:
        yield Problem(rule=RULE_HEADINGS, text=f"headings stand twice: {', '.join(doubled[:_NAMED_MAX])}", line=1)
    if len(headings) > ROW_COLUMNS_MAX:
        yield Problem(rule=RULE_HEADINGS, text=f"more than {ROW_COLUMNS_MAX} columns", line=1)
