"""Joining over a real listener: cheroot and TLS on loopback, an application that redeems, and what may go wrong."""

from __future__ import annotations

import json
import socket
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from node.clock import MachineClock, SetClock
from node.config import Listener
from node.errors import IdentityError, JoinRefusedError, PeerUnavailableError, YizhanError
from node.exchange.carriers.join_https import CHAIN_PATH, JOIN_PATH, JoinOverHttps
from node.trust.admission import chain_document, redeem
from node.trust.certificates import make_node
from node.trust.identity import load_identity
from node.trust.invitations import invite, read_code
from node.trust.joining import check_parent, join
from node.trust.keys import new_key
from node.trust.tls import client_context, peer_code, server_context, server_name
from node.web.listeners import HttpListener
from tests.support.identities import FOUR, Place, TrustNode, admission, make_identities

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from node.trust.identity import Identity

pytestmark = pytest.mark.integration

NOW = MachineClock().now()
MADE = make_identities(FOUR, at=NOW)
COUNTY = Place(name="青云谱区", level="county", parent="360100", children_depth=1)
Answer = tuple[int, bytes]


class LinkApplication:
    """A WSGI application with the two paths of joining, and one that tells who calls."""

    def __init__(self, node: TrustNode) -> None:
        self.node = node
        self.replaced: dict[str, Answer] = {}

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        path = environ["PATH_INFO"]
        status, body = self.replaced.get(path) or self.answer(path, environ)
        start(f"{status} {'OK' if status == 200 else 'Other'}", [("Content-Type", "application/json")])
        return [body]

    def answer(self, path: str, environ: dict[str, Any]) -> Answer:
        try:
            if path == CHAIN_PATH:
                return 200, chain_document(self.node.identity)
            if path == JOIN_PATH:
                return 200, self.redeemed(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
            issuers = (self.node.identity.issuing_chain[0], self.node.identity.root_certificate)
            code = peer_code(environ["SSL_CLIENT_CERT"], self.node.identity.tree, NOW, issuers=issuers)
        except YizhanError as error:
            return 403, json.dumps({"what": error.what, "why": error.why, "action": error.action}).encode()
        return 200, code.encode()

    def redeemed(self, request: bytes) -> bytes:
        node = self.node
        return redeem(node.store, node.journal, node.tree, node.identity, request, at=NOW, salt=bytes(16))


@contextmanager
def listening(node: TrustNode, identity: Identity | None = None) -> Iterator[tuple[str, LinkApplication]]:
    """Serve the node's link on loopback; ``identity`` presents another in TLS."""
    application = LinkApplication(node)
    listener = HttpListener(
        "link",
        application,
        Listener(host="127.0.0.1", port=0),
        threads=4,
        body_bytes_max=1_000_000,
        context=server_context(identity or node.identity),
    )
    listener.bind()
    listener.start()
    try:
        yield f"127.0.0.1:{listener.port}", application
    finally:
        listener.stop()


@pytest.fixture
def city(file_store: Any) -> TrustNode:
    return TrustNode(MADE["360100"], store=file_store, clock=SetClock(NOW))


def invited(node: TrustNode) -> str:
    return node.store.write(
        lambda transaction: invite(
            transaction,
            identity=node.identity,
            tree=node.tree(transaction.connection),
            admission=admission("360104", COUNTY),
            secret=node.randomness.token(16),
            at=NOW,
        )
    )


def join_at(home: Path, address: str, invitation: str, **changes: Any) -> Identity:
    arguments: dict[str, Any] = {"level": "county", "at": NOW, **changes}
    return join(
        home,
        code="360104",
        children_depth=1,
        invitation=invitation,
        address=address,
        carrier=JoinOverHttps(timeout_s=5),
        **arguments,
    )


def test_a_county_joins_over_the_network_and_then_calls_with_its_certificate(tmp_path: Path, city: TrustNode) -> None:
    with listening(city) as (address, _):
        identity = join_at(tmp_path, address, invited(city))
        assert city.current_tree().parent("360104") == "360100"
        assert load_identity(tmp_path).fingerprint == identity.fingerprint
        assert called(address, client_context(identity), identity) == (200, b"360104")
        strange = called(address, client_context(MADE["360103"]), identity)
        assert strange == (200, b"360103")


def called(address: str, context: ssl.SSLContext, identity: Identity) -> Answer:
    """Ask the listener, over TLS with a client certificate, who it thinks we are."""
    host, port = address.split(":")
    with (
        socket.create_connection((host, int(port)), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname=server_name("360100", identity.tree)) as secure,
    ):
        secure.sendall(b"GET /who HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        data = b"".join(iter(lambda: secure.recv(4096), b""))
    head, _, body = data.partition(b"\r\n\r\n")
    if b"chunked" in head:
        body = body.split(b"\r\n")[1]
    return int(head.split()[1]), body


def test_what_the_parent_refuses_is_told_in_its_words(tmp_path: Path, city: TrustNode) -> None:
    with listening(city) as (address, _):
        invitation = invited(city)
        join_at(tmp_path / "first", address, invitation)
        with pytest.raises(JoinRefusedError, match="already used by another key") as refused:
            join_at(tmp_path / "second", address, invitation)
    assert "tell the level above" in refused.value.action


def test_a_typed_address_of_another_node_is_told(tmp_path: Path, city: TrustNode) -> None:
    other = TrustNode(MADE["360103"])
    with listening(other) as (address, _), pytest.raises(IdentityError, match="not the one that the invitation names"):
        join_at(tmp_path, address, invited(city))


def test_a_node_that_shows_the_right_chain_without_its_key_is_told(tmp_path: Path, city: TrustNode) -> None:
    with (
        listening(city, MADE["360103"]) as (address, _),
        pytest.raises(IdentityError, match="TLS certificate is not the first of its chain"),
    ):
        join_at(tmp_path, address, invited(city))


@pytest.mark.parametrize("presented", ["360103", "360102"])
def test_nothing_is_sent_when_the_node_changed_meanwhile(city: TrustNode, presented: str) -> None:
    own = city.identity
    parent = check_parent(read_code(invited(city)), own.certificate.der, chain_document(own), at=NOW)
    with listening(city, MADE[presented]) as (address, application):
        application.replaced[JOIN_PATH] = (500, b"the request must not arrive")
        with pytest.raises(IdentityError, match="does not prove to be"):
            JoinOverHttps(timeout_s=5).send_join(address, b"secret", parent)


def test_nothing_is_sent_to_another_certificate_of_the_same_name(city: TrustNode) -> None:
    own, root = city.identity, MADE["360000"]
    assert root.issuing_key is not None
    key = new_key()
    renewed = make_node(
        key.public_key(), code="360100", at=NOW, issuer=root.root_certificate, issuer_key=root.issuing_key
    )
    twin = type(own)(private_key=key, chain=(renewed, root.root_certificate), path=own.path)
    parent = check_parent(read_code(invited(city)), own.certificate.der, chain_document(own), at=NOW)
    with (
        listening(city, twin) as (address, _),
        pytest.raises(IdentityError, match="changed while it was talked to"),
    ):
        JoinOverHttps(timeout_s=5).send_join(address, b"secret", parent)


@pytest.mark.parametrize(
    ("path", "answer", "error", "what"),
    [
        (CHAIN_PATH, (404, b"nothing here"), JoinRefusedError, "it answered 404"),
        (CHAIN_PATH, (503, b"{}"), PeerUnavailableError, "try again in a moment"),
        (CHAIN_PATH, (200, b"x" * 300_000), IdentityError, "too large"),
        (JOIN_PATH, (200, b"{}"), IdentityError, "another form"),
        (JOIN_PATH, (429, b'{"what": "busy", "why": "", "action": "wait"}'), PeerUnavailableError, "busy · wait"),
        (JOIN_PATH, (500, b"[]"), JoinRefusedError, "it answered 500"),
    ],
)
def test_an_answer_that_is_none_is_told(
    tmp_path: Path, city: TrustNode, path: str, answer: Answer, error: type[YizhanError], what: str
) -> None:
    with listening(city) as (address, application):
        application.replaced[path] = answer
        with pytest.raises(error, match=what):
            join_at(tmp_path, address, invited(city))


def test_a_parent_that_does_not_answer_is_tried_again_later(tmp_path: Path, city: TrustNode) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(PeerUnavailableError, match="does not answer"):
            join_at(tmp_path, f"127.0.0.1:{closed.getsockname()[1]}", invited(city))


@pytest.mark.parametrize("address", ["host:port", ":8443", "host:0", "host:70000"])
def test_an_address_that_is_none_is_told(tmp_path: Path, city: TrustNode, address: str) -> None:
    with pytest.raises(IdentityError, match="is no address"):
        join_at(tmp_path, address, invited(city))


@pytest.mark.parametrize("address", ["localhost.invalid", "[::1]:1"])
def test_other_forms_of_an_address_are_dialled(tmp_path: Path, city: TrustNode, address: str) -> None:
    with pytest.raises(PeerUnavailableError, match="does not answer"):
        join_at(tmp_path, address, invited(city))


def test_a_parent_whose_certificate_is_over_is_told(tmp_path: Path, city: TrustNode) -> None:
    with listening(city) as (address, _), pytest.raises(IdentityError, match="not valid now"):
        join_at(tmp_path, address, invited(city), at=NOW + timedelta(days=731))
