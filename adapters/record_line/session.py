"""A session: two streams, one in each direction, over frames that prove to be genuine and new. It does no waiting.

``receive`` takes what came over the line, ``poll`` returns the frame that shall go next, ``due_at_s`` says when to ask
again. Messages are handed to, and asked of, whoever uses the session (``SessionUser``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from adapters.record_line.cobs import framed
from adapters.record_line.frames import FrameType, SessionFrame, is_genuine, seal, whole_number
from adapters.record_line.limits import (
    FRAGMENT_BYTES_MAX,
    KEEP_ALIVE_S,
    SESSION_FRAMES_MAX,
    SESSION_STREAM_BYTES_MAX,
    SILENCE_S,
)
from adapters.record_line.messages import LineProtocolError, Message
from adapters.record_line.pressing import Reader, Writer
from adapters.record_line.receiving import ReceivingStream
from adapters.record_line.sending import SendingStream, ack_of

if TYPE_CHECKING:
    from adapters.record_line.opening import Abilities

OWN_WISH, WORN_OUT, AGAINST_PROTOCOL = 1, 2, 3
"""Why a session is ended by a BYE: its one byte."""
_NEVER: Final = float("inf")
_MARGIN_BYTES: Final = 1_000_000
"""What is compressed last still has to fit: more than the largest burst."""


class SessionUser(Protocol):
    """Who speaks through a session."""

    def heard(self, message: Message) -> None:
        """Take a message that came; raises LineProtocolError when it makes no sense."""

    def is_ready(self) -> bool:
        """Tell whether ``heard`` may be called; what comes meanwhile waits, and then holds up the other end."""

    def next_message(self) -> Message | None:
        """Return what to say next, None for nothing."""


class SessionEnds(NamedTuple):
    """Keys of both directions, what this end can receive and what the other one can."""

    key_out: bytes
    key_in: bytes
    own: Abilities
    other: Abilities


class Session:
    """One end of a session; ``round_trip_s`` is what the opening took for one."""

    def __init__(self, ends: SessionEnds, user: SessionUser, now_s: float, *, round_trip_s: float) -> None:
        self.closed_for = ""
        """Why it is over, "" while it is not: ``silent``, ``bye``, ``worn-out``, ``protocol`` or ``own-wish``."""
        self.forged = 0
        self.heard_at_s = now_s
        self._ends = ends
        self._user = user
        self._number = 0
        self._asked_at_s = now_s
        self._asks = False
        self._farewell: int | None = None
        self.sending = SendingStream(
            fragment_bytes_max=min(ends.other.fragment_bytes_max, FRAGMENT_BYTES_MAX),
            limit=ends.other.buffer_bytes,
            round_trip_s=round_trip_s,
        )
        self.receiving = ReceivingStream(buffer_bytes=ends.own.buffer_bytes)
        both = ends.other.compression & ends.own.compression
        self._writer = Writer(compressed=bool(both), window_bits=ends.other.window_bits)
        self._reader = Reader(self.receiving.read, compressed=bool(both), window_bits=ends.own.window_bits)

    def receive(self, frame: SessionFrame, now_s: float) -> bool:
        """Take in a frame; False when it is not genuine or not new, and then it changes nothing."""
        number = whole_number(frame.low, self.receiving.newest + 1)
        if not is_genuine(self._ends.key_in, number, frame):
            self.forged += 1
            return False
        if not self.receiving.is_new(number):
            return False
        self.receiving.came(number)
        self.heard_at_s = now_s
        try:
            self._take(frame, now_s)
        except LineProtocolError:
            self._end("protocol", AGAINST_PROTOCOL)
        return True

    def recognises(self, frame: SessionFrame) -> bool:
        """Tell whether the frame is of the other end of this session."""
        return is_genuine(self._ends.key_in, whole_number(frame.low, self.receiving.newest + 1), frame)

    def read_on(self) -> None:
        """Hand messages to the user for as long as it is ready for them."""
        try:
            while not self.closed_for and self._user.is_ready():
                message = self._reader.message()
                if message is None:
                    return
                self._user.heard(message)
        except LineProtocolError:
            self._end("protocol", AGAINST_PROTOCOL)

    def answer(self, now_s: float) -> None:
        """Have an acknowledgement leave at once."""
        self.receiving.wants_answer(now_s, at_once=True)

    def ask(self) -> None:
        """Have a PING leave at once."""
        self._asks = True

    def close(self) -> None:
        """End the session by our own wish; the next ``poll`` says good-bye."""
        self._end("own-wish", OWN_WISH)

    def poll(self, now_s: float) -> bytes | None:
        """Return the next frame, as it goes over the line; None when nothing is to be said now."""
        if self._farewell is not None:
            reason, self._farewell = self._farewell, None
            return self._sealed(FrameType.BYE, bytes((reason,)))
        if self.closed_for:
            return None
        if now_s - self.heard_at_s >= SILENCE_S:
            self._end("silent", None)
            return None
        return self._answer(now_s) or self._fragment(now_s) or self._question(now_s)

    def due_at_s(self) -> float:
        """Return when to ``poll`` again at the latest."""
        if self.closed_for:
            return _NEVER
        answer = self.receiving.answer_due_at_s()
        question = self.sending.due_at_s()
        alive = 0.0 if self._asks else max(self.heard_at_s, self._asked_at_s) + KEEP_ALIVE_S
        return min(
            alive,
            self.heard_at_s + SILENCE_S,
            _NEVER if answer is None else answer,
            _NEVER if question is None else question,
        )

    def _take(self, frame: SessionFrame, now_s: float) -> None:
        if frame.type == FrameType.DATA:
            self.receiving.wants_answer(now_s)
            if not self.receiving.fragment(frame.payload):
                raise LineProtocolError("a fragment beyond what was promised to be held")
            self.read_on()
        elif frame.type == FrameType.ACK:
            ack = ack_of(frame.payload)
            if ack is None or not self.sending.acknowledged(ack, now_s):
                raise LineProtocolError("an acknowledgement of what was never sent")
        elif frame.type == FrameType.PING:
            self.answer(now_s)
        elif frame.type == FrameType.BYE:
            self._end("bye", None)
        else:
            raise LineProtocolError(f"a frame of the unknown type {frame.type}")

    def _answer(self, now_s: float) -> bytes | None:
        due_at_s = self.receiving.answer_due_at_s()
        if due_at_s is None or now_s < due_at_s:
            return None
        return self._sealed(FrameType.ACK, self.receiving.ack().packed())

    def _fragment(self, now_s: float) -> bytes | None:
        due_at_s = self.sending.due_at_s()
        if due_at_s is not None and now_s >= due_at_s:
            self.sending.timed_out(now_s)
            payload = self.sending.fragment(self._number + 1, now_s, asking=True)
            return self._sealed(FrameType.PING if payload is None else FrameType.DATA, payload or b"")
        if self.sending.has_room:
            if self.sending.end > SESSION_STREAM_BYTES_MAX - _MARGIN_BYTES or self._number > SESSION_FRAMES_MAX:
                self._end("worn-out", WORN_OUT)
                return None
            said = self._writer.burst(self._user.next_message)
            if said:
                self.sending.write(said)
                # A user that had too much to say may be ready to hear again.
                self.read_on()
        payload = self.sending.fragment(self._number + 1, now_s)
        return None if payload is None else self._sealed(FrameType.DATA, payload)

    def _question(self, now_s: float) -> bytes | None:
        if not self._asks and now_s < max(self.heard_at_s, self._asked_at_s) + KEEP_ALIVE_S:
            return None
        self._asks = False
        self._asked_at_s = now_s
        return self._sealed(FrameType.PING, b"")

    def _sealed(self, frame_type: FrameType, payload: bytes) -> bytes:
        self._number += 1
        return framed(seal(self._ends.key_out, self._number, frame_type, payload))

    def _end(self, reason: str, farewell: int | None) -> None:
        if not self.closed_for:
            self.closed_for = reason
            self._farewell = farewell
