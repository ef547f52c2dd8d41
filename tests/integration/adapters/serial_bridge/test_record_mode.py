"""Terminals with our program on a port: their records come once, their answers and documents reach them."""

from __future__ import annotations

import os
import select
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from adapters.contract import Document, RowProblem, SourceNeedsPersonError, SourceUnavailableError
from adapters.record_line.cobs import framed
from adapters.record_line.frames import FrameType
from adapters.record_line.key_text import key_text
from adapters.record_line.line import RecordLine
from adapters.record_line.link import ABILITIES
from adapters.record_line.opening import Hello
from adapters.serial_bridge import record_mode
from tests.integration.adapters.serial_bridge.bridges import bridge, far_end, wait_for
from tests.support.adapter_openings import outcome
from tests.support.line_simulator import simulated_line
from tests.support.terminals import TerminalProgram

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from adapters.contract import Adapter, Delivery
    from tests.support.line_simulator import Line

pytestmark = pytest.mark.integration
NOTICE = Document(content=b"<SupervisionNotice/>", record_type="SupervisionNotice", text="催办：请在三日内办结")
KEYS = {"terminal_keys": f"hall-1={key_text(bytes(range(32)))}"}


@contextmanager
def hall(tmp_path: Path, keys: dict[str, str] | None = None, **settings: Any) -> Iterator[tuple[Adapter, Line]]:
    """Give an adapter at the near end of a line."""
    with (
        simulated_line(tmp_path / "line") as line,
        bridge(line, tmp_path / "kept", keys or KEYS, mode="record_line", **settings) as adapter,
    ):
        yield adapter, line


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> TerminalProgram:
    """A terminal with the key of ``hall-1``, in a folder that is nobody else's."""
    return TerminalProgram(tmp_path_factory.mktemp("terminal"))


@pytest.fixture
def terminal(tmp_path: Path) -> TerminalProgram:
    return TerminalProgram(tmp_path / "terminal")


def send(terminal: TerminalProgram, folder: Path, name: str, content: str) -> None:
    (folder / name).write_text(content, encoding="utf-8")
    terminal.call("send", str(folder / name))


def one_of(adapter: Adapter) -> Delivery:
    came: list[Delivery] = []

    def is_there() -> bool:
        try:
            came.extend(adapter.fetch(1))
        except SourceUnavailableError:
            return False
        return bool(came)

    wait_for(is_there)
    return came[0]


def test_records_come_up_and_the_terminal_learns_what_became_of_them(tmp_path: Path, terminal: TerminalProgram) -> None:
    with hall(tmp_path) as (adapter, line), terminal.run(line.far):
        adapter.check()
        send(terminal, tmp_path, "cases.xml", "<Records/>")
        first = one_of(adapter)
        assert first.delivery_key.startswith("hall-1/")
        assert (first.content, first.media_type, first.name) == (b"<Records/>", "application/xml", "cases.xml")
        adapter.acknowledge(first, outcome(accepted=2))
        adapter.acknowledge(first, outcome(accepted=2))
        send(terminal, tmp_path, "broken.csv", "nonsense")
        second = one_of(adapter)
        problems = (RowProblem(rule="columns", text="no such column"),)
        adapter.reject(second, problems[0].text)
        wait_for(lambda: "no such column" in terminal.call("status"))
        assert list(adapter.fetch(1)) == []
    shown = terminal.call("status")
    assert "cases.xml" in shown
    assert "broken.csv" in shown


def test_what_is_not_answered_comes_again_to_the_next_opening(tmp_path: Path, terminal: TerminalProgram) -> None:
    send(terminal, tmp_path, "cases.xml", "<Records/>")
    with simulated_line(tmp_path / "line") as line, terminal.run(line.far):
        with bridge(line, tmp_path / "kept", KEYS, mode="record_line") as adapter:
            before = one_of(adapter)
            assert one_of(adapter).delivery_key == before.delivery_key
        with bridge(line, tmp_path / "kept", KEYS, mode="record_line") as adapter:
            again = one_of(adapter)
            assert (again.delivery_key, again.content) == (before.delivery_key, before.content)
            adapter.acknowledge(again, outcome())
            assert list(adapter.fetch(1)) == []
        with bridge(line, tmp_path / "kept", KEYS, mode="record_line") as adapter:
            adapter.acknowledge(again, outcome())
            assert list(adapter.fetch(1)) == []


