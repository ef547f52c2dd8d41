"""``run`` of the terminal's program, in this process, with the node's end at the other side of a pair of ports."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from adapters.contract import DeliveryRejectedError, Document, Outcome
from adapters.record_line.entries import entry_messages
from adapters.record_line.key_text import key_text
from adapters.record_line.limits import ENTRY_BYTES_MAX
from adapters.record_line.line import Message, RecordLine
from adapters.record_line.messages import Entry, Part
from adapters.serial_bridge.terminal import command, running
from adapters.serial_bridge.terminal.command import main, tell
from adapters.serial_bridge.terminal.running import Running, file_name
from adapters.serial_bridge.terminal.settings import set_key
from adapters.serial_bridge.terminal.spool import Incoming, Spool
from tests.support.port_pairs import SocketPort, port_pair

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = bytes(range(32))
LIMIT_S = 20.0
TAKEN = Outcome(offered=2, accepted=1, repeated=0, refused=1)


class Machine:
    """A terminal that runs in a thread, and the node's end that it can reach."""

    def __init__(self, folder: Path, *, key: bytes = KEY) -> None:
        self.told: list[tuple[str, str]] = []
        self.folder = folder / "terminal"
        self.spool = Spool(self.folder)
        self.failures = 0
        self.far: SocketPort | None = None
        (folder / "node").mkdir(exist_ok=True)
        self.line = RecordLine(
            terminals={"hall-1": KEY}, folder=folder / "node", monotonic_s=time.monotonic, token=os.urandom
        )
        self.running = Running(
            self.folder,
            self.spool,
            name="hall-1",
            key=key,
            open_port=self._open,
            tell=lambda *what: self.told.append(what),
        )
        self.thread = Thread(target=self.running.run, kwargs={"once": False})

    def _open(self) -> SocketPort:
        if self.failures:
            self.failures -= 1
            raise OSError("no such port")
        near, self.far = port_pair()
        self.line.start(near)
        return self.far

    def received(self) -> Message:
        self.wait_for("port")
        message = self.line.received(LIMIT_S)
        assert message is not None
        return message

    def wait_for(self, word: str, what: str = "", *, times: int = 1) -> None:
        end_s = time.monotonic() + LIMIT_S
        while sum(one == word and what in text for one, text in self.told) < times:
            assert time.monotonic() < end_s, self.told
            self.thread.join(0.01)

    def close(self) -> None:
        self.running.stop()
        if self.thread.is_alive():
            self.thread.join(LIMIT_S)
        self.line.close()
        self.spool.close()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    monkeypatch.setattr(running, "OPEN_AGAIN_S", (0.05, 0.1))
    made = Machine(tmp_path)
    yield made
    made.close()


def test_answers_are_told_and_kept(machine: Machine) -> None:
    machine.spool.put("a.xml", "application/xml", b"<a/>")
    machine.spool.put("b.xml", "application/xml", b"?")
    machine.thread.start()
    machine.line.confirm(machine.received(), TAKEN)
    machine.line.refuse(machine.received(), "no dialect reads this")
    machine.wait_for("refused", "2: no dialect reads this")
    assert ("open", "") in machine.told
    assert ("confirmed", "1: 1/2 ") in machine.told
    assert [one.state for one in machine.spool.answered(5)] == ["refused", "confirmed"]


def test_files_put_into_the_outbox_and_entries_put_in_meanwhile_are_sent(machine: Machine) -> None:
    machine.thread.start()
    (machine.folder / "outbox/later.csv").write_bytes(b"a\n1\n")
    with (machine.folder / "outbox/big.csv").open("wb") as file:
        file.truncate(ENTRY_BYTES_MAX + 1)
    message = machine.received()
    assert (message.name, message.media_type, message.content) == ("later.csv", "text/csv", b"a\n1\n")
    machine.wait_for("taken", "later.csv")
    machine.wait_for("too-long", "big.csv")
    machine.spool.put("form.csv", "text/csv", b"b\n2\n")
    assert machine.received().name == "form.csv"


def test_documents_stand_in_the_inbox_and_their_texts_are_shown(machine: Machine) -> None:
    machine.thread.start()
    machine.wait_for("open")
    machine.line.deliver(
        Document(content=b"<n/>", record_type="SupervisionNotice", text="请办理"), "n/1", wait_s=LIMIT_S
    )
    long = os.urandom(100_000)
    machine.line.deliver(Document(content=long, record_type="Card"), "n/2", wait_s=LIMIT_S)
    machine.line.deliver(
        Document(content=b"<n/>", record_type="SupervisionNotice", text="请办理"), "n/1", wait_s=LIMIT_S
    )
    machine.wait_for("document", times=2)
    assert machine.told[-2:] == [("document", "000001-SupervisionNotice.xml\n请办理"), ("document", "000002-Card.xml")]
    assert (machine.folder / "inbox/000001-SupervisionNotice.xml").read_bytes() == b"<n/>"
    assert (machine.folder / "inbox/000002-Card.xml").read_bytes() == long


def test_a_document_that_was_not_shown_before_the_power_went_is_shown_at_the_next_start(machine: Machine) -> None:
    machine.spool.receive("n/1", "../../Notice", "text/plain", "", b"text")
    machine.thread.start()
    machine.wait_for("document")
    assert (machine.folder / "inbox/000001-Notice.txt").read_bytes() == b"text"


def test_a_port_that_cannot_be_opened_or_is_pulled_out_is_opened_again_and_told_once(machine: Machine) -> None:
    machine.failures = 4
    machine.spool.put("a.xml", "application/xml", b"<a/>")
    machine.thread.start()
    machine.received()
    assert machine.told.count(("no-port", "no such port")) == 1
    assert machine.far is not None
    machine.far.close()
    machine.wait_for("closed", "unplugged")
    machine.wait_for("open", times=2)
    assert sum(word == "no-port" for word, _ in machine.told) == 2


