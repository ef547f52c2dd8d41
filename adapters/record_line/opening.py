"""How a session is opened: a terminal's call, the node's challenge with its proof, the terminal's proof, and the keys.

Both ends have the terminal's key and never send it. Each proves to have it by a value that depends on both ends' fresh
random bytes and on everything that was agreed, so that nothing heard on a line before is of use on it again.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import struct
from typing import Final, NamedTuple

from adapters.record_line.limits import (
    FRAGMENT_BYTES_MIN,
    KEY_BYTES_MAX,
    RECEIVE_BUFFER_MIN,
    VERSION,
)

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
