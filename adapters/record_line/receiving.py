"""One direction of a session, at the end that receives: frames become the stream again, each number at most once."""

from __future__ import annotations

import heapq
from typing import Final

from adapters.record_line.limits import ACK_DELAY_S, ACK_FRAMES, REPLAY_FRAMES
from adapters.record_line.sending import OFFSET, Ack

_ALL: Final = (1 << REPLAY_FRAMES) - 1


class ReceivingStream:
    """What comes in one direction: ``fragment`` puts in, ``read`` takes out in order.

    ``buffer_bytes`` is what may wait here, in order or not; the other end is told how far it may send.
    """

    def __init__(self, *, buffer_bytes: int) -> None:
        self.newest = 0
        """The highest number that came; the first one is 1."""
        self.through = 0
        """All of the stream below this has come."""
        self.missed_frames = 0
        self._buffer_bytes = buffer_bytes
        self._missing = 0
        self._ready = bytearray()
        self._apart: list[tuple[int, bytes]] = []
        self._apart_bytes = 0
        self._read = 0
        self._told_limit = buffer_bytes
        self._unanswered = 0
        self._answer_at_s: float | None = None

    def is_new(self, number: int) -> bool:
        """Tell whether the frame with this number has not come before and is not too old to know."""
        behind = self.newest - 1 - number
        return number > self.newest or (0 <= behind < REPLAY_FRAMES and bool(self._missing >> behind & 1))

    def came(self, number: int) -> None:
        """Take in that a genuine frame with a new number came."""
        if number <= self.newest:
            self._missing &= ~(1 << self.newest - 1 - number)
            return
        gap = number - self.newest - 1
        if gap:
            self.missed_frames += gap
            self._answer_at_s = float("-inf")
        self._missing = (self._missing << gap + 1 | (1 << gap) - 1) & _ALL
        self.newest = number

    def fragment(self, payload: bytes) -> bool:
        """Take in a piece of the stream; False when it goes beyond what the other end may send."""
        if len(payload) <= OFFSET.size:
            return False
        (start,) = OFFSET.unpack_from(payload)
        end = start + len(payload) - OFFSET.size
        if end > self._read + self._buffer_bytes or self._apart_bytes > 2 * self._buffer_bytes:
            return False
        if end > self.through:
            heapq.heappush(self._apart, (start, payload[OFFSET.size :]))
            self._apart_bytes += end - start
        while self._apart and self._apart[0][0] <= self.through:
            start, data = heapq.heappop(self._apart)
            self._apart_bytes -= len(data)
            self._ready += data[self.through - start :]
            self.through = max(self.through, start + len(data))
        return True

    def read(self, bytes_max: int) -> bytes:
        """Take what has come in order."""
        data = bytes(self._ready[:bytes_max])
        del self._ready[:bytes_max]
        self._read += len(data)
        if self._read + self._buffer_bytes - self._told_limit > self._buffer_bytes // 2:
            # The other end may be waiting for room.
            self._answer_at_s = float("-inf")
        return data

    def wants_answer(self, now_s: float, *, at_once: bool = False) -> None:
        """Take in that the other end wants to know what has come."""
        self._unanswered += 1
        if at_once or self._unanswered >= ACK_FRAMES:
            self._answer_at_s = float("-inf")
        elif self._answer_at_s is None:
            self._answer_at_s = now_s + ACK_DELAY_S

    def answer_due_at_s(self) -> float | None:
        """Return when an acknowledgement has to leave, None when none is wanted."""
        return self._answer_at_s

    def ack(self) -> Ack:
        """Return the acknowledgement that is to leave now."""
        self._unanswered = 0
        self._answer_at_s = None
        self._told_limit = self._read + self._buffer_bytes
        return Ack(self.newest, self.through, self._told_limit, self._missing)
