"""A spreadsheet file (ECMA-376, ``.xlsx``) opened with suspicion: its sheets, its table of strings, its day count.

No library that was looked at gives what intake needs: rows one by one in bounded memory, together with merged cells,
formulas (never their remembered results) and numbers as they stand in the file. So the few parts that matter are read
here with lxml, entities unresolved and every size bounded. The caller is the dialect ``xlsx``.
"""

from __future__ import annotations

import posixpath
import re
import struct
import zipfile
import zlib
from array import array
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Any, BinaryIO, Final, Self

from lxml import etree

from node.departments.candidates import RULE_EMPTY, RULE_HALF_WRITTEN, RULE_NOT_TEXT
from node.standard.codec import RULE_FORBIDDEN, RULE_TOO_LARGE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

PARTS_MAX: Final = 2_000
"""Members of the file. Our own choice, like every limit here."""
SHEETS_MAX: Final = 100
EXPANDED_BYTES_MAX: Final = 4 * 1024**3
"""Bytes of one part, expanded: a sheet of 1,000,000 full rows has about one gigabyte."""
RATIO_MAX: Final = 200
"""So many times larger than compressed a part may be, if it has ``RATIO_FREE_BYTES``; sheets have 5 to 40."""
RATIO_FREE_BYTES: Final = 16 * 1024**2
SMALL_PART_BYTES_MAX: Final = 16 * 1024**2
STRINGS_MAX: Final = 16_000_000
FORMAT_LENGTH_MAX: Final = 255
"""Characters of a number format that are looked at: as many as a spreadsheet takes."""
HELD_BYTES_MAX: Final = 16 * 1024**2
"""Bytes of a part between two rows or strings: what the parser holds at once."""
_STRINGS_IN_MEMORY_BYTES: Final = 32 * 1024**2
_STRINGS_REMEMBERED: Final = 50_000

_OLD_OFFICE: Final = b"\xd0\xcf\x11\xe0"
_ESCAPED: Final = re.compile(r"_x([0-9A-Fa-f]{4})_")
_WORKBOOK: Final = "xl/workbook.xml"
_STRINGS: Final = "xl/sharedstrings.xml"
_STYLES: Final = "xl/styles.xml"
_DAY_FORMATS: Final = (range(14, 23), range(27, 37), range(45, 48), range(50, 59))
"""Formats of days and times that every spreadsheet has, those for Chinese among them (ECMA-376 Part 1, 18.8.30)."""
_A_DAY: Final = "yyyy-mm-dd"
_QUOTED: Final = re.compile(r'"[^"]*"|\[[^\]]*\]|[\\_*].')
_DAY_LETTERS: Final = re.compile(r"[ymdhs]", re.IGNORECASE)
_ZEROS: Final = re.compile(r"(0{2,15})(?:;.*)?")
"""A format by which people keep the zeros before a number."""
_METHODS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_BROKEN: Final = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    etree.XMLSyntaxError,
    EOFError,
    OSError,
    ValueError,
    KeyError,
    RuntimeError,  # What zipfile raises for versions, methods and passwords that it does not have.
)


class SpreadsheetError(Exception):
    """A spreadsheet cannot be read; ``rule`` is the problem's constant word, the text is for people."""

    def __init__(self, rule: str, text: str) -> None:
        super().__init__(text)
        self.rule = rule


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetPart:
    """One sheet: the name on its tab, the part of the file that holds it, and whether people do not see it."""

    name: str
    part: str
    hidden: bool


