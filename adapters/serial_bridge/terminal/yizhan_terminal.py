#!/usr/bin/env python3
"""驿站终端：在部门的电脑上运行，经串口向节点报送申办、办结等记录，并接收下行文书。

Yizhan terminal: runs on a department's machine, hands records to a node over a serial line and takes documents back.

    python yizhan_terminal.py key set 终端名          # 输入密钥 / type the key
    python yizhan_terminal.py run --port COM3         # 或 /dev/ttyUSB0
    python yizhan_terminal.py send 记录.xml

Needs Python 3.8 or newer and pyserial, on Windows or Linux. The protocol is docs/reference/record-line.md of Yizhan.
This file is made of Yizhan's modules (tests/support/terminal_file.py) and is not edited.
"""

from __future__ import annotations

import argparse
import base64
import csv
import hashlib
import heapq
import hmac
import io
import json
import math
import os
import re
import shutil
import signal
import sqlite3
import stat
import struct
import sys
import time
import zlib
from enum import IntEnum
from pathlib import Path
from threading import Condition, Event, Thread
from typing import Any, Callable, Final, Iterator, NamedTuple, Protocol, Sequence, Union


# --- limits: Every number of the record line that is not a code on the wire (docs/reference/record-line.md lists them).


VERSION: Final = 1

FRAGMENT_BYTES_MIN: Final = 24
"""Below that a frame is mostly its own head and tail."""
FRAGMENT_BYTES_START: Final = 512
"""Survives a line with one flipped bit in 10,000 in two of three tries, until the line is known."""
FRAGMENT_BYTES_MAX: Final = 2_048
"""99 % of a clean line are payload then; more would only make what waits behind a frame wait longer."""
PROBE_BYTES: Final = 64
"""So few are sent when nothing was answered: they get through where longer frames do not."""
FRAME_OVERHEAD_BYTES: Final = 24
"""What a frame costs beside the fragment: head, offset, tag, CRC, stuffing, delimiter."""
FRAME_BYTES_MAX: Final = FRAGMENT_BYTES_MAX + 64
"""Of a frame without its stuffing; also the most that a receiver gathers while it waits for a delimiter."""
FRAGMENT_S_MAX: Final = 0.125
"""So long may one fragment occupy a slow line, so that an acknowledgement does not wait longer."""

RECEIVE_BUFFER_BYTES: Final = 65_536
"""What an end promises to hold of what has not been read yet; a small device may promise less."""
RECEIVE_BUFFER_MIN: Final = 256
SEND_BUFFER_BYTES: Final = 8_192
"""So many compressed bytes are made ahead of the line: what comes after them can still be compressed together."""
BURST_BYTES: Final = 32_768
"""So much of what waits is compressed in one go; deflate looks back as far."""
MISSING_BYTES_MAX: Final = 32
"""Of the list of missing frames in an acknowledgement: one bit a frame."""
REPLAY_FRAMES: Final = 8 * MISSING_BYTES_MAX
"""So far behind the newest frame a late one is still known as new or old; on a line nothing overtakes."""

WINDOW_BYTES_START: Final = 2_048
WINDOW_BYTES_MIN: Final = 1_024
WINDOW_BYTES_MAX: Final = 32_768
"""On its way at once: a third of a second at 921,600 bit/s, far more than a round trip takes."""
WINDOW_S: Final = 0.5
"""Of the line's measured speed that may be on its way at once, or one and a half round trips where those are longer."""

ACK_DELAY_S: Final = 0.02
ACK_FRAMES: Final = 4
"""An acknowledgement leaves after so many frames or so long, and at once when one is missing."""
TIMEOUT_MIN_S: Final = 0.1
"""RFC 6298 asks for a second because of the Internet; a line has no queues of others, USB adapters hold back 16 ms."""
TIMEOUT_GROWTH: Final = 1.5
TIMEOUT_MAX_S: Final = 5.0
KEEP_ALIVE_S: Final = 5.0
SILENCE_S: Final = 20.0
"""A session in which nothing genuine was heard for so long is over."""

CALL_AGAIN_S: Final = (0.4, 0.6, 1.0, 2.0, 3.0)
"""How long a terminal waits for an answer to its call, the first time, the second, and so on; the last for ever."""
CALLS_PER_S: Final = 2.0
CALLS_AT_ONCE: Final = 8
"""A node answers so many calls at once and so many a second on one line: a stranger cannot keep it busy."""
WHO_AGAIN_S: Final = 1.0
UNPROVEN_CALLS: Final = 3
"""So many calls without proof, and the line is said to have an unproven caller."""

SESSION_STREAM_BYTES_MAX: Final = 2**31
SESSION_FRAMES_MAX: Final = 2**31
"""A session that has carried so much ends, and the terminal begins another one with new keys."""

MESSAGE_BYTES_MAX: Final = 36_864
"""Of one message in the stream, after decompression: a part and what is said about it."""
PART_BYTES_MAX: Final = 32_768
"""An entry that is longer comes in parts, and is taken up again at the last one after an interruption."""
ENTRY_BYTES_MAX: Final = 16 * 1_024 * 1_024
"""A longer file is for a better line: it would occupy 115,200 bit/s for minutes even when it is compressed."""
KEY_BYTES_MAX: Final = 200
NAME_BYTES_MAX: Final = 255
MEDIA_TYPE_BYTES_MAX: Final = 100
TEXT_BYTES_MAX: Final = 2_000
UNANSWERED_MAX: Final = 256
"""Entries that a terminal sends ahead of their answers."""


# --- cobs: Consistent Overhead Byte Stuffing: frames without a zero byte, and a zero byte behind each (Cheshire, Baker 1997).


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


# --- frames: Frames of a session: their types, their numbers, and the tag by which each is known to be genuine and new.


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


# --- opening: How a session is opened: a terminal's call, the node's challenge with its proof, the terminal's proof, and the keys.


NONCE_BYTES: Final = 16
SPOOL_BYTES: Final = 8
PROOF_BYTES: Final = 16
SUITE_SHA256: Final = 1
"""HMAC-SHA-256 and HKDF-SHA-256; 2 is kept for the same with SM3 (GB/T 32905)."""
COMPRESSED: Final = 1
"""Bit of ``compression``: this end reads a compressed stream."""
TERMINAL_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")
WINDOW_BITS_MIN, WINDOW_BITS_MAX = 9, 15
_INFO: Final = b"yizhan record line 1 "
_HELLO: Final = struct.Struct(">BBBBHI16s8sB")
_CHALLENGE: Final = struct.Struct(">BBBBHI16sIB")
_TURNED_AWAY: Final = struct.Struct(">B16s")
UNKNOWN_TERMINAL, NOTHING_IN_COMMON = 1, 2


class Abilities(NamedTuple):
    """What an end can receive: largest fragment, buffered bytes, and whether compressed, with which deflate window."""

    fragment_bytes_max: int
    buffer_bytes: int
    compression: int = COMPRESSED
    window_bits: int = WINDOW_BITS_MAX


class Hello(NamedTuple):
    """A terminal's call. ``suites`` has a bit for each suite that it knows, suite 1 the lowest."""

    name: str
    nonce: bytes
    spool: bytes
    abilities: Abilities
    suites: int = 1
    version: int = VERSION

    def packed(self) -> bytes:
        """Return the payload of the frame."""
        name, can = self.name.encode("ascii"), self.abilities
        head = (self.version, self.suites, can.compression, can.window_bits, can.fragment_bytes_max, can.buffer_bytes)
        return _HELLO.pack(*head, self.nonce, self.spool, len(name)) + name


class Challenge(NamedTuple):
    """A node's answer to a call. ``resume_key``, ``resume_bytes``: how much of which entry it holds already."""

    nonce: bytes
    abilities: Abilities
    resume_key: str = ""
    resume_bytes: int = 0
    suite: int = SUITE_SHA256
    version: int = VERSION

    def packed(self) -> bytes:
        """Return the payload of the frame without the proof, which stands behind it."""
        key, can = self.resume_key.encode("utf-8"), self.abilities
        head = (self.version, self.suite, can.compression, can.window_bits, can.fragment_bytes_max, can.buffer_bytes)
        return _CHALLENGE.pack(*head, self.nonce, self.resume_bytes, len(key)) + key


class SessionKeys(NamedTuple):
    """What both ends compute from the terminal's key, both nonces and everything that was agreed."""

    node_proof: bytes
    terminal_proof: bytes
    terminal_to_node: bytes
    node_to_terminal: bytes


def hello_of(payload: bytes) -> Hello | None:
    """Return the call, None when it does not follow the form."""
    if len(payload) < _HELLO.size:
        return None
    version, suites, compression, bits, fragment, buffer, nonce, spool, length = _HELLO.unpack_from(payload)
    name = payload[_HELLO.size :].decode("ascii", "replace")
    if len(name) != length or not TERMINAL_NAME.fullmatch(name):
        return None
    abilities = _abilities(fragment, buffer, compression, bits)
    return abilities and Hello(name, nonce, spool, abilities, suites, version)


def challenge_of(payload: bytes) -> tuple[Challenge, bytes] | None:
    """Return the challenge and its proof, None when it does not follow the form."""
    if len(payload) < _CHALLENGE.size + PROOF_BYTES:
        return None
    version, suite, compression, bits, fragment, buffer, nonce, have, length = _CHALLENGE.unpack_from(payload)
    key = payload[_CHALLENGE.size : -PROOF_BYTES]
    abilities = _abilities(fragment, buffer, compression, bits)
    if len(key) != length or length > KEY_BYTES_MAX or abilities is None:
        return None
    challenge = Challenge(nonce, abilities, key.decode("utf-8", "replace"), have, suite, version)
    return challenge, payload[-PROOF_BYTES:]


def turned_away(reason: int, nonce: bytes) -> bytes:
    """Return the payload that tells the caller with this nonce why there is no session: a hint, no proof."""
    return _TURNED_AWAY.pack(reason, nonce)


def turned_away_of(payload: bytes) -> tuple[int, bytes] | None:
    """Return reason and nonce, None when it does not follow the form."""
    return _TURNED_AWAY.unpack(payload) if len(payload) == _TURNED_AWAY.size else None


