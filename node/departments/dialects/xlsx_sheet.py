"""Rows of one sheet: cells by column, merged cells undone, and what a number means in a column of times, dates or text.

Excel writes a day as the number of days since 1899-12-30 (with a 29 February 1900 that never was) or since 1904-01-01,
and keeps 15 digits of a number: longer ones are rounded, so that an identifier typed as a number is lost.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from node.departments.candidates import RULE_HALF_WRITTEN
from node.departments.dialects.values import CellError
from node.departments.dialects.xlsx_file import SheetPart, SpreadsheetError, SpreadsheetFile, text_of
from node.standard.codec import RULE_TOO_LARGE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

COLUMNS_READ_MAX: Final = 500
"""Columns of a sheet that are looked at; what lies beyond counts as one more. Our own choice."""
MERGES_MAX: Final = 200_000
DIGITS_MAX: Final = 15
"""Digits that Excel keeps of a number (ECMA-376 leaves them to IEEE 754)."""

NUMBER_LENGTH_MAX: Final = 40
"""Characters of a number in the file: a double has at most 24."""
COUNT_LENGTH_MAX: Final = 10

NUMBER, DAY, FORMULA, FAULT, MERGED, TRUTH = "number", "day", "formula", "fault", "merged", "truth"
_FAULTS: Final = {
    FORMULA: "a formula stands where a value should be; copy the column and paste it as values",
    FAULT: "an error value such as #N/A stands here; correct it or empty the cell",
    MERGED: "a merged cell lies over several columns: which of them is meant? Unmerge it",
}
_FIRST_SERIAL: Final = 61
"""1900-03-01: days before are counted differently by different programs."""
_LAST_SERIAL: Final = 2_958_466
"""The day behind 9999-12-31."""
_DAYS_1900: Final = datetime(1899, 12, 30)  # noqa: DTZ001 - a count of days has no zone.
_DAYS_1904: Final = datetime(1904, 1, 1)  # noqa: DTZ001
_SECONDS_A_DAY: Final = 86_400
_MERGE = re.compile(
    rb"""<(?:\w+:)?mergeCell\b[^<>]{0,120}?\bref=["']([A-Z]{1,3})([0-9]{1,7}):([A-Z]{1,3})([0-9]{1,7})["']"""
)
_LONGEST_MERGE_BYTES: Final = 200
_DIGITS: Final = "0123456789"
_LETTERS: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")


@dataclass(frozen=True, slots=True)
class Special:
    """A cell that is more than text: its kind, and the text that stands for it."""

    kind: str
    text: str


Cell = str | Special


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """Merged cells: rows and columns from 1, both ends included."""

    first_row: int
    last_row: int
    first_column: int
    last_column: int


@dataclass(frozen=True, slots=True)
class SheetRow:
    """A row that has a cell of its own: its number as people see it, and its cells by column from 1."""

    number: int
    cells: Mapping[int, Cell]

    @property
    def width(self) -> int:
        """Return the number of the last column that is not empty."""
        return max((column for column, cell in self.cells.items() if plain(cell).strip()), default=0)


