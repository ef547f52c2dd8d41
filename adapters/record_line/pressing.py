"""The stream is compressed as a whole: what came before, and forms that both ends know, shorten what follows."""

from __future__ import annotations

import zlib
from typing import Callable, Final

from adapters.record_line.dictionary import DICTIONARY
from adapters.record_line.limits import BURST_BYTES
from adapters.record_line.messages import LineProtocolError, Message, packed, take_message

_LEVEL: Final = 9
_MEMORY: Final = 9
_PIECE_BYTES: Final = 4_096


class Writer:
    """Packs and compresses messages; what is written together is compressed together."""

    def __init__(self, *, compressed: bool, window_bits: int) -> None:
        self._press = (
            zlib.compressobj(_LEVEL, zlib.DEFLATED, window_bits, _MEMORY, zlib.Z_DEFAULT_STRATEGY, DICTIONARY)
            if compressed
            else None
        )

    def burst(self, next_message: Callable[[], Message | None]) -> bytes:
        """Return as many of the next messages as belong together, b"" for none."""
        raw = bytearray()
        while len(raw) < BURST_BYTES:
            message = next_message()
            if message is None:
                break
            raw += packed(message)
        if self._press is None or not raw:
            return bytes(raw)
        return self._press.compress(raw) + self._press.flush(zlib.Z_SYNC_FLUSH)


class Reader:
    """Takes messages out of a stream one at a time, and never expands more than the next one needs."""

    def __init__(self, read: Callable[[int], bytes], *, compressed: bool, window_bits: int) -> None:
        self._read = read
        self._expand = zlib.decompressobj(window_bits, zdict=DICTIONARY) if compressed else None
        self._raw = bytearray()

    def message(self) -> Message | None:
        """Return the next message, None until more has come; raises LineProtocolError."""
        while True:
            message = take_message(self._raw)
            if message is not None:
                return message
            piece = self._piece()
            if not piece:
                return None
            self._raw += piece

    def _piece(self) -> bytes:
        if self._expand is None:
            return self._read(_PIECE_BYTES)
        try:
            # What is left of the last piece goes first; b"" brings out what zlib still holds.
            piece = self._expand.decompress(self._expand.unconsumed_tail, _PIECE_BYTES)
            while not piece and not self._expand.eof:
                data = self._read(_PIECE_BYTES)
                if not data:
                    return b""
                piece = self._expand.decompress(data, _PIECE_BYTES)
        except zlib.error as cause:
            raise LineProtocolError("the compressed stream does not follow its form") from cause
        if self._expand.eof:
            raise LineProtocolError("the compressed stream has an end")
        return piece
