"""As much of ZMODEM as it takes to see which file a sender is about to send, before the receiving program sees it.

After Chuck Forsberg, "The ZMODEM Inter Application File Transfer Protocol", 1988: headers, link escape encoding and the
frame ZFILE. ``Frames`` passes a stream on piece by piece and stops before every ZFILE until it is whole.
"""

from __future__ import annotations

import binascii
import zlib
from dataclasses import dataclass
from typing import Final

ZDLE: Final = 0x18
ZFILE: Final = 4
INVITED: Final = b"**\x18B00"
"""Beginning of ZRQINIT in hexadecimal: somebody wants to send."""
INVITED_ANEW: Final = b"**\x18B00000000000000\r"
"""A whole ZRQINIT. In a file it never stands: where ZDLE B is an escaped character, the carriage return is one too."""
READY: Final = b"**\x18B01"
"""Beginning of ZRINIT in hexadecimal: a receiver has closed what it had, and waits for the next file."""
WANTED: Final = b"**\x18B09"
"""Beginning of ZRPOS in hexadecimal: a receiver has opened a file, and wants it from some place on."""
FINISHED: Final = b"**\x18B08"
"""Beginning of ZFIN in hexadecimal: the session is over."""
OVER_AND_OUT: Final = b"OO"
"""A sender's last word: a receiver that misses it waits for half a minute."""
CANCEL: Final = b"\x18" * 8 + b"\x08" * 10
"""Ends any session; the backspaces take the characters away from a screen that shows them."""
INFORMATION_BYTES_MAX: Final = 1024
"""A subpacket has at most 1024 bytes of data."""

_HELD_BYTES_MAX: Final = 2 * INFORMATION_BYTES_MAX + 128
_MARK: Final = b"*\x18"
_SKIPPED: Final = frozenset({0x11, 0x13, 0x91, 0x93})
_ENDS: Final = b"hijk"
_BINARY_CONVERSIONS: Final = frozenset({0, 1, 3})
"""ZF0 of a file that is sent as it is: not said, ZCBIN, ZCRESUM."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOffer:
    """What a sender says of the file that comes next.

    ``size`` and ``modified`` (seconds since 1970) are None when it does not say; ``as_it_is`` is False when line ends
    are to be converted.
    """

    name: bytes
    size: int | None
    modified: int | None
    as_it_is: bool


class Frames:
    """A stream that comes from a sender."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> list[bytes | FileOffer]:
        """Return what may be passed on now, in its order; an offer stands before the bytes that make it."""
        self._held += data
        passed: list[bytes | FileOffer] = []
        while self._held:
            start = self._held.find(_MARK)
            if start < 0:
                keep = 1 if self._held.endswith(b"*") else 0
                self._pass(passed, len(self._held) - keep)
                return passed
            self._pass(passed, start)
            read = _read_frame(self._held)
            if read is None:
                if len(self._held) <= _HELD_BYTES_MAX:
                    return passed
                read = len(_MARK), None
            length, offer = read
            if offer is not None:
                passed.append(offer)
            self._pass(passed, length)
        return passed

    def give_up(self) -> bytes:
        """Return what was held: nothing more came that would tell what it is."""
        held = bytes(self._held)
        self._held.clear()
        return held

    def _pass(self, passed: list[bytes | FileOffer], count: int) -> None:
        if count:
            passed.append(bytes(self._held[:count]))
            del self._held[:count]


class _TooShortError(Exception):
    """More bytes are needed to tell."""


class _NoFrameError(Exception):
    """This is no frame, or a damaged one."""


class _Encoded:
    """Bytes in ZDLE encoding, from a position on."""

    def __init__(self, data: bytearray, at: int) -> None:
        self._data = data
        self.at = at

    def raw(self) -> int:
        """Return the next byte that is no flow control."""
        while self.at < len(self._data):
            byte = self._data[self.at]
            self.at += 1
            if byte not in _SKIPPED:
                return byte
        raise _TooShortError

    def byte(self) -> int:
        """Return the next byte of content; raises _NoFrameError at the end of a subpacket."""
        value, is_end = self.symbol()
        if is_end:
            raise _NoFrameError
        return value

    def symbol(self) -> tuple[int, bool]:
        """Return the next byte of content, or the mark at the end of a subpacket and True."""
        byte = self.raw()
        if byte != ZDLE:
            return byte, False
        byte = self.raw()
        if byte in _ENDS:
            return byte, True
        if byte in b"lm":
            return (0x7F, False) if byte == ord("l") else (0xFF, False)
        if byte & 0x60 == 0x40:  # noqa: PLR2004 - escaped bytes are moved there.
            return byte ^ 0x40, False
        raise _NoFrameError

    def bytes(self, count: int) -> bytes:
        return bytes(self.byte() for _ in range(count))


def _read_frame(held: bytearray) -> tuple[int, FileOffer | None] | None:
    """Read the frame that begins at the start: its length in the stream and its offer, None while it is not whole.

    What is no ZFILE, or damaged, is passed on by its first bytes: the receiving program judges it.
    """
    try:
        stream = _Encoded(held, len(_MARK))
        form = stream.raw()
        if form == ord("B"):
            header, crc_bytes = _hexadecimal_header(stream), 2
        elif form in b"AC":
            crc_bytes = 2 if form == ord("A") else 4
            header = _checked(stream.bytes(5), stream, crc_bytes)
        else:
            return len(_MARK), None
        if header[0] != ZFILE:
            return stream.at, None
        offer = _offer(_subpacket(stream, crc_bytes), header)
    except _TooShortError:
        return None
    except _NoFrameError:
        return len(_MARK), None
    return stream.at, offer


def _hexadecimal_header(stream: _Encoded) -> bytes:
    try:
        content = bytes.fromhex(bytes(stream.raw() & 0x7F for _ in range(14)).decode("ascii"))
    except ValueError:
        raise _NoFrameError from None
    if binascii.crc_hqx(content[:5], 0) != int.from_bytes(content[5:], "big"):
        raise _NoFrameError
    while True:
        try:
            ended = stream.raw() & 0x7F
        except _TooShortError:
            break
        if ended not in b"\r\n":
            stream.at -= 1
            break
    return content[:5]


def _subpacket(stream: _Encoded, crc_bytes: int) -> bytes:
    data = bytearray()
    while True:
        value, is_end = stream.symbol()
        if is_end:
            _checked(bytes([*data, value]), stream, crc_bytes)
            return bytes(data)
        data.append(value)
        if len(data) > INFORMATION_BYTES_MAX:
            raise _NoFrameError


def _checked(content: bytes, stream: _Encoded, crc_bytes: int) -> bytes:
    """Return ``content`` when the check bytes that follow fit it."""
    read = stream.bytes(crc_bytes)
    fits = (
        binascii.crc_hqx(content, 0) == int.from_bytes(read, "big")
        if crc_bytes == 2  # noqa: PLR2004 - of 16 bits.
        else zlib.crc32(content) == int.from_bytes(read, "little")
    )
    if not fits:
        raise _NoFrameError
    return content


def _offer(data: bytes, header: bytes) -> FileOffer:
    name, _, rest = data.partition(b"\x00")
    words = rest.split(b"\x00")[0].split()
    return FileOffer(
        name=name,
        size=_number(words, 0, 10),
        modified=_number(words, 1, 8) or None,
        as_it_is=header[4] in _BINARY_CONVERSIONS,
    )


def _number(words: list[bytes], place: int, base: int) -> int | None:
    try:
        found = int(words[place], base)
    except (IndexError, ValueError):
        return None
    return found if 0 <= found < 2**63 else None
