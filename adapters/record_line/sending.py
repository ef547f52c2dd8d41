"""One direction of a session, at the end that sends: a stream of bytes cut into frames until all have arrived.

Every frame has a number of its own, also one that carries again what was lost. So no acknowledgement is ambiguous, what
is sent again may be cut anew when the line has become worse, and a frame that somebody replays is known. A line
keeps the order: once a later frame has arrived, an earlier one that is missing is lost and is sent again at once.
"""

from __future__ import annotations

import heapq
import struct
from typing import Final, NamedTuple

from adapters.record_line.limits import FRAME_OVERHEAD_BYTES, PROBE_BYTES, REPLAY_FRAMES, SEND_BUFFER_BYTES
from adapters.record_line.noise import LossMeter
from adapters.record_line.timing import LineTiming

OFFSET: Final = struct.Struct(">I")
_ACK: Final = struct.Struct(">III")


class Ack(NamedTuple):
    """What the other end has: the newest number, all of the stream below ``through``, room up to ``limit``.

    Bit n of ``missing``, the lowest first, says that the number ``newest`` - 1 - n has not come.
    """

    newest: int
    through: int
    limit: int
    missing: int = 0

    def packed(self) -> bytes:
        """Return the payload of the frame: three numbers of four bytes, and the missing ones, zero bytes left out."""
        missing = self.missing.to_bytes((self.missing.bit_length() + 7) // 8, "little")
        return _ACK.pack(self.newest, self.through, self.limit) + missing


def ack_of(payload: bytes) -> Ack | None:
    """Return the acknowledgement, None when it does not follow the form."""
    if not _ACK.size <= len(payload) <= _ACK.size + REPLAY_FRAMES // 8:
        return None
    newest, through, limit = _ACK.unpack_from(payload)
    return Ack(newest, through, limit, int.from_bytes(payload[_ACK.size :], "little"))


class _Sent(NamedTuple):
    start: int
    end: int
    at_s: float
    settled: int
    frame_bytes: int


class SendingStream:
    """What is sent in one direction: ``write`` puts in, ``fragment`` takes out what the line shall carry next."""

    def __init__(self, *, fragment_bytes_max: int, limit: int, round_trip_s: float) -> None:
        self.end = 0
        """So many bytes were written in all."""
        self.through = 0
        """So many of them has the other end."""
        self.lost_frames = 0
        self._fragment_bytes_max = fragment_bytes_max
        self._limit = limit
        self._kept = bytearray()
        self._next = 0
        self._lost: list[tuple[int, int]] = []
        self._in_flight: dict[int, _Sent] = {}
        self._in_flight_bytes = 0
        self._settled = 0
        self._moved_at_s = 0.0
        self._meter = LossMeter()
        self._timing = LineTiming(round_trip_s)

    def write(self, data: bytes) -> None:
        """Put bytes at the end of the stream."""
        self._kept += data
        self.end += len(data)

    @property
    def has_room(self) -> bool:
        """Whether more should be written: little waits that was never on the line."""
        return self.end - self._next < SEND_BUFFER_BYTES

    @property
    def is_through(self) -> bool:
        """Whether the other end has everything."""
        return self.through == self.end

    @property
    def fragment_bytes(self) -> int:
        """How long fragments are now."""
        return self._timing.fragment_bytes_max(self._meter.fragment_bytes(self._fragment_bytes_max))

    def fragment(self, number: int, now_s: float, *, asking: bool = False) -> bytes | None:
        """Return the payload of the frame ``number``, None when nothing may be sent now.

        ``asking`` sends the oldest bytes again although they may be on their way, few of them, so that an answer comes.
        """
        size = self.fragment_bytes
        span = self._oldest(min(size, PROBE_BYTES)) if asking else self._due(size)
        if span is None:
            return None
        if not self._in_flight:
            self._moved_at_s = now_s
        start, end = span
        frame_bytes = end - start + FRAME_OVERHEAD_BYTES
        self._in_flight[number] = _Sent(start, end, now_s, self._settled, frame_bytes)
        self._in_flight_bytes += frame_bytes
        return OFFSET.pack(start) + self._kept[start - self.through : end - self.through]

    def acknowledged(self, ack: Ack, now_s: float) -> bool:
        """Take in what the other end has; False when it claims what was never sent."""
        if ack.through > self._next or ack.limit < ack.through:
            return False
        newest = None
        for number in [number for number in self._in_flight if number <= ack.newest]:
            sent = self._in_flight.pop(number)
            self._in_flight_bytes -= sent.frame_bytes
            self._settled += sent.frame_bytes
            behind = ack.newest - 1 - number
            if behind >= REPLAY_FRAMES or (behind >= 0 and ack.missing >> behind & 1):
                self._is_lost(sent)
            else:
                newest = sent
                self._meter.arrived(sent.frame_bytes)
        if newest is not None:
            passed_s = max(now_s - newest.at_s, 1e-6)
            self._timing.measured(passed_s, (self._settled - newest.settled) / passed_s)
        if ack.through > self.through:
            del self._kept[: ack.through - self.through]
            self.through = ack.through
        self._limit = max(self._limit, ack.limit)
        self._moved_at_s = now_s
        return True

    def due_at_s(self) -> float | None:
        """Return when to ask for an answer, None when nothing is awaited."""
        if not self._in_flight and not self._is_held_up():
            return None
        return self._moved_at_s + self._timing.timeout_s

    def timed_out(self, now_s: float) -> None:
        """Take in that no answer came in time."""
        self._moved_at_s = now_s
        self._timing.timed_out()

    def _is_held_up(self) -> bool:
        return not self._lost and self._next < self.end and self._next >= self._limit

    def _is_lost(self, sent: _Sent) -> None:
        self.lost_frames += 1
        self._meter.lost(sent.frame_bytes)
        heapq.heappush(self._lost, (sent.start, sent.end))

    def _due(self, size: int) -> tuple[int, int] | None:
        if self._in_flight and self._in_flight_bytes + size + FRAME_OVERHEAD_BYTES > self._timing.window_bytes:
            return None
        span = self._lost_span(size)
        if span is not None:
            return span
        end = min(self._next + size, self.end, self._limit)
        if end <= self._next:
            return None
        span = (self._next, end)
        self._next = end
        return span

    def _lost_span(self, size: int) -> tuple[int, int] | None:
        """Take the oldest lost bytes, at most ``size``, pieces that follow each other joined."""
        while self._lost:
            start, end = heapq.heappop(self._lost)
            start = max(start, self.through)
            while self._lost and self._lost[0][0] <= end:
                end = max(end, heapq.heappop(self._lost)[1])
            if start >= end:
                continue
            if end - start > size:
                heapq.heappush(self._lost, (start + size, end))
                end = start + size
            return start, end
        return None

    def _oldest(self, size: int) -> tuple[int, int] | None:
        end = min(self.through + size, self._next)
        return (self.through, end) if end > self.through else None
