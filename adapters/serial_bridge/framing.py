"""Records in what a device sends by itself: between marks or one to a line, with an optional check character.

Pure: bytes go in, records and what is no record come out. Whatever is cut out, everything that came is accounted for.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import reduce
from operator import xor
from typing import Final

_BLANK: Final = b"\r\n \x00"
DAMAGED: Final = 0x3F
"""What a byte with a parity error is replaced by: a question mark."""


class Flaw(StrEnum):
    """Why something that came is no record."""

    JUNK = "junk"
    """Bytes before a start mark."""
    BROKEN_OFF = "broken_off"
    """A record without its end: the line fell silent, or the next one began."""
    TOO_LONG = "too_long"
    CHECK = "check"
    """The check character does not fit."""
    PARITY = "parity"
    """A byte came with a parity error."""
    NO_ROOM = "no_room"
    """The node has not answered what came before."""
    NOT_TEXT = "not_text"
    """The bytes are no text in the encoding that the device is said to use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A record, or with a ``flaw`` what is none; ``content`` is without marks and check character."""

    content: bytes
    flaw: Flaw | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What a record looks like on the line.

    ``start`` and ``end`` are marks in bytes, empty for none; ``unit`` is how many bytes a character has at least, marks
    stand at multiples of it. ``check`` is "none" or how the check is computed, over the record and its end mark when
    ``check_end_mark``; it stands behind the end mark, or before it when ``check_before_end``, or at the end when there
    is no such mark; as two hexadecimal digits when ``check_hexadecimal``, else as one byte.
    """

    start: bytes = b""
    end: bytes = b""
    unit: int = 1
    bytes_max: int = 65_536
    check: str = "none"
    check_end_mark: bool = False
    check_before_end: bool = False
    check_hexadecimal: bool = False


CHECKS: Final = ("none", "xor", "sum", "lrc")
"""xor: of all bytes (ISO 1155); sum: of all bytes modulo 256; lrc: the number that makes the sum 0 (Modbus ASCII)."""


def check_of(data: bytes, kind: str) -> int:
    """Return the check character of bytes."""
    if kind == "xor":
        return reduce(xor, data, 0)
    total = sum(data) & 0xFF
    return total if kind == "sum" else -total & 0xFF


