"""Frames of a session: their types, their numbers, and the tag by which each is known to be genuine and new."""

from __future__ import annotations

import hmac
import struct
from enum import IntEnum
from typing import Final, NamedTuple

TAG_BYTES: Final = 8
"""Of HMAC-SHA-256: a forger needs 2^63 tries on the line for one frame; RFC 2104, section 5 allows to cut it."""
_FRAME_HEAD: Final = struct.Struct(">BH")
_NUMBER: Final = struct.Struct(">Q")
_LOW: Final = 0x1_0000
_SESSION_FROM: Final = 0x10


class FrameType(IntEnum):
    """First byte of a frame; those below 0x10 belong to the opening and have neither number nor tag."""

    HELLO = 0x01
    CHALLENGE = 0x02
    PROOF = 0x03
    WHO = 0x04
    TURNED_AWAY = 0x05
    DATA = 0x10
    ACK = 0x11
    PING = 0x12
    BYE = 0x13


class SessionFrame(NamedTuple):
    """A frame of a session as it came: ``low`` is the lower half of its number; nothing of it is trusted yet."""

    type: int
    low: int
    payload: bytes
    tag: bytes


def seal(key: bytes, number: int, frame_type: int, payload: bytes) -> bytes:
    """Return the body of a session's frame; the tag covers the whole number, of which the frame says the lower half."""
    return _FRAME_HEAD.pack(frame_type, number % _LOW) + payload + _tag(key, number, frame_type, payload)


def session_frame(body: bytes) -> SessionFrame | None:
    """Return a session's frame, None when ``body`` cannot be one."""
    if len(body) < _FRAME_HEAD.size + TAG_BYTES or body[0] < _SESSION_FROM:
        return None
    frame_type, low = _FRAME_HEAD.unpack_from(body)
    return SessionFrame(frame_type, low, body[_FRAME_HEAD.size : -TAG_BYTES], body[-TAG_BYTES:])


def whole_number(low: int, expected: int) -> int:
    """Return the number with this lower half that is nearest to ``expected``: 32,768 frames cannot be lost in a row."""
    number = expected - expected % _LOW + low
    if number > expected + _LOW // 2 and number >= _LOW:
        return number - _LOW
    if number < expected - _LOW // 2:
        return number + _LOW
    return number


def is_genuine(key: bytes, number: int, frame: SessionFrame) -> bool:
    """Tell whether who made the frame has the session's key for this direction."""
    return hmac.compare_digest(frame.tag, _tag(key, number, frame.type, frame.payload))


def _tag(key: bytes, number: int, frame_type: int, payload: bytes) -> bytes:
    return hmac.digest(key, _NUMBER.pack(number) + bytes((frame_type,)) + payload, "sha256")[:TAG_BYTES]
