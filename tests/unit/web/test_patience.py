"""A peer that drips bytes, up or down, over TLS or not, holds a worker thread no longer than its allowance."""

from __future__ import annotations

import errno
import logging
import socket
import ssl
import threading
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from node.config import Listener
from node.web.listeners import HttpListener
from node.web.patience import PacedSocket, Patience
from tests.unit.web.test_listeners import pem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["pem"]

PATIENCE = Patience(handshake_s=1, silence_s=0.5, allowance_s=1, bytes_per_s=1000)
WORKERS = 2
HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n"


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start_response("200 OK", [("Content-Type", "text/plain")])
    size = int(environ.get("QUERY_STRING") or 0)
    return [b"x" * size or b"%d" % len(body)]


@contextmanager
def served(context: ssl.SSLContext | None = None) -> Iterator[HttpListener]:
    place = Listener(host="127.0.0.1", port=0)
    listener = HttpListener(
        "face", application, place, threads=WORKERS, body_bytes_max=100_000, context=context, patience=PATIENCE
    )
    listener.bind()
    listener.start()
    try:
        yield listener
    finally:
        listener.stop()


def connected(listener: HttpListener) -> socket.socket:
    return socket.create_connection(("127.0.0.1", listener.port), timeout=10)


def dripped(peer: socket.socket, data: bytes, *, every_s: float = 0.05) -> float:
    """Send ``data`` byte by byte until the listener hangs up; return after how many seconds that was."""
    began = time.monotonic()
    peer.settimeout(every_s)
    for byte in data:
        try:
            peer.sendall(bytes([byte]))
            if peer.recv(4096) is not None:
                break
        except TimeoutError:
            continue
        except OSError:
            break
    else:
        pytest.fail("the listener took every byte")
    return time.monotonic() - began


