"""Rows in XML: messages such as ``<standardInfo process="…"><Field FieldName="…">…``, or tables with rows in them.

The file is cut into rows by looking at bytes, and each row is parsed alone by the one safe parser, so that memory stays
bounded, and a damaged row, or one with something forbidden in it, costs itself only. What stands around the rows is
checked too: anything but the elements that the mapping names is told. A row ends at its end tag; where that is missing,
at the next start tag of a row.
"""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, BinaryIO, Final
from xml.sax.saxutils import escape, quoteattr

from node.departments.candidates import (
    RULE_EMPTY,
    RULE_HALF_WRITTEN,
    RULE_NOT_TEXT,
    WHOLE_BYTES_MAX,
    Candidate,
    unreadable,
)
from node.departments.dialects.source_rows import ROW_BYTES_MAX, ROW_COLUMNS_MAX, RULE_DOUBLED, SourceRow
from node.errors import Problem, RecordRefusedError
from node.standard.codec import RULE_FORBIDDEN, RULE_NOT_XML, RULE_SCHEMA, RULE_TOO_LARGE, parse_delivery

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from node.departments.dialects.mapping_file import XmlForm

BLOCK_BYTES: Final = 65_536
_TAG_BYTES_MAX: Final = 4096
_BLANKS: Final = b" \t\r\n"
_UTF16_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, b"<\0", b"\0<")
_DECLARATION = re.compile(rb"<\?xml\b[^<>]{0,200}\?>\s*")
_ENCODING = re.compile(rb"""encoding\s*=\s*["']([A-Za-z0-9._\-]{1,40})["']""")
_COMMENT = re.compile(rb"<!--.*?-->\s*", re.DOTALL)
_TAG = re.compile(
    rb"""<(/?)([A-Za-z_\x80-\xff][\w.\-\x80-\xff]{0,63})((?:\s+[^<>"'/=\s]+\s*=\s*(?:"[^<"]*"|'[^<']*'))*)\s*(/?)>"""
)
_CHINESE_ENCODINGS: Final = frozenset({"gb18030", "gbk", "gb2312"})
_UTF8_NAMES: Final = frozenset({"utf-8", "utf8", "us-ascii"})


def read_xml_rows(stream: BinaryIO, form: XmlForm, *, table: str = "") -> Iterator[SourceRow | Candidate]:
    """Yield the rows of a delivery in XML, and a candidate for whatever is none; ``table`` is that of unnamed rows."""
    cutter = _Cutter(stream, form, table)
    refusal = cutter.open()
    if refusal is not None:
        yield refusal
        return
    yield from cutter.rows()


def xml_of(rows: Iterable[tuple[str, Mapping[str, str]]], form: XmlForm) -> bytes:
    """Return rows, each with its table, as one document that ``read_xml_rows`` reads."""
    root = form.roots[0] if form.roots else ""
    parts = ['<?xml version="1.0" encoding="UTF-8"?>\n', f"<{root}>\n" if root else ""]
    current = None
    for table, values in rows:
        if form.table and table != current:
            parts.append(f"</{form.table}>\n" if current is not None else "")
            parts.append(f"<{form.table} {form.name}={quoteattr(table)}>\n")
            current = table
        parts.append(_row_text(table, values, form))
    parts.append(f"</{form.table}>\n" if current is not None else "")
    parts.append(f"</{root}>\n" if root else "")
    return "".join(parts).encode()


def _row_text(table: str, values: Mapping[str, str], form: XmlForm) -> str:
    named = "" if form.table else f" {form.name}={quoteattr(table)}"
    cells = (
        f"  <{form.field} {form.field_name}={quoteattr(name)}>{_escaped(text)}</{form.field}>\n"
        if form.field
        else f"  <{name}>{_escaped(text)}</{name}>\n"
        for name, text in values.items()
    )
    return f"<{form.row}{named}>\n{''.join(cells)}</{form.row}>\n"


def _escaped(text: str) -> str:
    return escape(text, {"\r": "&#xD;"})


