"""What both ends of a line have in common: frames found in what comes, and a session while there is one."""

from __future__ import annotations

from typing import Final, Protocol

from adapters.record_line.cobs import Deframer, framed
from adapters.record_line.frames import FrameType, SessionFrame, session_frame
from adapters.record_line.limits import FRAGMENT_BYTES_MAX, RECEIVE_BUFFER_BYTES
from adapters.record_line.opening import Abilities
from adapters.record_line.session import Session, SessionUser

ABILITIES: Final = Abilities(FRAGMENT_BYTES_MAX, RECEIVE_BUFFER_BYTES)
"""What this program can receive; a device with less memory says less."""


class LinkUser(SessionUser, Protocol):
    """Who speaks through a line: what ``SessionUser`` says, and to be told when sessions begin and end."""

    def closed(self, reason: str) -> None:
        """Take in that the session is over."""

    def trouble(self, reason: str, who: str) -> None:
        """Take in that a session cannot be opened: why, in one constant word, and the name that the caller gave."""


class Link:
    """One end of a line, without any waiting: bytes in by ``receive``, bytes out by ``poll``, times as arguments."""

    def __init__(self, user: LinkUser) -> None:
        self.session: Session | None = None
        self.forged = 0
        self.lost = 0
        self._user = user
        self._closing = False
        self._deframer = Deframer()
        # Whatever stood on the line before begins no frame of ours.
        self._out = bytearray(b"\x00")

    @property
    def spoilt(self) -> int:
        """How many frames were spoilt, coming and going."""
        now = self.session.sending.lost_frames if self.session is not None else 0
        return self._deframer.spoilt + self.lost + now

    def receive(self, data: bytes, now_s: float) -> None:
        """Take in what came over the line."""
        for body in self._deframer.feed(data):
            frame = session_frame(body)
            if frame is not None:
                self._session_frame(frame, now_s)
            elif body[0] < FrameType.DATA:
                self._opening_frame(body[0], body[1:], now_s)
        self._end_if_over(now_s)

    def read_on(self) -> None:
        """Hand over what waited because the user was not ready."""
        if self.session is not None:
            self.session.read_on()

    def poll(self, now_s: float, bytes_max: int) -> bytes:
        """Return what is to go over the line now, b"" for nothing: some ``bytes_max`` bytes, whole frames."""
        if not self._closing:
            self._call(now_s)
        while self.session is not None and len(self._out) < bytes_max:
            frame = self.session.poll(now_s)
            if frame is None:
                break
            self._out += frame
        self._end_if_over(now_s)
        out = bytes(self._out)
        self._out.clear()
        return out

    def due_at_s(self) -> float:
        """Return when to ``poll`` again at the latest."""
        return float("inf") if self.session is None else self.session.due_at_s()

    def close(self) -> None:
        """End the session by our own wish, and begin no other; the next ``poll`` says good-bye."""
        self._closing = True
        if self.session is not None:
            self.session.close()

    def hang_up(self, now_s: float) -> None:
        """Take in that the line is gone: the session ends without a good-bye."""
        self._drop("unplugged", now_s)

    def _call(self, now_s: float) -> None:
        """Say what has to be said outside of a session."""

    def _session_frame(self, frame: SessionFrame, now_s: float) -> None:
        raise NotImplementedError

    def _opening_frame(self, frame_type: int, payload: bytes, now_s: float) -> None:
        raise NotImplementedError

    def _send(self, frame_type: FrameType, payload: bytes = b"") -> None:
        self._out += framed(bytes((frame_type,)) + payload)

    def _begin(self, session: Session, now_s: float) -> None:
        self._drop("replaced", now_s)
        self.session = session

    def _end_if_over(self, now_s: float) -> None:
        session = self.session
        if session is not None and session.closed_for:
            farewell = session.poll(now_s)
            if farewell is not None:
                self._out += farewell
            self._drop(session.closed_for, now_s)

    def _drop(self, reason: str, now_s: float) -> None:  # noqa: ARG002 - the terminal's end wants to know when
        session, self.session = self.session, None
        if session is not None:
            self.forged += session.forged
            self.lost += session.sending.lost_frames
            self._user.closed(reason)