class Framer:
    """Cuts records out of a stream; keeps what is not whole yet, at most one record long."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._held = bytearray()
        self._damaged: list[int] = []
        self._inside = not frame.start
        self._skipping = False
        self._scanned = 0

    @property
    def holds(self) -> bool:
        """Whether something came that is not whole, or has left a state behind that silence ends."""
        return bool(self._held) or self._skipping or (self._inside and bool(self._frame.start))

    def feed(self, data: bytes, damaged: tuple[int, ...] = ()) -> list[Found]:
        """Take bytes, of which those at the places ``damaged`` came with parity errors; return what is whole."""
        self._damaged += [len(self._held) + place for place in damaged]
        self._held += data
        found: list[Found] = []
        while self._step(found):
            pass
        return found

    def silence(self) -> list[Found]:
        """Return what the line's silence ends: a record when it needs no end mark, else one that broke off."""
        found: list[Found] = []
        if self._skipping:
            self._cut(found, len(self._held), Flaw.TOO_LONG)
        elif not self._inside:
            self._cut(found, len(self._held), Flaw.JUNK)
        elif self._frame.end:
            self._cut(found, len(self._held), Flaw.BROKEN_OFF)
        elif self._held:
            self._whole(found, len(self._held), 0)
        self._inside = not self._frame.start
        self._skipping = False
        return found

    def _step(self, found: list[Found]) -> bool:
        """Cut off one thing from the beginning; tell whether there may be more."""
        if not self._inside:
            return self._begin(found)
        if self._skipping:
            return self._skip(found)
        frame = self._frame
        end = self._find_end() if frame.end else -1
        again = self._find(frame.start, 0, end if end >= 0 else len(self._held)) if frame.start else -1
        if again >= 0:
            self._cut(found, again, Flaw.BROKEN_OFF)
            self._drop(len(frame.start))
            return True
        if max(end, len(self._held) if end < 0 else 0) > frame.bytes_max:
            self._cut(found, frame.bytes_max, Flaw.TOO_LONG)
            self._inside = self._skipping = not frame.start
            return True
        if end < 0:
            return False
        behind = 0 if frame.check == "none" or frame.check_before_end else 1 + frame.check_hexadecimal
        if len(self._held) < end + len(frame.end) + behind:
            return False
        self._whole(found, end, len(frame.end) + behind)
        self._inside = not frame.start
        return bool(self._held)

    def _skip(self, found: list[Found]) -> bool:
        """Go on to the end of a record that was too long; tell whether it was found.

        It may stand anywhere: when a byte was lost, characters of two bytes stand at odd places from there on, and no
        end was found because of that.
        """
        end = self._held.find(self._frame.end) if self._frame.end else -1
        if end < 0:
            if len(self._held) > self._frame.bytes_max:
                self._cut(found, self._frame.bytes_max, Flaw.TOO_LONG)
            return len(self._held) > self._frame.bytes_max
        self._cut(found, end, Flaw.TOO_LONG)
        self._drop(len(self._frame.end))
        self._skipping = False
        return True

    def _begin(self, found: list[Found]) -> bool:
        """Go to the next start mark; tell whether there is one."""
        start = self._frame.start
        place = self._held.find(start)
        if place >= 0:
            self._cut(found, place, Flaw.JUNK)
            self._drop(len(start))
            self._inside = True
            return True
        whole = len(self._held) - (len(start) - 1)
        if whole > self._frame.bytes_max:
            self._cut(found, whole, Flaw.JUNK)
        return False

    def _find_end(self) -> int:
        end = self._find(self._frame.end, self._scanned, len(self._held))
        # What was looked through is not looked through again when more comes.
        looked = end if end >= 0 else max(0, len(self._held) - len(self._frame.end) + 1)
        self._scanned = looked // self._frame.unit * self._frame.unit
        return end

    def _find(self, mark: bytes, begin: int, stop: int) -> int:
        """Return where a mark stands, at a multiple of a character's bytes; -1 when it does not."""
        place = self._held.find(mark, begin, stop)
        while place >= 0 and place % self._frame.unit:
            place = self._held.find(mark, place + 1, stop)
        return place

    def _whole(self, found: list[Found], length: int, behind: int) -> None:
        """Take a record that has ended, and ``behind`` bytes of end mark and check."""
        frame = self._frame
        content = bytes(self._held[:length])
        ended = bytes(self._held[length : length + len(frame.end)])
        told = bytes(self._held[length + len(frame.end) : length + behind])
        if frame.check != "none" and (frame.check_before_end or not frame.end):
            size = 1 + frame.check_hexadecimal
            content, told = content[:-size], content[-size:]
        flaw = None
        if any(place < length + behind for place in self._damaged):
            flaw = Flaw.PARITY
        elif frame.check != "none" and not self._check_fits(content, ended, told):
            flaw = Flaw.CHECK
        self._drop(length + behind)
        if content.strip(_BLANK) or flaw:
            found.append(Found(content=content, flaw=flaw))

    def _check_fits(self, content: bytes, ended: bytes, told: bytes) -> bool:
        expected = check_of(content + (ended if self._frame.check_end_mark else b""), self._frame.check)
        if self._frame.check_hexadecimal:
            return told.upper() == f"{expected:02X}".encode("ascii")
        return told == bytes([expected])

    def _cut(self, found: list[Found], length: int, flaw: Flaw) -> None:
        if length:
            content = bytes(self._held[:length])
            # Blanks and line ends between records, or the LF behind a CR that ends one, are nothing that was lost.
            if flaw is Flaw.TOO_LONG or content.strip(_BLANK):
                found.append(Found(content=content, flaw=flaw))
            self._drop(length)

    def _drop(self, count: int) -> None:
        del self._held[:count]
        self._damaged = [place - count for place in self._damaged if place >= count]
        self._scanned = 0


class ParityMarks:
    """Takes apart what Linux gives with PARMRK: 0xFF 0x00 before a byte with a parity error, 0xFF 0xFF for 0xFF."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> tuple[bytes, tuple[int, ...]]:
        """Return the bytes that came, and the places of those that are damaged (replaced by question marks).

        A break, which Linux tells as a damaged 0x00, is taken for a damaged byte.
        """
        data = self._held + data
        clean = bytearray()
        damaged: list[int] = []
        at = 0
        while (mark := data.find(0xFF, at)) >= 0:
            clean += data[at:mark]
            at = mark
            if data[mark + 1 : mark + 2] == b"\xff":
                clean.append(0xFF)
                at += 2
            elif len(data) < mark + 3:
                break
            else:
                damaged.append(len(clean))
                clean.append(DAMAGED)
                at += 3
        rest = data[at:]
        self._held = rest if mark >= 0 else b""
        if mark < 0:
            clean += rest
        return bytes(clean), tuple(damaged)
