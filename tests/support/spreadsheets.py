"""Spreadsheets for tests: made by a library, or from raw parts where a library would not write what is wanted."""

from __future__ import annotations

import zipfile
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final
from xml.sax.saxutils import escape

import xlsxwriter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

MAIN: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
REFERENCES: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def spreadsheet(fill: Callable[[Any], None], **options: Any) -> bytes:
    """Return a spreadsheet that ``fill`` makes out of an XlsxWriter workbook."""
    output = BytesIO()
    with xlsxwriter.Workbook(output, options) as book:
        fill(book)
    return output.getvalue()


def sheet_of(*rows: Sequence[Any], name: str = "表") -> Callable[[Any], None]:
    """Return what fills a workbook with one sheet of these rows, each value as the library sees fit."""

    def fill(book: Any) -> None:
        sheet = book.add_worksheet(name)
        for number, row in enumerate(rows):
            for column, value in enumerate(row):
                if value is not None:
                    sheet.write(number, column, value)

    return fill


def raw_spreadsheet(
    rows: str,
    *,
    before: str = "",
    behind: str = "",
    workbook: str = "",
    strings: str | None = None,
    parts: Mapping[str, bytes] | None = None,
) -> bytes:
    """Return a spreadsheet of raw parts: ``rows`` is what stands in sheetData, the rest stands around it."""
    every = {
        "[Content_Types].xml": b"<Types/>",
        "xl/workbook.xml": (
            f'<workbook xmlns="{MAIN}" xmlns:r="{REFERENCES}">{workbook}'
            '<sheets><sheet name="a" sheetId="1" r:id="rId1"/></sheets></workbook>'
        ).encode(),
        "xl/_rels/workbook.xml.rels": (
            b'<Relationships xmlns="urn:x"><Relationship Id="rId1" Target="worksheets/sheet1.xml"/></Relationships>'
        ),
        "xl/worksheets/sheet1.xml": (
            f'{before}<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData>{behind}</worksheet>'.encode()
        ),
        **({} if strings is None else {"xl/sharedStrings.xml": f'<sst xmlns="{MAIN}">{strings}</sst>'.encode()}),
        **(parts or {}),
    }
    output = BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in every.items():
            archive.writestr(name, content)
    return output.getvalue()


def raw_row(number: int, *cells: str) -> str:
    """Return a row of raw cells; a cell that is no markup becomes a text."""
    written = [
        cell if cell.startswith("<c") else f'<c t="inlineStr"><is><t>{escape(cell)}</t></is></c>' for cell in cells
    ]
    return f'<row r="{number}">{"".join(written)}</row>'
