"""Spreadsheets written: records as one sheet a record type, and empty tables for people to fill.

A sheet is named after its record type, so that it needs no column for it. Times and dates are real ones (a day count
with a format), everything else is text: a spreadsheet must not turn an identifier into a number.
"""

from __future__ import annotations

from datetime import datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

import xlsxwriter

from node.departments.dialects.csv_mapping import DIALECT
from node.departments.dialects.table_writing import TableColumn, cells_of, table_columns
from node.departments.dialects.values import zone_offset
from node.errors import UsageError
from node.standard.families import RECORD_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from node.departments.dialects.dialect import DialectOptions, Written
    from node.standard.shape import SimpleShape

TIME_FORMAT: Final = "yyyy-mm-dd hh:mm:ss"
DATE_FORMAT: Final = "yyyy-mm-dd"
TEXT_FORMAT: Final = "@"
ROWS_PREPARED: Final = 1_000
"""Rows of a template that have formats and drop-downs. Our own choice: more than anybody types."""
ROWS_MAX: Final = 1_048_575
"""Rows of a sheet below its headings (ECMA-376)."""
CELL_LENGTH_MAX: Final = 32_767
_LIST_SHEET: Final = "#代码 codes"
"""Sheet of a template with the words of its drop-downs: hidden, and left out by its name as well."""
_LABEL_LENGTH_MAX: Final = 255
_NOTE_WIDTH, _NOTE_HEIGHT = 320, 130
_WIDTH_MIN, _WIDTH_MAX = 12, 40
_FIRST_DAY: Final = "1900-03-01"
"""Days before are counted differently by different programs."""
_MIDNIGHT: Final = "T00:00:00"
_FORMS: Final = {"dateTime": "2026-11-03 09:12:00", "date": "2026-11-03", "boolean": "是 / 否"}
_MADE_AT: Final = datetime(1980, 1, 1)  # noqa: DTZ001 - the library's own form; the earliest time of an archive.


def write_xlsx(records: Iterable[Written], options: DialectOptions) -> bytes:
    """Return records as a spreadsheet with a sheet for each record type.

    Raises UsageError as ``cells_of`` does, and for more records or longer texts than a spreadsheet holds.
    """
    by_type: dict[str, list[dict[TableColumn, str]]] = {}
    for record in records:
        rows = by_type.setdefault(record.record_type, [])
        rows.append(cells_of(record))
        _check_size(rows)
    output = BytesIO()
    with _book(output, constant_memory=True) as book:
        formats = _formats(book)
        for record_type, rows in by_type.items():
            used = [column for column in table_columns(record_type) if any(column in row for row in rows)]
            sheet = book.add_worksheet(RECORD_TYPES[record_type].label)
            sheet.write_row(0, 0, [column.heading for column in used], formats["head"])
            for number, row in enumerate(rows, start=1):
                for index, column in enumerate(used):
                    _write(sheet, number, index, row.get(column, ""), column, formats, zone_offset(options.zone))
    return output.getvalue()


def template_xlsx(record_type: str) -> bytes:
    """Return an empty table of a record type for people to fill in.

    Required columns have a coloured heading; each heading has a note that says what its cells hold. Columns of codes
    have a drop-down, those of times and dates a format, all others are text. As it stands it holds no row.
    """
    output = BytesIO()
    with _book(output) as book:
        formats = _formats(book)
        sheet = book.add_worksheet(RECORD_TYPES[record_type].label)
        lists = book.add_worksheet(_LIST_SHEET)
        lists.hide()
        sheet.freeze_panes(1, 0)
        for index, column in enumerate(table_columns(record_type)):
            simple = column.shape.simple
            sheet.write_string(0, index, column.heading, formats["required" if column.required else "head"])
            sheet.write_comment(0, index, note_of(column), {"width": _NOTE_WIDTH, "height": _NOTE_HEIGHT})
            width = min(_WIDTH_MAX, max(_WIDTH_MIN, 2 * len(column.heading) + 2))
            sheet.set_column(index, index, width, formats[_format_of(column)])
            words = choices_of(simple)
            if words and not column.shape.repeated:
                lists.write_column(0, index, words)
                place = xlsxwriter.utility.xl_col_to_name(index)
                source = f"='{_LIST_SHEET}'!${place}$1:${place}${len(words)}"
                sheet.data_validation(1, index, ROWS_PREPARED, index, {"validate": "list", "source": source})
    return output.getvalue()


