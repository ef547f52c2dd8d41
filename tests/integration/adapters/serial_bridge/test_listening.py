"""The thread of a port ends well or badly, and who waits for it is told either way."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from adapters.contract import Document, SourceUnavailableError
from adapters.serial_bridge import listening
from adapters.serial_bridge.inbox import Inbox
from adapters.serial_bridge.listening import Listener
from adapters.serial_bridge.port_keeper import PortKeeper
from adapters.serial_bridge.ports import open_port
from node.clock import MachineClock
from tests.integration.adapters.serial_bridge.bridges import far_end, heard, settings_of, wait_for
from tests.support.line_simulator import simulated_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from adapters.serial_bridge.ports import Port
    from tests.support.line_simulator import Line

pytestmark = pytest.mark.integration
NOTICE = Document(content=b"<x/>", record_type="Notice", text="text")
KEY = "310000/3-1/7"


class ScriptedTalk:
    """A talk that does what the test tells it."""

    def __init__(self) -> None:
        self.listens: Callable[[], object] = lambda: None
        self.sends: Callable[[], object] = lambda: None
        self.sent: list[str] = []
        self.broken_off = 0
        self.stopped = threading.Event()

    def listen(self, port: Port, wait_s: float) -> None:
        self.listens()
        port.read(100, wait_s)

    def send(self, port: Port, document: Document, key: str) -> None:
        self.sent.append(f"{key} {document.text}")
        self.sends()
        port.unsent()

    def break_off(self) -> None:
        self.broken_off += 1

    def stop(self) -> None:
        self.stopped.set()


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    with simulated_line(tmp_path / "line") as made:
        yield made


class Listening:
    """A listener on a line."""

    def __init__(self, folder: Path, line: Line, **settings: Any) -> None:
        self.talk = ScriptedTalk()
        self.inbox = Inbox(folder, MachineClock().now)
        port = settings_of(port=str(line.near), **settings)
        keeper = PortKeeper("hall", lambda: open_port(port), time.monotonic)
        self.listener = Listener("hall", self.talk, keeper, self.inbox)

    def stop(self) -> None:
        self.listener.stop()
        self.inbox.close()


@pytest.fixture
def listening_to(line: Line, tmp_path: Path) -> Iterator[Listening]:
    made = Listening(tmp_path, line)
    yield made
    made.stop()


def test_nothing_runs_before_it_is_started(listening_to: Listening) -> None:
    with pytest.raises(SourceUnavailableError, match="being opened"):
        listening_to.listener.refuse_when_away()
    listening_to.listener.stop()


def test_answers_are_said_before_the_port_is_closed(listening_to: Listening, line: Line) -> None:
    with far_end(line) as far:
        listening_to.listener.start()
        listening_to.listener.refuse_when_away()
        listening_to.listener.say(b"")
        listening_to.listener.say(b"last words")
        listening_to.stop()
        assert heard(far, b"last words") == b"last words"
    assert listening_to.talk.broken_off == 1
    assert listening_to.talk.stopped.is_set()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_defect_is_told_as_one(listening_to: Listening) -> None:
    def defect() -> None:
        raise ZeroDivisionError

    listening_to.talk.listens = defect
    listening_to.listener.start()

    def is_told() -> bool:
        try:
            listening_to.listener.refuse_when_away()
        except RuntimeError as error:
            return isinstance(error.__cause__, ZeroDivisionError)
        except SourceUnavailableError:
            return False
        return False

    wait_for(is_told)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_defect_while_sending_is_no_delivery(listening_to: Listening) -> None:
    def defect() -> None:
        raise ZeroDivisionError

    listening_to.talk.sends = defect
    listening_to.listener.start()
    with pytest.raises(SourceUnavailableError, match="has ended"):
        listening_to.listener.send(NOTICE, KEY, 20)
    assert not listening_to.inbox.is_delivered(KEY)


def test_a_document_is_sent_once_however_often_it_is_asked_for(listening_to: Listening) -> None:
    may_go = threading.Event()
    listening_to.talk.sends = lambda: may_go.wait(20)
    listening_to.listener.start()
    for _ in range(2):
        with pytest.raises(SourceUnavailableError, match="busy"):
            listening_to.listener.send(NOTICE, KEY, 0.2)
    may_go.set()
    listening_to.listener.send(NOTICE, KEY, 20)
    listening_to.listener.send(NOTICE, KEY, 20)
    assert listening_to.talk.sent == [f"{KEY} text"]


def test_what_was_to_be_sent_when_the_port_went_is_told_so(listening_to: Listening, line: Line) -> None:
    listening_to.talk.sends = lambda: line.unplug("near")
    listening_to.listener.start()
    with pytest.raises(SourceUnavailableError, match="the port is gone"):
        listening_to.listener.send(NOTICE, KEY, 20)
    wait_for(lambda: listening_to.talk.broken_off)
    with pytest.raises(SourceUnavailableError, match=r"is not there|is gone"):
        listening_to.listener.send(NOTICE, KEY, 20)


def test_what_is_given_to_a_thread_that_has_ended_waits_for_nothing(listening_to: Listening) -> None:
    listening_to.listener.start()
    listening_to.listener.stop()
    began_s = time.monotonic()
    with pytest.raises(SourceUnavailableError, match="being stopped"):
        listening_to.listener.send(NOTICE, KEY, 20)
    assert time.monotonic() - began_s < 10


def test_what_waits_when_the_adapter_is_closed_is_told_so(listening_to: Listening) -> None:
    listening_to.talk.listens = lambda: listening_to.talk.stopped.wait(20)
    listening_to.listener.start()
    told: list[str] = []

    def send() -> None:
        with pytest.raises(SourceUnavailableError, match="being stopped") as caught:
            listening_to.listener.send(NOTICE, KEY, 20)
        told.append(str(caught.value))

    sender = threading.Thread(target=send)
    sender.start()
    wait_for(lambda: listening_to.listener._sendings)
    listening_to.listener.stop()
    sender.join(20)
    assert told


def test_a_line_that_takes_nothing_holds_up_no_closing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "CLOSING_S", 0.5)
    with simulated_line(tmp_path / "line", bits_per_s=300, flow_control=True) as slow:
        made = Listening(tmp_path, slow, write_timeout_s=600)
        made.listener.start()
        made.listener.say(bytes(100_000))
        wait_for(lambda: slow.carried("near"))
        began_s = time.monotonic()
        made.stop()
        assert time.monotonic() - began_s < 10
