from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from node.clock import MachineClock
from node.demo import program, raising
from node.demo.plan import NODES
from node.demo.program import stop_all
from node.demo.raising import DemoNode, plan_nodes, raise_tree, start, wait_until
from node.errors import DemonstrationError

if TYPE_CHECKING:
    from pathlib import Path

PRETEND = """
import json, pathlib, sys, time
command, options = sys.argv[1], dict(zip(sys.argv[2::2], sys.argv[3::2]))
if command == "run":
    home = pathlib.Path(sys.argv[sys.argv.index("--home") + 1])
    mode = (home / "mode").read_text() if (home / "mode").exists() else "ready"
    if mode == "dies":
        sys.exit("the port is taken")
    ready = pathlib.Path(sys.argv[sys.argv.index("--ready-file") + 1])
    ready.write_text(json.dumps({"ready": mode == "ready"}))
    time.sleep(60)
home = pathlib.Path(sys.argv[sys.argv.index("--home") + 1])
home.mkdir(parents=True, exist_ok=True)
with (home / "calls").open("a") as calls:
    calls.write(" ".join(sys.argv[1:]) + "\\n")
print(json.dumps({"code": "CODE"}))
"""


@pytest.fixture
def nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, DemoNode]:
    script = tmp_path / "pretend.py"
    script.write_text(PRETEND, encoding="utf-8")
    monkeypatch.setattr(program, "PROGRAM", (sys.executable, str(script)))
    return plan_nodes(tmp_path)


def test_every_node_gets_a_home_and_ports_of_its_own(nodes: dict[str, DemoNode]) -> None:
    assert list(nodes) == ["360000", "360100", "360102", "360103"]
    ports = [port for node in nodes.values() for port in (node.link_port, node.face_port)]
    assert len(set(ports)) == 2 * len(NODES)
    assert len({node.home for node in nodes.values()}) == len(NODES)
    assert nodes["360102"].face == f"http://127.0.0.1:{nodes['360102'].face_port}"


def test_the_tree_is_raised_by_commands_parents_first(nodes: dict[str, DemoNode]) -> None:
    clock = MachineClock()
    try:
        raise_tree(nodes, clock)
        assert all(node.process.running for node in nodes.values())
    finally:
        stop_all([node.process for node in nodes.values()], clock)
    calls = {code: (node.home / "calls").read_text(encoding="utf-8").splitlines() for code, node in nodes.items()}
    assert [line.split()[0] for line in calls["360000"]] == ["init", "invite"]
    assert [line.split()[0] for line in calls["360100"]] == ["init", "join", "invite", "invite"]
    assert [line.split()[0] for line in calls["360103"]] == ["init", "join"]
    assert calls["360102"][1].startswith(f"join CODE@127.0.0.1:{nodes['360100'].link_port} ")
    assert "--level county --org 360102 --name 东湖区" in calls["360102"][0]


@pytest.mark.parametrize(
    ("mode", "message"), [("dies", "did not start · the port is taken"), ("waits", "is not ready")]
)
def test_a_node_that_does_not_come_up_is_named_with_its_log(
    nodes: dict[str, DemoNode], mode: str, message: str
) -> None:
    node = nodes["360102"]
    node.home.mkdir()
    (node.home / "mode").write_text(mode, encoding="utf-8")
    clock = MachineClock()
    try:
        with pytest.raises(DemonstrationError, match=f"东湖区 360102 {message}"):
            start(node, clock)
    finally:
        stop_all([node.process], clock)


def test_a_node_that_says_nothing_is_given_up(nodes: dict[str, DemoNode], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raising, "START_TIMEOUT_S", 0.0)
    node = nodes["360102"]
    node.home.mkdir()
    clock = MachineClock()
    try:
        with pytest.raises(DemonstrationError, match="did not start"):
            start(node, clock)
    finally:
        stop_all([node.process], clock)


def test_waiting_ends_when_it_happened_or_when_the_time_is_up() -> None:
    clock = MachineClock()
    answers = iter([False, False, True])
    assert wait_until(lambda: next(answers), 5, clock, pause_s=0.001)
    assert not wait_until(lambda: False, 0.01, clock, pause_s=0.001)