def session_keys(key: bytes, hello: Hello, challenge: Challenge) -> SessionKeys:
    """Return the keys of the session that this call and this challenge open."""
    said = hello.packed() + challenge.packed()
    extracted = hmac.digest(hello.nonce + challenge.nonce, key, "sha256")
    bound = _INFO + hashlib.sha256(said).digest()
    return SessionKeys(
        expand(extracted, bound + b"node proof", PROOF_BYTES),
        expand(extracted, bound + b"terminal proof", PROOF_BYTES),
        expand(extracted, bound + b"terminal to node", 32),
        expand(extracted, bound + b"node to terminal", 32),
    )


def expand(extracted: bytes, info: bytes, length: int) -> bytes:
    """Return HKDF-Expand of RFC 5869, section 2.3, for at most 32 bytes; its Extract is the HMAC above."""
    return hmac.digest(extracted, info + b"\x01", "sha256")[:length]


def _abilities(fragment: int, buffer: int, compression: int, bits: int) -> Abilities | None:
    if fragment < FRAGMENT_BYTES_MIN or buffer < RECEIVE_BUFFER_MIN or not WINDOW_BITS_MIN <= bits <= WINDOW_BITS_MAX:
        return None
    return Abilities(fragment, buffer, compression, bits)


# --- noise: How bad a line is, and how long a fragment should be on it.


_MEMORY_BYTES: Final = 131_072
"""After so many bytes the older half of what was seen counts for half."""
_PRIOR_LOST: Final = 0.25
_PRIOR_BYTES: Final = _PRIOR_LOST * FRAGMENT_BYTES_START * (1 + FRAGMENT_BYTES_START / FRAME_OVERHEAD_BYTES)
"""What is believed before anything was seen: so bad a line that the first fragments are FRAGMENT_BYTES_START long."""


class LossMeter:
    """Learns from frames that arrived and that did not how often a byte is spoilt.

    With e spoilt bytes in a byte, of L fragment bytes and h bytes around them L / (L + h) * exp(-e * (L + h)) of the
    line's speed is left. That is most where L * (L + h) = h / e.
    """

    def __init__(self) -> None:
        self._frames = 0.0
        self._lost = 0.0
        self._bytes = 0.0

    def arrived(self, frame_bytes: int) -> None:
        """Count a frame that the other end has."""
        self._count(frame_bytes, 0.0)

    def lost(self, frame_bytes: int) -> None:
        """Count a frame that the other end never got."""
        self._count(frame_bytes, 1.0)

    def byte_loss(self) -> float:
        """Return the share of bytes that are spoilt, as far as is known."""
        if not self._frames:
            return _PRIOR_LOST / _PRIOR_BYTES
        # A long frame may be hit several times and is lost once, hence the logarithm; certainty is never reached.
        survived = max(1.0 - self._lost / self._frames, 0.02)
        seen = -math.log(survived) * self._frames
        return (seen + _PRIOR_LOST) / (self._bytes + _PRIOR_BYTES)

    def fragment_bytes(self, largest: int) -> int:
        """Return how long a fragment should be, at most ``largest``."""
        half = FRAME_OVERHEAD_BYTES / 2
        best = math.sqrt(half * half + FRAME_OVERHEAD_BYTES / self.byte_loss()) - half
        return max(FRAGMENT_BYTES_MIN, min(int(best), largest))

    def _count(self, frame_bytes: int, lost: float) -> None:
        self._frames += 1
        self._lost += lost
        self._bytes += frame_bytes
        if self._bytes > _MEMORY_BYTES:
            self._frames /= 2
            self._lost /= 2
            self._bytes /= 2


# --- timing: How long a line takes to answer and how fast it is: when nothing will come any more, and how much to send ahead.


class LineTiming:
    """Retransmission time-out by RFC 6298, window by the line's speed; begins with the opening's round trip."""

    def __init__(self, round_trip_s: float) -> None:
        self._smoothed_s = self._shortest_s = round_trip_s
        self._variation_s = round_trip_s / 2
        self._backed_off = 0
        self._rate = 0.0

    def measured(self, round_trip_s: float, rate: float) -> None:
        """Take in a round trip and the bytes a second whose fate became known meanwhile."""
        self._variation_s += (abs(self._smoothed_s - round_trip_s) - self._variation_s) / 4
        self._smoothed_s += (round_trip_s - self._smoothed_s) / 8
        # Creeps up, so that a line that became longer is believed after a while.
        self._shortest_s = min(self._shortest_s * 1.002, round_trip_s)
        self._rate = max(rate, self._rate * 0.95)
        self._backed_off = 0

    def timed_out(self) -> None:
        """Take in that nothing came in time: the next time-out is half as long again.

        RFC 6298 doubles it because others' traffic may be in the way; a line has no others, only noise.
        """
        self._backed_off += 1

    @property
    def timeout_s(self) -> float:
        """Wait so long for an acknowledgement before asking."""
        base = max(self._smoothed_s + 4 * self._variation_s, TIMEOUT_MIN_S)
        return float(min(base * TIMEOUT_GROWTH ** min(self._backed_off, 20), TIMEOUT_MAX_S))

    @property
    def window_bytes(self) -> int:
        """So much may be on its way."""
        if not self._rate:
            return WINDOW_BYTES_START
        ahead = self._rate * max(WINDOW_S, 1.5 * self._shortest_s)
        return int(min(max(ahead, WINDOW_BYTES_MIN), WINDOW_BYTES_MAX))

    def fragment_bytes_max(self, largest: int) -> int:
        """Return the longest fragment that does not occupy a slow line for too long, at most ``largest``."""
        if not self._rate:
            return largest
        return min(largest, max(int(self._rate * FRAGMENT_S_MAX), FRAGMENT_BYTES_MIN))


# --- sending: One direction of a session, at the end that sends: a stream of bytes cut into frames until all have arrived.


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


# --- receiving: One direction of a session, at the end that receives: frames become the stream again, each number at most once.


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


# --- messages: What the stream says: messages, each with its kind and its length, and how they are packed.


_MESSAGE_HEAD: Final = struct.Struct(">BI")
_TEXT: Final = struct.Struct(">H")
_ENTRY: Final = struct.Struct(">II")
_COUNTS: Final = struct.Struct(">IIIII")
_DIGEST_BYTES: Final = 32


class LineProtocolError(Exception):
    """The other end does not keep to the protocol, although it has the key: the session ends."""


class Entry(NamedTuple):
    """A record, a file or a document begins, at ``offset`` when its first bytes are there already.

    ``total`` are its bytes in all, ``data`` the first of those that come now; ``Part`` brings the others. ``digest`` is
    its SHA-256 when it comes in parts, else b"". ``text`` is for a display.
    """

    key: str
    total: int
    data: bytes
    media_type: str
    name: str = ""
    text: str = ""
    offset: int = 0
    digest: bytes = b""

    def packed(self) -> bytes:
        """Return the message's body."""
        texts = (self.key, self.media_type, self.name, self.text)
        head = _ENTRY.pack(self.total, self.offset) + bytes((len(self.digest),)) + self.digest
        return head + b"".join(map(_packed_text, texts)) + self.data


class Part(NamedTuple):
    """The next bytes of the entry that was begun last."""

    data: bytes

    def packed(self) -> bytes:
        """Return the message's body."""
        return self.data


class Confirm(NamedTuple):
    """The entry ``key`` is in the node's journal, with what became of its records; or on the terminal's disk."""

    key: str
    offered: int = 0
    accepted: int = 0
    repeated: int = 0
    refused: int = 0
    received: int = 0
    text: str = ""

    def packed(self) -> bytes:
        """Return the message's body."""
        counts = _COUNTS.pack(self.offered, self.accepted, self.repeated, self.refused, self.received)
        return _packed_text(self.key) + counts + _packed_text(self.text)


class Refuse(NamedTuple):
    """The entry ``key`` will never be taken, for the reason in ``text``."""

    key: str
    text: str

    def packed(self) -> bytes:
        """Return the message's body."""
        return _packed_text(self.key) + _packed_text(self.text)


Message = Union[Entry, Part, Confirm, Refuse]  # noqa: UP007 - Python 3.8 evaluates this
_KINDS: Final[dict[type[Message], int]] = {Entry: 1, Part: 2, Confirm: 3, Refuse: 4}


def packed(message: Message) -> bytes:
    """Return a message as it stands in the stream."""
    body = message.packed()
    return _MESSAGE_HEAD.pack(_KINDS[type(message)], len(body)) + body


def take_message(raw: bytearray) -> Message | None:
    """Take the message that ``raw`` begins with, None when it is not whole yet; raises LineProtocolError."""
    if len(raw) < _MESSAGE_HEAD.size:
        return None
    kind, length = _MESSAGE_HEAD.unpack_from(raw)
    if length > MESSAGE_BYTES_MAX:
        raise LineProtocolError(f"a message of {length} bytes")
    if len(raw) < _MESSAGE_HEAD.size + length:
        return None
    body = bytes(raw[_MESSAGE_HEAD.size : _MESSAGE_HEAD.size + length])
    del raw[: _MESSAGE_HEAD.size + length]
    try:
        return _message(kind, body)
    except (struct.error, UnicodeDecodeError) as cause:
        raise LineProtocolError(f"a message of kind {kind} that does not follow its form") from cause


def clipped(text: str, bytes_max: int = TEXT_BYTES_MAX) -> str:
    """Return ``text`` without what goes beyond ``bytes_max`` bytes of UTF-8."""
    return text.encode("utf-8")[:bytes_max].decode("utf-8", "ignore")


def _message(kind: int, body: bytes) -> Message:
    if kind == _KINDS[Entry]:
        return _entry(body)
    if kind == _KINDS[Part]:
        return Part(body)
    if kind == _KINDS[Confirm]:
        (key,), place = _texts(body, 0, (KEY_BYTES_MAX,))
        offered, accepted, repeated, refused, received = _COUNTS.unpack_from(body, place)
        (text,), place = _texts(body, place + _COUNTS.size, (TEXT_BYTES_MAX,))
        return Confirm(key, offered, accepted, repeated, refused, received, text)
    if kind == _KINDS[Refuse]:
        (key, text), _ = _texts(body, 0, (KEY_BYTES_MAX, TEXT_BYTES_MAX))
        return Refuse(key, text)
    raise LineProtocolError(f"a message of the unknown kind {kind}")


