"""Rows of a table in a text file, read line by line with bounded memory.

Bytes are read, not text: the encoding is found first, and a line in which it fails is one bad row, not a bad file. A
quoted field may hold line ends, but a quote that is never closed costs its own line only: reading goes on at the next
one. The first row is the headings.
"""

from __future__ import annotations

import codecs
import csv
from collections import deque
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

LINE_BYTES_MAX: Final = 262_144
"""Bytes of one line: as much as the largest record."""
ROW_LINES_MAX: Final = 100
"""Lines that one quoted row may span. Our own choice."""
SAMPLE_BYTES: Final = 1_048_576
"""Bytes looked at to tell the encoding."""

UTF_8: Final = "utf-8"
GB18030: Final = "gb18030"
_UTF16_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_QUOTE: Final = '"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row as it stands in the file.

    ``line`` is its first line, from 1; ``text`` the row itself with its line end; ``fields`` are the cells, None when
    the row could not be taken apart, which ``fault`` then says. ``ended``: the row has a line end.
    """

    line: int
    text: str
    fields: list[str] | None
    ended: bool
    fault: str = ""

    @property
    def cut(self) -> bool:
        """Whether the line was longer than is read, so that ``text`` is its beginning only."""
        return self.ended and not self.text.endswith("\n")


class LineReader:
    """Reads lines of at most ``LINE_BYTES_MAX`` bytes, in the encoding found; the next ones can be looked at first."""

    def __init__(self, stream: BinaryIO, sample: bytes, encoding: str) -> None:
        self._sample = BytesIO(sample)
        self._stream = stream
        self._encoding = encoding
        self._line = 0
        self._ahead: deque[tuple[int, str, bool]] = deque()

    def next(self) -> tuple[int, str, bool] | None:
        """Return number, text and whether it was too long of the next line; None at the end."""
        return self._ahead.popleft() if self._ahead else self._read()

    def push_back(self, lines: list[tuple[int, str, bool]]) -> None:
        """Give lines back, to be read again."""
        self._ahead.extendleft(reversed(lines))

    def _read(self) -> tuple[int, str, bool] | None:
        raw = self._raw_line(LINE_BYTES_MAX + 1)
        if not raw:
            return None
        self._line += 1
        too_long = len(raw) > LINE_BYTES_MAX
        if too_long:
            self._skip_line(raw)
        # Bytes that are wrong in this encoding become lone surrogates, by which the row is refused.
        return self._line, raw[:LINE_BYTES_MAX].decode(self._encoding, "surrogateescape"), too_long

    def _raw_line(self, bytes_max: int) -> bytes:
        """Return bytes up to the next line end; the sample, which may end inside a line, comes first."""
        line = self._sample.readline(bytes_max)
        if line.endswith(b"\n") or len(line) == bytes_max:
            return line
        return line + self._stream.readline(bytes_max - len(line))

    def _skip_line(self, raw: bytes) -> None:
        while raw and not raw.endswith(b"\n"):
            raw = self._raw_line(LINE_BYTES_MAX)


def read_rows(lines: LineReader, delimiter: str) -> Iterator[Row]:
    """Yield the rows that follow, blank lines left out."""
    while (found := lines.next()) is not None:
        number, text, too_long = found
        if too_long:
            yield Row(line=number, text=text, fields=None, ended=True, fault=f"longer than {LINE_BYTES_MAX} bytes")
        elif _QUOTE not in text:
            bare = text.rstrip("\r\n")
            if bare.strip(f"{delimiter} \t"):
                yield Row(line=number, text=text, fields=bare.split(delimiter), ended=bare != text)
        else:
            yield _quoted(lines, number, text, delimiter)


def _quoted(lines: LineReader, number: int, text: str, delimiter: str) -> Row:
    """Read a row with quotes: it ends with the line at which they are even in number."""
    taken: list[tuple[int, str, bool]] = []
    whole = text
    while whole.count(_QUOTE) % 2:
        following = lines.next() if len(taken) < ROW_LINES_MAX and len(whole) < LINE_BYTES_MAX else None
        if following is None or following[2]:
            lines.push_back([*taken, following] if following is not None else taken)
            return Row(line=number, text=text, fields=None, ended=text.endswith("\n"), fault="a quote is not closed")
        taken.append(following)
        whole += following[1]
    try:
        fields = next(csv.reader([whole], delimiter=delimiter, strict=True))
    except (csv.Error, StopIteration):
        lines.push_back(taken)
        return Row(line=number, text=text, fields=None, ended=text.endswith("\n"), fault="the quotes are wrong")
    return Row(line=number, text=whole, fields=fields, ended=whole.endswith("\n"))


def encoding_of(sample: bytes) -> str | None:
    """Return the encoding of a text by its beginning: UTF-8 (with or without mark) or GB18030; None for neither.

    Lines vote, so that one damaged line does not turn a UTF-8 file into nonsense: text in GB18030 is hardly ever valid
    UTF-8. The last line is left out, where it may be cut.
    """
    if sample.startswith(_UTF16_MARKS) or b"\0" in sample:
        return None
    if sample.startswith(codecs.BOM_UTF8):
        return UTF_8
    lines = sample.splitlines()
    if len(lines) > 1 and len(sample) >= SAMPLE_BYTES:
        lines.pop()
    valid = [_is_utf8(line) for line in lines if not line.isascii()]
    return UTF_8 if sum(valid) * 2 >= len(valid) else GB18030


def is_text(text: str) -> bool:
    """Tell whether every byte of a line was text in the encoding that was found."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode(UTF_8)
    except UnicodeDecodeError:
        return False
    return True
