"""A program on a line gets its bytes, and is ended when it does not end."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from adapters.contract import SourceNeedsPersonError, SourceUnavailableError
from adapters.serial_bridge import programs
from adapters.serial_bridge.ports import open_port
from adapters.serial_bridge.programs import Limits, Passing, Session, TransferRefusedError, require_program, started
from tests.integration.adapters.serial_bridge.bridges import far_end, heard, settings_of, wait_for
from tests.support.line_simulator import simulated_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapters.serial_bridge.ports import Port
    from tests.support.line_simulator import Line

pytestmark = pytest.mark.integration
LIMITS = Limits(idle_s=20, whole_s=20)


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    with simulated_line(tmp_path / "line", bits_per_s=921_600) as made:
        yield made


@pytest.fixture
def port(line: Line) -> Iterator[Port]:
    made = open_port(settings_of(port=str(line.near)))
    yield made
    made.close()


def run(port: Port, folder: Path, *argv: str, limits: Limits = LIMITS, begun: bytes = b"", most: int = 10_000) -> int:
    session = Session(argv=argv, folder=folder, tap=Passing())
    with started(session, most) as program:
        return program.relay(port, begun, limits, monotonic_s=time.monotonic, is_stopped=lambda: False)


def test_bytes_go_through_a_program_and_back(line: Line, port: Port, tmp_path: Path) -> None:
    with far_end(line) as far:
        os.write(far, b"lo\nmore\n")
        status = run(port, tmp_path, "sh", "-c", "read a; read b; echo $a-$b; exit 3", begun=b"hel")
        assert heard(far, b"\n") == b"hello-more\n"
    assert status == 3


def test_a_program_has_a_bare_environment(
    line: Line, port: Port, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YIZHAN_SECRET", "secret")
    with far_end(line) as far:
        run(port, tmp_path, "sh", "-c", "env; echo END")
        shown = heard(far, b"END").decode()
    assert f"HOME={tmp_path}" in shown
    assert "YIZHAN" not in shown


def test_a_program_runs_from_where_it_is_installed(
    line: Line, port: Port, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "local" / "speak"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho spoken\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    assert require_program("speak", "none") == str(program)
    with far_end(line) as far:
        assert run(port, tmp_path, "speak") == 0
        heard(far, b"spoken")


def test_a_program_that_writes_too_much_is_killed(port: Port, tmp_path: Path) -> None:
    assert run(port, tmp_path, "sh", "-c", "exec head -c 50000 /dev/zero > big") != 0
    assert (tmp_path / "big").stat().st_size == 10_000


def test_a_program_that_lets_go_of_its_terminal_and_stays_is_ended(
    port: Port, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "ENDING_S", 0.3)
    stubborn = "trap '' HUP TERM; echo $$ > number; exec < /dev/null > /dev/null; while :; do sleep 1; done"
    with pytest.raises(TransferRefusedError, match="does not end"):
        run(port, tmp_path, "sh", "-c", stubborn)
    number = int((tmp_path / "number").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)


def test_a_program_that_does_not_read_holds_up_nothing(line: Line, port: Port, tmp_path: Path) -> None:
    with far_end(line) as far:
        os.set_blocking(far, True)
        os.write(far, bytes(4000))
        os.write(far, bytes(4000))
        limits = Limits(idle_s=20, whole_s=1)
        begun = bytes(programs.PENDING_BYTES_MAX)
        with pytest.raises(TransferRefusedError, match="not finished after 1 s"):
            run(port, tmp_path, "sleep", "30", limits=limits, begun=begun)


def test_a_line_that_goes_ends_the_program(line: Line, port: Port, tmp_path: Path) -> None:
    session = Session(argv=["sh", "-c", "echo $$ > number; sleep 60"], folder=tmp_path, tap=Passing())

    def unplug_when_it_runs() -> bool:
        if (tmp_path / "number").exists() and (tmp_path / "number").read_text().strip():
            line.unplug("near")
        return False

    with pytest.raises(SourceUnavailableError), started(session, 1000) as program:
        program.relay(port, b"", LIMITS, monotonic_s=time.monotonic, is_stopped=unplug_when_it_runs)
    number = int((tmp_path / "number").read_text())
    wait_for(lambda: not Path(f"/proc/{number}").exists())


def test_a_program_that_cannot_be_started_leaves_nothing_open(port: Port, tmp_path: Path) -> None:
    counts = []
    for _ in range(3):
        with pytest.raises(FileNotFoundError):
            run(port, tmp_path / "none", "true")
        counts.append(len(list(Path("/proc/self/fd").iterdir())))
    assert len(set(counts[1:])) == 1
    with pytest.raises(SourceNeedsPersonError, match="install the package nowhere"):
        require_program("no-such-program", "nowhere")