def _entry(body: bytes) -> Entry:
    total, offset = _ENTRY.unpack_from(body)
    (length,) = struct.unpack_from("B", body, _ENTRY.size)
    place = _ENTRY.size + 1 + length
    digest = body[_ENTRY.size + 1 : place]
    limits = (KEY_BYTES_MAX, MEDIA_TYPE_BYTES_MAX, NAME_BYTES_MAX, TEXT_BYTES_MAX)
    (key, media_type, name, text), place = _texts(body, place, limits)
    data = body[place:]
    if not key or total > ENTRY_BYTES_MAX or offset + len(data) > total or length not in {0, _DIGEST_BYTES}:
        raise LineProtocolError("an entry whose numbers do not fit together")
    if (offset or len(data) < total) and not digest:
        raise LineProtocolError("an entry in parts without its digest")
    return Entry(key, total, data, media_type, name, text, offset, digest)


def _packed_text(text: str) -> bytes:
    data = text.encode("utf-8")
    return _TEXT.pack(len(data)) + data


def _texts(body: bytes, place: int, limits: tuple[int, ...]) -> tuple[list[str], int]:
    found = []
    for bytes_max in limits:
        (length,) = _TEXT.unpack_from(body, place)
        data = body[place + _TEXT.size : place + _TEXT.size + length]
        if length > bytes_max or len(data) != length:
            raise LineProtocolError("a text that is too long")
        found.append(data.decode("utf-8"))
        place += _TEXT.size + length
    return found, place


# --- dictionary: The dictionary that both ends have: what records of the standard look like, so that the first one is short too.


_FORMS: Final = """\
经审查，符合法定条件，准予许可
材料齐全，符合法定形式，予以受理
不予许可
同意
承办
审核
批准
科员
科长
副局长
局长
申请书^1^2^1|身份证明^1^2^1|营业执照^1^2^1|授权委托书^1^2^1|证明
申办,受理,预受理,审批环节,补交告知,补交受理,特别程序申请,特别程序结果,办结,领取登记,材料,收费,延期
    <TaskVersion></TaskVersion>
    <LegalPerson></LegalPerson>
    <ContactName></ContactName>
    <ContactPhone></ContactPhone>
    <ContactEmail></ContactEmail>
    <AgentName></AgentName>
    <AgentIdType></AgentIdType>
    <AgentIdNo></AgentIdNo>
    <Address></Address>
    <PostCode></PostCode>
    <ReceiptNo></ReceiptNo>
    <ServicePoint></ServicePoint>
    <Remark></Remark>
    <Reason></Reason>
    <SupplementText></SupplementText>
    <HandleUserNo></HandleUserNo>
    <Place></Place>
    <PromiseLimit></PromiseLimit>
    <PromiseLimitUnit></PromiseLimitUnit>
    <PromiseDate></PromiseDate>
    <FeeDue></FeeDue>
    <QueueNo></QueueNo>
    <Duty></Duty>
    <TimeLimit></TimeLimit>
    <Kind></Kind>
    <KindDetail></KindDetail>
    <KindName></KindName>
    <Approver></Approver>
    <Text></Text>
    <Limit></Limit>
    <LimitUnit></LimitUnit>
    <NotifiedTime></NotifiedTime>
    <Outcome></Outcome>
    <OutcomeDate></OutcomeDate>
    <DocumentNo></DocumentNo>
    <CertificateName></CertificateName>
    <CertificateNo></CertificateNo>
    <CertificateValidity></CertificateValidity>
    <IssueOrgName></IssueOrgName>
    <MaterialName></MaterialName>
    <MediaType></MediaType>
    <CopyKind></CopyKind>
    <Count></Count>
    <PaymentNo></PaymentNo>
    <FeeOrgName></FeeOrgName>
    <FeeItem></FeeItem>
    <AmountDue></AmountDue>
    <AmountPaid></AmountPaid>
    <Payer></Payer>
    <ExtensionDays></ExtensionDays>
  </PreAcceptance>
  <PreAcceptance Version="1.0">
  </SupplementNotice>
  <SupplementNotice Version="1.0">
  </SupplementReceipt>
  <SupplementReceipt Version="1.0">
  </SpecialProcedureStart>
  <SpecialProcedureStart Version="1.0">
  </SpecialProcedureEnd>
  <SpecialProcedureEnd Version="1.0">
  </Material>
  <Material Version="1.0">
  </Fee>
  <Fee Version="1.0">
  </Extension>
  <Extension Version="1.0">
  </Certificate>
  <Certificate Version="1.0">
  </Delivery>
  <Delivery Version="1.0">
  </Evaluation>
  <Evaluation Version="1.0">
  </Consultation>
  <Consultation Version="1.0">
  </Complaint>
  <Complaint Version="1.0">
application/xml;charset=utf-8text/csvapplication/jsonapplication/octet-stream.xml.csv.json
记录类型,办件编号,序号,数据版本号,行政区划代码,办理机构代码,办理机构名称,实施编码,业务发生时间,事项名称,事项版本,办件类型,申请提交方式,申请人类型,申请人名称,申请人证件类型,申请人证件号\
码,联系人姓名,联系人电话,材料清单,备注,受理状态,受理文书编号,办理人姓名,法定办结时限,法定办结时限单位,承诺办结时限,承诺办结时限单位,办结结果代码,办结结果描述,预受理状态,环节代码,环节名\
称,审批人姓名,审批人职务,审批意见,环节状态,业务动作,环节结束时间,证件或盖章名称,证件编号,发证或盖章单位,法定代表人,特别程序种类,特别程序细类,特别程序种类名称,特别程序批准人,启动理由或依\
据,特别程序时限,特别程序时限单位,通知申请人时间,领取人姓名,领取人证件类型,领取人证件号码,领取方式,特别程序结果,结果产生日期
,1,1,369902,11369902YL0000012Q,市局,XK00101001136990220260105,2026-01-05 09:30:00,,,1,,,,,,,,,,1,受理〔20\
26〕1号,,5,G,0,G,,,,,,,,,,,,,,,,,,,,,,,,,,,,,
  <Application Version="1.0">
    <CaseNo>36990011369902YL0000012QXK0010100Y2026010500001Z</CaseNo>
    <Sequence>1</Sequence>
    <DataVersion>1</DataVersion>
    <DivisionCode>369900</DivisionCode>
    <OrgCode>11369902YL0000012Q</OrgCode>
    <OrgName>样例县样例局</OrgName>
    <TaskCode>XK0010100Y369902001</TaskCode>
    <EventTime>2026-01-05T09:30:00+08:00</EventTime>
    <TaskName>样例事项名称</TaskName>
    <ProjectType>2</ProjectType>
    <ApplyType>0</ApplyType>
    <ApplicantType>1</ApplicantType>
    <ApplicantName>样例甲</ApplicantName>
    <ApplicantIdType>111</ApplicantIdType>
    <ApplicantIdNo>369902199003070016</ApplicantIdNo>
  </Application>
  <Acceptance Version="1.0">
    <CaseNo>36990011369902YL0000012QXK0010100Y2026010500001Z</CaseNo>
    <Sequence>1</Sequence>
    <DataVersion>1</DataVersion>
    <DivisionCode>369900</DivisionCode>
    <OrgCode>11369902YL0000012Q</OrgCode>
    <OrgName>样例县样例局</OrgName>
    <TaskCode>XK0010100Y369902001</TaskCode>
    <EventTime>2026-01-05T09:50:00+08:00</EventTime>
    <AcceptanceState>1</AcceptanceState>
    <AcceptDocNo>样字〔2026〕1号</AcceptDocNo>
    <HandleUserName>样例乙</HandleUserName>
    <StatutoryLimit>5</StatutoryLimit>
    <StatutoryLimitUnit>G</StatutoryLimitUnit>
    <ProjectType>2</ProjectType>
  </Acceptance>
  <ReviewStep Version="1.0">
    <CaseNo>36990011369902YL0000012QXK0010100Y2026010500001Z</CaseNo>
    <Sequence>1</Sequence>
    <DataVersion>1</DataVersion>
    <DivisionCode>369900</DivisionCode>
    <OrgCode>11369902YL0000012Q</OrgCode>
    <OrgName>样例县样例局</OrgName>
    <TaskCode>XK0010100Y369902001</TaskCode>
    <EventTime>2026-01-05T10:10:00+08:00</EventTime>
    <StepCode>1</StepCode>
    <StepName>承办</StepName>
    <HandleUserName>样例甲</HandleUserName>
    <Opinion>样例审批意见</Opinion>
    <StepState>2</StepState>
    <Action>PASS</Action>
    <EventEndTime>2026-01-05T10:20:00+08:00</EventEndTime>
  </ReviewStep>
  <Conclusion Version="1.0">
    <CaseNo>36990011369902YL0000012QXK0010100Y2026010500001Z</CaseNo>
    <Sequence>1</Sequence>
    <DataVersion>1</DataVersion>
    <DivisionCode>369900</DivisionCode>
    <OrgCode>11369902YL0000012Q</OrgCode>
    <OrgName>样例县样例局</OrgName>
    <TaskCode>XK0010100Y369902001</TaskCode>
    <EventTime>2026-01-05T11:10:00+08:00</EventTime>
    <ResultCode>GRANT</ResultCode>
    <ResultText>准予许可</ResultText>
    <HandleUserName>样例乙</HandleUserName>
  </Conclusion>
  <Collection Version="1.0">
    <CaseNo>36990011369902YL0000012QXK0010100Y2026010500001Z</CaseNo>
    <Sequence>1</Sequence>
    <DataVersion>1</DataVersion>
    <DivisionCode>369900</DivisionCode>
    <OrgCode>11369902YL0000012Q</OrgCode>
    <OrgName>样例县样例局</OrgName>
    <TaskCode>XK0010100Y369902001</TaskCode>
    <EventTime>2026-01-05T11:30:00+08:00</EventTime>
    <CollectorName>样例甲</CollectorName>
    <CollectorIdType>111</CollectorIdType>
    <CollectorIdNo>369902199003070016</CollectorIdNo>
    <CollectionWay>0</CollectionWay>
  </Collection>
</Records>
<?xml version="1.0" encoding="UTF-8"?>
<Records xmlns="urn:yizhan:standard:1">
"""

