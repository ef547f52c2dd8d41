"""The dialect ``xlsx``: tables in a spreadsheet as people of a department fill it, read as the dialect ``csv`` reads.

Every sheet that people see is a table: its headings are found among its first rows, below titles. What is wrong with a
sheet costs that sheet, what is wrong with a row that row. A refused row is kept as a table of one row in text (with
``=`` before a cell that was no value, so that it stays refused), which this dialect reads too: people can read it,
correct it, and offer it again.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, BinaryIO, Final

from node.departments.candidates import (
    DEPARTMENT_TYPES,
    RULE_EMPTY,
    WHOLE_BYTES_MAX,
    Candidate,
    unreadable,
)
from node.departments.dialects.csv_mapping import TYPE_WORDS, RowMapping, all_headings
from node.departments.dialects.csv_table import read_csv
from node.departments.dialects.table import RowPlace, Table, TableHead
from node.departments.dialects.values import FORMULA_MARK, CellError
from node.departments.dialects.xlsx_file import SheetPart, SpreadsheetError, SpreadsheetFile
from node.departments.dialects.xlsx_sheet import Cell, Sheet, SheetRow, cell_text, fault_of, plain
from node.departments.dialects.xlsx_tables import SheetTable, find_table
from node.errors import Problem
from node.standard.facts import TREE_ZONE
from node.standard.problems import is_harmless

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

_SPREADSHEETS: Final = (b"PK", b"\xd0\xcf\x11\xe0")


def looks_like_spreadsheet(name: str, begin: bytes) -> bool:
    """Tell from the first bytes of a file, or by its name where it is empty, that it is meant as a spreadsheet."""
    return begin.startswith(_SPREADSHEETS) or (not begin and name.lower().endswith(".xlsx"))


def read_xlsx(
    stream: BinaryIO, *, record_type: str = "", zone: tzinfo = TREE_ZONE, types: frozenset[str] = DEPARTMENT_TYPES
) -> Iterator[Candidate]:
    """Yield the rows of all tables in a spreadsheet as candidates; arguments as for ``read_csv``.

    ``row`` counts the data rows of the whole file, ``line`` is the row's number in its sheet.
    """
    if is_text(stream):
        yield from read_csv(stream, record_type=record_type, zone=zone, types=types)
        return
    try:
        with SpreadsheetFile(stream) as file:
            yield from _Spreadsheet(file, stream, record_type, zone, types).candidates()
    except SpreadsheetError as error:
        yield _whole(stream, Problem(rule=error.rule, text=str(error), line=1))


@dataclass(slots=True)
class _Spreadsheet:
    """Reads the sheets of one file in order; ``rows`` counts the data rows so far."""

    file: SpreadsheetFile
    stream: BinaryIO
    record_type: str
    zone: tzinfo
    types: frozenset[str]
    rows: int = 0
    last: int = 0

    def candidates(self) -> Iterator[Candidate]:
        """Yield the rows of every table, and what is wrong with a sheet as a whole."""
        told = False
        for part in self.file.sheets:
            self.last = 0
            try:
                for candidate in self._sheet(part):
                    told = True
                    yield candidate
            except SpreadsheetError as error:
                told = True
                behind = f"; what stands below row {self.last} was not read" if self.last else ""
                yield self._faulty(part, Problem(rule=error.rule, text=f"{error}{behind}", line=self.last or 1))
        if not told:
            text = "the spreadsheet has no row below headings of the standard"
            yield _whole(self.stream, Problem(rule=RULE_EMPTY, text=text, line=1))

    def _sheet(self, part: SheetPart) -> Iterator[Candidate]:
        found = find_table(Sheet(self.file, part), all_headings(self.zone, self.types))
        if isinstance(found, Problem):
            yield self._faulty(part, found)
        if not isinstance(found, SheetTable):
            return
        record_type = self.record_type or TYPE_WORDS.get(part.name.strip(), "")
        head = TableHead.of(found.headings, record_type=record_type, zone=self.zone, types=self.types, line=found.line)
        if head.problems:
            yield self._faulty(part, *head.problems)
            return
        table = Table(head)
        for row in found.rows:
            yield self._candidate(table, part, row)

    def _candidate(self, table: Table, part: SheetPart, row: SheetRow) -> Candidate:
        self.rows += 1
        self.last = row.number
        cells = _Cells(table.head.headings, row, days_1904=self.file.days_1904)
        place = RowPlace(
            number=self.rows,
            line=row.number,
            kept=cells.kept,
            weight=sum(map(len, cells.texts)),
            sheet=self._named(part),
        )
        return table.candidate(place, cells.texts, cells.meant)

    def _faulty(self, part: SheetPart, *problems: Problem) -> Candidate:
        named = self._named(part, always=True)
        return _whole(
            self.stream,
            *(Problem(rule=one.rule, text=f"{named}: {one.text}", line=one.line) for one in problems),
        )

    def _named(self, part: SheetPart, *, always: bool = False) -> str:
        """Return what a problem calls a sheet; nothing where there is only one."""
        if len(self.file.sheets) == 1 and not always:
            return ""
        harmless = part.name in TYPE_WORDS or is_harmless(part.name)
        return f"sheet {part.name[:31]}" if harmless else f"sheet {self.file.sheets.index(part) + 1}"


class _Cells:
    """The cells of one row as texts by heading, first as they stand, then as their columns mean them."""

    __slots__ = ("_cells", "_days_1904", "_headings", "texts")

    def __init__(self, headings: tuple[str, ...], row: SheetRow, *, days_1904: bool) -> None:
        width = max(len(headings), row.width)
        self._headings = headings
        self._cells: list[Cell] = [row.cells.get(column, "") for column in range(1, width + 1)]
        self._days_1904 = days_1904
        self.texts = [plain(cell, days_1904=days_1904) for cell in self._cells]

    def meant(self, mapping: RowMapping) -> tuple[list[str], list[Problem]]:
        """Return the cells as texts, and a problem for each that is no value."""
        texts, problems = list(self.texts), []
        for index, column in mapping.cells:
            try:
                texts[index] = cell_text(self._cells[index], column.base, days_1904=self._days_1904)
                self.texts[index] = texts[index]
            except CellError as error:
                texts[index] = ""
                self.texts[index] = FORMULA_MARK + self.texts[index].lstrip(FORMULA_MARK)
                problems.append(column.problem(str(error)))
        return texts, problems

    def kept(self) -> bytes:
        """Return a table of this row alone as text."""
        text = StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self._headings)
        writer.writerow(
            FORMULA_MARK + cell.lstrip(FORMULA_MARK) if fault_of(self._cells[index]) else cell
            for index, cell in enumerate(self.texts)
        )
        return text.getvalue().encode("utf-8", "surrogatepass")


def is_text(stream: BinaryIO) -> bool:
    """Tell whether a delivery is a table as text, as which refused rows are kept."""
    if not stream.seekable():
        return False
    begin = stream.read(8)
    stream.seek(0)
    return bool(begin) and not begin.startswith(_SPREADSHEETS)


def _whole(stream: BinaryIO, *problems: Problem) -> Candidate:
    """Return the candidate for a file, or a sheet of it, that cannot be read: the file itself is kept."""
    kept = b""
    if stream.seekable():
        stream.seek(0)
        kept = stream.read(WHOLE_BYTES_MAX)
    complete = bool(kept) and len(kept) < WHOLE_BYTES_MAX
    return unreadable(*problems, kept=kept, line=problems[0].line, complete=complete)