class _Cutter:
    """Cuts one stream; holds at most ``ROW_BYTES_MAX`` and a block of it."""

    def __init__(self, stream: BinaryIO, form: XmlForm, table: str) -> None:
        self._stream = stream
        self._form = form
        self._table = table
        self._roots = frozenset(form.roots)
        self._decoder: codecs.IncrementalDecoder | None = None
        self._buffer = b""
        self._ended = False
        self._line = 1
        self._open: list[str] = []
        # Once something was skipped, nobody knows what was open there: nesting is not looked at any more.
        self._torn = False
        self._number = 0
        row = form.row.encode()
        self._row_edge = re.compile(rb"</%b\s*>|<%b(?=[\s/>])" % (row, row))
        begins = [name.encode() for name in (form.row, form.table) if name]
        self._next_begin = re.compile(rb"<(?:%b)(?=[\s/>])" % b"|".join(begins))

    def open(self) -> Candidate | None:
        """Read the beginning; return a candidate with the problem when there can be no row."""
        self._more()
        if self._buffer.startswith(_UTF16_MARKS):
            return self._whole(RULE_NOT_TEXT, "the file is UTF-16; save it as UTF-8")
        self._buffer = self._buffer.removeprefix(codecs.BOM_UTF8)
        self._skip_blanks()
        if not self._buffer:
            return self._whole(RULE_EMPTY, "there is nothing in it")
        found = _DECLARATION.match(self._buffer)
        named = _ENCODING.search(found[0]) if found else None
        encoding = named[1].decode().lower() if named else "utf-8"
        if encoding in _CHINESE_ENCODINGS:
            self._decoder = codecs.getincrementaldecoder("gb18030")("surrogateescape")
            self._buffer = self._recoded(self._buffer)
        elif encoding not in _UTF8_NAMES:
            return self._whole(RULE_NOT_TEXT, f"the encoding {encoding} is not accepted; send UTF-8 or GB18030")
        return None

    def rows(self) -> Iterator[SourceRow | Candidate]:
        """Yield rows up to the end of the stream."""
        told = False
        while True:
            self._skip_blanks()
            if not self._buffer:
                break
            self._fill(_TAG_BYTES_MAX)
            found = self._piece()
            if found is not None:
                told = True
                yield found
        if self._open and not self._torn:
            text = f"the end tag of {self._open[-1]} is missing; is the file complete?"
            yield unreadable(Problem(rule=RULE_HALF_WRITTEN, text=text, line=self._line), kept=b"", line=self._line)
        elif not told:
            text = f"there is no {self._form.row} in it"
            yield unreadable(Problem(rule=RULE_EMPTY, text=text, line=self._line), kept=b"", line=self._line)

    def _piece(self) -> SourceRow | Candidate | None:
        """Take what stands here: a row, or something around rows (None), or something that should not be there."""
        if (declaration := _DECLARATION.match(self._buffer)) is not None:
            self._advance(declaration.end())
            return None
        if self._buffer.startswith(b"<!--"):
            return self._comment()
        tag = _TAG.match(self._buffer)
        if tag is None:
            return self._untagged()
        name = tag[2].decode(errors="replace")
        if name == self._form.row and not tag[1]:
            return self._row(tag)
        if name == self._form.table or name in self._roots:
            return self._around(tag, name)
        return self._broken(RULE_NOT_XML, f"an element {name} does not stand here; expected is {self._form.row}")

    def _around(self, tag: re.Match[bytes], name: str) -> Candidate | None:
        """Go into or out of an element that holds rows."""
        if tag[1]:
            if not self._torn and (not self._open or self._open[-1] != name):
                return self._broken(RULE_NOT_XML, f"the end tag of {name} has no beginning")
            self._open = self._open[:-1]
        elif not tag[4]:
            self._open.append(name)
        if name == self._form.table:
            self._table = "" if tag[1] else _attribute(tag[0], self._form.name)
        self._advance(tag.end())
        return None

    def _comment(self) -> Candidate | None:
        while (found := _COMMENT.match(self._buffer)) is None:
            if self._ended or len(self._buffer) > ROW_BYTES_MAX:
                return self._broken(RULE_NOT_XML, "a comment has no end")
            self._more()
        self._advance(found.end())
        return None

    def _untagged(self) -> Candidate:
        if self._buffer[:9].upper().startswith((b"<!DOCTYPE", b"<!ENTITY")):
            refusal = self._whole(RULE_FORBIDDEN, "a document type or entity is not allowed")
            self._stop()
            return refusal
        if self._buffer.startswith((b"<!", b"<?")):
            return self._broken(RULE_FORBIDDEN, "a CDATA section or processing instruction does not stand between rows")
        return self._broken(RULE_NOT_XML, f"this is not the start of an element; expected is {self._form.row}")

    def _row(self, tag: re.Match[bytes]) -> SourceRow | Candidate:
        end = tag.end() if tag[4] else self._end_of_row(tag.end())
        if end == 0:
            if len(self._buffer) > ROW_BYTES_MAX:
                return self._broken(RULE_TOO_LARGE, f"{self._form.row} has no end within {ROW_BYTES_MAX} bytes")
            return self._broken(RULE_HALF_WRITTEN, f"the end tag of {self._form.row} is missing; is the file complete?")
        self._number += 1
        markup, line = self._buffer[:end], self._line
        self._advance(end)
        return self._parsed(markup, line)

    def _parsed(self, markup: bytes, line: int) -> SourceRow:
        values: dict[str, str] = {}
        table = self._table
        problems: tuple[Problem, ...] = ()
        try:
            element = parse_delivery(markup, bytes_max=ROW_BYTES_MAX)
            if not self._form.table:
                table = element.get(self._form.name) or table
            values, found = _values(element, self._form)
            problems = tuple(found)
        except RecordRefusedError as error:
            problems = error.problems
        return SourceRow(
            table=table,
            values=values,
            row=self._number,
            line=line,
            kept=lambda: self._kept(table, markup),
            weight=len(markup),
            problems=problems,
        )

    def _kept(self, table: str, markup: bytes) -> bytes:
        """Return a document of this row alone."""
        form = self._form
        if form.table:
            markup = f"<{form.table} {form.name}={quoteattr(table)}>".encode() + markup + f"</{form.table}>".encode()
        if form.roots:
            markup = f"<{form.roots[0]}>".encode() + markup + f"</{form.roots[0]}>".encode()
        return markup

    def _end_of_row(self, begin: int) -> int:
        """Return where the row ends, 0 when neither its end tag nor another row comes within the limit."""
        while True:
            found = self._row_edge.search(self._buffer, begin)
            if found is not None:
                return found.end() if found[0].startswith(b"</") else found.start()
            if self._ended or len(self._buffer) > ROW_BYTES_MAX:
                return 0
            self._more()

    def _broken(self, rule: str, text: str) -> Candidate:
        """Skip to the next row or table (or the end), keep what fits of what was skipped, and say what is wrong."""
        self._torn = True
        line = self._line
        kept = b""
        while True:
            found = self._next_begin.search(self._buffer, 1)
            end = found.start() if found else len(self._buffer) if self._ended else max(0, len(self._buffer) - 64)
            kept += self._buffer[: max(0, ROW_BYTES_MAX - len(kept))][:end]
            self._advance(end)
            if found or self._ended:
                break
            if len(kept) >= ROW_BYTES_MAX:
                # Endless rubbish is not read to its end: what follows cannot be told from it.
                self._stop()
                break
            self._more()
        return unreadable(
            Problem(rule=rule, text=text, line=line), kept=kept, line=line, complete=len(kept) < ROW_BYTES_MAX
        )

    def _whole(self, rule: str, text: str) -> Candidate:
        kept = (self._buffer + self._stream.read(WHOLE_BYTES_MAX))[:WHOLE_BYTES_MAX]
        complete = len(kept) < WHOLE_BYTES_MAX
        return unreadable(Problem(rule=rule, text=text, line=self._line), kept=kept, line=self._line, complete=complete)

    def _stop(self) -> None:
        """Read nothing more."""
        self._buffer, self._ended, self._torn = b"", True, True

    def _skip_blanks(self) -> None:
        while True:
            rest = self._buffer.lstrip(_BLANKS)
            self._advance(len(self._buffer) - len(rest))
            if rest or self._ended:
                return
            self._more()

    def _advance(self, count: int) -> None:
        self._line += self._buffer.count(b"\n", 0, count)
        self._buffer = self._buffer[count:]

    def _fill(self, count: int) -> None:
        while len(self._buffer) < count and not self._ended:
            self._more()

    def _more(self) -> None:
        block = self._stream.read(BLOCK_BYTES)
        self._ended = not block
        self._buffer += self._recoded(block, final=not block)

    def _recoded(self, block: bytes, *, final: bool = False) -> bytes:
        """Return a block as UTF-8; bytes that are not GB18030 stay wrong, so that their row is refused."""
        if self._decoder is None:
            return block
        return self._decoder.decode(block, final).encode("utf-8", "surrogatepass")


