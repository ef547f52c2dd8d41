"""Rows in JSON: objects grouped by table, read one by one, so that a file of any size needs little memory.

``{"up_pro_accept": [{…}, …], "up_pro_result": […]}``, or ``{"table": "up_pro_accept", "rows": [{…}]}``, or a bare list
of rows where the delivery's table is known otherwise. Numbers and truth values are taken as they are written; null is
no value. JSON that is damaged cannot be read on: the rows before are taken, and where it broke is told.
"""

from __future__ import annotations

import codecs
import json
import re
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from node.departments.candidates import RULE_EMPTY, RULE_HALF_WRITTEN, RULE_NOT_TEXT, Candidate, unreadable
from node.departments.dialects.json_batch import RULE_NOT_JSON
from node.departments.dialects.source_rows import ROW_BYTES_MAX, ROW_COLUMNS_MAX, RULE_DOUBLED, SourceRow
from node.errors import Problem
from node.standard.codec import RULE_SCHEMA, RULE_TOO_LARGE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

BLOCK_BYTES: Final = 65_536
TABLE_KEY: Final = "table"
ROWS_KEY: Final = "rows"
_BLANKS: Final = " \t\r\n"
_NOT_UTF8: Final = re.compile("[\udc80-\udcff]")
"""What surrogateescape makes of bytes that are not UTF-8."""


class _BrokenError(Exception):
    """The document cannot be read on from here."""

    def __init__(self, rule: str, text: str) -> None:
        super().__init__(text)
        self.rule = rule


class _Doubled(dict[str, Any]):
    """An object in which a name stands twice; ``text`` is the object as it came, so that it stays refused."""

    text: str = ""


def read_json_rows(stream: BinaryIO, *, table: str = "") -> Iterator[SourceRow | Candidate]:
    """Yield the rows of a delivery in JSON; ``table`` is that of rows that do not say theirs."""
    reader = _Reader(stream, table)
    try:
        told = False
        for row in reader.rows():
            told = True
            yield row
        if not told:
            yield unreadable(Problem(rule=RULE_EMPTY, text="there is no row in it", line=1), kept=b"", line=1)
    except _BrokenError as error:
        behind = f"; what stands behind row {reader.number} was not read" if reader.number else ""
        problem = Problem(rule=error.rule, text=f"{error}{behind}", line=reader.line)
        kept = reader.rest().encode("utf-8", "surrogateescape")
        yield unreadable(problem, kept=kept, line=reader.line, complete=reader.number == 0 and reader.ended)


def json_of(rows: Iterable[tuple[str, Mapping[str, str]]]) -> bytes:
    """Return rows, each with its table, as one document that ``read_json_rows`` reads."""
    tables: dict[str, list[Mapping[str, str]]] = {}
    for table, values in rows:
        tables.setdefault(table, []).append(values)
    return json.dumps(tables, ensure_ascii=False, indent=1).encode() + b"\n"


