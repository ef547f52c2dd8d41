"""Rows of a source's tables in a spreadsheet: every sheet that people see is one table, named by tab or headings.

Headings are found as in the dialect ``xlsx``, below titles; a formula, an error or a number that a spreadsheet has
rounded refuses its row. A refused row is kept as a table of one row in text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from node.departments.candidates import RULE_EMPTY, WHOLE_BYTES_MAX, Candidate, unreadable
from node.departments.dialects.csv_source_rows import csv_of, faults_of, known_columns, table_of
from node.departments.dialects.source_rows import SourceRow
from node.departments.dialects.table import RULE_COLUMNS
from node.departments.dialects.values import FORMULA_MARK, CellError
from node.departments.dialects.xlsx_file import SheetPart, SpreadsheetError, SpreadsheetFile
from node.departments.dialects.xlsx_sheet import Sheet, SheetRow, cell_text, plain
from node.departments.dialects.xlsx_tables import SheetTable, find_table
from node.errors import Problem
from node.standard.codec import RULE_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterator

    from node.departments.dialects.mapping_file import MappingFile


def read_sheet_rows(stream: BinaryIO, mapping: MappingFile, *, table: str = "") -> Iterator[SourceRow | Candidate]:
    """Yield the rows of every table in a spreadsheet; ``table`` is the name of all, "" where tabs or headings say it.

    ``row`` counts the data rows of the whole file, ``line`` is the row's number in its sheet.
    """
    try:
        with SpreadsheetFile(stream) as file:
            number = 0
            for part in file.sheets:
                for found in _rows(file, part, mapping, table, number):
                    if isinstance(found, Problem):
                        yield _whole(stream, found)
                    else:
                        number = found.row
                        yield found
            if not number:
                yield _whole(stream, Problem(rule=RULE_EMPTY, text="no sheet has a row below headings", line=1))
    except SpreadsheetError as error:
        yield _whole(stream, Problem(rule=error.rule, text=str(error), line=1))


def _rows(
    file: SpreadsheetFile, part: SheetPart, mapping: MappingFile, table: str, before: int
) -> Iterator[SourceRow | Problem]:
    """Yield the rows of one sheet, or what is wrong with it; ``before`` rows stand in the sheets before it."""
    known = known_columns(mapping)
    # Databases write the names of columns in capitals or not; a mapping does not tell them apart either.
    cased = known.union(map(str.upper, known), map(str.lower, known))
    found = find_table(Sheet(file, part), cased)
    if isinstance(found, Problem):
        yield found
    if not isinstance(found, SheetTable):
        return
    named = table or (part.name if mapping.table_named(part.name) is not None else "")
    source, problems = table_of(mapping, named, found.headings)
    problems = [*problems, *faults_of(found.headings, source, mapping)]
    if source is None or problems:
        yield from problems
        return
    for number, row in enumerate(found.rows, start=before + 1):
        yield _row(source.name, found.headings, row, number, days_1904=file.days_1904)


def _row(table: str, headings: tuple[str, ...], row: SheetRow, number: int, *, days_1904: bool) -> SourceRow:
    values: dict[str, str] = {}
    problems = []
    if row.width > len(headings):
        text = f"{row.width} columns, the headings have {len(headings)}: a value stands beside the table"
        problems.append(Problem(rule=RULE_COLUMNS, text=text))
    for place, heading in enumerate(headings, start=1):
        cell = row.cells.get(place, "")
        if not heading or cell == "":
            continue
        try:
            values[heading] = cell_text(cell, "string", days_1904=days_1904)
        except CellError as error:
            values[heading] = FORMULA_MARK + plain(cell).lstrip(FORMULA_MARK)
            problems.append(Problem(rule=RULE_SCHEMA, element=heading[:64], text=f"{heading[:64]}: {error}"))
    return SourceRow(
        table=table,
        values=values,
        row=number,
        line=row.number,
        kept=lambda: csv_of(table, [values]),
        weight=sum(map(len, values.values())),
        problems=tuple(problems),
    )


def _whole(stream: BinaryIO, problem: Problem) -> Candidate:
    kept = b""
    if stream.seekable():
        stream.seek(0)
        kept = stream.read(WHOLE_BYTES_MAX)
    return unreadable(problem, kept=kept, line=problem.line, complete=bool(kept) and len(kept) < WHOLE_BYTES_MAX)