@pytest.mark.parametrize("said", ["confirm", "refuse"])
def test_what_could_not_be_answered_is_brought_again(
    tmp_path: Path, terminal: TerminalProgram, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    def fails(*_: object) -> None:
        raise SourceUnavailableError("the line's memory cannot be written: database or disk is full")

    def answer(delivery: Delivery) -> None:
        if said == "confirm":
            adapter.acknowledge(delivery, outcome())
        else:
            adapter.reject(delivery, "no dialect reads this")

    send(terminal, tmp_path, "cases.xml", "<Records/>")
    with hall(tmp_path) as (adapter, line), terminal.run(line.far):
        came = one_of(adapter)
        with monkeypatch.context() as patched:
            patched.setattr(RecordLine, said, fails)
            with pytest.raises(SourceUnavailableError, match="disk is full"):
                answer(came)
        assert one_of(adapter).delivery_key == came.delivery_key
        answer(came)
        assert list(adapter.fetch(1)) == []


def test_a_stranger_who_calls_once_does_not_close_the_door_to_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hello = Hello("stranger", bytes(16), bytes(8), ABILITIES).packed()
    with hall(tmp_path) as (adapter, line):
        assert list(adapter.fetch(1)) == []
        with far_end(line) as far:
            os.write(far, b"\0" + framed(bytes((FrameType.HELLO,)) + hello))
            wait_for(lambda: select.select([far], [], [], 0.0)[0], "it is turned away")
            assert list(adapter.fetch(1)) == []
            # Nobody else has called for as long as a terminal may take.
            monkeypatch.setattr(record_mode, "CALLING_S", 0.0)
            with pytest.raises(SourceNeedsPersonError, match="stranger"):
                list(adapter.fetch(1))


def test_an_unplugged_port_is_away_and_goes_on_when_it_is_back(tmp_path: Path, terminal: TerminalProgram) -> None:
    with hall(tmp_path) as (adapter, line), terminal.run(line.far):
        send(terminal, tmp_path, "one.xml", "<One/>")
        adapter.acknowledge(one_of(adapter), outcome())
        line.unplug("near")
        send(terminal, tmp_path, "two.xml", "<Two/>")
        for ask in (adapter.check, lambda: list(adapter.fetch(1))):
            with pytest.raises(SourceUnavailableError):
                ask()
        line.replug("near")
        came = one_of(adapter)
        assert came.content == b"<Two/>"
        adapter.acknowledge(came, outcome())


def test_a_document_stands_on_the_terminals_disk_once(tmp_path: Path, terminal: TerminalProgram) -> None:
    with hall(tmp_path) as (adapter, line), terminal.run(line.far):
        adapter.check()
        adapter.deliver(NOTICE, "310000/3-1/7")
        adapter.deliver(NOTICE, "310000/3-1/7")
        inbox = terminal.folder / "inbox"
        wait_for(lambda: list(inbox.iterdir()))
        (kept,) = inbox.iterdir()
        assert kept.read_bytes() == NOTICE.content


def test_without_a_terminal_the_line_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_mode, "CALLING_S", 0.5)
    with hall(tmp_path, deliver_wait_s=1) as (adapter, _line):
        for ask in (adapter.check, lambda: list(adapter.fetch(1)), lambda: adapter.deliver(NOTICE, "310000/3-1/7")):
            with pytest.raises(SourceUnavailableError, match="no terminal is there"):
                ask()


def test_a_terminal_may_take_its_time_to_call(tmp_path: Path) -> None:
    with hall(tmp_path) as (adapter, _line):
        assert list(adapter.fetch(1)) == []


@pytest.mark.parametrize(
    ("keys", "settings", "told"),
    [
        ({"terminal_keys": f"hall-1={key_text(bytes(32))}"}, {}, "does not prove to have its key"),
        (
            {"terminal_keys": f"{KEYS['terminal_keys']} hall-2={key_text(bytes(32))}"},
            {"terminals": ["hall-2"]},
            "not among those that have a key",
        ),
    ],
)
def test_a_terminal_that_may_not_call_needs_a_person(
    tmp_path: Path, program: TerminalProgram, keys: dict[str, str], settings: dict[str, Any], told: str
) -> None:
    with hall(tmp_path, keys, **settings) as (adapter, line), program.run(line.far):

        def is_told() -> str:
            try:
                adapter.check()
            except SourceNeedsPersonError as error:
                return str(error)
            except SourceUnavailableError:
                return ""
            raise AssertionError("it was let in")

        wait_for(lambda: told in is_told())
        text = is_told()
        assert "compare the terminal's name and key" in text
        assert key_text(bytes(32))[:9] not in text


def test_a_port_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    with simulated_line(tmp_path / "line") as line:
        line.unplug("near")
        with bridge(line, tmp_path / "kept", KEYS, mode="record_line") as adapter:
            for ask in (adapter.check, lambda: list(adapter.fetch(1))):
                with pytest.raises(SourceUnavailableError, match="is not there"):
                    ask()


def test_a_closed_adapter_does_nothing_more(tmp_path: Path) -> None:
    with hall(tmp_path) as (adapter, _line):
        adapter.close()
        adapter.close()
        with pytest.raises(SourceUnavailableError, match="closed"):
            list(adapter.fetch(1))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_has_ended_is_told_as_a_defect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def defect(_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(record_mode, "open_port", defect)
    with hall(tmp_path) as (adapter, _line), pytest.raises(RuntimeError, match="thread of the port has ended"):
        list(adapter.fetch(1))


def test_a_folder_that_cannot_be_written_is_away(tmp_path: Path) -> None:
    with hall(tmp_path) as (adapter, _line):
        (tmp_path / "kept" / "line").write_bytes(b"")
        with pytest.raises(SourceUnavailableError, match="folder of the adapter cannot be written"):
            list(adapter.fetch(1))
        (tmp_path / "kept" / "line").unlink()
        assert list(adapter.fetch(1)) == []