DICTIONARY: Final = _FORMS.encode("utf-8")


# --- pressing: The stream is compressed as a whole: what came before, and forms that both ends know, shorten what follows.


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


# --- session: A session: two streams, one in each direction, over frames that prove to be genuine and new. It does no waiting.


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


# --- link: What both ends of a line have in common: frames found in what comes, and a session while there is one.


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


# --- calling: The terminal's end of a line: calls the node until it answers, checks its proof, gives its own, and speaks.


_PROOFS_MAX: Final = 5
"""So many unanswered proofs, and the terminal calls anew."""
_ON_PURPOSE: Final = ("bye", "protocol", "own-wish")
_REASONS: Final = {UNKNOWN_TERMINAL: "unknown-terminal", NOTHING_IN_COMMON: "nothing-in-common"}


class TerminalUser(LinkUser, Protocol):
    """Who speaks through the terminal's end."""

    def opened(self, resume_key: str, resume_bytes: int) -> None:
        """Take in that the node has let us in, and how much it holds of which entry."""


class TerminalLink(Link):
    """Calls over one line as ``name`` with ``key``; ``spool`` tells the node which numbers of entries are meant."""

    def __init__(
        self,
        user: TerminalUser,
        *,
        name: str,
        key: bytes,
        spool: bytes,
        token: Callable[[int], bytes],
        abilities: Abilities = ABILITIES,
    ) -> None:
        super().__init__(user)
        self._terminal_user = user
        self._name = name
        self._key = key
        self._spool = spool
        self._token = token
        self._abilities = abilities
        self._tries = 0
        self._called_at_s = 0.0
        self._again_at_s = float("-inf")
        self._doubted_at_s: float | None = None
        self._hello: Hello | None = None
        self._challenge: Challenge | None = None
        self._keys: SessionKeys | None = None
        self._opening: Session | None = None

    def due_at_s(self) -> float:
        """Return when to ``poll`` again at the latest."""
        if self.session is None:
            return self._again_at_s
        doubted = float("inf") if self._doubted_at_s is None else self._doubted_at_s + WHO_AGAIN_S
        return min(super().due_at_s(), doubted)

    def _call(self, now_s: float) -> None:
        if self.session is not None:
            self._settle_doubt(self.session, now_s)
        if self.session is not None or now_s < self._again_at_s:
            return
        if self._keys is not None and self._tries < _PROOFS_MAX:
            self._send(FrameType.PROOF, self._keys.terminal_proof)
        else:
            if self._keys is not None or self._hello is None:
                self._forget()
                self._called_at_s = now_s
                self._hello = Hello(self._name, self._token(NONCE_BYTES), self._spool, self._abilities)
            self._send(FrameType.HELLO, self._hello.packed())
        self._again_at_s = now_s + CALL_AGAIN_S[min(self._tries, len(CALL_AGAIN_S) - 1)]
        self._tries += 1

    def _session_frame(self, frame: SessionFrame, now_s: float) -> None:
        if self.session is not None:
            self.session.receive(frame, now_s)
        elif self._opening is not None and self._challenge is not None and self._opening.recognises(frame):
            opened, challenge = self._opening, self._challenge
            self._forget()
            self._begin(opened, now_s)
            self._terminal_user.opened(challenge.resume_key, challenge.resume_bytes)
            opened.receive(frame, now_s)

    def _opening_frame(self, frame_type: int, payload: bytes, now_s: float) -> None:
        if frame_type == FrameType.CHALLENGE:
            self._challenged(payload, now_s)
        elif frame_type == FrameType.WHO:
            self._doubt(now_s)
        elif frame_type == FrameType.TURNED_AWAY:
            said = turned_away_of(payload)
            if said is not None and self._hello is not None and said[1] == self._hello.nonce:
                self._user.trouble(_REASONS.get(said[0], "turned-away"), "")

    def _challenged(self, payload: bytes, now_s: float) -> None:
        said = challenge_of(payload)
        hello = self._hello
        if said is None or hello is None or self._keys is not None or self.session is not None:
            return
        challenge, proof = said
        keys = session_keys(self._key, hello, challenge)
        if not hmac.compare_digest(proof, keys.node_proof):
            self.forged += 1
            self._user.trouble("other-key", "")
        elif challenge.version != VERSION or challenge.suite != SUITE_SHA256:
            self._user.trouble("nothing-in-common", "")
        else:
            self._challenge, self._keys = challenge, keys
            ends = SessionEnds(keys.terminal_to_node, keys.node_to_terminal, self._abilities, challenge.abilities)
            self._opening = Session(ends, self._user, now_s, round_trip_s=now_s - self._called_at_s)
            self._tries = 0
            self._again_at_s = now_s

    def _doubt(self, now_s: float) -> None:
        """The node says that it has no session. That proves nothing: the session is asked and has a while to answer."""
        if self.session is not None and self._doubted_at_s is None:
            self._doubted_at_s = now_s
            self.session.ask()

    def _settle_doubt(self, session: Session, now_s: float) -> None:
        if self._doubted_at_s is None:
            return
        if session.heard_at_s > self._doubted_at_s:
            self._doubted_at_s = None
        elif now_s >= self._doubted_at_s + WHO_AGAIN_S:
            self._drop("node-restarted", now_s)

    def _drop(self, reason: str, now_s: float) -> None:
        super()._drop(reason, now_s)
        self._doubted_at_s = None
        if reason != "replaced":
            self._forget()
            # Who ended the session on purpose is not called again at once, lest both ends do nothing else.
            self._again_at_s = now_s + (CALL_AGAIN_S[-1] if reason in _ON_PURPOSE else 0.0)

    def _forget(self) -> None:
        self._hello = self._challenge = self._keys = self._opening = None
        self._tries = 0


# --- entries: Entries longer than a message: cut into parts at one end, put together at the other.


def entry_messages(
    key: str, content: bytes, *, media_type: str, name: str = "", text: str = "", offset: int = 0
) -> Iterator[Message]:
    """Yield the messages that bring ``content`` from ``offset`` on; texts are clipped to what is allowed."""
    end = min(offset + PART_BYTES_MAX, len(content))
    digest = hashlib.sha256(content).digest() if offset or end < len(content) else b""
    texts = clipped(media_type, MEDIA_TYPE_BYTES_MAX), clipped(name, NAME_BYTES_MAX), clipped(text, TEXT_BYTES_MAX)
    yield Entry(key, len(content), content[offset:end], *texts, offset, digest)
    for start in range(end, len(content), PART_BYTES_MAX):
        yield Part(content[start : start + PART_BYTES_MAX])


class Assembly:
    """An entry that is being put together; ``held`` are its bytes before ``entry.offset``."""

    def __init__(self, entry: Entry, held: bytes = b"") -> None:
        if len(held) != entry.offset:
            raise LineProtocolError("an entry goes on where nothing was held")
        self.entry = entry
        self._content = bytearray(held)
        self.add(entry.data)

    def add(self, data: bytes) -> None:
        """Take in the next bytes; raises LineProtocolError when they are too many or the whole is not what was said."""
        if len(self._content) + len(data) > self.entry.total:
            raise LineProtocolError("an entry is longer than was said")
        self._content += data
        if self.is_whole and self.entry.digest and hashlib.sha256(self._content).digest() != self.entry.digest:
            raise LineProtocolError("an entry is not what was begun")

    @property
    def is_whole(self) -> bool:
        """Whether everything has come."""
        return len(self._content) == self.entry.total

    @property
    def content(self) -> bytes:
        """What has come so far."""
        return bytes(self._content)


# --- port: What the record line runs over: anything that carries bytes both ways, badly if need be.


class BytePort(Protocol):
    """One end of a line. One thread reads and another one writes at the same time; ``close`` may come from a third."""

    def read(self, max_bytes: int, wait_s: float) -> bytes:
        """Return what has come, at most ``max_bytes``; waits at most ``wait_s`` for the first, b"" when none came.

        Raises OSError, or an error of the bridge's own, when the line is gone.
        """

    def write(self, data: bytes) -> None:
        """Hand over all of ``data``, and wait for as long as the line takes; raises as ``read`` does."""

    def close(self) -> None:
        """Let go of the line and make a read or write that waits come back; calling it twice is harmless."""


# --- driving: Runs one end of a line over a port: one thread reads, one writes, so that a line that is full both ways still moves.


READ_BYTES_MAX: Final = 4_096
WRITE_BYTES_MAX: Final = 1_024
"""So much is written at once: an acknowledgement waits behind no more than that."""
READ_WAIT_S: Final = 0.5
WAIT_S_MAX: Final = 0.5
WAIT_S_MIN: Final = 0.001
END_WAIT_S: Final = 5.0


