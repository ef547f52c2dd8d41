"""A server that answers HTTP byte by byte as a test says, on plain sockets: what no well-behaved server would send."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from tests.support.server_certificates import ServerCertificates


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request: method, path, parameters, headers (names in lower case), and the body."""

    method: str
    path: str
    parameters: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


Script = Callable[[Asked], "bytes | Iterable[bytes]"]
"""What is sent for a request: bytes, or pieces one after the other; then the connection is closed."""


def answer(status: int = 200, body: bytes = b"", media_type: str = "application/json", **headers: str) -> bytes:
    """Return a whole answer; ``headers`` are written with hyphens for underscores."""
    lines = [f"HTTP/1.1 {status} Status", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"Content-Type: {media_type}"] if media_type else []
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class RawServer:
    """Listens on a loopback port until ``close``; ``asked`` holds every request that came whole."""

    def __init__(
        self, script: Script, certificates: ServerCertificates | None = None, *, client_certificate: bool = False
    ) -> None:
        self.script = script
        self.asked: list[Asked] = []
        self._context = None
        if certificates is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificates.certificate, certificates.key)
            if client_certificate:
                self._context.verify_mode = ssl.CERT_REQUIRED
                self._context.load_verify_locations(certificates.authority)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        return f"{'https' if self._context else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                line, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(line,), daemon=True).start()

    def _answer(self, plain: socket.socket) -> None:
        with suppress(OSError), plain:
            plain.settimeout(30)
            line = plain if self._context is None else self._context.wrap_socket(plain, server_side=True)
            with line:
                asked = _read(line)
                self.asked.append(asked)
                sent = self.script(asked)
                for piece in [sent] if isinstance(sent, bytes) else sent:
                    line.sendall(piece)


def _read(line: socket.socket) -> Asked:
    data = b""
    while b"\r\n\r\n" not in data:
        data += _some(line)
    head, _, body = data.partition(b"\r\n\r\n")
    first, *rest = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in rest)}
    while len(body) < int(headers.get("content-length", "0")):
        body += _some(line)
    parts = urlsplit(target)
    return Asked(method=method, path=parts.path, parameters=dict(parse_qsl(parts.query)), headers=headers, body=body)


def _some(line: socket.socket) -> bytes:
    data = line.recv(65_536)
    if not data:
        raise ConnectionError
    return data
