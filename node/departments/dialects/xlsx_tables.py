"""The table in a sheet: where its headings stand, what they are, and which rows are below them.

People put titles and notes above, write headings in two rows, and keep sheets that are no tables. A sheet is left out
on purpose only: it is hidden, or its name begins with ``#``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Final

from node.departments.dialects.table import RULE_HEADINGS
from node.departments.dialects.xlsx_sheet import COLUMNS_READ_MAX, Cell, Merge, Sheet, SheetRow, plain
from node.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HEAD_ROWS_MAX: Final = 20
"""Rows with something in them among which the headings have to be. Our own choice."""
LEFT_OUT_MARK: Final = "#"
"""Begins the name of a sheet that is left out on purpose, as it begins the heading of such a column."""

_BREAK: Final = re.compile(r"\s*[\r\n]+\s*")
_NO_HEADINGS: Final = (
    f"no row has headings of the standard; hide the sheet, or begin its name with {LEFT_OUT_MARK}, to leave it out"
)
_HIDDEN: Final = "the sheet is hidden and has headings of the standard; show it, or delete it"


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetTable:
    """A table in a sheet: the row in which its headings begin, the headings, and the rows below, to be read once.

    ``above`` are the rows before those, titles and headings, as they stand.
    """

    line: int
    headings: tuple[str, ...]
    rows: Iterator[SheetRow]
    above: tuple[SheetRow, ...] = ()


def find_table(sheet: Sheet, known: frozenset[str]) -> SheetTable | Problem | None:
    """Return the table of a sheet, why it cannot be read, or None for a sheet that is left out or empty.

    The headings are the row, among the first, that has most of ``known``. Raises SpreadsheetError for a damaged sheet,
    while the rows are read as well.
    """
    if sheet.part.name.startswith(LEFT_OUT_MARK):
        return None
    rows = sheet.rows()
    first = list(islice(rows, HEAD_ROWS_MAX))
    counts = [len(known.intersection(_heading(cell) for cell in row.cells.values())) for row in first]
    best = max(counts, default=0)
    if not best:
        missing = first and not sheet.part.hidden
        return Problem(rule=RULE_HEADINGS, text=_NO_HEADINGS, line=first[0].number) if missing else None
    begin = first[counts.index(best) :]
    if sheet.part.hidden:
        return Problem(rule=RULE_HEADINGS, text=_HIDDEN, line=begin[0].number)
    headings, below = _headings(begin, sheet.merges)
    data = chain((row for row in begin if row.number >= below), rows)
    above = tuple(row for row in first if row.number < below)
    return SheetTable(line=begin[0].number, headings=tuple(headings), rows=data, above=above)


def _headings(rows: Sequence[SheetRow], merges: Sequence[Merge]) -> tuple[list[str], int]:
    """Return the headings that begin with the first of ``rows``, and the number of the first row below them.

    Cells merged over several columns are a group: the headings below them are parts of it (经办人 over 姓名 and
    证件号码 gives 经办人/姓名). Cells merged over several rows are one heading.
    """
    top = rows[0]
    own = [merge for merge in merges if merge.first_row == top.number and merge.first_column in top.cells]
    groups = {
        column: _heading(top.cells[merge.first_column])
        for merge in own
        if merge.last_column > merge.first_column
        for column in range(merge.first_column, min(merge.last_column, COLUMNS_READ_MAX) + 1)
    }
    below = max((merge.last_row for merge in own), default=top.number) + 1
    parts: dict[int, Cell] = {}
    if groups:
        below = max(below, top.number + 2)
        parts = dict(next((row.cells for row in rows[1:] if row.number == below - 1), {}))
    width = max(*top.cells, *groups, *parts) if groups or parts else max(top.cells)
    names = []
    for column in range(1, width + 1):
        name = groups.get(column) or _heading(top.cells.get(column, ""))
        part = _heading(parts.get(column, "")) if column in groups else ""
        names.append(f"{name}/{part}" if part else name)
    return names, below


def _heading(cell: Cell) -> str:
    """Return a heading without the line breaks by which people make it narrow."""
    return _BREAK.sub("", plain(cell).strip())
