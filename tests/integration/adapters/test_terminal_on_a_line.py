"""The terminal's program and the node's end on a simulated serial line: pulled out, killed, and nothing is lost."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from adapters.contract import Document, Outcome, SourceUnavailableError
from adapters.record_line.line import RecordLine, Standing
from adapters.serial_bridge.terminal.ports import SerialPort
from tests.support.line_noise import Noise
from tests.support.line_simulator import simulated_line
from tests.support.terminals import TerminalProgram

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from adapters.record_line.line import Message

pytestmark = pytest.mark.integration

TAKEN = Outcome(offered=1, accepted=1, repeated=0, refused=0)
LIMIT_S = 60.0


class NodeEnd:
    """The node's end as a bridge runs it: opens the port again when it is gone, confirms what comes."""

    def __init__(self, folder: Path, port: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.messages: list[Message] = []
        self._port = port
        self.line = RecordLine(
            terminals={"hall-1": bytes(range(32))}, folder=folder, monotonic_s=time.monotonic, token=os.urandom
        )
        self.line.start(SerialPort(str(port), 115_200))

    def serve_until(self, done: Callable[[], bool]) -> None:
        end_s = time.monotonic() + LIMIT_S
        while not done():
            assert time.monotonic() < end_s, self.line.state
            try:
                message = self.line.received(0.1)
            except SourceUnavailableError:
                if self._port.exists():
                    self.line.start(SerialPort(str(self._port), 115_200))
                continue
            if message is not None:
                self.messages.append(message)
                self.line.confirm(message, TAKEN)

    @property
    def names(self) -> list[str]:
        return [one.name for one in self.messages]


@pytest.fixture
def terminal(tmp_path: Path) -> TerminalProgram:
    return TerminalProgram(tmp_path / "terminal")


@pytest.fixture
def node_at(tmp_path: Path) -> Iterator[Callable[[Path], NodeEnd]]:
    made: list[NodeEnd] = []

    def make(port: Path) -> NodeEnd:
        made.append(NodeEnd(tmp_path / "node", port))
        return made[-1]

    yield make
    for one in made:
        one.line.close()


def files(folder: Path, count: int, size: int = 300) -> list[str]:
    folder.mkdir(exist_ok=True)
    for number in range(count):
        # Not to be compressed, so that it takes its time on the line.
        (folder / f"{number:03d}.xml").write_bytes(os.urandom(size))
    return [str(path) for path in sorted(folder.iterdir())]


def names(count: int) -> list[str]:
    return [f"{number:03d}.xml" for number in range(count)]


def test_files_documents_and_answers_go_both_ways_on_a_bad_line(
    tmp_path: Path, terminal: TerminalProgram, node_at: Callable[[Path], NodeEnd]
) -> None:
    terminal.call("send", *files(tmp_path / "files", 5))
    with simulated_line(tmp_path / "line", noise=Noise(flips_per_bit=1e-4, seed=3)) as line:
        node = node_at(line.near)
        with terminal.run(line.far) as process:
            (terminal.folder / "outbox").mkdir(exist_ok=True)
            (terminal.folder / "outbox/later.csv").write_bytes(b"a,b\n1,2\n")
            node.serve_until(lambda: len(node.messages) == 6)
            node.line.deliver(
                Document(content=b"<Notice/>", record_type="SupervisionNotice", text="请于三日内答复"), "notice-1"
            )
            inbox = terminal.folder / "inbox/000001-SupervisionNotice.xml"
            node.serve_until(inbox.exists)
            assert inbox.read_bytes() == b"<Notice/>"
            assert process.stdout is not None
            assert any("请于三日内答复" in said for said in process.stdout)
            assert process.poll() is None
        assert process.returncode == 0
    assert node.names == [*names(5), "later.csv"]
    assert "待发 0 条" in terminal.call("status")


@pytest.mark.parametrize("end", ["near", "far"])
def test_unplugged_in_the_middle_and_plugged_in_again_everything_arrives_once(
    end: str, tmp_path: Path, terminal: TerminalProgram, node_at: Callable[[Path], NodeEnd]
) -> None:
    terminal.call("send", *files(tmp_path / "files", 60))
    with simulated_line(tmp_path / "line") as line:
        node = node_at(line.near)
        with terminal.run(line.far):
            for count in (8, 20):
                node.serve_until(lambda count=count: len(node.messages) >= count)  # type: ignore[misc]
                line.unplug(end)  # type: ignore[arg-type]
                node.serve_until(lambda: node.line.state.standing is not Standing.OPEN or end == "far")
                line.replug(end)  # type: ignore[arg-type]
            node.serve_until(lambda: len(node.messages) >= 60)
    assert sorted(node.names) == names(60)


def test_a_terminal_killed_again_and_again_sends_everything_once(
    tmp_path: Path, terminal: TerminalProgram, node_at: Callable[[Path], NodeEnd]
) -> None:
    terminal.call("send", *files(tmp_path / "files", 60))
    with simulated_line(tmp_path / "line") as line:
        node = node_at(line.near)
        for count in (1, 15, 40):
            with terminal.run(line.far) as process:
                node.serve_until(lambda count=count: len(node.messages) >= count)  # type: ignore[misc]
                process.kill()
        with terminal.run(line.far):
            node.serve_until(lambda: len(node.messages) >= 60)
    assert sorted(node.names) == names(60)


def test_a_node_that_restarts_takes_nothing_twice_that_it_answered(
    tmp_path: Path, terminal: TerminalProgram, node_at: Callable[[Path], NodeEnd]
) -> None:
    terminal.call("send", *files(tmp_path / "files", 40))
    with simulated_line(tmp_path / "line") as line, terminal.run(line.far):
        first = node_at(line.near)
        first.serve_until(lambda: len(first.messages) >= 12)
        first.line.close()
        second = node_at(line.near)
        second.serve_until(lambda: len(first.messages) + len(second.messages) >= 40)
    assert sorted(first.names + second.names) == names(40)


def test_a_long_file_arrives_over_a_line_that_never_holds_for_long(
    tmp_path: Path, terminal: TerminalProgram, node_at: Callable[[Path], NodeEnd]
) -> None:
    (content,) = files(tmp_path / "files", 1, size=400_000)
    terminal.call("send", content)
    with simulated_line(tmp_path / "line", bits_per_s=921_600) as line:
        node = node_at(line.near)
        with terminal.run(line.far):
            for _ in range(2):
                line.wait_carried("far", line.carried("far") + 150_000)
                line.unplug("far")
                line.replug("far")
            node.serve_until(lambda: bool(node.messages))
        # Begun anew each time, it would have taken 700 kB; a part of 32 kB is what each cut may cost.
        assert line.carried("far") < 400_000 * 1.05 + 2 * 40_000
    assert [one.content for one in node.messages] == [(tmp_path / "files/000.xml").read_bytes()]


def test_a_terminal_that_is_to_run_once_leaves_when_everything_is_answered(
    tmp_path: Path, terminal: TerminalProgram, node_at: Callable[[Path], NodeEnd]
) -> None:
    terminal.call("send", *files(tmp_path / "files", 3))
    with simulated_line(tmp_path / "line") as line:
        node = node_at(line.near)
        with terminal.run(line.far, "--once") as process:
            node.serve_until(lambda: process.poll() is not None)
        assert process.returncode == 0
    assert node.names == names(3)


def test_a_terminal_with_another_key_says_so(tmp_path: Path, node_at: Callable[[Path], NodeEnd]) -> None:
    stranger = TerminalProgram(tmp_path / "stranger", key=bytes(32))
    stranger.call("send", *files(tmp_path / "files", 1))
    with simulated_line(tmp_path / "line") as line:
        node = node_at(line.near)
        with stranger.run(line.far) as process:
            assert process.stdout is not None
            said = [process.stdout.readline() for _ in range(2)]
    assert "节点与本机的密钥不一致" in said[1]
    assert node.messages == []
