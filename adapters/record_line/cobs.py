"""Consistent Overhead Byte Stuffing: frames without a zero byte, and a zero byte behind each (Cheshire, Baker 1997).

After noise of any kind the next zero byte begins a new frame. One byte in 254 is added at most, and one a frame.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

from adapters.record_line.limits import FRAME_BYTES_MAX

DELIMITER: Final = b"\x00"
_RUN_MAX: Final = 254
_CRC_BYTES: Final = 4
_STUFFED_BYTES_MAX: Final = FRAME_BYTES_MAX + FRAME_BYTES_MAX // _RUN_MAX + 1


def stuff(data: bytes) -> bytes:
    """Return ``data`` without zero bytes, for ``unstuff``."""
    stuffed = bytearray()
    for run in data.split(DELIMITER):
        start = 0
        while len(run) - start >= _RUN_MAX:
            stuffed.append(_RUN_MAX + 1)
            stuffed += run[start : start + _RUN_MAX]
            start += _RUN_MAX
        stuffed.append(len(run) - start + 1)
        stuffed += run[start:]
    return bytes(stuffed)


def unstuff(stuffed: bytes) -> bytes | None:
    """Return what was stuffed, None when it cannot have been."""
    data = bytearray()
    place, size = 0, len(stuffed)
    while place < size:
        code = stuffed[place]
        end = place + code
        if code == 0 or end > size:
            return None
        data += stuffed[place + 1 : end]
        if code <= _RUN_MAX and end < size:
            data.append(0)
        place = end
    return bytes(data)


def framed(body: bytes) -> bytes:
    """Return ``body`` as it goes over the line: with its CRC-32 (that of zlib), stuffed, and a delimiter."""
    return stuff(body + struct.pack(">I", zlib.crc32(body))) + DELIMITER


class Deframer:
    """Finds whole frames in what comes over a line; ``spoilt`` counts those that noise has spoilt."""

    def __init__(self) -> None:
        self.spoilt = 0
        self._gathered = bytearray()
        self._skipping = False

    def feed(self, data: bytes) -> list[bytes]:
        """Return the bodies of the frames that are whole now, in order."""
        pieces = data.split(DELIMITER)
        bodies = []
        for piece in pieces[:-1]:
            self._gather(piece)
            body = self._body()
            if body is not None:
                bodies.append(body)
        self._gather(pieces[-1])
        return bodies

    def _gather(self, piece: bytes) -> None:
        if self._skipping or len(self._gathered) + len(piece) > _STUFFED_BYTES_MAX:
            self._skipping = True
            self._gathered.clear()
            return
        self._gathered += piece

    def _body(self) -> bytes | None:
        stuffed, skipped = bytes(self._gathered), self._skipping
        self._gathered.clear()
        self._skipping = False
        if not stuffed and not skipped:
            return None
        data = unstuff(stuffed)
        if data is None or len(data) <= _CRC_BYTES:
            self.spoilt += 1
            return None
        body = data[:-_CRC_BYTES]
        if struct.pack(">I", zlib.crc32(body)) != data[-_CRC_BYTES:]:
            self.spoilt += 1
            return None
        return body