class SpreadsheetFile:
    """An open spreadsheet; use it as a context manager.

    ``days_1904``: its serial days count from 1904-01-01; ``day_styles`` are the styles that show a number as a day,
    ``zero_styles`` those that show it with so many digits at least.

    Raises SpreadsheetError for a file that is none, is damaged, protected by a password, or expands beyond the limits.
    """

    def __init__(self, stream: BinaryIO) -> None:
        with ExitStack() as held, _plain_words():
            self._archive = held.enter_context(_opened(stream))
            self._parts = {info.filename.lstrip("/"): info for info in self._archive.infolist()}
            if _WORKBOOK not in self._parts:
                raise SpreadsheetError(RULE_NOT_TEXT, "this is no .xlsx spreadsheet; save it as .xlsx or CSV")
            self.days_1904 = False
            self.sheets = self._read_workbook()
            self.day_styles, self.zero_styles = self._read_styles()
            strings = held.enter_context(SpooledTemporaryFile(max_size=_STRINGS_IN_MEMORY_BYTES))
            part = next((name for name in self._parts if name.lower() == _STRINGS), "")
            self._strings = _Strings(strings, self._elements(part, "si") if part else iter(()))
            self._held = held.pop_all()

    def __enter__(self) -> Self:
        """Return the file itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close what is open."""
        self._held.close()

    def string(self, number: int) -> str:
        """Return a string of the table of strings; raises SpreadsheetError when it is not there."""
        if not 0 <= number < len(self._strings):
            raise SpreadsheetError(RULE_NOT_TEXT, "a cell names a text that the file does not have: it is damaged")
        return self._strings[number]

    def blocks(self, sheet: SheetPart) -> Iterator[bytes]:
        """Yield the bytes of a sheet, unparsed."""
        with _plain_words(), self._open(sheet.part) as stream:
            while block := stream.read(1 << 20):
                yield block

    def rows(self, sheet: SheetPart) -> Iterator[Any]:
        """Yield the ``row`` elements of a sheet; each is emptied when the next is asked for."""
        yield from self._elements(sheet.part, "row", last="sheetData")

    def _read_workbook(self) -> tuple[SheetPart, ...]:
        targets = self._targets()
        sheets = []
        for element in self._elements(_WORKBOOK, "sheet", "workbookPr", limit=SMALL_PART_BYTES_MAX):
            if etree.QName(element).localname == "workbookPr":
                self.days_1904 = element.get("date1904", "0") in {"1", "true"}
                continue
            reference = next((value for key, value in element.items() if key.endswith("}id")), "")
            part = targets.get(reference, "")
            if part.startswith("xl/worksheets/"):
                hidden = element.get("state", "visible") != "visible"
                sheets.append(SheetPart(name=element.get("name", ""), part=part, hidden=hidden))
        if len(sheets) > SHEETS_MAX:
            raise SpreadsheetError(RULE_TOO_LARGE, f"{len(sheets)} sheets; at most {SHEETS_MAX} are read")
        if not sheets:
            raise SpreadsheetError(RULE_EMPTY, "the spreadsheet has no sheet")
        return tuple(sheets)

    def _read_styles(self) -> tuple[frozenset[str], Mapping[str, int]]:
        """Return the numbers of the cell styles of days or times, and digits by number of those that show zeros."""
        if _STYLES not in self._parts:
            return frozenset(), {}
        formats = {str(number): _A_DAY for group in _DAY_FORMATS for number in group}
        days, zeros, count = set(), {}, 0
        for element in self._elements(_STYLES, "numFmt", "xf", limit=SMALL_PART_BYTES_MAX):
            parent = etree.QName(element.getparent()).localname if element.getparent() is not None else ""
            if parent == "numFmts":
                formats[element.get("numFmtId", "")] = element.get("formatCode", "")
            elif parent == "cellXfs":
                form = formats.get(element.get("numFmtId", ""), "")
                if shows_days(form):
                    days.add(str(count))
                elif shown := _ZEROS.fullmatch(form):
                    zeros[str(count)] = len(shown[1])
                count += 1
        return frozenset(days), zeros

    def _targets(self) -> dict[str, str]:
        """Return the parts that the workbook refers to, by reference."""
        name = "xl/_rels/workbook.xml.rels"
        return {
            element.get("Id", ""): posixpath.normpath(posixpath.join("/xl", element.get("Target", ""))).lstrip("/")
            for element in self._elements(name, "Relationship", limit=SMALL_PART_BYTES_MAX)
        }

    def _elements(self, part: str, *names: str, last: str = "", limit: int | None = None) -> Iterator[Any]:
        """Yield the elements of a part by local name, emptied one by one, up to the end of ``last``."""
        with _plain_words(), self._open(part, limit) as member:
            stream = _Watched(member)
            wanted = [f"{{*}}{name}" for name in (*names, last) if name]
            for _, element in etree.iterparse(
                stream, tag=wanted, resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
            ):
                if last and element.tag.endswith(f"}}{last}"):
                    return
                yield element
                stream.held = 0
                element.clear()
                while element.getprevious() is not None:
                    del element.getparent()[0]

    def _open(self, part: str, limit: int | None = None) -> IO[bytes]:
        info = self._parts.get(part)
        if info is None:
            raise SpreadsheetError(RULE_HALF_WRITTEN, f"the part {part[:80]} is missing: the file is damaged")
        bomb = info.file_size > RATIO_FREE_BYTES and info.file_size > RATIO_MAX * info.compress_size
        if bomb or info.file_size > (limit or EXPANDED_BYTES_MAX):
            raise SpreadsheetError(RULE_TOO_LARGE, f"the part {part[:80]} expands to {info.file_size} bytes")
        return self._archive.open(info)


