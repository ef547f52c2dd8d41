"""What the demonstration says and refuses; that it works is shown with real processes (tests/integration/demo)."""

from __future__ import annotations

import json
import signal
import threading
from typing import TYPE_CHECKING, Any, Self

import pytest

from node.clock import MachineClock
from node.demo import demonstration, latency, publishing, settling, staging
from node.demo.demonstration import Settings, demonstrate
from node.demo.figures import Figures
from node.demo.raising import plan_nodes
from node.demo.settling import Expectation, settle
from node.errors import DemonstrationError

if TYPE_CHECKING:
    from pathlib import Path

REPORT: dict[str, Any] = {"ok": True, "problems": [], "seconds": 1.0, "latency_s": {"p50": 0.1, "p99": 0.2}}


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Nothing is started; the list says which nodes were stopped."""
    codes: list[str] = []
    monkeypatch.setattr(staging, "stop_all", lambda processes, _clock: codes.extend(p.home.name for p in processes))
    return codes


def reporting(monkeypatch: pytest.MonkeyPatch, report: dict[str, Any]) -> None:
    monkeypatch.setattr(demonstration, "_run", lambda *_arguments: report)


def test_a_check_prints_its_report_and_leaves_with_its_verdict(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stopped: list[str]
) -> None:
    reporting(monkeypatch, REPORT)
    assert demonstrate(Settings(check=True)) == 0
    assert json.loads(capsys.readouterr().out) == REPORT
    reporting(monkeypatch, {**REPORT, "ok": False})
    assert demonstrate(Settings(check=True)) == 1
    assert stopped == ["360000", "360100", "360102", "360103"] * 2


def test_what_is_wrong_is_told_before_it_stays_up(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stopped: list[str]
) -> None:
    class Interrupted:
        def wait(self) -> None:
            raise KeyboardInterrupt

    reporting(monkeypatch, {**REPORT, "ok": False, "problems": ["360103 holds what is not for it"]})
    monkeypatch.setattr(threading, "Event", Interrupted)
    monkeypatch.setattr(staging, "Watcher", _NoWatcher)
    assert demonstrate(Settings()) == 1
    output, errors = capsys.readouterr()
    assert [line.split()[0] for line in output.splitlines()] == ["360000", "360100", "360102", "360103"]
    assert "NOT in order" in errors
    assert "demo: 360103 holds what is not for it" in errors
    assert stopped


class _NoWatcher:
    def __init__(self, _nodes: object) -> None:
        self.phase = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        return None

    def say(self, phase: str) -> None:
        self.phase = phase


def test_an_interrupt_on_the_way_stops_the_nodes_and_gives_the_signals_back(
    monkeypatch: pytest.MonkeyPatch, stopped: list[str]
) -> None:
    def interrupted(*_arguments: object) -> dict[str, Any]:
        signal.raise_signal(signal.SIGTERM)
        return REPORT

    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(demonstration, "_run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        demonstrate(Settings(check=True))
    assert len(stopped) == 4
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_home_with_something_in_it_is_refused(tmp_path: Path, stopped: list[str]) -> None:
    (tmp_path / "precious").touch()
    with pytest.raises(DemonstrationError, match="is not empty"):
        demonstrate(Settings(home=tmp_path))
    assert stopped == []


def test_a_home_is_made_where_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stopped: list[str]
) -> None:
    reporting(monkeypatch, REPORT)
    assert demonstrate(Settings(check=True, home=tmp_path / "deep" / "home")) == 0
    assert (tmp_path / "deep" / "home").is_dir()
    assert stopped


def test_what_does_not_arrive_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nodes = plan_nodes(tmp_path)
    monkeypatch.setattr(publishing, "ARRIVAL_TIMEOUT_S", 0.0)
    monkeypatch.setattr(publishing, "read_figures", lambda _client, _face: None)
    monkeypatch.setattr(publishing, "call", lambda *_arguments: {"notice": "1"})
    with pytest.raises(DemonstrationError, match="360000/trust did not arrive everywhere"):
        publishing.wait_for_tree(nodes, MachineClock())
    with pytest.raises(DemonstrationError, match="the notice did not arrive at 360102"):
        publishing.exchange_notice(nodes, MachineClock())


def test_a_single_record_that_does_not_arrive_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nodes = plan_nodes(tmp_path)
    monkeypatch.setattr(latency, "ARRIVAL_TIMEOUT_S", 0.0)
    monkeypatch.setattr(latency, "read_figures", lambda _client, _face: Figures(streams={"360102/ancestors": 1}))
    monkeypatch.setattr(latency, "offer", lambda *_arguments, **_options: {"accepted": 1})
    with pytest.raises(DemonstrationError, match="360102/ancestors did not arrive at 360000"):
        latency.measure_latency(nodes["360102"], nodes["360000"], "key", MachineClock(), seed=1)


def test_a_tree_that_does_not_settle_is_compared_all_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    counts = dict.fromkeys(("cases", "findings", "penalties", "penalty_findings", "quarantined"), 0)
    empty = {"streams": [], **counts, "statistics": {"state": "none"}}
    monkeypatch.setattr(settling, "read_figures", lambda _client, _face: None)
    monkeypatch.setattr(settling, "call", lambda *_arguments, **_options: empty)
    expected = Expectation(cases={"360102": 0, "360103": 0}, findings=0, statistics=True)
    statuses, problems = settle(plan_nodes(tmp_path), expected, MachineClock(), timeout_s=0.0)
    assert len(statuses) == 4
    assert any(problem.startswith("360102/ancestors differs") for problem in problems)
    assert "statistics at 360000 are none" in problems
