"""The dialect ``standard``: one record, or many in a ``<Records xmlns="urn:yizhan:standard:1">`` wrapper.

The file is cut into records by looking at bytes, never by parsing it as a whole: each record is then parsed and
validated alone, so one that is damaged cannot spoil another, and nothing that spans two records (a comment, a CDATA
section) can make one out of them: whatever such a cut yields is refused by the record parser. A record ends at its end
tag; where that is missing, at the next start tag of a record.

The sender may leave out ``Salt`` (intake sets its own in any case) and ``Channel`` (the door knows how the record
came), and may format as it likes; order and values have to follow the schema.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache
from typing import TYPE_CHECKING, BinaryIO, Final

from node.departments.candidates import (
    DEPARTMENT_TYPES,
    RULE_EMPTY,
    RULE_HALF_WRITTEN,
    RULE_NOT_TEXT,
    WHOLE_BYTES_MAX,
    Candidate,
    unreadable,
)
from node.errors import Problem
from node.standard.codec import (
    NAMESPACE,
    RULE_FORBIDDEN,
    RULE_NOT_XML,
    RULE_TOO_LARGE,
    RULE_UNKNOWN_NAMESPACE,
    SHAPES,
)
from node.standard.compose import SALT_BYTES, compose, record_shape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from node.departments.dialects.dialect import DialectOptions, Written
    from node.standard.compose import Value

MARKUP_BYTES_MAX: Final = 524_288
"""Bytes of one record as delivered: twice the largest record, because senders indent. Our own choice."""
BLOCK_BYTES: Final = 65_536
WRAPPER: Final = "Records"

_BLANKS: Final = b" \t\r\n"
_UTF16_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, b"<\0", b"\0<")
_DECLARATION = re.compile(rb"<\?xml\b[^<>]{0,200}\?>")
_ENCODING = re.compile(rb"""encoding\s*=\s*["']([A-Za-z0-9._\-]{1,40})["']""")
_CHINESE_ENCODINGS: Final = frozenset({"gb18030", "gbk", "gb2312"})
_START = re.compile(rb"""<([A-Za-z_][A-Za-z0-9._\-:]{0,63})((?:\s+[^<>"']+=\s*(?:"[^<"]*"|'[^<']*'))*)\s*(/?)>""")
_DEFAULT_NAMESPACE = re.compile(rb"""\sxmlns\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_INNER_NAMES: Final = DEPARTMENT_TYPES & {child.name for shape in SHAPES.values() for _, child in shape.paths()}
"""Names of records that are names of elements inside other records too, as ``Certificate`` in CertificateIssued."""
_NEXT_RECORD = re.compile(
    # A record states its Version, an inner element has no attribute.
    rb"<(?:(?:%b)(?=[\s/>])|(?:%b)(?=\s))"
    % (
        b"|".join(sorted(name.encode() for name in DEPARTMENT_TYPES - _INNER_NAMES)),
        b"|".join(sorted(name.encode() for name in _INNER_NAMES)),
    )
)


def read_standard(stream: BinaryIO) -> Iterator[Candidate]:
    """Yield the records of a ``standard`` file or body as candidates, in order."""
    cutter = RecordCutter(stream)
    refusal = cutter.open()
    if refusal is not None:
        yield refusal
        return
    yield from cutter.records()


def write_standard(records: Iterable[Written], _: DialectOptions) -> bytes:
    """Return records in the wrapper, one a line; salt and channel stand for those that the node sets."""
    bodies = [compose(one.record_type, _with_channel(one), salt=bytes(SALT_BYTES)) for one in records]
    start = f'<?xml version="1.0" encoding="UTF-8"?>\n<{WRAPPER} xmlns="{NAMESPACE}">\n'
    return start.encode() + b"\n".join(bodies) + f"\n</{WRAPPER}>\n".encode()


def _with_channel(record: Written) -> Mapping[str, Value]:
    channel = record_shape(record.record_type).child("Channel")
    return record.content if channel is None else {**record.content, "Channel": "IMPORT"}


class RecordCutter:
    """Cuts one stream; holds at most ``MARKUP_BYTES_MAX`` and a block of it. ``encoding`` is that of the stream."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._decoder: codecs.IncrementalDecoder | None = None
        self._buffer = b""
        self._ended = False
        self._line = 1
        self._namespace: bytes | None = None
        self._wrapped = False
        self.encoding = "utf-8"

    def open(self) -> Candidate | None:
        """Read up to the first record; return a candidate with the problem when there is none to be found."""
        self._more()
        if self._buffer.startswith(_UTF16_MARKS):
            return self._whole(RULE_NOT_TEXT, "the file is UTF-16; save it as UTF-8")
        self._buffer = self._buffer.removeprefix(codecs.BOM_UTF8)
        self._skip_blanks()
        if not self._buffer:
            return self._whole(RULE_EMPTY, "there is nothing in it")
        refusal = self._read_declaration()
        return refusal if refusal is not None else self._read_root()

    def records(self) -> Iterator[Candidate]:
        """Yield every record up to the end of the wrapper or of the stream."""
        while True:
            self._skip_blanks()
            if self._ended and not self._buffer:
                if self._wrapped:
                    yield self._broken(RULE_HALF_WRITTEN, f"the end tag of {WRAPPER} is missing; is the file complete?")
                return
            closing = self._closing_tag() if self._wrapped else 0
            if closing:
                self._advance(closing)
                yield from self._rest()
                return
            yield self._next()

    def _read_declaration(self) -> Candidate | None:
        if not self._buffer.startswith(b"<?xml"):
            return None
        found = _DECLARATION.match(self._buffer)
        if found is None:
            return self._whole(RULE_NOT_XML, "the XML declaration is damaged")
        encoding = _ENCODING.search(found[0])
        name = encoding[1].decode().lower() if encoding else "utf-8"
        if name in _CHINESE_ENCODINGS:
            self.encoding = "gb18030"
            self._decoder = codecs.getincrementaldecoder(self.encoding)("surrogateescape")
            self._buffer = self._recoded(self._buffer)
            found = _DECLARATION.match(self._buffer) or found
        elif name not in {"utf-8", "us-ascii"}:
            return self._whole(RULE_NOT_TEXT, f"the encoding {name} is not accepted; send UTF-8 or GB18030")
        self._advance(found.end())
        self._skip_blanks()
        return None

    def _read_root(self) -> Candidate | None:
        if self._buffer.startswith((b"<!DOCTYPE", b"<!ENTITY")):
            return self._whole(RULE_FORBIDDEN, "a document type or entity is not allowed")
        if self._buffer.startswith((b"<!", b"<?")):
            return self._whole(RULE_FORBIDDEN, "a comment or processing instruction is not allowed")
        if not self._buffer.startswith(b"<"):
            return self._whole(RULE_NOT_XML, "it does not begin with an element: this is not XML")
        found = _START.match(self._buffer)
        if found is None or found[1].rpartition(b":")[2] != WRAPPER.encode():
            return None
        namespace = _default_namespace(found[2])
        if namespace != NAMESPACE.encode():
            shown = (namespace or b"").decode(errors="replace")[:80]
            return self._whole(
                RULE_UNKNOWN_NAMESPACE, f"the namespace of {WRAPPER} is {shown!r}; expected {NAMESPACE!r} as default"
            )
        self._namespace, self._wrapped = namespace, True
        self._advance(found.end())
        if found[3]:
            return self._whole(RULE_EMPTY, f"{WRAPPER} is empty")
        return None

    def _closing_tag(self) -> int:
        """Return the length of the wrapper's end tag when it stands here, else 0."""
        self._fill(64)
        found = re.match(rb"</%b\s*>" % WRAPPER.encode(), self._buffer)
        return found.end() if found else 0

    def _rest(self) -> Iterator[Candidate]:
        self._skip_blanks()
        if self._buffer:
            yield self._broken(RULE_NOT_XML, f"there is something behind the end tag of {WRAPPER}")

    def _next(self) -> Candidate:
        """Cut the next record off; the buffer begins with something that is not a blank."""
        self._fill(4096)
        found = _START.match(self._buffer)
        if found is None:
            return self._unstarted()
        line = self._line
        name = found[1].decode()
        end = found.end() if found[3] else self._end_of(found[1], found.end())
        if end == 0:
            return self._endless(name)
        markup = self._with_namespace(self._buffer[:end], found)
        self._advance(end)
        return Candidate(record_type=name, markup=markup, kept=lambda: markup, line=line, weight=len(markup))

    def _end_of(self, name: bytes, begin: int) -> int:
        """Return where the record ends, 0 when neither its end tag nor another record comes within the limit."""
        pattern = _end_pattern(name)
        while True:
            found = pattern.search(self._buffer, begin)
            if found is not None:
                return found.end() if found[0].startswith(b"</") else found.start()
            if self._ended or len(self._buffer) > MARKUP_BYTES_MAX:
                return 0
            self._more()

    def _unstarted(self) -> Candidate:
        """Take what is no start tag, up to the next record, as one refused piece."""
        if self._buffer.startswith(b"<!--") or self._buffer.startswith(b"<![CDATA["):
            rule, text = RULE_FORBIDDEN, "a comment or CDATA section is not allowed"
        elif self._buffer.startswith((b"<!", b"<?")):
            rule, text = RULE_FORBIDDEN, "a document type, entity or processing instruction is not allowed"
        else:
            rule, text = RULE_NOT_XML, "this is not the start of an element"
        return self._broken(rule, text)

    def _endless(self, name: str) -> Candidate:
        if len(self._buffer) > MARKUP_BYTES_MAX:
            return self._broken(RULE_TOO_LARGE, f"{name} has no end within {MARKUP_BYTES_MAX} bytes")
        self._wrapped = False  # That the wrapper's end is missing as well goes without saying.
        return self._broken(RULE_HALF_WRITTEN, f"the end tag of {name} is missing; is the file complete?")

    def _broken(self, rule: str, text: str) -> Candidate:
        """Skip to the next record (or the end), keep what fits of what was skipped, and say what is wrong."""
        line = self._line
        kept = b""
        while True:
            found = _NEXT_RECORD.search(self._buffer, 1)
            end = found.start() if found else len(self._buffer) if self._ended else max(0, len(self._buffer) - 64)
            kept += self._buffer[: max(0, MARKUP_BYTES_MAX - len(kept))][:end]
            complete = len(kept) < MARKUP_BYTES_MAX
            self._advance(end)
            if found or self._ended:
                break
            if not complete:
                # Endless rubbish is not read to its end: what follows cannot be told from it.
                self._buffer, self._ended = b"", True
                self._wrapped = False
                break
            self._more()
        problem = Problem(rule=rule, text=text, line=line)
        return unreadable(problem, kept=kept, line=line, complete=complete)

    def _whole(self, rule: str, text: str) -> Candidate:
        """Return the candidate for a stream without a single record; no more of it is read."""
        kept = (self._buffer + self._stream.read(WHOLE_BYTES_MAX))[:WHOLE_BYTES_MAX]
        complete = len(kept) < WHOLE_BYTES_MAX
        return unreadable(Problem(rule=rule, text=text, line=self._line), kept=kept, line=self._line, complete=complete)

    def _with_namespace(self, markup: bytes, start: re.Match[bytes]) -> bytes:
        """Give a record the default namespace that it inherits from the wrapper."""
        if self._namespace is None or _default_namespace(start[2]) is not None or b":" in start[1]:
            return markup
        at = start.end(1)
        return markup[:at] + b' xmlns="%b"' % self._namespace + markup[at:]

    def _skip_blanks(self) -> None:
        while True:
            rest = self._buffer.lstrip(_BLANKS)
            self._advance(len(self._buffer) - len(rest))
            if rest or self._ended:
                return
            self._more()

    def _advance(self, count: int) -> None:
        if count:
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
        """Return a block as UTF-8; bytes that are not GB18030 stay wrong, so that their record is refused."""
        if self._decoder is None:
            return block
        return self._decoder.decode(block, final).encode("utf-8", "surrogatepass")


def _default_namespace(attributes: bytes) -> bytes | None:
    found = _DEFAULT_NAMESPACE.search(attributes)
    if found is None:
        return None
    return found[1] if found[1] is not None else found[2]


@lru_cache(maxsize=64)
def _end_pattern(name: bytes) -> re.Pattern[bytes]:
    """Return what ends a record of that name: its end tag, or the start of another record."""
    return re.compile(rb"</%b\s*>|%b" % (re.escape(name), _NEXT_RECORD.pattern))