class _Reader:
    """Reads one document; holds one row and a block of it."""

    def __init__(self, stream: BinaryIO, table: str) -> None:
        self._stream = stream
        self._table = table
        self._text = ""
        self._place = 0
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape")
        self._scanner = json.JSONDecoder(
            parse_float=str, parse_int=str, parse_constant=_no_constant, object_pairs_hook=_object
        )
        self.ended = False
        self.line = 1
        self.number = 0

    def rows(self) -> Iterator[SourceRow]:
        """Yield every row; raises _BrokenError where the document cannot be read on."""
        first = self._peek()
        if not first:
            raise _BrokenError(RULE_EMPTY, "there is nothing in it")
        if first == "[":
            yield from self._list(self._table)
        elif first == "{":
            yield from self._tables()
        else:
            raise _BrokenError(RULE_NOT_JSON, "this is neither an object with tables nor a list of rows")
        if self._peek():
            raise _BrokenError(RULE_NOT_JSON, "there is something behind the end of the document")

    def rest(self) -> str:
        """Return what is held and not read, at most one row."""
        return self._text[self._place : self._place + ROW_BYTES_MAX]

    def _tables(self) -> Iterator[SourceRow]:
        self._take("{")
        table = self._table
        if self._peek() == "}":
            self._take("}")
            return
        while True:
            if self._peek() != '"':
                raise _BrokenError(RULE_NOT_JSON, "the name of a table is expected")
            name = str(self._value())
            self._take(":")
            if name == TABLE_KEY and self._peek() == '"':
                table = str(self._value())
            elif self._peek() == "[":
                yield from self._list(table if name == ROWS_KEY else name)
            else:
                raise _BrokenError(RULE_NOT_JSON, "a table holds a list of rows: [{…}, …]")
            if self._peek() == "}":
                self._take("}")
                return
            self._take(",")

    def _list(self, table: str) -> Iterator[SourceRow]:
        self._take("[")
        if self._peek() == "]":
            self._take("]")
            return
        while True:
            self._peek()
            line, before = self.line, self._place
            value = self._value()
            self.number += 1
            yield self._row(table, value, line, self._place - before)
            if self._peek() == "]":
                self._take("]")
                return
            self._take(",")

    def _row(self, table: str, value: Any, line: int, weight: int) -> SourceRow:
        values, problems = _values(value)
        return SourceRow(
            table=table,
            values=values,
            row=self.number,
            line=line,
            kept=lambda: _kept(table, value),
            weight=weight,
            problems=tuple(problems),
        )

    def _value(self) -> Any:
        """Return the value that begins here."""
        self._peek()
        while True:
            try:
                value, end = self._scanner.raw_decode(self._text, self._place)
            except _ConstantError as error:
                raise _BrokenError(RULE_NOT_JSON, str(error)) from None
            except (ValueError, RecursionError):
                # Either the value goes on in the next block, or it is damaged: the end, or the limit, tells.
                if self.ended:
                    raise self._damaged() from None
                if len(self._text) - self._place > ROW_BYTES_MAX:
                    text = f"a row is damaged, or longer than {ROW_BYTES_MAX} characters"
                    raise _BrokenError(RULE_TOO_LARGE, text) from None
                self._more()
                continue
            self._advance(end)
            return value

    def _damaged(self) -> _BrokenError:
        try:
            self._scanner.raw_decode(self._text, self._place)
        except json.JSONDecodeError as error:
            if error.pos >= len(self._text.rstrip()) or error.msg.startswith("Unterminated string"):
                return _BrokenError(RULE_HALF_WRITTEN, "the document ends within a row; is the file complete?")
            self._advance(self._place)
        except RecursionError:
            return _BrokenError(RULE_NOT_JSON, "objects nest too deep")
        return _BrokenError(RULE_NOT_JSON, "this is not JSON from here on")

    def _peek(self) -> str:
        """Return the next character that is no blank, "" at the end."""
        while True:
            while self._place < len(self._text) and self._text[self._place] in _BLANKS:
                self._advance(self._place + 1)
            if self._place < len(self._text) or self.ended:
                return self._text[self._place : self._place + 1]
            self._more()

    def _take(self, wanted: str) -> None:
        found = self._peek()
        if found != wanted:
            rule = RULE_NOT_JSON if found else RULE_HALF_WRITTEN
            raise _BrokenError(rule, f"{wanted} is expected" if found else "the end is missing; is the file complete?")
        self._advance(self._place + 1)

    def _advance(self, place: int) -> None:
        self.line += self._text.count("\n", self._place, place)
        self._place = place

    def _more(self) -> None:
        block = self._stream.read(BLOCK_BYTES)
        self.ended = not block
        more = self._decoder.decode(block, self.ended)
        if not more.isascii() and _NOT_UTF8.search(more):
            raise _BrokenError(RULE_NOT_TEXT, "JSON is UTF-8; these bytes are another encoding")
        self._text = self._text[self._place :] + more
        self._place = 0


class _ConstantError(Exception):
    """NaN or Infinity stands in the document."""


def _values(value: Any) -> tuple[dict[str, str], list[Problem]]:
    """Return a row's texts by column, and what is wrong with it."""
    if not isinstance(value, dict):
        return {}, [Problem(rule=RULE_SCHEMA, text="a row is an object: {column: value, …}")]
    if isinstance(value, _Doubled):
        return {}, [Problem(rule=RULE_DOUBLED, text="a column stands twice in this row: which value is meant?")]
    if len(value) > ROW_COLUMNS_MAX:
        return {}, [Problem(rule=RULE_TOO_LARGE, text=f"more than {ROW_COLUMNS_MAX} columns")]
    values: dict[str, str] = {}
    for name, item in value.items():
        if isinstance(item, bool):
            values[name] = "true" if item else "false"
        elif isinstance(item, str):
            values[name] = item
        elif item is not None:
            return {}, [Problem(rule=RULE_SCHEMA, text="a column holds a list or an object; text is meant")]
    return values, []


def _kept(table: str, value: Any) -> bytes:
    """Return a document of this row alone, written as it came."""
    text = value.text if isinstance(value, _Doubled) else json.dumps(value, ensure_ascii=False)
    document = f'{{"{TABLE_KEY}": {json.dumps(table)}, "{ROWS_KEY}": [{text}]}}' if table else f"[{text}]"
    return document.encode("utf-8", "surrogatepass")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; one of two values under the same name would be lost in silence."""
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    doubled = _Doubled(found)
    cells = (f"{_json(name)}: {_json(value)}" for name, value in pairs)
    doubled.text = f"{{{', '.join(cells)}}}"
    return doubled


def _json(value: Any) -> str:
    return value.text if isinstance(value, _Doubled) else json.dumps(value, ensure_ascii=False)


def _no_constant(name: str) -> Any:
    message = f"{name} is not JSON"
    raise _ConstantError(message)
