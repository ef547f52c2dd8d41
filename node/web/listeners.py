"""The two listeners of a running node: cheroot serving a WSGI application, with or without TLS.

cheroot shakes hands in the one thread that accepts connections, so a peer that connects and stays silent would stop
all others. ``_PatientConnection`` moves the handshake into the worker thread that takes the connection, with a time
limit of its own. And cheroot gives a new connection to a worker at once, so that a few silent ones would hold every
worker: ours wait in the selector, before and after the handshake, until they have said something.
"""

from __future__ import annotations

import errno
import logging
import os
import queue
import socket
import ssl
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from cheroot.makefile import MakeFile
from cheroot.server import HTTPConnection, HTTPRequest
from cheroot.ssl import Adapter
from cheroot.ssl.builtin import BuiltinSSLAdapter
from cheroot.wsgi import Server

from node.clock import MachineClock
from node.errors import ConfigurationError, HomeInUseError
from node.web.connections import OpenConnections
from node.web.patience import PacedSocket, Patience

if TYPE_CHECKING:
    from pathlib import Path

    from node.config import Listener

# With 64 and 8 threads some 300 connections are open, far below the 1024 files that a process usually may have.
CONNECTIONS_PER_THREAD = 4
HEADER_BYTES_MAX = 65_536
BACKLOG = 128
STOP_S = 2
CROWDED_S = 1
"""How long a connection waits for a place in the queue of the threads; nobody is accepted meanwhile. Our own choice."""

_log = logging.getLogger(__name__)


class HttpListener:
    """One listening socket and the threads that answer on it.

    ``application`` is a WSGI callable; ``context`` makes it TLS. ``threads`` is fixed: it is the limit of requests
    under way; ``patience`` bounds how long a peer may hold one. ``bind`` takes the port, ``start`` answers, ``stop``
    returns within about ``STOP_S`` seconds.
    """

    def __init__(
        self,
        name: str,
        application: Any,
        place: Listener,
        *,
        threads: int,
        body_bytes_max: int,
        context: ssl.SSLContext | None = None,
        patience: Patience | None = None,
    ) -> None:
        patience = patience or Patience()
        self.name = name
        self._place = place
        self._secure = context is not None
        self._server = _LoggingServer(
            (place.host, place.port),
            application,
            numthreads=threads,
            max=threads,
            server_name="yizhan",
            request_queue_size=BACKLOG,
            timeout=patience.idle_s,
            shutdown_timeout=STOP_S,
            accepted_queue_size=BACKLOG,
            accepted_queue_timeout=CROWDED_S,
        )
        self._server.patience = patience
        self._server.ConnectionClass = _PacedConnection
        self._server.max_request_body_size = body_bytes_max
        self._server.max_request_header_size = HEADER_BYTES_MAX
        # A child has up to four connections, a browser six; the threads answer whichever speak.
        most = CONNECTIONS_PER_THREAD * threads
        self._server.connections = OpenConnections(name, most=most)
        self._server.keep_alive_conn_limit = most
        if context is not None:
            self._server.ssl_adapter = _ContextAdapter(context)
            self._server.ConnectionClass = _PatientConnection
        self._thread = threading.Thread(target=self._serve, name=f"{name}-listener", daemon=True)

    def bind(self) -> None:
        """Take the port; raises HomeInUseError when another program has it, ConfigurationError when it cannot be."""
        try:
            self._server.prepare()
        except OSError as cause:
            self._server.stop()
            raise self._not_bound(cause) from cause

    def start(self) -> None:
        """Begin to answer, in threads of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Stop accepting, let requests under way end for a moment, and close; bound, started or neither.

        ``bind`` alone has threads waiting already, and the process cannot end before they do.
        """
        self._server.stop()
        if self._thread.is_alive():
            self._thread.join(STOP_S)

    @property
    def alive(self) -> bool:
        """Whether connections are being accepted."""
        return self._thread.is_alive()

    @property
    def port(self) -> int:
        """The port that was really taken."""
        return int(self._server.bind_addr[1])

    @property
    def address(self) -> str:
        """The listener's address as a URL, with the port that was really taken."""
        host = f"[{self._place.host}]" if ":" in self._place.host else self._place.host
        return f"{'https' if self._secure else 'http'}://{host}:{self.port}"

    def _serve(self) -> None:
        self._server.serve()

    def _not_bound(self, cause: OSError) -> HomeInUseError | ConfigurationError:
        where = f"{self._place.host}:{self._place.port}"
        if cause.errno == errno.EADDRINUSE or os.strerror(errno.EADDRINUSE) in str(cause):
            return HomeInUseError(
                f"The {self.name} listener cannot have {where}",
                why="another program listens there",
                action=f"Stop that program, or give {self.name}.port another number in node.toml",
            )
        return ConfigurationError(
            f"The {self.name} listener cannot listen at {where}",
            why=str(cause),
            action=f"Correct {self.name}.host and {self.name}.port in node.toml",
        )


