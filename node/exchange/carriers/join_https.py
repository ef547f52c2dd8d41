"""Carrying a join request over HTTPS, before the child has a certificate (``node.trust.joining.JoinCarrier``).

Two connections. The first believes nothing and sends nothing: it shows which certificate the parent presents and
fetches the chain document. The second is opened after the chain was checked against the invitation: it trusts exactly
that root, checks the parent's own name, and looks at the presented certificate once more before one byte is sent.
"""

from __future__ import annotations

import json
import ssl
from contextlib import contextmanager
from http.client import HTTPException, HTTPSConnection
from typing import TYPE_CHECKING, Any, Final

from node.errors import IdentityError, JoinRefusedError, PeerUnavailableError
from node.trust.join_forms import ANSWER_BYTES_MAX, CHAIN_BYTES_MAX
from node.trust.tls import joining_context, server_name, unbelieving_context

if TYPE_CHECKING:
    from collections.abc import Iterator

    from node.trust.joining import TrustedParent

CHAIN_PATH: Final = "/link/v1/chain"
JOIN_PATH: Final = "/link/v1/join"
TIMEOUT_S: Final = 20.0
"""Chosen by us: a person waits in front of this."""

_OK: Final = 200
_TRY_LATER: Final = frozenset({429, 502, 503, 504})
_DEFAULT_PORT: Final = 443
_HEADERS: Final = {"Accept": "application/json", "Content-Type": "application/json", "User-Agent": "yizhan"}


class JoinOverHttps:
    """A ``JoinCarrier``; ``timeout_s`` bounds each single wait."""

    __slots__ = ("_timeout_s",)

    def __init__(self, *, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s

    def fetch_chain(self, address: str) -> tuple[bytes, bytes]:
        """Return the DER certificate that the parent presented, and its chain document; nothing is believed."""
        host, port = _host_and_port(address)
        connection = _Connection(host, port, unbelieving_context(), name=host, timeout_s=self._timeout_s)
        with _open(connection, address):
            document = _exchange(connection, "GET", CHAIN_PATH, None, CHAIN_BYTES_MAX)
            return connection.presented, document

    def send_join(self, address: str, request: bytes, parent: TrustedParent) -> bytes:
        """Send the request to exactly this parent and return its answer."""
        host, port = _host_and_port(address)
        context = joining_context(parent.chain[-1])
        name = server_name(parent.code, parent.tree)
        connection = _Connection(host, port, context, name=name, timeout_s=self._timeout_s)
        with _open(connection, address):
            if connection.presented != parent.chain[0].der:
                raise IdentityError(
                    f"The node at {address} changed while it was talked to.",
                    why="it presents another certificate than a moment ago",
                    action="try again; if it stays so, tell the level above",
                )
            return _exchange(connection, "POST", JOIN_PATH, request, ANSWER_BYTES_MAX)


class _Connection(HTTPSConnection):
    """An HTTPS connection that checks a name of its own choice instead of the address."""

    sock: ssl.SSLSocket

    def __init__(self, host: str, port: int, context: ssl.SSLContext, *, name: str, timeout_s: float) -> None:
        super().__init__(host, port, context=context, timeout=timeout_s)
        self._name = name
        self._own_context = context
        self.presented = b""

    def connect(self) -> None:
        """Connect, shake hands under ``name``, and keep the certificate that was presented."""
        super(HTTPSConnection, self).connect()
        self.sock = self._own_context.wrap_socket(self.sock, server_hostname=self._name)
        self.presented = self.sock.getpeercert(binary_form=True) or b""


@contextmanager
def _open(connection: _Connection, address: str) -> Iterator[None]:
    """Connect, and close at the end; what the network does becomes an error of ours."""
    try:
        connection.connect()
        yield
    except ssl.SSLCertVerificationError as error:
        raise IdentityError(
            f"The node at {address} does not prove to be the one that the invitation names.",
            why=error.verify_message,
            action="check the address and the clock of this machine",
        ) from error
    except (OSError, HTTPException) as error:
        raise PeerUnavailableError(
            f"The node at {address} does not answer.",
            why=str(error)[:200] or type(error).__name__,
            action="check address and network; the code stays valid, so join can be tried again",
        ) from error
    finally:
        connection.close()


def _exchange(connection: _Connection, method: str, path: str, body: bytes | None, bytes_max: int) -> bytes:
    connection.request(method, path, body=body, headers=_HEADERS)
    response = connection.getresponse()
    data = response.read(bytes_max + 1)
    if response.status != _OK:
        raise _refusal(response.status, data)
    if len(data) > bytes_max:
        raise IdentityError("The parent's answer is too large.", why=f"more than {bytes_max} bytes")
    return data


def _refusal(status: int, data: bytes) -> JoinRefusedError | PeerUnavailableError:
    """Return the error that the parent answered with, in its own words when it used our form."""
    try:
        document: Any = json.loads(data)
        what, why, action = (str(document[name])[:400] for name in ("what", "why", "action"))
    except (ValueError, TypeError, KeyError, RecursionError):
        what, why, action = "The parent did not take the request.", f"it answered {status}", ""
    if status in _TRY_LATER:
        return PeerUnavailableError(what, why=why, action=action or "try again in a moment")
    return JoinRefusedError(what, why=why, action=action)


def _host_and_port(address: str) -> tuple[str, int]:
    host, separator, port = address.rpartition(":")
    if not separator:
        return address, _DEFAULT_PORT
    if not port.isdecimal() or not host or not 0 < int(port) < 65_536:  # noqa: PLR2004 - ports have 16 bits.
        raise IdentityError(f"{address[:80]!r} is no address.", why="HOST:PORT is expected", action="check the command")
    return host.removeprefix("[").removesuffix("]"), int(port)