def note_of(column: TableColumn) -> str:
    """Return what people should know of a column, in 中文 and English."""
    shape = column.shape
    need = "必填 required" if column.required else "选填 optional"
    lines = [f"{column.heading} {column.name}（{need}）"]
    if shape.children:
        parts = "^".join(child.label for child in shape.children)
        lines.append(f"多项之间用 |，各部分之间用 ^：{parts}")
        lines.append("items with | between them, their parts with ^")
    elif shape.repeated:
        lines.append("多个值之间用 | (several values with | between them)")
    if shape.simple is not None:
        form = _FORMS.get(shape.simple.base) or shape.simple.expectation()
        lines.append(f"格式 form: {form}")
    if column.name in DIALECT["defaults"]:
        lines.append(f"删去此列则为 {DIALECT['defaults'][column.name]} (meant where the column is left out)")
    return "\n".join(lines)[:1000]


def choices_of(simple: SimpleShape | None) -> list[str]:
    """Return the words of a drop-down: the labels of a code table, yes and no, or none."""
    if simple is None:
        return []
    if simple.base == "boolean":
        return ["是", "否"]
    labels = [label for _, label in simple.codes]
    return [label if labels.count(label) == 1 else code for code, label in simple.codes]


def _book(output: BytesIO, *, constant_memory: bool = False) -> Any:
    options = {"constant_memory": constant_memory, "strings_to_numbers": False, "strings_to_formulas": False}
    book = xlsxwriter.Workbook(output, options)
    # Without a time of its own a spreadsheet has that of its making: the same rows would not give the same bytes.
    book.set_properties({"created": _MADE_AT})
    return book


def _check_size(rows: list[dict[TableColumn, str]]) -> None:
    """Refuse what the library would leave out in silence."""
    longest = max(map(len, rows[-1].values()), default=0)
    if len(rows) <= ROWS_MAX and longest <= CELL_LENGTH_MAX:
        return
    raise UsageError(
        "The records do not fit into a spreadsheet",
        why=f"a sheet holds {ROWS_MAX} rows, a cell {CELL_LENGTH_MAX} characters",
        action="write fewer records at a time, or write them in the dialect csv",
    )


def _formats(book: Any) -> dict[str, Any]:
    return {
        "head": book.add_format({"bold": True, "bg_color": "#D9E2F3", "border": 1}),
        "required": book.add_format({"bold": True, "bg_color": "#F8CBAD", "border": 1}),
        "text": book.add_format({"num_format": TEXT_FORMAT}),
        "time": book.add_format({"num_format": TIME_FORMAT}),
        "date": book.add_format({"num_format": DATE_FORMAT}),
    }


def _format_of(column: TableColumn) -> str:
    base = column.shape.simple.base if column.shape.simple is not None and not column.shape.repeated else "string"
    return {"dateTime": "time", "date": "date"}.get(base, "text")


def _write(
    sheet: Any, number: int, index: int, text: str, column: TableColumn, formats: dict[str, Any], offset: str
) -> None:
    """Write one cell; what a day count cannot hold (another offset, midnight, a fraction, 1899) stays text."""
    if not text:
        return
    kind = _format_of(column) if text >= _FIRST_DAY else "text"
    if kind == "time" and text.endswith(offset) and "." not in text and _MIDNIGHT not in text:
        sheet.write_datetime(number, index, datetime.fromisoformat(text.removesuffix(offset)), formats["time"])
    elif kind == "date":
        sheet.write_datetime(number, index, datetime.fromisoformat(text), formats["date"])
    else:
        sheet.write_string(number, index, text, formats["text"])
