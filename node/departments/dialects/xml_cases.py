"""XML of others cut into cases, one in memory at a time, whatever the size of the delivery.

The parser opens nothing, resolves nothing and refuses a document type. What comes after a mistake in the markup cannot
be told from it, so the cases before it are given and the rest is one refusal.
"""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from lxml import etree

from node.departments.candidates import RULE_EMPTY, RULE_HALF_WRITTEN, RULE_NOT_TEXT, WHOLE_BYTES_MAX
from node.errors import Problem
from node.standard.codec import DEPTH_MAX, RULE_FORBIDDEN, RULE_NOT_XML, RULE_TOO_DEEP, RULE_TOO_LARGE

if TYPE_CHECKING:
    from collections.abc import Iterator

CASE_BYTES_MAX: Final = 4 * 1024 * 1024
"""Bytes of one case as delivered, and of what stands between two. Our own choice: thousands of steps."""
BLOCK_BYTES: Final = 65_536
LINES_COUNTED: Final = 65_535
"""libxml2 counts lines so far."""
_FORBIDDEN = re.compile(rb"<!\s*(?:DOCTYPE|ENTITY)", re.IGNORECASE)
_UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff", b"<\0", b"\0<")
_BLANK: Final = b"\xef\xbb\xbf \t\r\n"


class CaseError(Exception):
    """A delivery cannot be read from here on; ``kept`` is what is kept of it, all of it when ``complete``."""

    def __init__(self, problem: Problem, kept: bytes, *, complete: bool) -> None:
        super().__init__(problem.text)
        self.problem = problem
        self.kept = kept
        self.complete = complete


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case: the root of a document of its own, the line on which it begins, about how many bytes it has."""

    element: Any
    line: int | None
    weight: int

    def kept(self, comment: str = "") -> bytes:
        """Return the case as a document; ``comment`` tells one refused record of it from another."""
        body: bytes = etree.tostring(self.element, encoding="UTF-8", with_tail=False)
        return body + (f"\n<!-- {comment.replace('--', '- -')} -->\n".encode() if comment else b"\n")

    def line_of(self, line: int | None) -> int | None:
        """Return the line of something in the case, that of the case where it is not known."""
        return line if line and line < LINES_COUNTED else self.line


def read_cases(stream: BinaryIO, each: str) -> Iterator[Case]:
    """Yield the cases of a delivery: the elements of the local name ``each`` at any depth; "": the whole document.

    Raises CaseError from where the delivery cannot be read, and when it holds no case.
    """
    yield from _Cutter(stream, each).cases()


class _Cutter:
    def __init__(self, stream: BinaryIO, each: str) -> None:
        self._stream = stream
        self._each = each
        self._begin = b""
        self._size = 0
        self._held = 0
        self._parser = etree.XMLPullParser(
            events=("start", "end"),
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            dtd_validation=False,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
        )
        self._depth = 0
        self._inside = 0

    def cases(self) -> Iterator[Case]:
        count = 0
        for case in self._read():
            count += 1
            yield case
        if not count:
            raise self._error(RULE_EMPTY, f"there is no {self._each} in it", 1)

    def _read(self) -> Iterator[Case]:
        while block := self._stream.read(BLOCK_BYTES):
            self._take(block)
            self._fed(block)
            yield from self._complete()
        if not self._begin.strip(_BLANK):
            raise self._error(RULE_EMPTY, "there is nothing in it", 1)
        try:
            self._parser.close()
        except etree.XMLSyntaxError as error:
            raise self._error(RULE_HALF_WRITTEN, "the end is missing; is the file complete?", error.lineno) from error
        # The parser looks ahead: the last elements are told when it knows that nothing follows.
        yield from self._complete()

    def _complete(self) -> Iterator[Case]:
        """Yield the cases that are complete by now."""
        for event, element in self._parser.read_events():
            if event == "start":
                self._started(element)
            elif (case := self._ended(element)) is not None:
                yield case

    def _take(self, block: bytes) -> None:
        if not self._size and block.startswith(_UTF16_MARKS):
            self._begin = block
            raise self._error(RULE_NOT_TEXT, "the file is UTF-16; save it as UTF-8", 1)
        if not self._size and _FORBIDDEN.search(block):
            self._begin = block
            raise self._error(RULE_FORBIDDEN, "a document type or entity is not allowed", 1)
        self._begin += block[: max(0, WHOLE_BYTES_MAX - len(self._begin))]
        self._size += len(block)
        self._held += len(block)
        if self._held > CASE_BYTES_MAX + BLOCK_BYTES:
            raise self._error(RULE_TOO_LARGE, f"more than {CASE_BYTES_MAX} bytes in one case", None)

    def _fed(self, block: bytes) -> None:
        try:
            self._parser.feed(block)
        except etree.XMLSyntaxError as error:
            rule = RULE_NOT_TEXT if "encod" in str(error).lower() else RULE_NOT_XML
            what = "bytes that are not text in the encoding of the file" if rule == RULE_NOT_TEXT else "this is not XML"
            raise self._error(rule, f"{what}, from line {error.lineno}", error.lineno) from error

    def _started(self, element: Any) -> None:
        self._depth += 1
        if self._depth == 1 and element.getroottree().docinfo.internalDTD is not None:
            raise self._error(RULE_FORBIDDEN, "a document type is not allowed", 1)
        if self._depth > DEPTH_MAX:
            raise self._error(RULE_TOO_DEEP, f"elements nest deeper than {DEPTH_MAX}", element.sourceline)
        self._inside += self._is_case(element)

    def _ended(self, element: Any) -> Case | None:
        self._depth -= 1
        if not self._is_case(element):
            if not self._inside:
                element.clear()
            return None
        self._inside -= 1
        if self._inside:
            return None
        weight, self._held = self._held, 0
        line = element.sourceline or 1
        case = Case(element=deepcopy(element), line=line if line < LINES_COUNTED else None, weight=weight)
        element.clear()
        while element.getprevious() is not None:
            del element.getparent()[0]
        return case

    def _is_case(self, element: Any) -> bool:
        if not self._each:
            return self._depth == 0 if self._inside else self._depth == 1
        return bool(etree.QName(element).localname == self._each)

    def _error(self, rule: str, text: str, line: int | None) -> CaseError:
        return CaseError(Problem(rule=rule, text=text, line=line), self._begin, complete=self._size < WHOLE_BYTES_MAX)
