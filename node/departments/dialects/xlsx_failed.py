"""The refused rows of a spreadsheet: the same sheets with their titles and headings, and a first column of problems.

Only sheets in which a row was refused are written. What was no value (a formula, an error, a cell merged over columns)
stays none, so that a row that nobody corrected is refused again; other cells keep what they held: texts as texts,
numbers as numbers, days as days. Widths, colours and drop-downs of the delivery are not copied.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import xlsxwriter

from node.departments.dialects.csv_failed import write_failed_csv
from node.departments.dialects.csv_mapping import TYPE_WORDS, all_headings
from node.departments.dialects.failed_rows import PROBLEM_HEADING
from node.departments.dialects.table import TableHead
from node.departments.dialects.values import FORMULA_MARK
from node.departments.dialects.xlsx import is_text
from node.departments.dialects.xlsx_file import SheetPart, SpreadsheetError, SpreadsheetFile
from node.departments.dialects.xlsx_sheet import DAY, FAULT, FORMULA, MERGED, NUMBER, TRUTH, Sheet, Special
from node.departments.dialects.xlsx_tables import SheetTable, find_table
from node.departments.dialects.xlsx_writing import CELL_LENGTH_MAX, DATE_FORMAT, TEXT_FORMAT, TIME_FORMAT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from node.departments.dialects.dialect import DialectOptions
    from node.departments.dialects.failed_rows import Delivered, Refusals
    from node.departments.dialects.xlsx_sheet import Cell, SheetRow

MERGED_MAX: Final = 20_000
"""Rows with merged cells that are written: the library holds them in memory. Our own choice."""
_PROBLEM_WIDTH: Final = 60
_COLUMN_WIDTH: Final = 18
_SHEET_NAME_MAX: Final = 31
_NOT_IN_NAMES: Final = str.maketrans(dict.fromkeys("[]:*?/\\", "_"))


def write_failed_xlsx(delivered: Delivered, refusals: Refusals, output: BinaryIO) -> int:
    """Write the refused rows of a delivery of the dialect ``xlsx``; return how many."""
    if is_text(delivered.stream):
        return write_failed_csv(delivered, refusals, output)
    with suppress(SpreadsheetError), SpreadsheetFile(delivered.stream) as file:
        settings = {
            "constant_memory": True,
            "strings_to_numbers": False,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "date_1904": file.days_1904,
        }
        book = xlsxwriter.Workbook(output, settings)
        writer = _Writer(file, book, delivered.options)
        for part in file.sheets:
            writer.write_sheet(part, refusals)
        if writer.written:
            book.close()
        return writer.written
    return 0


@dataclass(slots=True)
class _Writer:
    """Writes the sheets of one file; ``rows`` counts the data rows as the reader of the dialect does."""

    file: SpreadsheetFile
    book: Any
    options: DialectOptions
    rows: int = 0
    written: int = 0
    merged: int = 0
    names: set[str] = field(default_factory=set)
    formats: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.formats = {
            name: self.book.add_format({"num_format": form})
            for name, form in (("text", TEXT_FORMAT), ("day", DATE_FORMAT), ("time", TIME_FORMAT))
        }
        self.formats["problem"] = self.book.add_format({"bg_color": "#F8CBAD", "num_format": TEXT_FORMAT})

    def write_sheet(self, part: SheetPart, refusals: Refusals) -> None:
        """Write the refused rows of one sheet; of one that is damaged those before the damage."""
        with suppress(SpreadsheetError):
            sheet = Sheet(self.file, part)
            found = find_table(sheet, all_headings(self.options.zone))
            if isinstance(found, SheetTable) and not self._problems(part, found):
                self._write_rows(part, sheet, found, refusals)

    def _problems(self, part: SheetPart, found: SheetTable) -> bool:
        record_type = self.options.record_type or TYPE_WORDS.get(part.name.strip(), "")
        return bool(TableHead.of(found.headings, record_type=record_type, zone=self.options.zone).problems)

    def _write_rows(self, part: SheetPart, sheet: Sheet, found: SheetTable, refusals: Refusals) -> None:
        copy: _SheetCopy | None = None
        for row in found.rows:
            self.rows += 1
            text = refusals.of_row(self.rows)
            if text is None or _too_long(row) or self.merged > MERGED_MAX:
                continue
            self.merged += any(isinstance(cell, Special) and cell.kind == MERGED for cell in row.cells.values())
            if copy is None:
                copy = _SheetCopy(self.book.add_worksheet(self._name(part)), sheet, found, self.formats)
                copy.write_head()
            copy.write(text, row)
            self.written += 1

    def _name(self, part: SheetPart) -> str:
        """Return the sheet's own name, as far as a spreadsheet takes it."""
        name = part.name.translate(_NOT_IN_NAMES).strip("'")[:_SHEET_NAME_MAX] or "1"
        while name.casefold() in self.names:
            name = f"{name[: _SHEET_NAME_MAX - 4]}_{len(self.names)}"
        self.names.add(name.casefold())
        return name


