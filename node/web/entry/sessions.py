"""Who is signed in at the pages for second entry: a clerk with the key of a source, for a working day at most.

A session lives in this process: a signed cookie names it, signing out ends it at once, and a restart ends all of them.
It holds what the next form is filled with beforehand, and the table that was uploaded last. Attempts with a
wrong key are counted per address; a right one always gets in, so that nobody locks out others who come through the same
proxy: a key is 256 random bits, and no number of attempts finds one.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
from base64 import b32encode
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from node.clock import Clock
    from node.departments.entry.uploads import Upload
    from node.randomness import Randomness

COOKIE: Final = "yizhan_entry"
SIGN_IN_COOKIE: Final = "yizhan_entry_sign_in"
LIFE_S: Final = 12 * 3600.0
IDLE_S: Final = 4 * 3600.0
"""Seconds that a session lasts at all, and without a request: a form may lie over a lunch break. Our own choice."""
SESSIONS_MAX: Final = 500
SESSIONS_OF_KEY_MAX: Final = 100
"""Sessions at all, and with one key, so that one department cannot sign all others out. Our own choice."""
UPLOADS_MAX: Final = 20
"""Uploads kept at the same time: those that have been there longest go. Our own choice."""
ATTEMPTS_MAX: Final = 10
ATTEMPTS_WINDOW_S: Final = 300.0
ADDRESSES_MAX: Final = 10_000
"""Wrong keys of one address within the window, and addresses that are watched. Our own choice."""
_TOKEN_BYTES: Final = 20
_SECRET_BYTES: Final = 32


@dataclass(slots=True, eq=False)
class Session:
    """One clerk who is signed in with the key whose SHA-256 is ``key_hash``, and stays so while that key counts.

    ``token`` proves that a form is ours; ``lock`` is held while an upload is worked on.

    ``defaults`` fill the next form: department, division, item, and who types.
    """

    id: str
    key_hash: bytes = field(repr=False)
    token: str
    began_s: float
    seen_s: float
    defaults: dict[str, str] = field(default_factory=dict)
    upload: Upload | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def owns(self, token: str) -> bool:
        """Tell whether a form of this session carries this token."""
        return hmac.compare_digest(self.token.encode(), token.encode("utf-8", "replace"))


class Sessions:
    """The sessions of one node; any thread may ask."""

    def __init__(self, *, clock: Clock, randomness: Randomness) -> None:
        self._clock = clock
        self._randomness = randomness
        self._secret = randomness.token(_SECRET_BYTES)
        self._lock = threading.Lock()
        self._open: OrderedDict[str, Session] = OrderedDict()
        self._failed: OrderedDict[str, list[float]] = OrderedDict()

    def new_token(self) -> str:
        """Return an unguessable word of capital letters and digits."""
        return b32encode(self._randomness.token(_TOKEN_BYTES)).decode()

    def begin(self, key_hash: bytes) -> tuple[Session, str]:
        """Sign a clerk in by the hash of a key; return the session and the cookie that names it."""
        now_s = self._clock.monotonic_s()
        session = Session(id=self.new_token(), key_hash=key_hash, token=self.new_token(), began_s=now_s, seen_s=now_s)
        with self._lock:
            self._drop_old(now_s)
            same = [one for one in self._open.values() if one.key_hash == key_hash]
            for oldest in same[: max(0, len(same) + 1 - SESSIONS_OF_KEY_MAX)]:
                _end(self._open.pop(oldest.id))
            while len(self._open) >= SESSIONS_MAX:
                _end(self._open.popitem(last=False)[1])
            self._open[session.id] = session
        return session, self.signed(session.id)

    def find(self, cookie: str) -> Session | None:
        """Return the session that a cookie names, None when it is not ours, has ended, or was idle for too long."""
        named = self.unsigned(cookie)
        now_s = self._clock.monotonic_s()
        with self._lock:
            self._drop_old(now_s)
            session = self._open.get(named or "")
            if session is not None:
                session.seen_s = now_s
                self._open.move_to_end(session.id)
            return session

    def end(self, session: Session) -> None:
        """Sign a clerk out."""
        with self._lock:
            if self._open.pop(session.id, None) is not None:
                _end(session)

    def hold(self, session: Session, upload: Upload | None) -> None:
        """Keep an upload for a session instead of the one before, and let the oldest of too many go."""
        with self._lock:
            if session.upload is not None:
                session.upload.close()
            session.upload = upload if session.id in self._open else None
            if upload is not None and session.upload is None:
                upload.close()
            others = [one for one in self._open.values() if one.upload and one is not session and not one.lock.locked()]
            for one in others[: max(0, len(others) + 1 - UPLOADS_MAX)]:
                _end(one)

    def signed(self, text: str) -> str:
        """Return a text with a mark that only this process can have made."""
        return f"{text}.{hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()}"

    def unsigned(self, text: str) -> str | None:
        """Return the text without its mark, None when the mark is not ours."""
        bare = text.rpartition(".")[0]
        ours = hmac.compare_digest(self.signed(bare).encode(), text.encode("utf-8", "replace"))
        return bare if ours else None

    def failed(self, address: str) -> bool:
        """Count an attempt with a wrong key; tell whether there were too many from this address already."""
        with self._lock:
            recent = self._recent(address)
            if len(recent) >= ATTEMPTS_MAX:
                return True
            recent.append(self._clock.monotonic_s())
            self._failed[address] = recent
            self._failed.move_to_end(address)
            if len(self._failed) > ADDRESSES_MAX:
                self._failed.popitem(last=False)
            return False

    def _recent(self, address: str) -> list[float]:
        begin_s = self._clock.monotonic_s() - ATTEMPTS_WINDOW_S
        return [at_s for at_s in self._failed.get(address, ()) if at_s > begin_s][-ATTEMPTS_MAX:]

    def _drop_old(self, now_s: float) -> None:
        for session in list(self._open.values()):
            if now_s - session.began_s > LIFE_S or now_s - session.seen_s > IDLE_S:
                _end(self._open.pop(session.id))


def _end(session: Session) -> None:
    """Let go of what a session holds."""
    if session.upload is not None:
        session.upload.close()
        session.upload = None
