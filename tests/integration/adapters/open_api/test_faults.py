"""What servers do wrong, and what they refuse: each is told to whom it belongs, in time, and nothing is lost."""

from __future__ import annotations

import gzip
import json
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from adapters.contract import AdapterError, SourceNeedsPersonError, SourceUnavailableError
from tests.support.raw_http import Asked, RawServer, answer
from tests.support.server_certificates import ServerCertificates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.integration.adapters.open_api.conftest import Node

pytestmark = pytest.mark.integration
PAGE = b'{"rows": [{"id": 1}], "next": null}'
RIGHT = {"items": "rows"}


def away(node: Node) -> SourceUnavailableError:
    with pytest.raises(SourceUnavailableError) as caught:
        node.bodies()
    return caught.value


def needs_person(node: Node) -> str:
    with pytest.raises(SourceNeedsPersonError) as caught:
        node.bodies()
    return str(caught.value)


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504])
def test_what_passes_is_told_as_away(node_of: Callable[..., Node], status: int) -> None:
    with RawServer(lambda _: answer(status)) as server:
        error = away(node_of(server.address))
        assert str(status) in str(error)
        assert error.retry_after_s is None


@pytest.mark.parametrize(
    ("value", "least_s", "most_s"),
    [
        ("120", 120, 120),
        ("9" * 400, 86_400, 86_400),
        ("Wed, 21 Oct 2099 07:28:00 GMT", 86_400, 86_400),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0),
    ],
)
def test_the_server_says_when_to_come_again(
    node_of: Callable[..., Node], value: str, least_s: float, most_s: float
) -> None:
    statuses = [429, 503]
    with RawServer(lambda _: answer(statuses.pop(), Retry_After=value)) as server:
        for _ in (503, 429):
            assert least_s <= (away(node_of(server.address)).retry_after_s or 0) <= most_s


@pytest.mark.parametrize("value", ["soon", "Wed, 21 Oct 9999 07:28:00 -2400", "Wed, 21 Oct 2015 07:28:00 +99999999"])
def test_a_retry_after_that_says_nothing_is_none(node_of: Callable[..., Node], value: str) -> None:
    with RawServer(lambda _: answer(503, Retry_After=value)) as server:
        assert away(node_of(server.address)).retry_after_s is None


@pytest.mark.parametrize(
    ("status", "word"), [(401, "credential"), (403, "credential"), (404, "address"), (400, "address")]
)
def test_what_a_person_has_to_mend_is_told_so(node_of: Callable[..., Node], status: int, word: str) -> None:
    with RawServer(lambda _: answer(status)) as server:
        text = needs_person(node_of(server.address))
        assert str(status) in text
        assert word in text


@pytest.mark.parametrize(
    "sent",
    [
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 400\r\n\r\n" + PAGE,
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + PAGE[:20],
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n" + PAGE[:16],
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nplain",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/html\r\nContent-Length: 14\r\n\r\n<h1>Login</h1>",
        b"no HTTP at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X-Long: " + b"x" * 200_000 + b"\r\n\r\n",
        b"",
    ],
    ids=["short", "short-without-length", "chunk", "gzip", "web-page", "noise", "long-header", "closed"],
)
def test_half_and_damaged_answers_are_asked_again(node_of: Callable[..., Node], sent: bytes) -> None:
    answers = [sent]
    with RawServer(lambda _: answers.pop(0) if answers else answer(200, PAGE)) as server:
        node = node_of(server.address, **RIGHT)
        away(node)
        assert node.items() == [{"id": "1"}]


@pytest.mark.parametrize("where", ["head", "body"])
def test_an_answer_that_drips_is_cut_off(node_of: Callable[..., Node], where: str) -> None:
    stop = threading.Event()

    def drip(_: Asked) -> Iterator[bytes]:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n"
        yield head if where == "head" else head + b"\r\n"
        while not stop.wait(0.05):
            yield b"x" if where == "body" else b"X-A: b\r\n"

    with RawServer(drip) as server:
        node = node_of(server.address, request_timeout_s=1)
        begun_s = time.monotonic()
        assert "within 1 seconds" in str(away(node))
        assert time.monotonic() - begun_s < 10
        stop.set()


def test_a_dripping_answer_is_cut_off_within_encryption(
    node_of: Callable[..., Node], certificates: ServerCertificates
) -> None:
    stop = threading.Event()

    def drip(_: Asked) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
        while not stop.wait(0.05):
            yield b"x"

    with RawServer(drip, certificates) as server:
        node = node_of(server.address, request_timeout_s=1, tls_ca_file=str(certificates.authority))
        assert "within 1 seconds" in str(away(node))
        stop.set()


def test_a_server_that_says_nothing_is_left(node_of: Callable[..., Node]) -> None:
    stop = threading.Event()

    def silent(_: Asked) -> Iterator[bytes]:
        stop.wait(30)
        yield b""

    with RawServer(silent) as server:
        assert "within 1 seconds" in str(away(node_of(server.address, request_timeout_s=1)))
        stop.set()