def test_a_long_file_goes_on_where_the_node_says(machine: Machine) -> None:
    content = os.urandom(200_000)
    machine.spool.put("long.bin", "application/octet-stream", content)
    first = next(entry_messages("1", content, media_type="application/octet-stream"))
    assert isinstance(first, Entry)
    machine.line._speaking.memory.begin("hall-1", machine.spool.spool, first)
    machine.line._speaking.memory.keep("hall-1", content[:150_000])
    machine.thread.start()
    assert machine.received().content == content


def test_why_the_node_does_not_let_us_in_is_told_once(tmp_path: Path) -> None:
    stranger = Machine(tmp_path, key=bytes(32))
    stranger.thread.start()
    stranger.wait_for("trouble", "other-key")
    stranger.thread.join(1.5)
    assert sum(word == "trouble" for word, _ in stranger.told) == 1
    stranger.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_mistake_of_the_program_is_told_and_the_port_opened_again_after_a_while(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mistaken(*_: object) -> None:
        raise KeyError("a mistake")

    monkeypatch.setattr(machine.running._correspondence, "opened", mistaken)
    machine.thread.start()
    machine.wait_for("no-port", "the program made a mistake")
    machine.wait_for("port", times=3)


def test_a_full_disk_is_told_once_and_ends_nothing(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(running, "DISK_AGAIN_S", 0.3)
        patched.setattr(machine.spool, "waiting_count", full)
        machine.thread.start()
        machine.wait_for("disk", "disk is full")
        machine.thread.join(1.0)
        assert machine.thread.is_alive()
    (machine.folder / "outbox/later.csv").write_bytes(b"a\n1\n")
    assert machine.received().content == b"a\n1\n"
    assert sum(word == "disk" for word, _ in machine.told) == 1


def test_a_document_is_on_the_disk_before_the_spool_lets_go_of_it(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    synced, shown = os.fsync, machine.spool.shown

    def fsync(number: int) -> None:
        steps.append(Path(f"/proc/self/fd/{number}").readlink().name)
        synced(number)

    def show(number: int) -> None:
        steps.append("shown")
        shown(number)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(machine.spool, "shown", show)
    machine.spool.receive("n/1", "Notice", "text/plain", "", b"a\nb")
    machine.running.look()
    assert steps == ["000001-Notice.txt.new", "inbox", "shown"]
    assert (machine.folder / "inbox/000001-Notice.txt").read_bytes() == b"a\nb"


def test_a_disk_that_takes_no_document_is_told_and_the_line_begun_anew(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> bool:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(machine.spool, "receive", full)
    machine.thread.start()
    machine.wait_for("open")
    with pytest.raises(Exception, match="has not said"):
        machine.line.deliver(Document(content=b"<n/>", record_type="X"), "n/1", wait_s=LIMIT_S)
    machine.wait_for("disk", "disk is full")


@pytest.mark.parametrize(
    ("name", "media_type", "expected"),
    [
        ("SupervisionNotice", "application/xml", "000007-SupervisionNotice.xml"),
        ("../x y", "application/json", "000007-xy.json"),
        ("", "image/png", "000007-document.bin"),
        ("监察通知", "text/csv", "000007-监察通知.csv"),
    ],
)
def test_names_in_the_inbox_are_names_of_files(name: str, media_type: str, expected: str) -> None:
    assert file_name(Incoming(7, name, media_type, "", b"")) == expected


def test_the_command_runs_until_everything_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "terminal"
    set_key(folder, "hall-1", key_text(KEY))
    near, far = port_pair()
    opened: list[tuple[str, int]] = []

    def open_port(name: str, bits_per_s: int) -> SocketPort:
        opened.append((name, bits_per_s))
        return far

    monkeypatch.setattr(command, "SerialPort", open_port)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    spool = Spool(folder)
    spool.put("a.xml", "application/xml", b"<a/>")
    spool.close()
    line = RecordLine(terminals={"hall-1": KEY}, folder=tmp_path, monotonic_s=time.monotonic, token=os.urandom)
    line.start(near)

    def confirm() -> None:
        message = line.received(LIMIT_S)
        assert message is not None
        line.confirm(message, TAKEN)

    confirming = Thread(target=confirm)
    confirming.start()
    assert main(["--folder", str(folder), "run", "--port", "COM3", "--speed", "57600", "--once"]) == 0
    confirming.join()
    line.close()
    assert opened == [("COM3", 57_600)]
    assert "1: 1/2" in capsys.readouterr().out
    # Port and speed are remembered: nothing has to be said the next time, and nothing waits.
    assert main(["--folder", str(folder), "run", "--once"]) == 0


def test_what_happens_is_told_in_both_languages(capsys: pytest.CaptureFixture[str]) -> None:
    tell("closed", "silent")
    tell("open", "")
    tell("no-port", "could not open port COM3")
    assert capsys.readouterr().out.splitlines() == [
        "线路中断，恢复后自动续传 / the line is down; it goes on by itself: 久无回音 / nothing was heard for long",
        "已与节点相互验证，线路畅通 / the node and we have proved our keys; the line is up",
        "串口不可用，稍后自动再试 / the port cannot be used, trying again by itself: could not open port COM3",
    ]


def test_a_document_the_terminal_cannot_take_apart_ends_the_session(machine: Machine) -> None:
    machine.thread.start()
    machine.wait_for("open")
    with pytest.raises(DeliveryRejectedError):
        machine.line.deliver(Document(content=bytes(ENTRY_BYTES_MAX + 1), record_type="X"), "n")
    machine.line._speaking.say("n", iter([Part(b"of nothing")]))
    machine.wait_for("closed", "protocol")
