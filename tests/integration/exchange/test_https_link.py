"""A running link: threads, mutual TLS, the link listener's paths and what they refuse."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import closing, contextmanager, suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import zstandard
from flask import Flask

from node.clock import MachineClock
from node.config import Listener
from node.errors import PackageRefusedError, PeerUnavailableError, YizhanError
from node.exchange.carriers import https
from node.exchange.carriers.https import EXCHANGE_PATH, HttpsCarrier
from node.exchange.fetching import Wanted, read_records
from node.exchange.links import LinkWorker
from node.journal import links
from node.journal.wakeups import Wakeups
from node.standard.seals import DESCENDANTS
from node.trust.tls import client_context, server_context, server_name
from node.web.link_api import create_link_blueprint
from node.web.listeners import HttpListener
from tests.support.exchanging import ExchangeNode
from tests.support.identities import FOUR, child_of, identities, issued_by_code, root_identity
from tests.support.stores import new_file_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from node.trust.identity import Identity

PROVINCE, CITY = "360000", "360100"
LOOPBACK = "127.0.0.1"
THREADS = 6


class RunningNode(ExchangeNode):
    """A node on a file, with the machine's clock."""

    def __init__(self, identity: Identity, home: Path) -> None:
        home.mkdir()
        super().__init__(identity, store=new_file_store(home), clock=MachineClock(), evidence_folder=home / "evidence")  # type: ignore[arg-type]
        self.wakeups = Wakeups(self.store)
        self.wakeups.start()

    def close(self) -> None:
        self.wakeups.close()
        self.store.close()


class ParentSide:
    """The link listener of a parent."""

    def __init__(self, node: RunningNode, port: int = 0) -> None:
        self.listener = HttpListener(
            "link",
            application_of(node),
            Listener(host=LOOPBACK, port=port),
            threads=THREADS,
            body_bytes_max=8_000_000,
            context=server_context(node.identity),
        )
        self.listener.bind()
        self.listener.start()


def application_of(node: RunningNode) -> Flask:
    limits = SimpleNamespace(link_threads=THREADS, long_poll_s=5)
    part = SimpleNamespace(
        exchange=node.exchange,
        identity=node.identity,
        store=node.store,
        journal=node.journal,
        tree=node.tree,
        randomness=node.randomness,
        wakeups=node.wakeups,
        config=SimpleNamespace(level=SimpleNamespace(limits=limits)),
    )
    application = Flask("link")
    application.register_blueprint(create_link_blueprint(part))  # type: ignore[arg-type]
    application.register_error_handler(YizhanError, lambda error: ({"code": error.code, "what": error.what}, 403))
    return application


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[RunningNode]:
    made = identities()
    node = RunningNode(made[PROVINCE], tmp_path / PROVINCE)
    node.found()
    for code, issued in issued_by_code(made).items():
        if code != PROVINCE:
            node.issue(issued)
    node.seal()
    yield node
    node.close()


@pytest.fixture
def child(tmp_path: Path) -> Iterator[RunningNode]:
    node = RunningNode(identities()[CITY], tmp_path / CITY)
    yield node
    node.close()


@pytest.fixture
def listener(parent: RunningNode) -> Iterator[HttpListener]:
    side = ParentSide(parent)
    yield side.listener
    side.listener.stop()


def carrier_of(identity: Identity, listener: HttpListener, *, parent: str = PROVINCE, most: int = 4_194_304) -> Any:
    return HttpsCarrier(identity, parent=parent, host=LOOPBACK, port=listener.port, package_bytes_max=most)


