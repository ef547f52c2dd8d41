"""Raising the tree: make four homes, start four processes, join each to its parent by code.

Every step is a command that a person could type; docs/quickstart.md has them for one county.
"""

from __future__ import annotations

import json
import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from node.demo.plan import NODES
from node.demo.program import RunningNode, call
from node.errors import DemonstrationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from node.clock import Clock
    from node.demo.plan import NodePlan

START_TIMEOUT_S: Final = 60.0
"""Longest that one node may take to listen; our own bound for a machine under load."""
_LOOPBACK: Final = "127.0.0.1"


@dataclass(slots=True, kw_only=True)
class DemoNode:
    """A node of the demonstration: ``face`` is the URL of its status page, ``link_port`` where children connect.

    ``link_host`` is the address that children connect to; ``options`` are further ones of ``yizhan init``.
    """

    plan: NodePlan
    home: Path
    process: RunningNode
    link_port: int
    face_port: int
    link_host: str = _LOOPBACK
    options: tuple[str, ...] = ()

    @property
    def face(self) -> str:
        """The address of its status page, open API and figures."""
        return f"http://{_LOOPBACK}:{self.face_port}"


def plan_nodes(home: Path) -> dict[str, DemoNode]:
    """Return the four nodes, by code, with homes below ``home`` and free ports; nothing is started."""
    ports = iter(_free_ports(2 * len(NODES)))
    return {
        plan.code: DemoNode(
            plan=plan,
            home=home / plan.code,
            process=RunningNode(home / plan.code),
            link_port=next(ports),
            face_port=next(ports),
        )
        for plan in NODES
    }


def raise_tree(nodes: dict[str, DemoNode], clock: Clock) -> None:
    """Initialise, join and start every node, parents first.

    Raises DemonstrationError when a command fails or a node does not listen within ``START_TIMEOUT_S``.
    """
    for node in nodes.values():
        initialise(node)
        if node.plan.parent is not None:
            join(node, nodes[node.plan.parent])
        start(node, clock)


def initialise(node: DemoNode) -> None:
    """Make one node's home; raises DemonstrationError when that fails."""
    plan = node.plan
    addresses = ("--link", f"{node.link_host}:{node.link_port}", "--face", f"{_LOOPBACK}:{node.face_port}")
    about = ("--level", plan.level, "--org", plan.code, "--name", plan.name)
    call(node.home, "init", *about, *addresses, *node.options)


def join(node: DemoNode, parent: DemoNode) -> None:
    """Have the running ``parent`` invite one node, and the node join; raises DemonstrationError when that fails."""
    plan = node.plan
    invited = call(parent.home, "invite", "--org", plan.code, "--name", plan.name, "--level", plan.level)
    call(node.home, "join", f"{invited['code']}@{parent.link_host}:{parent.link_port}")


def start(node: DemoNode, clock: Clock) -> None:
    """Start one node's process and wait until it listens."""
    ready_file = node.home / "ready.json"
    ready_file.unlink(missing_ok=True)
    node.process.start(["--ready-file", str(ready_file)])
    wait_until(lambda: ready_file.exists() or not node.process.running, START_TIMEOUT_S, clock)
    if not node.process.running or not ready_file.exists():
        raise DemonstrationError(f"{node.plan.name} {node.plan.code} did not start", why=node.process.log_tail())
    if not json.loads(ready_file.read_text(encoding="utf-8"))["ready"]:
        raise DemonstrationError(f"{node.plan.name} {node.plan.code} is not ready", why=node.process.log_tail())


def wait_until(happened: Callable[[], bool], timeout_s: float, clock: Clock, *, pause_s: float = 0.05) -> bool:
    """Ask ``happened`` every ``pause_s`` seconds until it says yes (True) or ``timeout_s`` have passed (False)."""
    pause = threading.Event()
    deadline_s = clock.monotonic_s() + timeout_s
    while not happened():
        if clock.monotonic_s() > deadline_s:
            return False
        pause.wait(pause_s)
    return True


def _free_ports(count: int) -> list[int]:
    """Return ports that were free a moment ago; all are held at once so that no two are the same."""
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(count)]
    try:
        for one in sockets:
            one.bind((_LOOPBACK, 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()
