"""``yizhan terminal``: passes on to the terminal's program."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from node.cli import run_program
from tests.support.terminal_file import TARGET

if TYPE_CHECKING:
    from pathlib import Path


def test_the_terminals_program_gets_every_argument(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_program(["terminal", "--folder", str(tmp_path / "t"), "status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"schema": "yizhan.terminal/1", "waiting": 0, "answered": []}
    assert run_program(["terminal", "--folder", str(tmp_path / "t"), "discard", "7"]) == 1


def test_the_program_can_be_taken_along_and_runs_by_itself(tmp_path: Path) -> None:
    assert run_program(["terminal", "copy", str(tmp_path)]) == 0
    copied = tmp_path / TARGET.name
    assert copied.read_bytes() == TARGET.read_bytes()
    command = [sys.executable, "-I", "-S", str(copied), "key", "new"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert len(done.stdout.split("-")) == 14


def test_without_a_command_it_says_what_it_can_do(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        run_program(["terminal"])
    assert left.value.code == 0
    assert "run" in capsys.readouterr().out