def face_context(place: Listener) -> ssl.SSLContext | None:
    """Return the TLS context of the face listener, or None for plain HTTP.

    Clients may show a certificate where ``client_ca_file`` says whose; nobody has to. Raises ConfigurationError for
    plain HTTP beyond loopback that nobody allowed, and for files that do not load.
    """
    if place.certificate_file is None or place.key_file is None:
        if place.is_loopback or place.plain_allowed:
            return None
        raise ConfigurationError(
            f"The face listener would speak plain HTTP at {place.host}",
            why="people's passwords and records would cross the network unprotected",
            action="Give face.certificate_file and face.key_file; behind a proxy of yours: face.plain_allowed = true",
        )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # Without a word for it OpenSSL would ask a terminal, and `run` starts unattended.
        context.load_cert_chain(place.certificate_file, place.key_file, password="")
    except (OSError, ssl.SSLError) as cause:
        raise ConfigurationError(
            "The certificate of the face listener cannot be used",
            why=f"{place.certificate_file}, {place.key_file}: {cause}",
            action="Correct face.certificate_file and face.key_file: PEM files of one pair, the key without passphrase",
        ) from cause
    if place.client_ca_file is not None:
        _ask_for_certificates(context, place.client_ca_file)
    return context


def _ask_for_certificates(context: ssl.SSLContext, authorities: Path) -> None:
    """Let clients show a certificate of these authorities; one of another, or one that ended, is hung up on."""
    try:
        context.load_verify_locations(authorities)
    except (OSError, ssl.SSLError) as cause:
        raise ConfigurationError(
            "The authorities of client certificates cannot be used",
            why=f"{authorities}: {cause}",
            action="Correct face.client_ca_file: a PEM file with the certificates of the authorities",
        ) from cause
    context.verify_mode = ssl.CERT_OPTIONAL


class _LoggingServer(Server):
    """cheroot's server with its reports in our log, closing the socket that it could not bind."""

    patience: Patience
    connections: OpenConnections

    @staticmethod
    def bind_socket(socket_: socket.socket, bind_addr: Any) -> socket.socket:
        """Bind the socket, or close it."""
        try:
            socket_.bind(bind_addr)
        except OSError:
            socket_.close()
            raise
        return socket_

    def process_conn(self, conn: Any) -> None:
        """Give a connection to a worker thread once it has something to read; a new one waits among the idle ones."""
        if conn.last_used is None:
            if self.connections.admit(conn):
                self.put_conn(conn)
            else:
                conn.close()
            return
        self.connections.works(conn)
        try:
            self.requests.put(conn)
        except queue.Full:
            # cheroot would answer 503, and never close a peer that is gone meanwhile.
            conn.close()

    def put_conn(self, conn: Any) -> None:
        """Let a connection wait among the idle ones."""
        self.connections.rests(conn)
        super().put_conn(conn)

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:  # noqa: FBT001, FBT002 - cheroot's own signature.
        """Log what cheroot has to report."""
        _log.log(level, "listener report", extra={"report": msg}, exc_info=traceback)


class _ContextAdapter(BuiltinSSLAdapter):
    """cheroot's adapter around a context made elsewhere; the handshake is left to the worker thread."""

    def __init__(self, context: ssl.SSLContext) -> None:
        Adapter.__init__(self, "", "")
        self._server_env: dict[str, str] = {}
        self.context = context

    def wrap(self, sock: Any) -> tuple[Any, dict[str, Any]]:
        """Return the socket in its TLS coat, hands not yet shaken, and nothing about the peer."""
        return self.context.wrap_socket(sock, do_handshake_on_connect=False, server_side=True), {}


class _WholeRequest(HTTPRequest):
    """A request whose connection ends with it when its body was not read to the end.

    cheroot reads the rest of a body of known length before it answers. Of one in chunks it does not, and would take
    what is left for the next request.
    """

    def send_headers(self) -> None:
        """Tell that the connection ends, where it has to, and send the header of the answer."""
        if self.chunked_read and not self.rfile.closed:
            self.close_connection = True
        super().send_headers()


class _PacedConnection(HTTPConnection):
    """A connection whose requests and answers keep to the listener's patience."""

    RequestHandlerClass = _WholeRequest

    def __init__(self, server: _LoggingServer, sock: Any, makefile: Any = MakeFile) -> None:
        self._paced = PacedSocket(sock, server.patience, MachineClock().monotonic_s)
        super().__init__(server, sock, lambda _, mode, size: makefile(self._paced, mode, size))

    def communicate(self) -> bool:
        """Answer one request; False: close the connection."""
        self._paced.begin_request()
        kept = bool(super().communicate())  # type: ignore[no-untyped-call]
        if self._paced.gave_up:
            _log.info("peer too slow", extra={"peer": self.remote_addr})
        return kept

    def hang_up(self) -> None:
        """End the connection below TLS: whoever reads next, a worker in the end, finds its end and closes it."""
        with suppress(OSError):
            socket.socket.shutdown(self.socket, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the socket, then let go of an answer that the peer did not take.

        cheroot leaves it to the collector, which would try to send it again and complain.
        """
        super().close()
        with suppress(OSError):
            self.wfile.close()
        self.server.connections.leave(self)


class _PatientConnection(_PacedConnection):
    """A TLS connection that shakes hands when a worker thread first takes it."""

    _shaken = False

    def communicate(self) -> bool:
        """Shake hands once, then wait for a request among the idle ones; answer requests; False: close it."""
        if not self._shaken:
            try:
                self.socket.settimeout(self.server.patience.handshake_s)
                self.socket.do_handshake()
                self.ssl_env = self.server.ssl_adapter.get_environ(self.socket)
            except OSError as cause:
                _log.info("handshake failed", extra={"peer": self.remote_addr, "why": str(cause)})
                return False
            self._shaken = True
            if not self.socket.pending():
                return True
        return super().communicate()