@dataclass(slots=True)
class Sheet:
    """Reads the rows of one sheet in order, the values of merged cells in every row that they lie over."""

    file: SpreadsheetFile
    part: SheetPart
    merges: list[Merge] = field(default_factory=list)
    _standing: dict[int, tuple[int, Cell]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Find the merged cells, which stand behind the rows in the file."""
        found = sorted(_merges(self.file.blocks(self.part)), key=lambda merge: merge.first_row)
        self.merges.extend(found)

    def rows(self) -> Iterator[SheetRow]:
        """Yield the rows with a cell of their own; raises SpreadsheetError where the sheet is damaged."""
        number, place = 0, 0
        for element in self.file.rows(self.part):
            number = _number_of(element, number)
            cells = self._cells(element)
            filled = any(plain(cell).strip() for cell in cells.values())
            place = self._merge(number, cells, place)
            if filled:
                yield SheetRow(number, cells)

    def _cells(self, row: Any) -> dict[int, Cell]:
        cells: dict[int, Cell] = {}
        column = 0
        for element in row:
            reference = element.get("r")
            column = column_number(reference) if reference else column + 1
            cell = self._cell(element)
            if cell != "":
                cells[min(column, COLUMNS_READ_MAX + 1)] = cell
        return cells

    def _cell(self, element: Any) -> Cell:
        kind = element.get("t", "n")
        value = ""
        for child in element:
            name = child.tag.rpartition("}")[2]
            if name == "f":
                return Special(FORMULA, child.text or "…")
            if name == "v":
                value = child.text or ""
            elif name == "is":
                return text_of(child)
        if not value:
            return ""
        if kind == "s":
            return self.file.string(_counted(value))
        if kind == "n":
            return self._number(value, element.get("s"))
        if kind == "b":
            return Special(TRUTH, "TRUE" if value == "1" else "FALSE")
        return Special(FAULT, value) if kind == "e" else value

    def _number(self, value: str, style: str | None) -> Cell:
        if style in self.file.day_styles:
            return Special(DAY, value)
        digits = self.file.zero_styles.get(style or "", 0)
        return value.zfill(digits) if len(value) < digits and value.isdecimal() else Special(NUMBER, value)

    def _merge(self, number: int, cells: dict[int, Cell], place: int) -> int:
        """Let merged values stand in this row too; return how many merges have begun."""
        for column, (last_row, cell) in list(self._standing.items()):
            if last_row < number:
                del self._standing[column]
            else:
                cells[column] = cell
        while place < len(self.merges) and self.merges[place].first_row <= number:
            merge = self.merges[place]
            place += 1
            cell = cells.get(merge.first_column, "")
            if merge.first_row == number and cell != "":
                if merge.last_column > merge.first_column:
                    cell = cells[merge.first_column] = Special(MERGED, plain(cell))
                if merge.last_row > number:
                    self._standing[merge.first_column] = (merge.last_row, cell)
        return place


def plain(cell: Cell, *, days_1904: bool = False) -> str:
    """Return the text that stands for a cell where nothing is known of its column."""
    if isinstance(cell, str):
        return cell
    try:
        return cell_text(cell, "string", days_1904=days_1904)
    except CellError:
        return cell.text


def fault_of(cell: Cell) -> str | None:
    """Return why a cell is no value, None when it is one."""
    return None if isinstance(cell, str) else _FAULTS.get(cell.kind)


def cell_text(cell: Cell, base: str, *, days_1904: bool) -> str:
    """Return a cell as the text of a column whose element has the built-in type ``base``; raises CellError."""
    if isinstance(cell, str):
        return cell
    if (fault := fault_of(cell)) is not None:
        raise CellError(fault)
    if cell.kind not in {NUMBER, DAY}:
        return cell.text
    if base not in {"dateTime", "date"} and cell.kind == DAY:
        # A day typed into a column of texts became a number that people see as a day.
        timed = _decimal(cell.text) % 1 != 0
        return _moment(cell.text, days_1904=days_1904, timed=timed)
    if base == "dateTime":
        return _moment(cell.text, days_1904=days_1904, timed=True)
    if base == "date":
        return _moment(cell.text, days_1904=days_1904, timed=False)
    return number_text(cell.text)


def number_text(value: str) -> str:
    """Return a number as people see it; raises CellError for one of more digits than a spreadsheet keeps."""
    number = _decimal(value)
    if abs(number) >= 10**DIGITS_MAX:
        text = (
            f"a number of more than {DIGITS_MAX} digits, which a spreadsheet rounds: "
            "format the column as text, and enter it again"
        )
        raise CellError(text)
    if number == number.to_integral_value():
        return str(int(number))
    # A sum such as 0.1 + 0.2 is written with 17 digits; people see 15.
    return format(Decimal(f"{number:.{DIGITS_MAX}g}").normalize(), "f")


def column_number(reference: str) -> int:
    """Return the column of a cell such as ``AB12`` from 1; raises SpreadsheetError for what is no cell."""
    letters = reference.rstrip(_DIGITS)
    if not letters or letters == reference or not _LETTERS.issuperset(letters):
        raise SpreadsheetError(RULE_HALF_WRITTEN, "a cell of a sheet has no place: the file is damaged")
    return _letters(letters)


def _moment(value: str, *, days_1904: bool, timed: bool) -> str:
    """Return a serial day as a loose time or date of the tables; raises CellError."""
    serial = _decimal(value)
    first = 0 if days_1904 else _FIRST_SERIAL
    if not first <= serial < _LAST_SERIAL:
        raise CellError("this number is no day of a spreadsheet; write it as 2026-11-03 09:12:00")
    seconds = round(serial * _SECONDS_A_DAY)
    whole = seconds % _SECONDS_A_DAY == 0
    if timed and whole:
        raise CellError("a day without a time of day; write it as 2026-11-03 09:12:00")
    if not timed and not whole:
        raise CellError("a time of day where only a day is meant")
    at = (_DAYS_1904 if days_1904 else _DAYS_1900) + timedelta(seconds=seconds)
    return at.strftime("%Y-%m-%d %H:%M:%S" if timed else "%Y-%m-%d")


def _counted(text: str) -> int:
    """Return a number that counts rows or texts, -1 for what is none."""
    return int(text) if text.isdecimal() and len(text) <= COUNT_LENGTH_MAX else -1


def _decimal(value: str) -> Decimal:
    if len(value) > NUMBER_LENGTH_MAX:
        raise CellError("this is no number")
    try:
        number = Decimal(value.strip())
    except InvalidOperation as error:
        raise CellError("this is no number") from error
    if not number.is_finite() or abs(number.adjusted()) > 400:  # noqa: PLR2004 - beyond every double.
        raise CellError("this is no number")
    return number


def _number_of(row: Any, before: int) -> int:
    given = row.get("r")
    number = _counted(given) if given else before + 1
    if number <= before:
        raise SpreadsheetError(RULE_HALF_WRITTEN, "the rows of a sheet are out of order: the file is damaged")
    return number


@lru_cache(maxsize=COLUMNS_READ_MAX)
def _letters(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def _merges(blocks: Iterator[bytes]) -> Iterator[Merge]:
    """Yield the merged cells of a sheet from its bytes: parsing it for them alone would cost as much as its rows."""
    rest, count = b"", 0
    for block in blocks:
        text = rest + block
        end = 0
        for found in _MERGE.finditer(text):
            end = found.end()
            count += 1
            if count > MERGES_MAX:
                raise SpreadsheetError(RULE_TOO_LARGE, f"more than {MERGES_MAX} merged cells in one sheet")
            yield Merge(
                first_row=int(found[2]),
                last_row=int(found[4]),
                first_column=_letters(found[1].decode()),
                last_column=_letters(found[3].decode()),
            )
        rest = text[max(end, len(text) - _LONGEST_MERGE_BYTES) :]