class _SheetCopy:
    """One sheet under way: ``place`` is the row that is written next, from 0."""

    def __init__(self, target: Any, sheet: Sheet, found: SheetTable, formats: Mapping[str, Any]) -> None:
        self._target = target
        self._sheet = sheet
        self._found = found
        self._formats = formats
        # A file of failed rows that is delivered again has the column already.
        again = bool(found.headings) and found.headings[0] == PROBLEM_HEADING
        self._first = 2 if again else 1
        self._place = 0
        self._below = max((row.number for row in found.above), default=0) + 1

    def write_head(self) -> None:
        """Write titles and headings where they stood."""
        self._target.set_column(0, 0, _PROBLEM_WIDTH)
        self._target.set_column(1, len(self._found.headings), _COLUMN_WIDTH)
        for row in self._found.above:
            self._place = row.number - 1
            if row.number == self._found.line:
                self._target.write_string(self._place, 0, PROBLEM_HEADING, self._formats["problem"])
            # What stands in this row only because it is merged with one above would count as a heading twice.
            below = self._standing(row.number) if row.number != self._found.line else frozenset()
            self._write_cells({column: cell for column, cell in row.cells.items() if column not in below}, row.number)
        self._place = self._below - 1

    def write(self, problem: str, row: SheetRow) -> None:
        """Write a row behind what is wrong with it."""
        self._target.write_string(self._place, 0, problem, self._formats["problem"])
        self._write_cells(row.cells, row.number)
        self._place += 1

    def _standing(self, number: int) -> frozenset[int]:
        return frozenset(
            merge.first_column for merge in self._sheet.merges if merge.first_row < number <= merge.last_row
        )

    def _write_cells(self, cells: Mapping[int, Cell], number: int) -> None:
        for column in sorted(cells):
            if column >= self._first:
                self._write_cell(column - self._first + 1, cells[column], self._last_of(column, cells[column], number))

    def _last_of(self, column: int, cell: Cell, number: int) -> int:
        """Return the column at which a cell that is merged over several ends, counted in the copy."""
        if isinstance(cell, str) or cell.kind != MERGED:
            return 0
        found = (
            merge.last_column
            for merge in self._sheet.merges
            if merge.first_column == column and merge.first_row <= number <= merge.last_row
        )
        # Of a row two cells are enough: merges are held in memory.
        return next(found, column + 1) - self._first + 1 if number < self._below else column - self._first + 2

    def _write_cell(self, column: int, cell: Cell, last: int) -> None:
        if isinstance(cell, str):
            self._target.write_string(self._place, column, cell, self._formats["text"])
        elif cell.kind == MERGED:
            self._target.merge_range(self._place, column, self._place, last, cell.text, self._formats["text"])
        elif cell.kind == TRUTH:
            self._target.write_boolean(self._place, column, cell.text == "TRUE")
        elif cell.kind in {NUMBER, DAY} and (number := _number(cell)) is not None:
            shown = None if cell.kind == NUMBER else self._formats["day" if number.is_integer() else "time"]
            self._target.write_number(self._place, column, number, shown)
        else:
            mark = FORMULA_MARK if cell.kind in {FORMULA, FAULT} else ""
            self._target.write_string(self._place, column, mark + cell.text.lstrip(mark or None), self._formats["text"])


def _number(cell: Special) -> float | None:
    """Return what a cell of a number holds, None for what is none or is not finite."""
    try:
        number = float(cell.text)
    except ValueError:
        return None
    return number if abs(number) < float("inf") else None


def _too_long(row: SheetRow) -> bool:
    """Tell whether a row holds a text that no cell can: it would be left out in silence."""
    return any(len(cell if isinstance(cell, str) else cell.text) > CELL_LENGTH_MAX for cell in row.cells.values())
