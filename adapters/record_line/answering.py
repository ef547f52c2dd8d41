"""The node's end of a line: answers calls of terminals whose key it has, and replaces a session by proof only."""

from __future__ import annotations

import hmac
from typing import Callable, Mapping, NamedTuple, Protocol

from adapters.record_line.frames import FrameType, SessionFrame
from adapters.record_line.limits import CALLS_AT_ONCE, CALLS_PER_S, UNPROVEN_CALLS, VERSION, WHO_AGAIN_S
from adapters.record_line.link import ABILITIES, Link, LinkUser
from adapters.record_line.opening import (
    NONCE_BYTES,
    NOTHING_IN_COMMON,
    SUITE_SHA256,
    UNKNOWN_TERMINAL,
    Challenge,
    Hello,
    SessionKeys,
    hello_of,
    session_keys,
    turned_away,
)
from adapters.record_line.session import Session, SessionEnds


class NodeUser(LinkUser, Protocol):
    """Who speaks through the node's end."""

    def opened(self, terminal: str, spool: bytes) -> None:
        """Take in that a terminal has proved its key; a session from before has been closed."""

    def held(self, terminal: str, spool: bytes) -> tuple[str, int]:
        """Return the entry of this terminal that came in part, and how many of its bytes are here; ("", 0) for none."""


class _Call(NamedTuple):
    payload: bytes
    hello: Hello
    challenge: Challenge
    keys: SessionKeys
    at_s: float


class NodeLink(Link):
    """Listens on one line; ``terminals`` are the keys of those that may call, ``token`` returns random bytes."""

    def __init__(self, user: NodeUser, *, terminals: Mapping[str, bytes], token: Callable[[int], bytes]) -> None:
        super().__init__(user)
        self._node_user = user
        self._terminals = terminals
        self._token = token
        self._pending: _Call | None = None
        self._proved = b""
        self._unproven = 0
        self._repeated = 0
        self._calls_left = float(CALLS_AT_ONCE)
        self._counted_at_s = float("-inf")
        self._asked_at_s = float("-inf")

    def _session_frame(self, frame: SessionFrame, now_s: float) -> None:
        if self.session is not None:
            self.session.receive(frame, now_s)
        elif now_s >= self._asked_at_s + WHO_AGAIN_S:
            self._asked_at_s = now_s
            self._send(FrameType.WHO)

    def _opening_frame(self, frame_type: int, payload: bytes, now_s: float) -> None:
        if frame_type == FrameType.HELLO:
            self._called(payload, now_s)
        elif frame_type == FrameType.PROOF:
            self._proof(payload, now_s)

    def _called(self, payload: bytes, now_s: float) -> None:
        hello = hello_of(payload)
        if hello is None or not self._may_answer(now_s):
            return
        key = self._terminals.get(hello.name)
        if key is None:
            self._turn_away(hello, UNKNOWN_TERMINAL, "unknown-terminal")
        elif hello.version != VERSION or not hello.suites & SUITE_SHA256:
            self._turn_away(hello, NOTHING_IN_COMMON, "nothing-in-common")
        else:
            self._challenge(payload, hello, key, now_s)

    def _challenge(self, payload: bytes, hello: Hello, key: bytes, now_s: float) -> None:
        self._unproven += 1
        if self._unproven >= UNPROVEN_CALLS:
            self._user.trouble("unproven", hello.name)
        if self._pending is None or self._pending.payload != payload:
            resume_key, resume_bytes = self._node_user.held(hello.name, hello.spool)
            challenge = Challenge(self._token(NONCE_BYTES), ABILITIES, resume_key, resume_bytes)
            self._pending = _Call(payload, hello, challenge, session_keys(key, hello, challenge), now_s)
            self._repeated = 0
        else:
            # A terminal with another key takes our answer for a stranger's, and repeats its call.
            self._repeated += 1
            if self._repeated >= UNPROVEN_CALLS:
                self._user.trouble("unproven", hello.name)
        self._send(FrameType.CHALLENGE, self._pending.challenge.packed() + self._pending.keys.node_proof)

    def _proof(self, payload: bytes, now_s: float) -> None:
        pending = self._pending
        if pending is not None and hmac.compare_digest(payload, pending.keys.terminal_proof):
            self._pending = None
            self._proved = payload
            self._unproven = 0
            hello, keys = pending.hello, pending.keys
            ends = SessionEnds(keys.node_to_terminal, keys.terminal_to_node, ABILITIES, hello.abilities)
            self._begin(Session(ends, self._user, now_s, round_trip_s=now_s - pending.at_s), now_s)
            self._node_user.opened(hello.name, hello.spool)
        elif not self._proved or not hmac.compare_digest(payload, self._proved):
            self.forged += 1
            self._user.trouble("false-proof", "" if pending is None else pending.hello.name)
            return
        if self.session is not None:
            # The terminal did not hear that it was let in, or not yet.
            self.session.answer(now_s)

    def _turn_away(self, hello: Hello, reason: int, word: str) -> None:
        self._user.trouble(word, hello.name)
        self._send(FrameType.TURNED_AWAY, turned_away(reason, hello.nonce))

    def _may_answer(self, now_s: float) -> bool:
        passed_s = now_s - self._counted_at_s
        self._calls_left = min(CALLS_AT_ONCE, self._calls_left + passed_s * CALLS_PER_S)
        self._counted_at_s = now_s
        if self._calls_left < 1:
            return False
        self._calls_left -= 1
        return True