def _attribute(tag: bytes, name: str) -> str:
    """Return an attribute of a start tag, "" when it has none or cannot be read."""
    try:
        element = parse_delivery(tag.rstrip(b"/>") + b"/>", bytes_max=_TAG_BYTES_MAX)
    except RecordRefusedError:
        return ""
    return str(element.get(name) or "")


def _values(element: Any, form: XmlForm) -> tuple[dict[str, str], list[Problem]]:
    """Return the texts of a row by column, and what is wrong with how they stand."""
    values: dict[str, str] = {}
    for node in element:
        tag = node.tag.rpartition("}")[2]
        if form.field and tag != form.field:
            text = f"an element {tag[:64]} does not stand in a {form.row}; expected is {form.field}"
            return values, [Problem(rule=RULE_SCHEMA, text=text)]
        name = str(node.get(form.field_name) or "") if form.field else tag
        if not name:
            text = f"a {form.field} has no {form.field_name}: which column is meant?"
            return values, [Problem(rule=RULE_SCHEMA, text=text)]
        if len(node):
            return values, [Problem(rule=RULE_SCHEMA, element=name[:64], text="a column holds elements; text is meant")]
        if name in values:
            text = f"the column {name[:64]} stands twice in this row: which value is meant?"
            return values, [Problem(rule=RULE_DOUBLED, element=name[:64], text=text)]
        values[name] = node.text or ""
        if len(values) > ROW_COLUMNS_MAX:
            return values, [Problem(rule=RULE_TOO_LARGE, text=f"more than {ROW_COLUMNS_MAX} columns")]
    return values, []
