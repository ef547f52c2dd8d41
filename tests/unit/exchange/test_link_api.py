"""The link listener's paths without a network: who is let in, and who may wait."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import zstandard
from cryptography.hazmat.primitives.serialization import Encoding
from flask import Flask

from node.errors import IdentityError, YizhanError
from node.exchange.carriers.https import EXCHANGE_PATH
from node.exchange.package import read_package
from node.standard.compression import expand_limited
from node.standard.seals import DESCENDANTS
from node.web.link_api import create_link_blueprint
from tests.support.exchanging import ExchangeNode, settle, settled_nodes
from tests.support.identities import identities

if TYPE_CHECKING:
    from flask.testing import FlaskClient

CITY, EAST = "360100", "360102"


class Listener:
    """The city's paths; ``waited`` lists what requests waited for, ``during`` happens in the first wait."""

    def __init__(self) -> None:
        self.nodes: dict[str, ExchangeNode] = settled_nodes()
        settle(self.nodes)
        self.waited: list[float] = []
        self.during: list[Any] = []
        city = self.nodes[CITY]
        limits = SimpleNamespace(link_threads=2, long_poll_s=4)
        node = SimpleNamespace(
            exchange=city.exchange,
            identity=city.identity,
            store=city.store,
            journal=city.journal,
            tree=city.tree,
            randomness=city.randomness,
            wakeups=SimpleNamespace(wait=self.wait),
            config=SimpleNamespace(level=SimpleNamespace(limits=limits)),
        )
        application = Flask("link")
        application.register_blueprint(create_link_blueprint(node))  # type: ignore[arg-type]
        application.register_error_handler(YizhanError, lambda error: ({"code": error.code}, 403))
        self.client: FlaskClient = application.test_client()

    def wait(self, seconds: float) -> bool:
        if seconds:
            self.waited.append(seconds)
            if self.during:
                self.during.pop()()
            self.nodes[CITY].clock.advance(seconds)
        return False

    def poll(self, wait_s: str = "25", certificate: str = EAST, **environment: str) -> Any:
        county = self.nodes[EAST].exchange
        conversation = county.conversation(CITY)
        with conversation.lock:
            data = county._composer.compose_poll(conversation).data
        pem = identities()[certificate].certificate.parsed.public_bytes(Encoding.PEM).decode()
        shown = {"SSL_CLIENT_CERT": pem, "SSL_CLIENT_VERIFY": "SUCCESS", **environment}
        return self.client.post(
            EXCHANGE_PATH,
            data=zstandard.compress(data),
            headers={"X-Yizhan-Wait": wait_s},
            environ_overrides=shown,
        )

    def slices(self, answer: Any) -> list[str]:
        assert answer.status_code == 200
        data = expand_limited(answer.data, 4_194_304)
        certificate = identities()[CITY].certificate.parsed
        return [str(one.stream) for one in read_package(data, certificate, self.nodes[CITY].clock.now()).head.slices]


@pytest.fixture
def listener() -> Listener:
    return Listener()


def test_a_long_poll_waits_as_long_as_the_level_allows(listener: Listener) -> None:
    assert listener.slices(listener.poll()) == []
    assert sum(listener.waited) == pytest.approx(4.0)


def test_a_long_poll_without_a_free_place_is_answered_at_once(listener: Listener) -> None:
    def another() -> None:
        before = list(listener.waited)
        assert listener.poll().status_code == 200
        assert listener.waited == before

    listener.during.append(another)
    assert listener.poll().status_code == 200
    # The place is given back.
    listener.waited.clear()
    listener.poll()
    assert listener.waited


def test_news_end_the_wait(listener: Listener) -> None:
    listener.during.append(lambda: listener.nodes[CITY].write(1, DESCENDANTS))
    assert listener.slices(listener.poll()) == ["360100/descendants"]


@pytest.mark.parametrize("text", ["0", "", "soon", "-5", "1e9", "nan"])
def test_a_wait_that_is_no_plain_number_waits_for_nothing(listener: Listener, text: str) -> None:
    assert listener.poll(text).status_code == 200
    assert listener.waited == []


@pytest.mark.parametrize(
    "changes",
    [
        {"SSL_CLIENT_VERIFY": "NONE"},
        {"SSL_CLIENT_CERT": ""},
        {"SSL_CLIENT_CERT": "no certificate"},
        {"certificate": CITY},
        {"certificate": "360000"},
    ],
)
def test_whoever_is_no_child_with_a_verified_certificate_is_turned_away(
    listener: Listener, changes: dict[str, str]
) -> None:
    answer = listener.poll(**changes)
    assert (answer.status_code, answer.json["code"]) == (403, IdentityError.code)


def test_a_body_without_a_length_is_refused(listener: Listener) -> None:
    answer = listener.client.post(
        EXCHANGE_PATH,
        input_stream=None,
        headers={"Transfer-Encoding": "chunked"},
        environ_overrides={
            "SSL_CLIENT_CERT": identities()[EAST].certificate.parsed.public_bytes(Encoding.PEM).decode(),
            "SSL_CLIENT_VERIFY": "SUCCESS",
            "CONTENT_LENGTH": "",
        },
    )
    assert answer.status_code == 409
    assert answer.get_json()["reason"] == "too large"