@pytest.mark.parametrize("said_at_once", [b"", HEAD], ids=["header", "body"])
def test_bytes_that_drip_are_hung_up_on_after_the_allowance(
    said_at_once: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with served() as listener, connected(listener) as peer:
        peer.sendall(said_at_once)
        took_s = dripped(peer, HEAD + b"x" * 900)
    assert 0.5 < took_s < 3
    # One line each, and no traceback: slow peers must not fill the log.
    assert [(record.message, record.exc_info) for record in caplog.records] == [("peer too slow", None)]


def test_peers_that_drip_keep_no_worker_from_others() -> None:
    with served() as listener, ExitStack() as peers:
        drips = [peers.enter_context(connected(listener)) for _ in range(WORKERS)]
        threads = [threading.Thread(target=dripped, args=(peer, HEAD + b"x" * 900)) for peer in drips]
        for thread in threads:
            thread.start()
        began = time.monotonic()
        assert httpx.get(listener.address, timeout=10).text == "0"
        assert time.monotonic() - began < 3
        for thread in threads:
            thread.join()


def test_a_record_of_tls_that_drips_is_hung_up_on_too(pem: tuple[Path, Path]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pem)
    client = ssl.create_default_context(cafile=pem[0])
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    speaker = client.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with served(context) as listener, connected(listener) as peer:
        for _ in range(10):
            try:
                speaker.do_handshake()
                break
            except ssl.SSLWantReadError:
                peer.sendall(outgoing.read())
                incoming.write(peer.recv(65_536))
        speaker.write(HEAD + b"x" * 100)
        assert dripped(peer, outgoing.read()) < 3


def test_an_answer_that_nobody_takes_frees_its_worker() -> None:
    with served() as listener, ExitStack() as peers:
        for _ in range(WORKERS):
            peer = peers.enter_context(connected(listener))
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            peer.sendall(b"GET /?50000000 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert httpx.get(listener.address, timeout=5).text == "0"


def test_a_slow_line_above_the_rate_is_served() -> None:
    def slowly() -> Iterator[bytes]:
        for _ in range(20):
            threading.Event().wait(0.1)
            yield b"x" * 200

    # Two seconds, twice the allowance, at twice the rate.
    with served() as listener:
        answer = httpx.post(listener.address, content=slowly(), headers={"Content-Length": "4000"}, timeout=10)
    assert answer.text == "4000"


def receive(paced: PacedSocket) -> int:
    return paced.recv_into(bytearray())


class Peer:
    """A socket that gives and takes ``count`` bytes, each time after ``wait_s`` on a clock of its own."""

    def __init__(self, count: int, wait_s: float) -> None:
        self.count, self.wait_s, self.now_s, self.timeout_s = count, wait_s, 0.0, 0.0

    def settimeout(self, seconds: float) -> None:
        self.timeout_s = seconds

    def recv_into(self, _buffer: object) -> int:
        self.now_s += min(self.wait_s, self.timeout_s)
        if self.wait_s > self.timeout_s:
            raise TimeoutError("timed out")
        return self.count

    def send(self, _data: bytes) -> int:
        return self.recv_into(_data)


def paced_socket(peer: Peer) -> PacedSocket:
    return PacedSocket(peer, Patience(), lambda: peer.now_s)


def held_s(peer: Peer, paced: PacedSocket, transfer: Callable[[PacedSocket], int] = receive) -> float | None:
    """When the peer is hung up on; None: it may go on as long as it likes."""
    for _ in range(1000):
        try:
            transfer(paced)
        except ConnectionAbortedError:
            return peer.now_s
    return None


@pytest.mark.parametrize("transfer", [receive, lambda paced: paced.send(b"")], ids=["read", "write"])
@pytest.mark.parametrize(
    ("count", "wait_s", "bound_s"),
    [(0, 60, 10), (1, 9.9, 30), (1, 0.1, 30.1), (2048, 1.1, 319), (2048, 1.0, None), (2048, 0.5, None)],
)
def test_whoever_falls_behind_the_rate_is_held_for_the_allowance(
    transfer: Callable[[PacedSocket], int], count: int, wait_s: float, bound_s: float | None
) -> None:
    # At 2048 bytes in 1.1 s each round falls 0.1 s behind: after 290 rounds no whole round is left of 30 s.
    peer = Peer(count, wait_s)
    found = held_s(peer, paced_socket(peer), transfer)
    assert (found is None) == (bound_s is None)
    assert found is None or found == pytest.approx(bound_s, rel=0.02)


def test_a_fast_beginning_buys_no_time_for_the_end() -> None:
    peer = Peer(16_777_216, 0.1)
    paced = paced_socket(peer)
    receive(paced)
    peer.count, peer.wait_s, before_s = 1, 5, peer.now_s
    # A byte is worth half a millisecond.
    assert held_s(peer, paced) == pytest.approx(before_s + 30, abs=0.01)


def test_each_request_has_an_allowance_of_its_own() -> None:
    peer = Peer(1, 5)
    paced = paced_socket(peer)
    for _ in range(20):
        paced.begin_request()
        assert receive(paced) == 1
    assert paced.timeout_s == 10


class DeadPeer(Peer):
    """A TLS socket whose peer died without saying so."""

    def recv_into(self, _buffer: object) -> int:
        raise ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "EOF occurred in violation of protocol")


@pytest.mark.parametrize("transfer", [receive, lambda paced: paced.send(b"x")], ids=["read", "write"])
def test_a_peer_of_tls_that_died_is_told_as_one_of_a_plain_socket(transfer: Callable[[PacedSocket], int]) -> None:
    with pytest.raises(ConnectionResetError, match="the peer is gone") as told:
        transfer(paced_socket(DeadPeer(0, 0)))
    assert told.value.errno == errno.ECONNRESET


def test_a_peer_that_dies_while_it_is_answered_leaves_no_traceback(
    pem: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pem)
    client = ssl.create_default_context(cafile=pem[0])
    with served(context) as listener:
        with client.wrap_socket(connected(listener), server_hostname="localhost") as peer:
            peer.sendall(b"GET /?50000000 HTTP/1.1\r\nHost: x\r\n\r\n")
            assert peer.recv(1000)
            # The end that the system makes of a killed process: no farewell of TLS.
            peer.shutdown(socket.SHUT_WR)
        threading.Event().wait(0.3)
    assert [record.exc_text for record in caplog.records if record.exc_info] == []
    assert "Traceback" not in caplog.text
