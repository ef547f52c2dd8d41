"""How long a listener waits for a peer, and the socket that keeps to it.

A read that times out by itself is no bound: a peer that sends one byte every few seconds would hold a worker thread as
long as it likes. So each request, and each answer, has an allowance of time that only bytes at a minimal rate fill up
again: whoever falls behind further than the allowance is hung up on.
"""

from __future__ import annotations

import errno
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from node.exchange.limits import SLOWEST_BYTES_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """The waits of a listener, in seconds; all chosen by us.

    ``handshake_s``: a handshake takes three packets, so five seconds are generous even over a satellite line.
    ``idle_s``: a kept connection saves the handshake of the next package; a quiet one is given up after a minute.
    ``silence_s``: a peer that has begun a request, or takes an answer, and falls silent gives its thread back.
    ``allowance_s``: how far a request or an answer may fall behind ``bytes_per_s``, and so the longest that a few bytes
    can hold a thread.
    """

    handshake_s: float = 5.0
    idle_s: int = 60
    silence_s: float = 10.0
    allowance_s: float = 30.0
    bytes_per_s: int = SLOWEST_BYTES_PER_S


class PacedSocket:
    """A connected socket, TLS or plain, whose reads and writes raise ConnectionAbortedError once the peer is too slow.

    A peer that went away without the end that TLS asks for is a ConnectionResetError.

    Reading and writing have an allowance each, filled up by ``begin_request``. Only time spent waiting for the peer
    counts, never what the application does in between. ``monotonic_s`` is a clock's; ``gave_up`` tells whether the peer
    was too slow. Everything else is the socket's.
    """

    def __init__(self, connected: Any, patience: Patience, monotonic_s: Callable[[], float]) -> None:
        self._socket = connected
        self._patience = patience
        self._monotonic_s = monotonic_s
        self.gave_up = False
        self.begin_request()

    def __getattr__(self, name: str) -> Any:
        """Return what the socket itself has by that name."""
        return getattr(self._socket, name)

    def begin_request(self) -> None:
        """Give the next request and its answer their full allowances."""
        self._left_s = {"read": self._patience.allowance_s, "write": self._patience.allowance_s}

    def recv_into(self, buffer: Any) -> int:
        """Receive into ``buffer`` and return how many bytes came."""
        return self._kept("read", lambda: self._socket.recv_into(buffer))

    def send(self, data: bytes) -> int:
        """Send what the peer takes at once and return how many bytes that were."""
        return self._kept("write", lambda: self._socket.send(data))

    def _kept(self, direction: str, transfer: Callable[[], int]) -> int:
        """Do one transfer within what is left of its allowance."""
        left_s = self._left_s[direction]
        if self.gave_up or left_s <= 0:
            raise self._too_slow()
        self._socket.settimeout(min(self._patience.silence_s, left_s))
        began_s = self._monotonic_s()
        try:
            count = transfer()
        except TimeoutError as cause:
            raise self._too_slow() from cause
        except ssl.SSLEOFError as cause:
            # The same that a plain socket tells of a peer that died; otherwise it would be logged as an error of ours.
            raise ConnectionResetError(errno.ECONNRESET, "the peer is gone") from cause
        gained_s = count / self._patience.bytes_per_s
        spent_s = self._monotonic_s() - began_s
        self._left_s[direction] = min(self._patience.allowance_s, left_s + gained_s - spent_s)
        return count

    def _too_slow(self) -> ConnectionAbortedError:
        # No timeout for whoever reads on: after one there is nobody to be patient with any more.
        self.gave_up = True
        return ConnectionAbortedError(errno.ECONNABORTED, "the peer is too slow")