class Driver:
    """Runs ``link`` over ``port`` from ``start`` until ``stop`` or until the port is gone, then calls ``ended`` once.

    ``gone`` are the errors by which the port says so.
    """

    def __init__(
        self,
        link: Link,
        port: BytePort,
        *,
        condition: Condition,
        monotonic_s: Callable[[], float],
        gone: tuple[type[Exception], ...],
        ended: Callable[[Driver], None],
    ) -> None:
        self.link = link
        self.error: Exception | None = None
        self._port = port
        self._condition = condition
        self._monotonic_s = monotonic_s
        self._gone = gone
        self._ended = ended
        self._stopping = False
        self._over = False
        self._threads = (
            Thread(target=self._guarded, args=(self._read,), name="record line reads", daemon=True),
            Thread(target=self._guarded, args=(self._write,), name="record line writes", daemon=True),
        )

    def start(self) -> None:
        """Begin; returns at once."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Say good-bye, close the port and wait for the threads; not to be called with the condition held."""
        with self._condition:
            self._stopping = True
            self.link.close()
            self._condition.notify_all()
        self._threads[1].join(END_WAIT_S)
        self._port.close()
        for thread in self._threads:
            thread.join(END_WAIT_S)

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except self._gone as error:
            with self._condition:
                self.error = self.error or error
        finally:
            self._end()

    def _end(self) -> None:
        with self._condition:
            first, self._over, self._stopping = not self._over, True, True
            if first:
                self._ended(self)
            self._condition.notify_all()
        self._port.close()

    def _read(self) -> None:
        while not self._stopping:
            data = self._port.read(READ_BYTES_MAX, READ_WAIT_S)
            if data:
                with self._condition:
                    self.link.receive(data, self._monotonic_s())
                    self._condition.notify_all()

    def _write(self) -> None:
        while True:
            with self._condition:
                last = self._stopping
                now_s = self._monotonic_s()
                data = self.link.poll(now_s, WRITE_BYTES_MAX)
                if not data and not last:
                    wait_s = min(self.link.due_at_s() - now_s, WAIT_S_MAX)
                    self._condition.wait(max(wait_s, WAIT_S_MIN))
            if data:
                self._port.write(data)
            if last:
                return


# --- key_text: Keys of terminals as text that can be typed: base32 in groups of four, the last group checks the others.


KEY_BYTES = 32
_GROUP = 4
_TEXT_LENGTH = 52
_CHECK_LENGTH = 4
_MEANT = str.maketrans("018", "OIB")
"""Digits that base32 does not have, and the letters for which they are taken."""


def key_text(key: bytes) -> str:
    """Return a key of 32 bytes as 14 groups of four characters (RFC 4648, section 6) with ``-`` between them."""
    text = base64.b32encode(key).decode("ascii").rstrip("=") + _check(key)
    return "-".join(text[start : start + _GROUP] for start in range(0, len(text), _GROUP))


def key_of_text(text: str) -> bytes:
    """Return the key that was typed; small letters, blanks and missing or further ``-`` do not matter.

    Raises ValueError, which does not repeat the text, when it is not a key or mistyped.
    """
    typed = "".join(text.split()).replace("-", "").upper().translate(_MEANT)
    if len(typed) != _TEXT_LENGTH + _CHECK_LENGTH:
        raise ValueError(f"a key has {_TEXT_LENGTH + _CHECK_LENGTH} characters, this has {len(typed)}")
    try:
        key = base64.b32decode(typed[:_TEXT_LENGTH] + "====")
    except ValueError:
        raise ValueError("a key is of the letters A to Z and the digits 2 to 7 only") from None
    if typed != base64.b32encode(key).decode("ascii").rstrip("=") + _check(key):
        raise ValueError("the key is mistyped: its last four characters do not fit the others")
    return key


def _check(key: bytes) -> str:
    return base64.b32encode(hashlib.sha256(b"yizhan key check" + key).digest()).decode("ascii")[:_CHECK_LENGTH]


# --- settings: What a terminal knows about itself: its folder, its name, its port, and its key in a file of its own.


FOLDER_VARIABLE: Final = "YIZHAN_TERMINAL"
SETTINGS_NAME: Final = "terminal.json"
KEY_NAME: Final = "terminal.key"
OPEN_TO_OTHERS: Final = 0o077
BINARY: Final = getattr(os, "O_BINARY", 0)
"""Windows would make two bytes of each line feed."""


class TerminalError(Exception):
    """The terminal cannot do what it was asked; the arguments are the words for it in Chinese and in English."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(f"{zh} / {en}")


def terminal_folder(given: str | None) -> Path:
    """Return the terminal's folder: the one given, that of the environment, or the usual one."""
    named = given or os.environ.get(FOLDER_VARIABLE)
    return Path(named) if named else Path.home() / ".yizhan-terminal"


def read_settings(folder: Path) -> dict[str, Any]:
    """Return what was set so far; raises TerminalError when the file is broken."""
    path = folder / SETTINGS_NAME
    if not path.exists():
        return {}
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        settings = None
    if not isinstance(settings, dict):
        raise TerminalError(f"设置文件损坏：{path}", f"the file of settings is broken: {path}")
    return settings