def test_nobody_listens(node_of: Callable[..., Node]) -> None:
    with RawServer(lambda _: b"") as server:
        address = server.address
    assert "does not answer" in str(away(node_of(address)))
    assert "does not answer" in str(away(node_of("https://no-such-host.invalid/")))


@pytest.mark.parametrize("packed", [False, True])
def test_an_answer_that_is_too_large_needs_a_person(node_of: Callable[..., Node], *, packed: bool) -> None:
    body = b"x" * 2_000_000
    sent = answer(200, gzip.compress(body), Content_Encoding="gzip") if packed else answer(200, body)
    with RawServer(lambda _: sent) as server:
        assert "answer_bytes_max" in needs_person(node_of(server.address, answer_bytes_max=1_000_000))


@pytest.mark.parametrize("coding", ["zstd", "br", "gzip, gzip"])
def test_an_answer_that_is_packed_as_nobody_asked_for_is_not_expanded(
    node_of: Callable[..., Node], coding: str
) -> None:
    with RawServer(lambda _: answer(200, b"{}", Content_Encoding=coding)) as server:
        assert f"packed as '{coding}'" in needs_person(node_of(server.address))
        assert server.asked[0].headers["accept-encoding"] == "gzip"


@pytest.mark.parametrize(
    ("body", "settings", "said"),
    [
        (b"\xff\xfe{", RIGHT, "no JSON in UTF-8"),
        (b'{"rows": {}}', RIGHT, "rows holds no list"),
        (b'{"rows": [{"id": 1}]}', {"items": "."}, "the answer holds no list"),
        (b'{"rows": [], "next": ["x"]}', {**RIGHT, "paging": "cursor", "cursor_path": "next"}, "the cursor is not"),
        (
            b'{"rows": [], "next": "' + b"x" * 2000 + b'"}',
            {**RIGHT, "paging": "next", "next_path": "next"},
            "at most 1500",
        ),
        (b'{"rows": [{"id": 1}]}', {**RIGHT, "paging": "watermark", "watermark_path": "at"}, "watermark_path"),
    ],
)
def test_an_answer_in_another_form_needs_a_person(
    node_of: Callable[..., Node], body: bytes, settings: dict[str, Any], said: str
) -> None:
    with RawServer(lambda _: answer(200, body)) as server:
        node = node_of(server.address, **settings)
        assert said in needs_person(node)
        with pytest.raises(SourceNeedsPersonError, match=said):
            node.adapter.check()


@pytest.mark.parametrize("body", [b'{"rows": [NaN]}', b'{"rows": [], "rows": []}', b"[" * 100_000, b'{"rows": '])
def test_json_that_loses_something_is_not_taken(node_of: Callable[..., Node], body: bytes) -> None:
    with RawServer(lambda _: answer(200, body)) as server:
        assert "no JSON that can be read" in str(away(node_of(server.address, **RIGHT)))


def test_redirects_are_followed_within_the_server_only(node_of: Callable[..., Node]) -> None:
    targets = {
        "/old": "/new",
        "/away": "http://other.example/",
        "/round": "/round",
        "/port": "http://127.0.0.1:9/",
        "/bad": "http://[",
    }

    def script(asked: Asked) -> bytes:
        if asked.path in targets:
            return answer(302, Location=targets[asked.path])
        return answer(200, PAGE)

    with RawServer(script) as server:
        assert node_of(f"{server.address}/old", **RIGHT).items() == [{"id": "1"}]
        assert "other.example" in needs_person(node_of(f"{server.address}/away"))
        assert "another place" in needs_person(node_of(f"{server.address}/port"))
        assert "another place" in needs_person(node_of(f"{server.address}/bad"))
        assert "redirects" in needs_person(node_of(f"{server.address}/round"))


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> ServerCertificates:
    return ServerCertificates(tmp_path_factory.mktemp("tls"))


def test_certificates_are_checked(
    node_of: Callable[..., Node], certificates: ServerCertificates, tmp_path: Path
) -> None:
    other = ServerCertificates(tmp_path / "other")
    with RawServer(lambda _: answer(200, PAGE), certificates) as server:
        assert node_of(server.address, **RIGHT, tls_ca_file=str(certificates.authority)).items() == [{"id": "1"}]
        assert "tls_ca_file" in needs_person(node_of(server.address, tls_ca_file=str(other.authority)))
        assert "tls_ca_file" in needs_person(node_of(server.address))
        assert "PEM" in needs_person(node_of(server.address, tls_ca_file=str(tmp_path / "nowhere")))
        assert "PEM" in needs_person(node_of(server.address, tls_certificate_file=str(certificates.authority)))


def test_a_client_shows_its_certificate(node_of: Callable[..., Node], certificates: ServerCertificates) -> None:
    ours = {**RIGHT, "tls_ca_file": str(certificates.authority)}
    with RawServer(lambda _: answer(200, PAGE), certificates, client_certificate=True) as server:
        shown = node_of(server.address, **ours, tls_certificate_file=str(certificates.client))
        assert shown.items() == [{"id": "1"}]
        with pytest.raises(AdapterError):
            node_of(server.address, **ours).bodies()