def wait_until(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    pause = threading.Event()
    for _ in range(int(seconds / 0.05)):
        if condition():
            return
        pause.wait(0.05)
    message = "it did not happen in time"
    raise AssertionError(message)


@pytest.fixture
def link(child: RunningNode, listener: HttpListener) -> Iterator[LinkWorker]:
    worker = LinkWorker(child.exchange, PROVINCE, carrier_of(child.identity, listener), child.wakeups, long_poll_s=5.0)
    worker.start()
    yield worker
    worker.stop()
    assert not worker.alive


def state_of(node: RunningNode, peer: str) -> str | None:
    with node.store.reading() as connection:
        found = links.link_to(connection, peer)
    return None if found is None else found.state


@pytest.mark.integration
def test_records_go_up_and_down_over_a_running_link(parent: RunningNode, child: RunningNode, link: LinkWorker) -> None:
    wait_until(lambda: child.trust_size() == parent.trust_size())
    up = child.write(1_100)
    down = parent.write(30, DESCENDANTS)
    wait_until(lambda: parent.size(up) == 1_100 and child.size(down) == 30)
    wait_until(lambda: state_of(child, PROVINCE) == "up" and state_of(parent, CITY) == "up")
    assert link.alive


@pytest.mark.integration
@pytest.mark.usefixtures("link")
def test_a_single_record_does_not_wait_for_the_next_look(parent: RunningNode, child: RunningNode) -> None:
    wait_until(lambda: child.trust_size() == parent.trust_size())
    clock = MachineClock()
    began_s = clock.monotonic_s()
    stream = child.write(1)
    wait_until(lambda: parent.size(stream) == 1, 3.0)
    down = parent.write(1, DESCENDANTS)
    wait_until(lambda: child.size(down) == 1, 3.0)
    assert clock.monotonic_s() - began_s < 4.0


@pytest.mark.integration
def test_a_stopped_link_says_so_and_stops_within_a_few_seconds(
    child: RunningNode, listener: HttpListener, parent: RunningNode
) -> None:
    worker = LinkWorker(child.exchange, PROVINCE, carrier_of(child.identity, listener), child.wakeups, long_poll_s=25.0)
    worker.start()
    wait_until(lambda: child.trust_size() == parent.trust_size())
    clock = MachineClock()
    began_s = clock.monotonic_s()
    worker.stop()
    assert clock.monotonic_s() - began_s < 4.0
    assert not worker.alive
    assert state_of(child, PROVINCE) == "stopped"


@pytest.mark.integration
def test_a_link_whose_parent_is_away_backs_off_and_comes_back(
    parent: RunningNode, child: RunningNode, caplog: pytest.LogCaptureFixture
) -> None:
    side = ParentSide(parent)
    side.listener.stop()
    worker = LinkWorker(
        child.exchange, PROVINCE, carrier_of(child.identity, side.listener), child.wakeups, long_poll_s=5.0
    )
    with caplog.at_level("INFO"):
        worker.start()
        wait_until(lambda: state_of(child, PROVINCE) == "down")
        with child.store.reading() as connection:
            row = links.link_to(connection, PROVINCE)
        assert row is not None
        assert row.failures >= 1
        assert row.next_attempt_at is not None
        assert row.note
        again = ParentSide(parent, side.listener.port).listener
        try:
            wait_until(lambda: child.trust_size() == parent.trust_size())
            wait_until(lambda: state_of(child, PROVINCE) == "up")
        finally:
            worker.stop()
            again.stop()
    said = [record.message for record in caplog.records if record.name == "node.exchange.link_states"]
    assert said.count("link down") == 1


@contextmanager
def slow_line(port: int, bytes_per_s: int) -> Iterator[int]:
    """Pass one connection on to ``port``, upward at this rate only; give the port to connect to."""
    pause = threading.Event()
    with socket.create_server((LOOPBACK, 0)) as near, socket.create_connection((LOOPBACK, port)) as far:

        def up(child_end: socket.socket) -> None:
            with suppress(OSError):
                while piece := child_end.recv(bytes_per_s // 20):
                    pause.wait(0.05)
                    far.sendall(piece)

        def down(child_end: socket.socket) -> None:
            with suppress(OSError):
                while piece := far.recv(65_536):
                    child_end.sendall(piece)

        def run() -> None:
            child_end, _ = near.accept()
            with child_end:
                answering = threading.Thread(target=down, args=(child_end,))
                answering.start()
                up(child_end)
                far.shutdown(socket.SHUT_RDWR)
                answering.join()

        passing = threading.Thread(target=run)
        passing.start()
        yield int(near.getsockname()[1])
        passing.join(10)
    assert not passing.is_alive()


@pytest.mark.integration
def test_a_package_gets_through_on_a_line_that_takes_longer_for_it_than_an_answer_may(
    parent: RunningNode, child: RunningNode, listener: HttpListener, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(carrier_of(child.identity, listener)) as carrier:
        child.exchange.open_conversation(PROVINCE, carrier)
    stream = child.write(1_900)
    outgoing = child.exchange.next_package(PROVINCE)
    assert outgoing is not None
    size = len(zstandard.ZstdCompressor(level=https.COMPRESSION_LEVEL).compress(outgoing.data))
    # The line needs three seconds and an answer is waited for half a second: the system takes the package at once.
    monkeypatch.setattr(https, "ANSWER_S", 0.5)
    monkeypatch.setattr(https, "SLOWEST_BYTES_PER_S", size // 6)
    with slow_line(listener.port, size // 3) as port:
        carrier = HttpsCarrier(child.identity, parent=PROVINCE, host=LOOPBACK, port=port, package_bytes_max=4_194_304)
        with closing(carrier):
            began_s = child.clock.monotonic_s()
            child.exchange.accept_answer(carrier.exchange(outgoing.data, wait_s=0.0), PROVINCE, outgoing)
            taken_s = child.clock.monotonic_s() - began_s
    assert parent.size(stream) == outgoing.record_count > 1_000
    assert taken_s > 2.0


def test_an_answer_may_take_as_long_as_its_request_on_the_slowest_line() -> None:
    # 2,048 bytes a second: two minutes for 240 KiB, beside the half minute for the commit.
    assert https.answer_s_max(0) == 30
    assert https.answer_s_max(240 * 1024) == 150


@pytest.mark.integration
def test_an_answer_larger_than_a_package_is_cut_off(child: RunningNode, listener: HttpListener) -> None:
    carrier = carrier_of(child.identity, listener, most=200)
    with pytest.raises(PackageRefusedError) as caught:
        child.exchange.open_conversation(PROVINCE, carrier)
    assert caught.value.reason in {"too large", "compression"}
    carrier.close()


@pytest.mark.integration
def test_a_refused_package_comes_back_with_its_reason(child: RunningNode, listener: HttpListener) -> None:
    carrier = carrier_of(child.identity, listener)
    with pytest.raises(PackageRefusedError) as caught:
        carrier.exchange(b"no package", wait_s=0.0)
    assert caught.value.reason == "frame"
    carrier.close()
    with pytest.raises(PeerUnavailableError):
        carrier.exchange(b"closed", wait_s=0.0)


def posted(identity: Identity, listener: HttpListener, body: bytes, **headers: str) -> httpx.Response:
    extensions = {"sni_hostname": server_name(PROVINCE, identity.tree)}
    with httpx.Client(verify=client_context(identity), trust_env=False) as client:
        url = f"https://127.0.0.1:{listener.port}{EXCHANGE_PATH}"
        return client.post(url, content=body, headers=headers, extensions=extensions)


@pytest.mark.integration
def test_zstd_bombs_are_refused_without_being_expanded(child: RunningNode, listener: HttpListener) -> None:
    bomb = zstandard.ZstdCompressor().compress(bytes(200_000_000))
    answer = posted(child.identity, listener, bomb)
    assert (answer.status_code, answer.json()["reason"]) == (409, "compression")
    answer = posted(child.identity, listener, b"neither zstd nor gzip")
    assert (answer.status_code, answer.json()["reason"]) == (409, "compression")


@pytest.mark.integration
def test_a_body_larger_than_a_package_is_refused_by_its_length(child: RunningNode, listener: HttpListener) -> None:
    answer = posted(child.identity, listener, bytes(4 * 1024 * 1024 + 1))
    assert (answer.status_code, answer.json()["reason"]) == (409, "too large")


@pytest.mark.integration
def test_a_wait_that_is_no_number_counts_as_none(child: RunningNode, listener: HttpListener) -> None:
    answer = posted(child.identity, listener, zstandard.compress(b"x"), **{"X-Yizhan-Wait": "soon"})
    assert answer.json()["reason"] == "frame"


@pytest.mark.integration
def test_a_node_that_is_not_a_child_is_turned_away(listener: HttpListener) -> None:
    county = identities()["360102"]
    answer = posted(county, listener, zstandard.compress(b"x"))
    assert answer.status_code == 403


@pytest.mark.integration
def test_without_a_client_certificate_only_chain_and_join_answer(listener: HttpListener) -> None:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with httpx.Client(verify=context, trust_env=False, base_url=f"https://127.0.0.1:{listener.port}") as client:
        assert client.get("/link/v1/chain").status_code == 200
        assert client.post("/link/v1/join", content=b"{}").status_code == 403
        assert client.post(EXCHANGE_PATH, content=b"x").status_code == 403


@pytest.mark.integration
def test_a_stranger_of_another_tree_cannot_even_shake_hands(listener: HttpListener) -> None:
    stranger, _ = child_of(root_identity(), CITY, FOUR[CITY])
    carrier = HttpsCarrier(stranger, parent=PROVINCE, host=LOOPBACK, port=listener.port, package_bytes_max=4_194_304)
    with pytest.raises(PeerUnavailableError):
        carrier.exchange(b"x", wait_s=0.0)
    carrier.close()


@pytest.mark.integration
def test_a_parent_with_another_name_is_not_talked_to(listener: HttpListener, child: RunningNode) -> None:
    carrier = carrier_of(child.identity, listener, parent="360200")
    with pytest.raises(PeerUnavailableError):
        carrier.exchange(b"x", wait_s=0.0)
    carrier.close()


@pytest.fixture
def moody(parent: RunningNode) -> Iterator[tuple[Flask, HttpListener]]:
    """Give an application that a test may fill, behind the parent's TLS."""
    application = Flask("moody")
    listener = HttpListener(
        "link",
        application,
        Listener(host=LOOPBACK, port=0),
        threads=2,
        body_bytes_max=8_000_000,
        context=server_context(parent.identity),
    )
    listener.bind()
    listener.start()
    yield application, listener
    listener.stop()


@pytest.mark.integration
@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (503, {"Retry-After": "17"}, 17.0),
        (429, {"Retry-After": "3"}, 3.0),
        (503, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        (500, {"Retry-After": "17"}, None),
        (404, {}, None),
    ],
)
def test_a_parent_in_trouble_is_obeyed_when_it_says_when_to_come_again(
    child: RunningNode,
    moody: tuple[Flask, HttpListener],
    status: int,
    headers: dict[str, str],
    expected: float | None,
) -> None:
    application, listener = moody
    application.add_url_rule(
        EXCHANGE_PATH, "answer", lambda: ("[1]" if status == 404 else "no JSON", status, headers), methods=["POST"]
    )
    carrier = carrier_of(child.identity, listener)
    with pytest.raises(PeerUnavailableError) as caught:
        carrier.exchange(b"x", wait_s=0.0)
    assert caught.value.retry_after_s == expected
    carrier.close()


@pytest.mark.integration
def test_an_answer_that_is_not_compressed_or_too_long_is_refused(
    child: RunningNode, moody: tuple[Flask, HttpListener]
) -> None:
    application, listener = moody
    answers = [b"plain", bytes(3_000)]
    application.add_url_rule(EXCHANGE_PATH, "answer", lambda: answers.pop(0), methods=["POST"])
    carrier = carrier_of(child.identity, listener, most=2_000)
    for reason in ("compression", "too large"):
        with pytest.raises(PackageRefusedError) as caught:
            carrier.exchange(b"x", wait_s=0.0)
        assert caught.value.reason == reason
    carrier.close()


@pytest.mark.integration
def test_a_child_fetches_records_that_it_lost(parent: RunningNode, child: RunningNode, listener: HttpListener) -> None:
    with closing(carrier_of(child.identity, listener)) as carrier:
        child.exchange.open_conversation(PROVINCE, carrier)
        stream = child.write(5)
        assert child.exchange.push_once(PROVINCE, carrier).asked
        with parent.store.reading() as connection:
            bodies = [one.body for one in parent.journal.stored(connection, stream, 2, 4)]
        assert read_records(carrier.fetch(Wanted(stream=stream, first=2, last=4).to_bytes())) == bodies
        with pytest.raises(PackageRefusedError, match="refused"):
            carrier.fetch(Wanted(stream=stream, first=6, last=6).to_bytes())
    with pytest.raises(PeerUnavailableError):
        carrier.fetch(b"")
