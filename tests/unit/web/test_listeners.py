"""Listeners: they take a port, answer in parallel, refuse plain HTTP in the open, and outlive silent peers."""

from __future__ import annotations

import datetime as dt
import queue
import socket
import ssl
import threading
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from node.config import Listener
from node.errors import ConfigurationError, HomeInUseError
from node.web.connections import SPARE
from node.web.listeners import CONNECTIONS_PER_THREAD, HttpListener, face_context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from node.web.connections import Connection

LOOPBACK = Listener(host="127.0.0.1", port=0)
PATIENCE_S = 20
"""How long a test waits for what must happen; a busy machine may take a while."""


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(length)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d %s" % (len(body), environ["wsgi.url_scheme"].encode())]


def reading_all(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def listener(place: Listener = LOOPBACK, context: ssl.SSLContext | None = None) -> HttpListener:
    return HttpListener("face", application, place, threads=2, body_bytes_max=1000, context=context)


@pytest.fixture
def plain() -> Iterator[HttpListener]:
    served = listener()
    served.bind()
    served.start()
    yield served
    served.stop()


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    begin = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + dt.timedelta(days=36500))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "face.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "face.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "face.pem", folder / "face.key"


@pytest.fixture
def secure(pem: tuple[Path, Path]) -> Iterator[HttpListener]:
    place = Listener(host="127.0.0.1", port=0, certificate_file=pem[0], key_file=pem[1])
    served = listener(place, face_context(place))
    served.bind()
    served.start()
    yield served
    served.stop()


def test_a_listener_answers_at_the_port_that_it_took(plain: HttpListener) -> None:
    assert plain.alive
    assert plain.address == f"http://127.0.0.1:{plain.port}"
    assert httpx.post(plain.address, content=b"abc").text == "3 http"


def test_a_body_beyond_the_limit_is_refused(plain: HttpListener) -> None:
    assert httpx.post(plain.address, content=b"x" * 1001).status_code == 413


def test_what_is_left_of_a_body_in_chunks_is_not_taken_for_a_request() -> None:
    def unreading(_: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response("401 Unauthorized", [("Content-Length", "2")])
        return [b"no"]

    served = HttpListener("face", unreading, LOOPBACK, threads=2, body_bytes_max=1000)
    served.bind()
    served.start()
    inner = b"A /inner HTTP/1.1\r\nHost: x\r\n\r\n"
    said = b""
    with socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE_S) as peer:
        peer.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        while b"no" not in said:
            said += peer.recv(4096)
        with suppress(OSError):
            peer.sendall(inner)
            while received := peer.recv(4096):
                said += received
    served.stop()
    assert (said.count(b"HTTP/1.1"), b"Connection: close" in said) == (1, True)


def test_a_body_in_chunks_that_was_read_keeps_its_connection(plain: HttpListener) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    plain._server.wsgi_app = reading_all
    with socket.create_connection(("127.0.0.1", plain.port), timeout=PATIENCE_S) as peer:
        for _ in range(2):
            peer.sendall(head)
            said = b""
            while b"abc" not in said:
                received = peer.recv(4096)
                assert received, "the connection was closed"
                said += received


def test_a_taken_port_is_named(plain: HttpListener) -> None:
    with pytest.raises(HomeInUseError, match=rf"127\.0\.0\.1:{plain.port}") as caught:
        listener(Listener(host="127.0.0.1", port=plain.port)).bind()
    assert caught.value.exit_code == 8


def test_an_address_of_another_machine_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match=r"192\.0\.2\.1"):
        listener(Listener(host="192.0.2.1", port=0)).bind()


def test_after_stop_nobody_answers() -> None:
    served = listener()
    served.bind()
    served.start()
    address = served.address
    served.stop()
    assert not served.alive
    with pytest.raises(httpx.ConnectError):
        httpx.get(address)


def test_tls_answers_and_says_so(secure: HttpListener, pem: tuple[Path, Path]) -> None:
    context = ssl.create_default_context(cafile=pem[0])
    with httpx.Client(verify=context) as client:
        answers = [client.get(f"https://localhost:{secure.port}").text for _ in range(2)]
    assert answers == ["0 https", "0 https"]


def test_a_silent_peer_does_not_stop_others(secure: HttpListener, pem: tuple[Path, Path]) -> None:
    context = ssl.create_default_context(cafile=pem[0])
    with socket.create_connection(("127.0.0.1", secure.port)):
        answer = httpx.get(f"https://localhost:{secure.port}", verify=context, timeout=3)
    assert answer.text == "0 https"


def test_many_silent_peers_do_not_stop_others(plain: HttpListener) -> None:
    with ExitStack() as silent:
        for _ in range(20):
            silent.enter_context(socket.create_connection(("127.0.0.1", plain.port)))
        assert httpx.get(plain.address, timeout=2).text == "0 http"


