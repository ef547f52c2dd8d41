"""Tables as flat OpenDocument files (ISO/IEC 26300): what LibreOffice is given to make spreadsheets of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from xml.sax.saxutils import escape, quoteattr

_NAMESPACES: Final = " ".join(
    f'xmlns:{prefix}="urn:oasis:names:tc:opendocument:xmlns:{name}"'
    for prefix, name in (
        ("office", "office:1.0"),
        ("table", "table:1.0"),
        ("text", "text:1.0"),
        ("style", "style:1.0"),
        ("number", "datastyle:1.0"),
        ("of", "of:1.2"),
    )
)
_DAY: Final = (
    '<number:year number:style="long"/><number:text>-</number:text><number:month number:style="long"/>'
    '<number:text>-</number:text><number:day number:style="long"/>'
)
_CLOCK: Final = (
    '<number:text> </number:text><number:hours number:style="long"/><number:text>:</number:text>'
    '<number:minutes number:style="long"/>'
)
_STYLES: Final = (
    f'<number:date-style style:name="Nday">{_DAY}</number:date-style>'
    f'<number:date-style style:name="Ntime">{_DAY}{_CLOCK}</number:date-style>'
    '<number:number-style style:name="Nzeros">'
    '<number:number number:decimal-places="0" number:min-integer-digits="6"/></number:number-style>'
    '<number:text-style style:name="Ntext"><number:text-content/></number:text-style>'
    + "".join(
        f'<style:style style:name="{name}" style:family="table-cell" style:data-style-name="N{name}"/>'
        for name in ("day", "time", "zeros", "text")
    )
    + "".join(
        f'<style:style style:name="{name}" style:family="table"><style:table-properties table:display="{shown}"/>'
        "</style:style>"
        for name, shown in (("shown", "true"), ("hidden", "false"))
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Special:
    """A cell that is more than its value: a formula, shown in a style, merged with ``columns`` and ``rows`` around."""

    value: str | float | datetime | date = ""
    formula: str = ""
    style: str = ""
    columns: int = 1
    rows: int = 1


Cell = str | float | datetime | date | Special | None
"""None is an empty cell, or one that a merged cell lies over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows that are not as others: ``visibility`` is that of OpenDocument, ``count`` how often they stand there."""

    cells: Sequence[Cell]
    visibility: str = ""
    count: int = 1


Row = Sequence[Cell] | Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSheet:
    """A sheet: the name on its tab, its rows, and whether people see it."""

    name: str
    rows: Sequence[Row] = ()
    hidden: bool = False


def open_document(*sheets: OpenSheet) -> str:
    """Return a flat document of spreadsheets (``.fods``)."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<office:document {_NAMESPACES} office:version="1.3" '
        'office:mimetype="application/vnd.oasis.opendocument.spreadsheet">'
        f"<office:automatic-styles>{_STYLES}</office:automatic-styles>"
        f"<office:body><office:spreadsheet>{''.join(map(_sheet, sheets))}</office:spreadsheet></office:body>"
        "</office:document>\n"
    )


def _sheet(sheet: OpenSheet) -> str:
    style = "hidden" if sheet.hidden else "shown"
    rows = (row if isinstance(row, Rows) else Rows(cells=row) for row in sheet.rows)
    return (
        f'<table:table table:name={quoteattr(sheet.name)} table:style-name="{style}">'
        f"{''.join(map(_row, rows))}</table:table>\n"
    )


def _row(row: Rows) -> str:
    visibility = f' table:visibility="{row.visibility}"' if row.visibility else ""
    count = f' table:number-rows-repeated="{row.count}"' if row.count > 1 else ""
    return f"<table:table-row{visibility}{count}>{''.join(map(_cell, row.cells))}</table:table-row>"


def _cell(cell: Cell) -> str:
    if cell is None:
        return "<table:table-cell/>"
    special = cell if isinstance(cell, Special) else Special(value=cell)
    attributes = _value(special.value)
    style = special.style or _style_of(special.value)
    if style:
        attributes += f' table:style-name="{style}"'
    if special.formula:
        attributes += f" table:formula={quoteattr(f'of:={special.formula}')}"
    if special.columns > 1 or special.rows > 1:
        attributes += f' table:number-columns-spanned="{special.columns}" table:number-rows-spanned="{special.rows}"'
    lines = special.value.splitlines() if isinstance(special.value, str) else []
    text = "".join(f"<text:p>{escape(line)}</text:p>" for line in lines)
    return f"<table:table-cell{attributes}>{text}</table:table-cell>"


def _style_of(value: str | float | date) -> str:
    if isinstance(value, datetime):
        return "time"
    return "day" if isinstance(value, date) else ""


def _value(value: str | float | date) -> str:
    if isinstance(value, bool):
        return f' office:value-type="boolean" office:boolean-value="{str(value).lower()}"'
    if isinstance(value, date):
        return f' office:value-type="date" office:date-value="{value.isoformat()}"'
    if isinstance(value, str):
        return ' office:value-type="string"' if value else ""
    return f' office:value-type="float" office:value="{value}"'
