from __future__ import annotations

import io
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from node.demo import watching
from node.demo.figures import Figures
from node.demo.raising import DemoNode, plan_nodes
from node.demo.watching import Watcher

if TYPE_CHECKING:
    from pathlib import Path

    import httpx


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def nodes(tmp_path: Path) -> dict[str, DemoNode]:
    return plan_nodes(tmp_path)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Figures of nodes that do not exist; the event says that all four were read twice."""
    twice = threading.Event()
    count = iter(range(1, 1000))

    def figures(_client: httpx.Client, _face: str) -> Figures:
        if next(count) >= 8:
            twice.set()
        return Figures(streams={"360102/ancestors": 41}, cases=7)

    monkeypatch.setattr(watching, "read_figures", figures)
    monkeypatch.setattr(watching, "REFRESH_S", 0.01)
    monkeypatch.setattr(watching, "LINE_EVERY", 1)
    return twice


def test_without_a_terminal_phases_and_lines_go_to_standard_error(
    nodes: dict[str, DemoNode], read: threading.Event, capsys: pytest.CaptureFixture[str]
) -> None:
    with Watcher(nodes) as watcher:
        watcher.say("feeding")
        assert read.wait(10)
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.startswith("demo: feeding\n")
    assert "demo: feeding: 360000 41 · 360100 41 · 360102 41 · 360103 41\n" in errors


def test_on_a_terminal_a_table_is_drawn_and_the_last_one_stays(
    nodes: dict[str, DemoNode], read: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "150")
    monkeypatch.setenv("TERM", "xterm")
    with Watcher(nodes) as watcher:
        watcher.say("feeding")
        assert read.wait(10)
    drawn = terminal.getvalue()
    assert "feeding" in drawn
    assert "东湖区" in drawn
    assert "41" in drawn


def test_a_watcher_that_is_off_says_nothing(nodes: dict[str, DemoNode], capsys: pytest.CaptureFixture[str]) -> None:
    with Watcher(nodes, enabled=False) as watcher:
        watcher.say("feeding")
    assert capsys.readouterr() == ("", "")