def test_many_silent_peers_do_not_stop_others_over_tls(secure: HttpListener, pem: tuple[Path, Path]) -> None:
    context = ssl.create_default_context(cafile=pem[0])
    with ExitStack() as silent:
        for number in range(20):
            peer = silent.enter_context(socket.create_connection(("127.0.0.1", secure.port)))
            if number % 2:
                # Shakes hands, and says nothing then.
                silent.enter_context(context.wrap_socket(peer, server_hostname="localhost"))
        answer = httpx.get(f"https://localhost:{secure.port}", verify=context, timeout=2)
    assert answer.text == "0 https"


def is_open(peer: socket.socket, *, wait_s: float = 0.2) -> bool:
    peer.settimeout(wait_s)
    try:
        return peer.recv(1) != b""
    except TimeoutError:
        return True
    except ConnectionError:
        return False


@pytest.mark.parametrize("served", ["plain", "secure"])
def test_a_full_listener_gives_up_the_connection_that_is_idle_longest(
    served: str, request: pytest.FixtureRequest, pem: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    place: HttpListener = request.getfixturevalue(served)
    context = ssl.create_default_context(cafile=pem[0])
    most = CONNECTIONS_PER_THREAD * 2
    with ExitStack() as silent:
        peers = []
        for _ in range(most + 4):
            peers.append(silent.enter_context(socket.create_connection(("127.0.0.1", place.port))))
            threading.Event().wait(0.02)
        assert [is_open(peer, wait_s=PATIENCE_S) for peer in peers[:4]] == [False] * 4
        assert [is_open(peer) for peer in peers[4:]] == [True] * most
        address = place.address.replace("127.0.0.1", "localhost")
        assert httpx.get(address, verify=context, timeout=2).status_code == 200
    assert [record.message for record in caplog.records].count("too many connections") == 1
    assert not [record for record in caplog.records if record.exc_info]


def test_a_flood_of_connections_stays_below_the_files_of_a_process(plain: HttpListener) -> None:
    with ExitStack() as silent:
        peers = [silent.enter_context(socket.create_connection(("127.0.0.1", plain.port))) for _ in range(200)]
        assert httpx.get(plain.address, timeout=5).text == "0 http"
        assert sum(is_open(peer) for peer in peers) <= SPARE * CONNECTIONS_PER_THREAD * 2
    assert httpx.get(plain.address, timeout=5).text == "0 http"


def test_a_connection_that_finds_no_place_in_the_queue_is_closed_and_counted_out(
    plain: HttpListener, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object) -> None:
        raise queue.Full

    counted_out = threading.Event()
    connections = plain._server.connections
    leave = connections.leave

    def leave_and_tell(connection: Connection) -> None:
        leave(connection)
        counted_out.set()

    with monkeypatch.context() as patch:
        patch.setattr(plain._server.requests, "put", full)
        patch.setattr(connections, "leave", leave_and_tell)
        with socket.create_connection(("127.0.0.1", plain.port)) as peer:
            peer.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert not is_open(peer, wait_s=PATIENCE_S)
            # The peer sees the end before the listener has counted the connection out.
            assert counted_out.wait(PATIENCE_S)
    assert connections._open == set()
    assert httpx.get(plain.address, timeout=5).text == "0 http"


def test_plain_text_at_a_tls_port_is_hung_up_on(secure: HttpListener) -> None:
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"http://127.0.0.1:{secure.port}", timeout=3)


def test_plain_http_beyond_loopback_needs_permission() -> None:
    with pytest.raises(ConfigurationError, match="plain HTTP"):
        face_context(Listener(host="0.0.0.0", port=1))
    assert face_context(Listener(host="0.0.0.0", port=1, plain_allowed=True)) is None


def test_files_that_are_no_certificate_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("no pem")
    place = Listener(host="127.0.0.1", port=1, certificate_file=tmp_path / "x", key_file=tmp_path / "x")
    with pytest.raises(ConfigurationError, match=r"face\.certificate_file"):
        face_context(place)


def test_a_face_key_with_a_passphrase_is_refused_without_asking(tmp_path: Path, pem: tuple[Path, Path]) -> None:
    key = serialization.load_pem_private_key(pem[1].read_bytes(), None)
    locked = tmp_path / "locked.key"
    secret = serialization.BestAvailableEncryption(b"secret")
    locked.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secret))
    place = Listener(host="127.0.0.1", port=1, certificate_file=pem[0], key_file=locked)
    with pytest.raises(ConfigurationError, match="without passphrase"):
        face_context(place)


def test_an_ipv6_address_is_written_as_a_url() -> None:
    served = listener(Listener(host="::1", port=0))
    try:
        served.bind()
    except ConfigurationError:
        pytest.skip("this machine has no IPv6 loopback")
    assert served.address == f"http://[::1]:{served.port}"
    served.stop()
    assert threading.active_count() >= 1
