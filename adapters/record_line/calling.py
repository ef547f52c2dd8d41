"""The terminal's end of a line: calls the node until it answers, checks its proof, gives its own, and speaks."""

from __future__ import annotations

import hmac
from typing import Callable, Final, Protocol

from adapters.record_line.frames import FrameType, SessionFrame
from adapters.record_line.limits import CALL_AGAIN_S, VERSION, WHO_AGAIN_S
from adapters.record_line.link import ABILITIES, Link, LinkUser
from adapters.record_line.opening import (
    NONCE_BYTES,
    NOTHING_IN_COMMON,
    SUITE_SHA256,
    UNKNOWN_TERMINAL,
    Abilities,
    Challenge,
    Hello,
    SessionKeys,
    challenge_of,
    session_keys,
    turned_away_of,
)
from adapters.record_line.session import Session, SessionEnds

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