class _Watched:
    """Gives a part to the parser and refuses what has no place in it, or makes it hold too much at once."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._begun = False
        self.held = 0

    def read(self, size: int) -> bytes:
        block = self._stream.read(size)
        self.held += len(block)
        if self.held > HELD_BYTES_MAX:
            raise SpreadsheetError(RULE_TOO_LARGE, f"more than {HELD_BYTES_MAX} bytes in one row or text")
        if not self._begun:
            self._begun = True
            _check_beginning(block)
        return block


class _Strings:
    """The table of strings, in a temporary file when it is large: only where each begins is held in memory."""

    def __init__(self, file: IO[bytes], elements: Iterator[Any]) -> None:
        self._file = file
        self._begins = array("Q", [0])
        end = 0
        for element in elements:
            end += self._file.write(text_of(element).encode("utf-8", "surrogatepass"))
            self._begins.append(end)
            if len(self._begins) > STRINGS_MAX:
                raise SpreadsheetError(RULE_TOO_LARGE, f"more than {STRINGS_MAX} different texts; save it as CSV")
        self._remembered: Callable[[int], str] = lru_cache(maxsize=_STRINGS_REMEMBERED)(self._read)

    def __len__(self) -> int:
        return len(self._begins) - 1

    def __getitem__(self, number: int) -> str:
        return self._remembered(number)

    def _read(self, number: int) -> str:
        begin = self._begins[number]
        self._file.seek(begin)
        return self._file.read(self._begins[number + 1] - begin).decode("utf-8", "surrogatepass")


def shows_days(form: str) -> bool:
    """Tell whether a number format shows days or times: it has one of their letters outside quotes and brackets."""
    return bool(_DAY_LETTERS.search(_QUOTED.sub("", form[:FORMAT_LENGTH_MAX])))


def text_of(element: Any) -> str:
    """Return the text of a string element: its runs together, without the phonetic hints beside them."""
    parts = [
        node.text or ""
        for node in element.iter("{*}t")
        if not (parent := node.getparent()).tag.endswith("}rPh") or parent is element
    ]
    text = "".join(parts)
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text


def _opened(stream: BinaryIO) -> zipfile.ZipFile:
    """Return the archive of a spreadsheet, with members that may be read."""
    if not stream.seekable():
        raise SpreadsheetError(RULE_NOT_TEXT, "a spreadsheet cannot be read from a pipe; give a file")
    begin = stream.read(len(_OLD_OFFICE))
    stream.seek(0)
    if not begin:
        raise SpreadsheetError(RULE_EMPTY, "there is nothing in it")
    if begin == _OLD_OFFICE:
        text = "an old .xls file, or a spreadsheet with a password; save it as .xlsx without a password"
        raise SpreadsheetError(RULE_NOT_TEXT, text)
    with _plain_words():
        archive = zipfile.ZipFile(stream)
    members = archive.infolist()
    if len(members) > PARTS_MAX:
        raise SpreadsheetError(RULE_TOO_LARGE, f"{len(members)} parts; at most {PARTS_MAX} are read")
    if any(info.flag_bits & 1 or info.compress_type not in _METHODS for info in members):
        raise SpreadsheetError(RULE_NOT_TEXT, "parts with a password or an unusual compression; save it anew as .xlsx")
    return archive


def _check_beginning(block: bytes) -> None:
    if block[:2] in {b"\xff\xfe", b"\xfe\xff"} or b"\0" in block[:4]:
        raise SpreadsheetError(RULE_NOT_TEXT, "a part is not UTF-8; save the spreadsheet anew as .xlsx")
    if b"<!DOCTYPE" in block or b"<!ENTITY" in block:
        raise SpreadsheetError(RULE_FORBIDDEN, "a document type or entity is not allowed in a spreadsheet")


@contextmanager
def _plain_words() -> Iterator[None]:
    """Turn what libraries raise for damaged files into one error of ours."""
    try:
        yield
    except SpreadsheetError:
        raise
    except _BROKEN as error:
        text = "the spreadsheet is damaged or not complete; open it, and save it anew as .xlsx"
        raise SpreadsheetError(RULE_HALF_WRITTEN, text) from error