@pytest.mark.parametrize(
    ("settings", "headers"),
    [
        ({"auth": "header"}, {"x-api-key": "key-71"}),
        ({"auth": "header", "auth_header": "X-Token"}, {"x-token": "key-71"}),
        ({"auth": "bearer"}, {"authorization": "Bearer key-71"}),
        # base64 of "办事:key-71" in UTF-8.
        ({"auth": "basic", "user": "办事"}, {"authorization": "Basic 5Yqe5LqLOmtleS03MQ=="}),
        ({"headers": {"X-System": "yizhan"}}, {"x-system": "yizhan"}),
    ],
)
def test_credentials_are_shown(node_of: Callable[..., Node], settings: dict[str, Any], headers: dict[str, str]) -> None:
    with RawServer(lambda _: answer(200, PAGE)) as server:
        node_of(server.address, secrets={"credential": "key-71"}, **settings).bodies()
        assert headers.items() <= server.asked[0].headers.items()


class Issuer:
    """An authorization server and what it guards; tokens are numbered."""

    def __init__(self) -> None:
        self.issued = 0
        self.valid = ""
        self.life: Any = 3600
        self.grant: bytes | None = None

    def __call__(self, asked: Asked) -> bytes:
        if asked.path == "/token":
            if self.grant is not None:
                return self.grant
            self.issued += 1
            self.valid = f"token-{self.issued}"
            return answer(200, json.dumps({"access_token": self.valid, "expires_in": self.life}).encode())
        right = asked.headers.get("authorization") == f"Bearer {self.valid}"
        return answer(200, b'{"rows": [{"id": %d}]}' % self.issued) if right else answer(401)


def oauth_node(node_of: Callable[..., Node], server: RawServer, **settings: Any) -> Node:
    given = {"auth": "oauth2", "token_url": f"{server.address}/token", "client_id": "hall+1", "scope": "read"}
    return node_of(f"{server.address}/list", secrets={"credential": "sec ret"}, **RIGHT, **given, **settings)


def test_a_token_is_asked_for_once_and_kept(node_of: Callable[..., Node]) -> None:
    issuer = Issuer()
    with RawServer(issuer) as server:
        node = oauth_node(node_of, server)
        assert node.items() == [{"id": "1"}]
        assert node.items() == []
        assert issuer.issued == 1
        first = server.asked[0]
        assert first.body == b"grant_type=client_credentials&scope=read"
        # base64 of "hall%2B1:sec+ret": both are form-encoded first (RFC 6749, 2.3.1).
        assert first.headers["authorization"] == "Basic aGFsbCUyQjE6c2VjK3JldA=="


def test_client_and_secret_may_go_in_the_form(node_of: Callable[..., Node]) -> None:
    with RawServer(Issuer()) as server:
        oauth_node(node_of, server, token_auth="body").bodies()
        expected = b"grant_type=client_credentials&scope=read&client_id=hall%2B1&client_secret=sec+ret"
        assert server.asked[0].body == expected
        assert "authorization" not in server.asked[0].headers


@pytest.mark.parametrize("life", [10**400, -5, "soon", float("inf")])
def test_a_token_whose_life_is_no_number_of_seconds_is_used_for_a_while(
    node_of: Callable[..., Node], life: object
) -> None:
    issuer = Issuer()
    issuer.life = life
    with RawServer(issuer) as server:
        node = oauth_node(node_of, server)
        assert (node.items(), node.items(), issuer.issued) == ([{"id": "1"}], [], 1)


def test_a_token_that_was_taken_back_is_renewed_once(node_of: Callable[..., Node]) -> None:
    issuer = Issuer()
    with RawServer(issuer) as server:
        node = oauth_node(node_of, server)
        node.bodies()
        issuer.valid = "taken back"
        assert node.items() == [{"id": "2"}]
        issuer.valid = "taken back"
        issuer.grant = answer(200, b'{"access_token": "never-right"}')
        assert "401" in needs_person(node)


def test_a_token_that_ends_is_renewed_before(node_of: Callable[..., Node]) -> None:
    issuer = Issuer()
    issuer.life = 10
    with RawServer(issuer) as server:
        node = oauth_node(node_of, server)
        node.bodies()
        node.bodies()
        assert issuer.issued == 2


@pytest.mark.parametrize(
    ("grant", "person"),
    [
        (answer(400, b'{"error": "invalid_client"}'), True),
        (answer(401), True),
        (answer(200, b"[]"), True),
        (answer(200, b"no json"), True),
        (answer(200, b'{"access_token": "with\\nline"}'), True),
        (answer(503), False),
        (answer(429), False),
    ],
)
def test_a_token_that_is_not_handed_out(node_of: Callable[..., Node], grant: bytes, *, person: bool) -> None:
    issuer = Issuer()
    issuer.grant = grant
    with RawServer(issuer) as server:
        node = oauth_node(node_of, server)
        if person:
            assert "token_url" in needs_person(node)
        else:
            assert "no token" in str(away(node))


def test_an_issuer_of_tokens_says_when_to_come_again_too(node_of: Callable[..., Node]) -> None:
    issuer = Issuer()
    issuer.grant = answer(429, Retry_After="120")
    with RawServer(issuer) as server:
        assert away(oauth_node(node_of, server)).retry_after_s == 120