def change_settings(folder: Path, **changes: Any) -> None:
    """Set something, and leave everything else."""
    settings = {**read_settings(folder), **changes}
    text = json.dumps(settings, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    write_private(folder / SETTINGS_NAME, text.encode("utf-8"))


def set_key(folder: Path, name: str, text: str) -> None:
    """Keep name and key; raises TerminalError when one of them is none."""
    if not TERMINAL_NAME.fullmatch(name):
        raise TerminalError(
            "终端名须为 1 至 32 个小写字母、数字、- _ .，且以字母或数字开头",
            "a terminal's name is 1 to 32 of a-z 0-9 - _ . and begins with a letter or digit",
        )
    try:
        key = key_of_text(text)
    except ValueError as cause:
        raise TerminalError("密钥不对：请逐组核对", str(cause)) from None
    write_private(folder / KEY_NAME, (key_text(key) + "\n").encode("ascii"))
    change_settings(folder, name=name)


def read_key(folder: Path) -> tuple[str, bytes]:
    """Return the terminal's name and its key; raises TerminalError when there is none or others can read it."""
    path = folder / KEY_NAME
    name = read_settings(folder).get("name")
    if not path.exists() or not isinstance(name, str):
        raise TerminalError("还没有密钥，请先运行 key set 终端名", "there is no key yet: run key set NAME first")
    if os.name == "posix" and path.stat().st_mode & OPEN_TO_OTHERS:
        raise TerminalError(
            f"其他账户可读密钥文件，请执行 chmod 600 {path}", f"others can read the key: chmod 600 {path}"
        )
    try:
        return name, key_of_text(path.read_text(encoding="ascii"))
    except ValueError as cause:
        raise TerminalError(f"密钥文件损坏：{path}", f"the key's file is broken: {cause}") from None


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only this account can read, whole or not at all; it is on the disk when this returns."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    with open(os.open(str(new), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | BINARY, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(str(new), str(path))
    if os.name == "posix":
        folder = os.open(str(path.parent), os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


# --- spool: What a terminal keeps on disk: what is to be sent until the node has it, and what the node sent down.


ANSWERED_KEPT: Final = 1_000
"""Answered entries that ``status`` still knows; their content is let go of."""
SPOOL_NAME_BYTES: Final = 8
BUSY_S: Final = 30.0
WAITING, CONFIRMED, REFUSED = "waiting", "confirmed", "refused"
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS outgoing (
    number INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, media_type TEXT NOT NULL, content BLOB,
    origin TEXT UNIQUE, state TEXT NOT NULL, offered INTEGER NOT NULL DEFAULT 0, refused INTEGER NOT NULL DEFAULT 0,
    text TEXT NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS outgoing_state ON outgoing (state, number);
CREATE TABLE IF NOT EXISTS incoming (
    number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, name TEXT NOT NULL, media_type TEXT NOT NULL,
    text TEXT NOT NULL, content BLOB NOT NULL, shown INTEGER NOT NULL DEFAULT 0);
"""


class Outgoing(NamedTuple):
    """An entry that waits for the node: ``number`` is its key on the line."""

    number: int
    name: str
    media_type: str
    content: bytes


class Answered(NamedTuple):
    """What the node said to an entry: ``refused`` of ``offered`` records were refused, or the whole entry."""

    number: int
    name: str
    state: str
    offered: int
    refused: int
    text: str


class Incoming(NamedTuple):
    """A document that the node sent down."""

    number: int
    name: str
    media_type: str
    text: str
    content: bytes


class Spool:
    """Opens or begins the spool in ``folder``, which other accounts cannot read."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / "spool.sqlite"
        self._database = sqlite3.connect(str(path), timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        os.chmod(str(path), 0o600)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.executescript(_TABLES)
        self._database.execute("INSERT OR IGNORE INTO about VALUES ('spool', ?)", (os.urandom(SPOOL_NAME_BYTES),))
        row = self._database.execute("SELECT value FROM about WHERE name = 'spool'").fetchone()
        self.spool = bytes(row[0])
        """Tells this spool from any other that a terminal of the same name may have had."""

    def put(self, name: str, media_type: str, content: bytes, origin: str | None = None) -> int:
        """Put an entry in and return its number; the same ``origin`` again changes nothing while the entry waits.

        Once it was answered, whoever gives it again wants it to be sent again: the node may read now what it refused.
        """
        if origin is not None:
            self._database.execute(
                "UPDATE outgoing SET origin = NULL WHERE origin = ? AND state <> ?", (origin, WAITING)
            )
        cursor = self._database.execute(
            "INSERT OR IGNORE INTO outgoing (name, media_type, content, origin, state) VALUES (?, ?, ?, ?, ?)",
            (name, media_type, content, origin, WAITING),
        )
        if cursor.rowcount:
            return int(cursor.lastrowid or 0)
        return int(self._database.execute("SELECT number FROM outgoing WHERE origin = ?", (origin,)).fetchone()[0])

    def waiting_after(self, number: int) -> Outgoing | None:
        """Return the first entry behind ``number`` that the node has not answered."""
        row = self._database.execute(
            "SELECT number, name, media_type, content FROM outgoing WHERE state = ? AND number > ?"
            " ORDER BY number LIMIT 1",
            (WAITING, number),
        ).fetchone()
        return Outgoing(*row) if row else None

    def waiting_count(self) -> int:
        """Return how many entries the node has not answered."""
        return int(self._database.execute("SELECT count(*) FROM outgoing WHERE state = ?", (WAITING,)).fetchone()[0])

    def confirm(self, number: int, offered: int, refused: int, text: str) -> None:
        """Take in that the node has an entry in its journal, with what it refused of it; its content is let go of.

        An answer that a power cut takes away comes again, so the disk is not waited for.
        """
        self._database.execute("PRAGMA synchronous = NORMAL")
        try:
            self._database.execute(
                "UPDATE outgoing SET state = ?, offered = ?, refused = ?, text = ?, content = NULL WHERE number = ?",
                (CONFIRMED, offered, refused, text, number),
            )
            self._database.execute(
                "DELETE FROM outgoing WHERE state = ? AND number <= ?", (CONFIRMED, number - ANSWERED_KEPT)
            )
        finally:
            self._database.execute("PRAGMA synchronous = FULL")

    def refuse(self, number: int, text: str) -> None:
        """Take in that the node will never take an entry; it is kept until somebody discards it."""
        self._database.execute(
            "UPDATE outgoing SET state = ?, text = ? WHERE number = ? AND state = ?", (REFUSED, text, number, WAITING)
        )

    def discard(self, number: int) -> bool:
        """Throw a refused entry away; False when there is none with this number."""
        cursor = self._database.execute("DELETE FROM outgoing WHERE number = ? AND state = ?", (number, REFUSED))
        return bool(cursor.rowcount)

    def answered(self, limit: int) -> Iterator[Answered]:
        """Yield what the node answered, the newest first; refused entries before the others."""
        for row in self._database.execute(
            "SELECT number, name, state, offered, refused, text FROM outgoing WHERE state <> ?"
            " ORDER BY state = ? DESC, number DESC LIMIT ?",
            (WAITING, REFUSED, limit),
        ):
            yield Answered(*row)

    def receive(self, key: str, name: str, media_type: str, text: str, content: bytes) -> bool:
        """Put a document of the node on the disk; False when it is there already."""
        cursor = self._database.execute(
            "INSERT OR IGNORE INTO incoming (key, name, media_type, text, content) VALUES (?, ?, ?, ?, ?)",
            (key, name, media_type, text, content),
        )
        return bool(cursor.rowcount)

    def unshown(self) -> Incoming | None:
        """Return the oldest document that nobody was shown yet."""
        row = self._database.execute(
            "SELECT number, name, media_type, text, content FROM incoming WHERE NOT shown ORDER BY number LIMIT 1"
        ).fetchone()
        return Incoming(*row) if row else None

    def shown(self, number: int) -> None:
        """Take in that a document was shown and stands in its file; only that it came is remembered."""
        self._database.execute("UPDATE incoming SET shown = 1, content = x'' WHERE number = ?", (number,))

    def close(self) -> None:
        """Close the database."""
        self._database.close()


# --- ports: The terminal's serial port: pyserial, on Windows and Linux.


class SerialPort:
    """An open port as the record line wants it; every error by which a port says that it is gone becomes an OSError."""

    def __init__(self, name: str, bits_per_s: int) -> None:
        serial = _pyserial()
        self._errors = (serial.SerialException, OSError, TypeError, AttributeError, *_posix_errors())
        try:
            self._serial = serial.Serial(name, bits_per_s, timeout=0.5, exclusive=None if _is_windows() else True)
        except self._errors as cause:
            raise OSError(str(cause)) from cause

    def read(self, max_bytes: int, wait_s: float) -> bytes:
        """Return what has come, at most ``max_bytes``; waits for the first byte."""
        try:
            if self._serial.timeout != wait_s:
                self._serial.timeout = wait_s
            first = self._serial.read(1)
            waiting = min(self._serial.in_waiting, max_bytes - 1) if first else 0
            return bytes(first + self._serial.read(waiting)) if waiting else bytes(first)
        except self._errors as cause:
            raise OSError(f"the port is gone: {cause}") from cause

    def write(self, data: bytes) -> None:
        """Hand over all of ``data``."""
        try:
            self._serial.write(data)
        except self._errors as cause:
            raise OSError(f"the port is gone: {cause}") from cause

    def close(self) -> None:
        """Let go of the port."""
        try:
            self._serial.cancel_read()
            self._serial.cancel_write()
            self._serial.close()
        except self._errors:
            return


def list_ports() -> Iterator[tuple[str, str]]:
    """Yield names of the serial ports of this machine and what they say about themselves."""
    _pyserial()
    from serial.tools.list_ports import comports

    for port in sorted(comports()):
        yield str(port.device), str(port.description or "")


def _pyserial() -> Any:
    try:
        import serial
    except ImportError:
        raise TerminalError("需要 pyserial：pip install pyserial", "pyserial is needed: pip install pyserial") from None
    return serial


def _is_windows() -> bool:
    import os

    return os.name == "nt"


def _posix_errors() -> tuple[type[Exception], ...]:
    try:
        import termios
    except ImportError:
        return ()
    return (termios.error,)


# --- outbox: The folder from which files are taken into the spool: whoever puts a file there has sent it.


MEDIA_TYPES: Final = {
    ".xml": "application/xml",
    ".json": "application/json",
    ".csv": "text/csv",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
OUTBOX_NAME: Final = "outbox"
SENT_NAME: Final = "sent"
OTHER_TYPE: Final = "application/octet-stream"
UNFINISHED: Final = (".part", ".tmp", ".new", ".crdownload")
"""Endings of files that somebody is still writing."""
SETTLED_S: Final = 2.0
"""A file that has not changed for so long is finished; FAT tells times of change in steps of two seconds."""


def media_type_of(name: str) -> str:
    """Return the media type that a file's ending says."""
    return MEDIA_TYPES.get(os.path.splitext(name)[1].lower(), OTHER_TYPE)


class _Seen:
    """A file as it was seen: since when it is of this size and time, and its number once it is in the spool."""

    def __init__(self, size: int, changed_ns: int, since_s: float) -> None:
        self.size = size
        self.changed_ns = changed_ns
        self.since_s = since_s
        self.number = 0
        self.is_told = False


class Outbox:
    """Takes files of ``folder`` that have not changed for ``SETTLED_S``, and moves them to ``sent`` below it."""

    def __init__(self, folder: Path, monotonic_s: Callable[[], float]) -> None:
        self.is_settling = False
        """Whether there are files that may still be growing, or cannot be read yet."""
        self._folder = folder
        self._sent = folder / SENT_NAME
        self._monotonic_s = monotonic_s
        self._seen: dict[str, _Seen] = {}
        self._sent.mkdir(mode=0o700, parents=True, exist_ok=True)

    def look(self, spool: Spool) -> Iterator[tuple[str, str]]:
        """Take what is finished; yield ``taken``, ``too-long`` or ``unread`` with what belongs to it.

        A file that is too long stays; one that cannot be read or moved is tried again at the next look. Both are told
        once.
        """
        self.is_settling = False
        files = dict(self._files())
        self._seen = {name: one for name, one in self._seen.items() if name in files}
        for name, about in files.items():
            one = self._seen.get(name)
            if one is None or (one.size, one.changed_ns) != (about.st_size, about.st_mtime_ns):
                one = self._seen[name] = _Seen(about.st_size, about.st_mtime_ns, self._monotonic_s())
            if self._monotonic_s() - one.since_s < SETTLED_S:
                self.is_settling = True
                continue
            what, said = self._settled(name, one, spool)
            if what == "taken":
                del self._seen[name]
                yield what, said
            elif not one.is_told:
                one.is_told = True
                yield what, said

    def _files(self) -> Iterator[tuple[str, os.stat_result]]:
        for path in sorted(self._folder.iterdir()):
            if path.name.startswith(".") or path.suffix.lower() in UNFINISHED:
                continue
            try:
                about = path.stat()
            except FileNotFoundError:
                # Whoever put it there has taken it away again.
                continue
            if stat.S_ISREG(about.st_mode):
                yield path.name, about

    def _settled(self, name: str, one: _Seen, spool: Spool) -> tuple[str, str]:
        """Take a file that does not grow any more; return what became of it."""
        if one.size > ENTRY_BYTES_MAX:
            return "too-long", name
        try:
            # What is in the spool and could not be moved is only moved: it may have been answered meanwhile.
            one.number = one.number or self._put(name, one, spool)
            os.replace(str(self._folder / name), str(self._sent / f"{one.number}-{name}"))
        except OSError as error:
            self.is_settling = self.is_settling or not one.number
            return "unread", f"{name}: {error}"
        return "taken", f"{one.number}: {name}"

    def _put(self, name: str, one: _Seen, spool: Spool) -> int:
        with (self._folder / name).open("rb") as file:
            content = file.read(one.size + 1)
        if len(content) != one.size:
            raise OSError("it is being written")
        # Killed before the move, the same file is found again and is known by this.
        origin = f"{name} {one.changed_ns} {hashlib.sha256(content).hexdigest()}"
        return spool.put(name, media_type_of(name), content, origin)


# --- form: A form on the screen for a department without any system: 申办 (an application) or 办结 (its end), one row.


class Field(NamedTuple):
    """One question: the heading, an English word for it, choices by their labels, whether it is remembered."""

    heading: str
    english: str
    choices: tuple[str, ...] = ()
    remembered: bool = False
    pattern: str = r".{1,500}"


NUMBER: Final = Field("来源系统办件编号", "your own number of the case", pattern=r".{1,100}")
TIME: Final = Field(
    "业务发生时间",
    "when it happened, such as 2026-11-03 09:12",
    pattern=r"\d{4}-\d{1,2}-\d{1,2} \d{1,2}:\d{2}(:\d{2})?",
)
SHARED: Final = (
    Field("行政区划代码", "division code", remembered=True, pattern=r"\d{6}(\d{3}){0,2}"),
    Field("办理机构代码", "credit code of the department", remembered=True, pattern=r"[0-9A-Z]{18}"),
    Field("办理机构名称", "name of the department", remembered=True),
    Field("实施编码", "code of the item", remembered=True, pattern=r"[0-9A-Za-z]{1,50}"),
    NUMBER,
    TIME,
)
IDENTITY: Final = ("居民身份证", "统一社会信用代码", "普通护照", "其他")
FORMS: Final[dict[str, tuple[Field, ...]]] = {
    "申办": (
        *SHARED,
        Field("事项名称", "name of the item", remembered=True),
        Field("申请提交方式", "how it was handed in", ("窗口", "网上", "信函")),
        Field("申请人类型", "kind of applicant", ("个人", "企业", "其他")),
        Field("申请人名称", "applicant"),
        Field("申请人证件类型", "kind of document", IDENTITY),
        Field("申请人证件号码", "number of the document", pattern=r"\S{1,50}"),
    ),
    "办结": (
        *SHARED,
        Field("办结结果代码", "result", ("准予", "不予许可", "退回", "作废")),
        Field("办结结果描述", "words for the result"),
        Field("办理人姓名", "who decided"),
    ),
}
NAMES: Final = {
    "1": "申办",
    "申请": "申办",
    "申办": "申办",
    "application": "申办",
    "2": "办结",
    "办结": "办结",
    "conclusion": "办结",
}
Ask = Callable[[str], str]


def fill_in(form: str, ask: Ask, say: Callable[[str, str], None], known: dict[str, str], now: str) -> dict[str, str]:
    """Ask for every field of ``form`` and return the values by heading; an empty answer takes what stands in brackets.

    ``known`` are remembered values; ``now`` is offered as the time.
    """
    values: dict[str, str] = {}
    for field in FORMS[form]:
        offered = now if field is TIME else known.get(field.heading, "")
        values[field.heading] = _asked(field, offered, ask, say)
    return values


def table_of(form: str, values: dict[str, str]) -> bytes:
    """Return the row with its headings as the dialect ``csv`` reads them, in UTF-8."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["记录类型", *values])
    writer.writerow([form, *values.values()])
    return text.getvalue().encode("utf-8")


def remembered(form: str, values: dict[str, str]) -> dict[str, str]:
    """Return what should be offered the next time."""
    return {field.heading: values[field.heading] for field in FORMS[form] if field.remembered}


def _asked(field: Field, offered: str, ask: Ask, say: Callable[[str, str], None]) -> str:
    question = f"{field.heading} / {field.english}"
    if field.choices:
        question += " (" + " ".join(f"{place} {label}" for place, label in enumerate(field.choices, start=1)) + ")"
    if offered:
        question += f" [{offered}]"
    while True:
        value = ask(question + ": ").strip() or offered
        if field.choices and value.isdecimal() and 1 <= int(value) <= len(field.choices):
            value = field.choices[int(value) - 1]
        if value in field.choices if field.choices else re.fullmatch(field.pattern, value):
            return value
        say("不对，请再填", "this does not fit, please again")


# --- correspondence: What a terminal says on the line and hears there: entries of the spool up, documents down to the spool.


LOOK_EVERY_S: Final = 0.25
"""How often the spool is looked at for what another program has put in."""


class Correspondence:
    """Speaks for a spool; ``tell`` gets what people should see: a constant word and what belongs to it."""

    def __init__(self, spool: Spool, *, monotonic_s: Callable[[], float], tell: Callable[[str, str], None]) -> None:
        self.is_open = False
        self._spool = spool
        self._monotonic_s = monotonic_s
        self._tell = tell
        self._told = ""
        self._sent = 0
        self._unanswered: set[int] = set()
        self._resume = ("", 0)
        self._entry: Iterator[Message] = iter(())
        self._said: list[Message] = []
        self._assembly: Assembly | None = None
        self._look_at_s = 0.0

    def opened(self, resume_key: str, resume_bytes: int) -> None:
        """Begin with the first entry that the node has not answered."""
        self.is_open = True
        self._sent = 0
        self._unanswered.clear()
        self._entry = iter(())
        self._said.clear()
        self._assembly = None
        self._look_at_s = 0.0
        self._resume = (resume_key, resume_bytes)
        self._once("open", "")

    def closed(self, reason: str) -> None:
        """Take in that the line is down."""
        self.is_open = False
        if reason != "own-wish":
            self._once("closed", reason)

    def trouble(self, reason: str, who: str) -> None:  # noqa: ARG002 - who calls is ourselves
        """Take in why the node does not let us in."""
        if not self.is_open:
            self._once("trouble", reason)

    def is_ready(self) -> bool:
        """A terminal takes whatever the node says."""
        return True

    def next_message(self) -> Message | None:
        """Return what is to be said next: what we hold, then the next piece of the next entry."""
        if self._said:
            return self._said.pop(0)
        message = next(self._entry, None)
        if message is None and self._next_entry():
            message = next(self._entry, None)
        return message

    def heard(self, message: Message) -> None:
        """Take in an answer, or a document that the node sends down."""
        if isinstance(message, Entry):
            if self._assembly is not None:
                raise LineProtocolError("a document begins inside another one")
            self._assembly = Assembly(message)
            self._received_if_whole()
        elif isinstance(message, Part):
            if self._assembly is None:
                raise LineProtocolError("a part of nothing")
            self._assembly.add(message.data)
            self._received_if_whole()
        else:
            self._answered(message)

    def _next_entry(self) -> bool:
        if len(self._unanswered) >= UNANSWERED_MAX or self._monotonic_s() < self._look_at_s:
            return False
        entry = self._spool.waiting_after(self._sent)
        if entry is None:
            self._look_at_s = self._monotonic_s() + LOOK_EVERY_S
            return False
        key, held = self._resume
        offset = held if key == str(entry.number) and held <= len(entry.content) else 0
        self._entry = entry_messages(
            str(entry.number), entry.content, media_type=entry.media_type, name=entry.name, offset=offset
        )
        self._sent = entry.number
        self._unanswered.add(entry.number)
        return True

    def _answered(self, answer: Confirm | Refuse) -> None:
        if not answer.key.isdecimal() or int(answer.key) not in self._unanswered:
            return
        number = int(answer.key)
        self._unanswered.discard(number)
        if isinstance(answer, Confirm):
            self._spool.confirm(number, answer.offered, answer.refused, answer.text)
            self._tell("confirmed", f"{number}: {answer.offered - answer.refused}/{answer.offered} {answer.text}")
        else:
            self._spool.refuse(number, answer.text)
            self._tell("refused", f"{number}: {answer.text}")

    def _received_if_whole(self) -> None:
        assembly = self._assembly
        if assembly is None or not assembly.is_whole:
            return
        self._assembly = None
        entry = assembly.entry
        self._spool.receive(entry.key, entry.name, entry.media_type, entry.text, assembly.content)
        self._said.append(Confirm(entry.key))

    def _once(self, word: str, what: str) -> None:
        if self._told != word + what:
            self._told = word + what
            self._tell(word, what)


# --- running: ``run``: keeps a line to the node for as long as there is one, and opens the port again when it was gone.


OPEN_AGAIN_S: Final = (1.0, 2.0, 5.0, 10.0)
DISK_AGAIN_S: Final = 5.0
ROUND_S: Final = 0.2
ENDINGS: Final = {"application/xml": ".xml", "text/plain": ".txt", "application/json": ".json", "text/csv": ".csv"}
Tell = Callable[[str, str], None]


class Running:
    """Serves the spool in ``folder`` over ports by ``open_port``; ``tell`` gets a word and what goes with it."""

    def __init__(
        self, folder: Path, spool: Spool, *, name: str, key: bytes, open_port: Callable[[], BytePort], tell: Tell
    ) -> None:
        self._spool = spool
        self._name = name
        self._key = key
        self._open_port = open_port
        self._tell = tell
        self._condition = Condition()
        self._outbox = Outbox(folder / OUTBOX_NAME, time.monotonic)
        self._inbox = folder / "inbox"
        self._inbox.mkdir(mode=0o700, exist_ok=True)
        self._correspondence = Correspondence(spool, monotonic_s=time.monotonic, tell=tell)
        self._driver: Driver | None = None
        self._open_at_s = 0.0
        self._disk_at_s = 0.0
        self._disk_said = ""
        self._failures = 0
        self._stopped = Event()

    def run(self, *, once: bool) -> None:
        """Serve until stopped; with ``once`` until the outbox is empty and everything in the spool is answered."""
        try:
            while not self._stopped.wait(ROUND_S):
                if self.look() and once:
                    return
        finally:
            driver = self._driver
            if driver is not None:
                driver.stop()
            self._with_disk(self._show)

    def stop(self) -> None:
        """Have ``run`` come back."""
        self._stopped.set()

    def look(self) -> bool:
        """Do what is to be done besides the line itself; tell whether nothing is left to be sent or answered."""
        if self._driver is None and time.monotonic() >= self._open_at_s:
            self._open()
        if time.monotonic() < self._disk_at_s:
            return False
        with self._condition:
            return self._with_disk(self._look_at_disk)

    def _look_at_disk(self) -> bool:
        for what, name in self._outbox.look(self._spool):
            self._tell(what, name)
        self._show()
        return not self._spool.waiting_count() and not self._outbox.is_settling

    def _with_disk(self, work: Callable[[], object]) -> bool:
        """Do what needs the disk; a full one is told once, and tried again after a while."""
        try:
            done = bool(work())
        except (OSError, sqlite3.Error) as error:
            self._disk_at_s = time.monotonic() + DISK_AGAIN_S
            if self._disk_said != str(error):
                self._disk_said = str(error)
                self._tell("disk", str(error))
            return False
        self._disk_said = ""
        return done

    def _open(self) -> None:
        try:
            port = self._open_port()
        except OSError as error:
            self._later("no-port", str(error))
            return
        self._failures = 0
        self._tell("port", "")
        link = TerminalLink(
            self._correspondence, name=self._name, key=self._key, spool=self._spool.spool, token=os.urandom
        )
        self._driver = Driver(
            link,
            port,
            condition=self._condition,
            monotonic_s=time.monotonic,
            gone=(OSError, sqlite3.Error),
            ended=self._ended,
        )
        self._driver.start()

    def _ended(self, driver: Driver) -> None:
        driver.link.hang_up(time.monotonic())
        self._driver = None
        if not self._stopped.is_set():
            word = "disk" if isinstance(driver.error, sqlite3.Error) else "no-port"
            self._later(word, str(driver.error or "the program made a mistake"))

    def _later(self, word: str, why: str) -> None:
        if not self._failures:
            self._tell(word, why)
        self._open_at_s = time.monotonic() + OPEN_AGAIN_S[min(self._failures, len(OPEN_AGAIN_S) - 1)]
        self._failures += 1

    def _show(self) -> None:
        """Write documents of the node into the inbox and show their texts; repeated when it was cut short."""
        document = self._spool.unshown()
        while document is not None:
            path = self._inbox / file_name(document)
            # On the disk before the spool lets go of it.
            write_private(path, document.content)
            self._tell("document", f"{path.name}\n{document.text}" if document.text else path.name)
            self._spool.shown(document.number)
            document = self._spool.unshown()


def file_name(document: Incoming) -> str:
    """Return the name of a document's file in the inbox: its number, and what it is as far as that makes a name."""
    plain = "".join(one for one in document.name if one.isalnum() or one in "-_")[:60]
    return f"{document.number:06d}-{plain or 'document'}{ENDINGS.get(document.media_type, '.bin')}"


# --- command: The terminal's command line: key set, send, type, run, status, discard, ports, dictionary, copy.


FAILED: Final = 1
STATUS_LINES: Final = 20
SPEED: Final = 115_200
WORDS: Final = {
    "port": ("串口已打开，正在呼叫节点", "the port is open, calling the node"),
    "no-port": ("串口不可用，稍后自动再试", "the port cannot be used, trying again by itself"),
    "open": ("已与节点相互验证，线路畅通", "the node and we have proved our keys; the line is up"),
    "closed": ("线路中断，恢复后自动续传", "the line is down; it goes on by itself"),
    "trouble": ("节点未准许连接", "the node does not let us in"),
    "confirmed": ("已入节点日志", "in the node's journal"),
    "refused": ("节点拒收", "refused by the node"),
    "taken": ("已收入待发", "taken to be sent"),
    "too-long": ("文件过大，不能经线路发送", "too long for a line"),
    "unread": ("文件暂不能读取或移走，稍后自动再试", "a file cannot be read or moved yet, trying again by itself"),
    "disk": (
        "磁盘读写出错，请检查剩余空间；稍后自动再试",
        "the disk fails: see that it has room; trying again by itself",
    ),
    "document": ("收到下行文书", "a document came"),
}
REASONS: Final = {
    "unknown-terminal": ("节点没有登记这个终端名", "the node does not know this terminal's name"),
    "other-key": ("节点与本机的密钥不一致", "the node has another key than we"),
    "nothing-in-common": ("节点的协议版本不同", "the node speaks another version"),
    "silent": ("久无回音", "nothing was heard for long"),
    "bye": ("节点主动结束", "the node said good-bye"),
    "unplugged": ("串口断开", "the port was unplugged"),
    "protocol": ("对方未按协议应答", "the other end did not keep to the protocol"),
    "node-restarted": ("节点已重启", "the node has restarted"),
    "worn-out": ("例行更换会话密钥", "keys are changed, as after every 2 GiB"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 1 for what went wrong, 2 for a mistake in the call."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
    given = _parser().parse_args(arguments)
    try:
        return int(given.work(given, terminal_folder(given.folder)))
    except TerminalError as error:
        say_error(str(error))
    except (OSError, ValueError, sqlite3.Error) as error:
        say_error(f"出错 / something went wrong: {error}")
    except (KeyboardInterrupt, EOFError):
        say_error("已中断 / interrupted")
    return FAILED


def say(zh: str, en: str) -> None:
    """Write a line for people, Chinese first."""
    sys.stdout.write(f"{zh} / {en}\n")
    sys.stdout.flush()


def say_error(text: str) -> None:
    """Write a line about what went wrong."""
    sys.stderr.write(text + "\n")


def tell(word: str, what: str) -> None:
    """Write what happens on the line."""
    zh, en = WORDS[word]
    if what in REASONS:
        what = " / ".join(REASONS[what])
    say(zh, f"{en}: {what}" if what else en)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="yizhan-terminal",
        description="驿站终端：经串口向节点报送申办、办结等记录 / Yizhan terminal: hands records to a node over a line",
    )
    parser.add_argument("--folder", help="终端文件夹 / the terminal's folder [YIZHAN_TERMINAL, ~/.yizhan-terminal]")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.required = True

    def command(name: str, work: Any, text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        made.set_defaults(work=work)
        return made

    key = command("key", _key, "保存终端名与密钥，或生成新密钥 / keep name and key, or make a new key")
    key.add_argument(
        "action", choices=["set", "new"], help="set 从标准输入读取密钥 / set reads the key from standard input"
    )
    key.add_argument("name", nargs="?", default="", help="终端名，与节点上登记的一致 / the name, as the node has it")
    command("send", _send, "把文件放入待发 / put files into the spool").add_argument("files", nargs="+", metavar="FILE")
    typed = command("type", _type, "填表报送申办或办结 / fill in a form and send it")
    typed.add_argument("form", nargs="?", choices=sorted(NAMES), help="申办 / 办结")
    run = command("run", _run, "连接节点，收发文件 / serve the line: send what waits, receive what comes")
    run.add_argument("--port", help="串口，如 COM3 或 /dev/ttyUSB0 / the port; remembered")
    run.add_argument("--speed", type=int, help="波特率，默认 115200 / bits a second; remembered")
    run.add_argument("--once", action="store_true", help="全部应答后退出 / leave when everything is answered")
    status = command("status", _status, "待发与应答情况 / what waits and what was answered")
    status.add_argument("--json", action="store_true", help="一份 JSON / one JSON document")
    discard = command("discard", _discard, "丢弃被拒收的条目 / throw refused entries away")
    discard.add_argument("numbers", nargs="+", type=int, metavar="NUMBER")
    command("ports", _ports, "列出串口 / list the serial ports")
    dictionary = command("dictionary", _dictionary, "写出压缩字典 / write the dictionary of the compression to a file")
    dictionary.add_argument("file")
    command("copy", _copy, "把本程序复制到文件夹 / copy this program to a folder").add_argument(
        "target", metavar="FOLDER"
    )
    return parser


def _key(given: argparse.Namespace, folder: Path) -> int:
    if given.action == "new":
        sys.stdout.write(key_text(os.urandom(KEY_BYTES)) + "\n")
        return 0
    if sys.stdin.isatty():
        say("请输入密钥后按回车", "type the key, then Enter")
    set_key(folder, given.name, sys.stdin.readline())
    say(f"已保存，终端名 {given.name}；run 正在运行的，请重新启动", "kept; start run again where it is running")
    return 0


def _send(given: argparse.Namespace, folder: Path) -> int:
    spool = Spool(folder)
    failed = 0
    for name in given.files:
        path = Path(name)
        if path.stat().st_size > ENTRY_BYTES_MAX:
            say_error(f"{name}：{' / '.join(WORDS['too-long'])}")
            failed = FAILED
            continue
        number = spool.put(path.name, media_type_of(path.name), path.read_bytes())
        say(f"{number}：{path.name} 已收入待发", "taken to be sent")
    spool.close()
    return failed


def _type(given: argparse.Namespace, folder: Path) -> int:
    form = NAMES.get(given.form or "")
    while form is None:
        form = NAMES.get(input("1 申办 / application   2 办结 / conclusion: ").strip())
    known = read_settings(folder).get("form", {})
    now = time.strftime("%Y-%m-%d %H:%M")
    values = fill_in(form, input, say, known if isinstance(known, dict) else {}, now)
    for heading, value in values.items():
        sys.stdout.write(f"  {heading}  {value}\n")
    if input("报送？ / send it? (y/n): ").strip().lower() not in {"y", "yes", "是"}:
        say("未报送", "not sent")
        return FAILED
    change_settings(folder, form={**known, **remembered(form, values)})
    spool = Spool(folder)
    table = table_of(form, values)
    number = spool.put(f"{form}.csv", "text/csv", table)
    spool.close()
    # Beside the files that were sent: there is no other copy, should the node lose what it has confirmed.
    write_private(folder / OUTBOX_NAME / SENT_NAME / f"{number}-{form}.csv", table)
    say(f"{number}：已收入待发", "taken to be sent")
    return 0


def _run(given: argparse.Namespace, folder: Path) -> int:
    name, key = read_key(folder)
    settings = read_settings(folder)
    port = given.port or settings.get("port")
    speed = given.speed or settings.get("speed") or SPEED
    if not port:
        raise TerminalError("请用 --port 指明串口，ports 可列出", "say --port; ports lists them")
    change_settings(folder, port=port, speed=speed)

    def open_port() -> BytePort:
        return SerialPort(port, speed)

    spool = Spool(folder)
    running = Running(folder, spool, name=name, key=key, open_port=open_port, tell=tell)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: running.stop())
    try:
        running.run(once=given.once)
    finally:
        spool.close()
    return 0


def _status(given: argparse.Namespace, folder: Path) -> int:
    spool = Spool(folder)
    waiting, answered = spool.waiting_count(), list(spool.answered(STATUS_LINES))
    spool.close()
    if given.json:
        document = {
            "schema": "yizhan.terminal/1",
            "waiting": waiting,
            "answered": [one._asdict() for one in answered],
        }
        sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
        return 0
    say(f"待发 {waiting} 条", f"{waiting} waiting")
    for one in answered:
        zh, en = WORDS["confirmed" if one.state == CONFIRMED else "refused"]
        counts = f" {one.offered - one.refused}/{one.offered}" if one.offered else ""
        sys.stdout.write(f"{one.number} {one.name} {zh} / {en}{counts} {one.text}".rstrip() + "\n")
    return 0


def _discard(given: argparse.Namespace, folder: Path) -> int:
    spool = Spool(folder)
    missing = [number for number in given.numbers if not spool.discard(number)]
    spool.close()
    for number in missing:
        say_error(f"{number}：不是被拒收的条目 / not a refused entry")
    return FAILED if missing else 0


def _ports(_given: argparse.Namespace, _folder: Path) -> int:
    found = list(list_ports())
    for name, about in found:
        sys.stdout.write(f"{name}\t{about}\n")
    if not found:
        say("没有找到串口", "no serial port was found")
    return 0


def _dictionary(given: argparse.Namespace, _folder: Path) -> int:
    Path(given.file).write_bytes(DICTIONARY)
    sys.stdout.write(f"{len(DICTIONARY)} {hashlib.sha256(DICTIONARY).hexdigest()}\n")
    return 0


def _copy(given: argparse.Namespace, _folder: Path) -> int:
    target = os.path.join(given.target, os.path.basename(__file__))
    shutil.copyfile(__file__, target)
    say(f"已复制到 {target}", "copied")
    return 0


if __name__ == "__main__":
    sys.exit(main())
