"""The HTTPS carrier: packages as the bodies of requests to the parent's link listener, with mutual TLS (02, R13).

``POST /link/v1/exchange`` with one zstd frame; the answer is one, too. The name that TLS checks is the parent's own,
whatever address is dialled. Connections are kept; several threads may use one carrier.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

import httpx
import zstandard

from node.clock import MachineClock
from node.errors import PackageRefusedError, PeerUnavailableError, RecordRefusedError
from node.exchange.clocks import DATE_HEADER, date_text, offset_s
from node.exchange.limits import SLOWEST_BYTES_PER_S
from node.standard.compression import expand_limited
from node.trust.tls import client_context, server_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.trust.identity import Identity

EXCHANGE_PATH: Final = "/link/v1/exchange"
RECORDS_PATH: Final = "/link/v1/records"
WAIT_HEADER: Final = "X-Yizhan-Wait"
CONTENT_TYPE: Final = "application/zstd"
CONNECT_S: Final = 5.0
ANSWER_S: Final = 30.0
"""How long an answer may take once its request has arrived: committing 4 MiB on a slow disk."""
KEPT_S: Final = 45.0
"""A connection is kept shorter than the listener keeps it (60 s), so that it is rarely found closed."""
CONNECTIONS_MAX: Final = 4
ERROR_BYTES_MAX: Final = 16_384
COMPRESSION_LEVEL: Final = 3
_OK: Final = 200
_CONFLICT: Final = 409
_BUSY: Final = frozenset({429, 503})


class HttpsCarrier:
    """Carries packages to the parent ``parent`` whose link listener waits at ``host:port``.

    ``package_bytes_max`` bounds what an answer may expand to. ``note_clock`` is told with each answer by how many
    seconds the parent's clock is ahead of this machine's.
    """

    def __init__(
        self,
        identity: Identity,
        *,
        parent: str,
        host: str,
        port: int,
        package_bytes_max: int,
        note_clock: Callable[[int | None], None] = lambda _: None,
    ) -> None:
        self._note_clock = note_clock
        self._package_bytes_max = package_bytes_max
        self._clock = MachineClock()
        self._extensions = {"sni_hostname": server_name(parent, identity.tree), "trace": self._trace}
        self._sockets: WeakSet[socket.socket] = WeakSet()
        self._sockets_lock = threading.Lock()
        self._closed = False
        address = f"[{host}]" if ":" in host else host
        self._client = httpx.Client(
            base_url=f"https://{address}:{port}",
            verify=client_context(identity),
            limits=httpx.Limits(
                max_connections=CONNECTIONS_MAX,
                max_keepalive_connections=CONNECTIONS_MAX,
                keepalive_expiry=KEPT_S,
            ),
            trust_env=False,
        )

    def exchange(self, package: bytes, *, wait_s: float) -> bytes:
        """Return the parent's answer; raises as ``carriers.Carrier`` says."""
        content = zstandard.ZstdCompressor(level=COMPRESSION_LEVEL).compress(package)
        return self._posted(EXCHANGE_PATH, content, wait_s)

    def fetch(self, question: bytes) -> bytes:
        """Return the parent's records for a question of ``node.exchange.fetching``; raises as ``exchange`` does."""
        return self._posted(RECORDS_PATH, question, 0.0)

    def _posted(self, path: str, content: bytes, wait_s: float) -> bytes:
        if self._closed:
            raise PeerUnavailableError("The carrier is closed.")
        headers = {
            "Content-Type": CONTENT_TYPE,
            WAIT_HEADER: f"{wait_s:g}",
            DATE_HEADER: date_text(self._clock.now()),
        }
        timeout = httpx.Timeout(ANSWER_S, connect=CONNECT_S, read=wait_s + answer_s_max(len(content)))
        try:
            with self._client.stream(
                "POST", path, content=content, headers=headers, timeout=timeout, extensions=self._extensions
            ) as response:
                self._note_clock(offset_s(response.headers.get(DATE_HEADER), self._clock.now()))
                return self._answer(response)
        except (httpx.HTTPError, OSError, RuntimeError) as error:
            # httpx raises RuntimeError for a client that was closed meanwhile.
            raise PeerUnavailableError(
                "The parent does not answer.",
                why=f"{type(error).__name__}: {error}"[:200],
                action="it is tried again; if it stays so, check the network and the parent's address",
            ) from error

    def close(self) -> None:
        """Close all connections, cutting requests that wait for an answer."""
        self._closed = True
        with self._sockets_lock:
            sockets = list(self._sockets)
        for one in sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._client.close()

    def _answer(self, response: httpx.Response) -> bytes:
        if response.status_code == _OK:
            try:
                return expand_limited(self._body(response, self._package_bytes_max), self._package_bytes_max)
            except RecordRefusedError as error:
                raise PackageRefusedError("compression", "The answer cannot be expanded.", why=error.why) from error
        problem = _problem_of(self._body(response, ERROR_BYTES_MAX))
        if response.status_code == _CONFLICT and isinstance(problem.get("reason"), str):
            raise PackageRefusedError(problem["reason"][:40], "The parent refused a package.", why=_text(problem))
        raise PeerUnavailableError(
            f"The parent answered {response.status_code}.",
            why=_text(problem),
            retry_after_s=_retry_after_s(response) if response.status_code in _BUSY else None,
        )

    def _body(self, response: httpx.Response, bytes_max: int) -> bytes:
        """Return the raw body; PackageRefusedError when it is larger than allowed, whatever was announced."""
        pieces: list[bytes] = []
        size = 0
        for piece in response.iter_raw():
            size += len(piece)
            if size > bytes_max:
                raise PackageRefusedError("too large", f"The answer is larger than {bytes_max} bytes.")
            pieces.append(piece)
        return b"".join(pieces)

    def _trace(self, event: str, info: dict[str, Any]) -> None:
        """Remember the sockets of new connections: only so can ``close`` end a request that waits for its answer."""
        if event == "connection.start_tls.complete":
            found = info["return_value"].get_extra_info("socket")
            if found is not None:
                with self._sockets_lock:
                    self._sockets.add(found)


def answer_s_max(content_bytes: int) -> float:
    """Return how long an answer may take, beyond the wait that was asked for, once its request is given to the system.

    The system takes a whole package at once, so on a slow line the sending falls into this time.
    """
    return ANSWER_S + content_bytes / SLOWEST_BYTES_PER_S


def _problem_of(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _text(problem: dict[str, Any]) -> str:
    return " · ".join(str(problem[name]) for name in ("code", "what", "why") if problem.get(name))[:300]


def _retry_after_s(response: httpx.Response) -> float | None:
    """Return the seconds of Retry-After; a date (RFC 9110 allows one) is not among what we send and is ignored."""
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isdecimal() else None
