from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from node.clock import MachineClock
from node.demo import program
from node.demo.program import RunningNode, call, stop_all
from node.errors import DemonstrationError

if TYPE_CHECKING:
    from pathlib import Path

STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A program that answers with what the test wrote, and remembers how it was called."""
    script = tmp_path / "pretend.py"
    script.write_text(
        "import json, pathlib, sys\n"
        "here = pathlib.Path(__file__).parent\n"
        "(here / 'called').write_text(json.dumps(sys.argv[1:]))\n"
        "answer = json.loads((here / 'answer').read_text())\n"
        "print(answer['out'])\n"
        "print(answer['err'], file=sys.stderr)\n"
        "sys.exit(answer['exit'])\n",
        encoding="utf-8",
    )
    monkeypatch.setattr(program, "PROGRAM", (sys.executable, str(script)))
    return tmp_path


def answers(folder: Path, out: str, *, err: str = "", leaves: int = 0) -> None:
    (folder / "answer").write_text(json.dumps({"out": out, "err": err, "exit": leaves}), encoding="utf-8")


def test_a_call_returns_the_document(pretend: Path) -> None:
    answers(pretend, '{"schema": "x/1"}')
    assert call(pretend, "status") == {"schema": "x/1"}
    called: list[Any] = json.loads((pretend / "called").read_text(encoding="utf-8"))
    assert called == ["status", "--home", str(pretend), "--json", "--no-input", "--yes"]


def test_an_exit_code_that_was_not_expected_is_an_error_with_the_reason(pretend: Path) -> None:
    answers(pretend, "", err="no such home", leaves=4)
    with pytest.raises(DemonstrationError, match=r"`yizhan status .* left with 4 · no such home"):
        call(pretend, "status")


def test_an_expected_exit_code_is_none(pretend: Path) -> None:
    answers(pretend, "{}", leaves=9)
    assert call(pretend, "import", accepted=(0, 9)) == {}


@pytest.mark.parametrize("output", ["not JSON", "[1]", ""])
def test_anything_but_one_object_is_an_error(pretend: Path, output: str) -> None:
    answers(pretend, output)
    with pytest.raises(DemonstrationError, match="did not write"):
        call(pretend, "status")


def test_a_node_is_started_with_its_home_and_leaves_its_words_in_a_log(pretend: Path) -> None:
    answers(pretend, "hello")
    node = RunningNode(pretend)
    assert not node.running
    node.start(["--ready-file", "r"])
    assert node.process is not None
    node.process.wait(10)
    called = json.loads((pretend / "called").read_text(encoding="utf-8"))
    assert called == ["run", "--home", str(pretend), "--ready-file", "r"]
    assert "hello" in node.log_tail()
    assert stop_all([node], MachineClock())
    assert node.process is None


def test_a_node_without_a_log_has_nothing_to_say(tmp_path: Path) -> None:
    assert RunningNode(tmp_path).log_tail() == ""


def running(command: list[str], home: Path) -> RunningNode:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    return RunningNode(home, process)


def test_a_node_that_obeys_is_stopped_cleanly(tmp_path: Path) -> None:
    node = running([sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"], tmp_path)
    assert node.running
    assert stop_all([node, RunningNode(tmp_path)], MachineClock())
    assert node.process is None


def test_a_node_that_does_not_obey_is_killed_with_its_group(tmp_path: Path) -> None:
    node = running([sys.executable, "-c", STUBBORN], tmp_path)
    process = node.process
    assert process is not None
    assert not stop_all([node], MachineClock(), timeout_s=0.2)
    assert process.returncode == -signal.SIGKILL
