"""Real nodes of the benchmark: homes made by commands, running processes, their memory and start, a counting relay."""

from __future__ import annotations

import selectors
import socket
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from node.demo.program import RunningNode, call
from node.demo.raising import DemoNode, start

if TYPE_CHECKING:
    from collections.abc import Iterator

    from node.clock import Clock
    from node.demo.plan import NodePlan

LOOPBACK = "127.0.0.1"
_PIECE_BYTES = 65_536


def new_node(folder: Path, plan: NodePlan) -> DemoNode:
    """Make a home with a node on free ports; nothing is started."""
    home = folder / plan.code
    node = DemoNode(plan=plan, home=home, process=RunningNode(home), link_port=_free_port(), face_port=_free_port())
    addresses = ("--link", f"{LOOPBACK}:{node.link_port}", "--face", f"{LOOPBACK}:{node.face_port}")
    call(home, "init", "--level", plan.level, "--org", plan.code, "--name", plan.name, *addresses)
    return node


def join(node: DemoNode, parent: DemoNode, clock: Clock, *, port: int | None = None, run: bool = True) -> None:
    """Join ``node`` to its running parent, at ``port`` if that is another than the parent's own, and start it."""
    plan = node.plan
    invited = call(parent.home, "invite", "--org", plan.code, "--name", plan.name, "--level", plan.level)
    call(node.home, "join", f"{invited['code']}@{LOOPBACK}:{port or parent.link_port}")
    if run:
        start(node, clock)


def memory_mb(node: DemoNode) -> dict[str, float]:
    """Return resident memory of a node's process and of those it started, now and at their peaks, in MB."""
    assert node.process.process is not None
    found = _memory_of_all(node.process.process.pid)
    return {name: round(sum(one[name] for one in found), 1) for name in ("now", "peak")}


def memory_of(status: str) -> dict[str, float]:
    """Return ``now`` and ``peak`` in MB (10^6 bytes) out of a /proc/PID/status."""
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return {
        name: round(int(fields[field].split()[0]) * 1024 / 1e6, 1)
        for name, field in (("now", "VmRSS"), ("peak", "VmHWM"))
    }


def memory_with_children_mb(process: int) -> float:
    """Return resident memory of a process and of those it started, in MB; OSError or KeyError when it has ended."""
    return sum(one["now"] for one in _memory_of_all(process))


def _memory_of_all(process: int) -> list[dict[str, float]]:
    # A child belongs to the thread that started it.
    threads = Path(f"/proc/{process}/task").iterdir()
    children = [int(one) for thread in threads for one in (thread / "children").read_text(encoding="ascii").split()]
    return [memory_of(Path(f"/proc/{one}/status").read_text(encoding="ascii")) for one in (process, *children)]


class CountingRelay:
    """Passes TCP on to another port and counts the bytes of both directions."""

    def __init__(self, target_port: int) -> None:
        self.counted = 0
        self._target = (LOOPBACK, target_port)
        self._listener = socket.create_server((LOOPBACK, 0))
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._ended = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    def start(self) -> None:
        """Begin passing on."""
        self._thread.start()

    def stop(self) -> None:
        """End, and cut every connection."""
        self._ended = True
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self._selector.close()

    def _run(self) -> None:
        while not self._ended:
            for key, _ in self._selector.select(0.1):
                if key.fileobj is self._listener:
                    self._connect()
                else:
                    self._pass_on(key)

    def _connect(self) -> None:
        near, _ = self._listener.accept()
        far = socket.create_connection(self._target)
        for one, other in ((near, far), (far, near)):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(one, selectors.EVENT_READ, other)

    def _pass_on(self, key: selectors.SelectorKey) -> None:
        one, other = key.fileobj, key.data
        assert isinstance(one, socket.socket)
        piece = b""
        with suppress(OSError):
            piece = one.recv(_PIECE_BYTES)
            # Counted first, so that whoever has received a piece finds it counted.
            self.counted += len(piece)
            other.sendall(piece)
        if not piece:
            for end in (one, other):
                with suppress(KeyError, ValueError):
                    self._selector.unregister(end)
                end.close()


@contextmanager
def relay_to(port: int) -> Iterator[CountingRelay]:
    """Give a running relay."""
    relay = CountingRelay(port)
    relay.start()
    try:
        yield relay
    finally:
        relay.stop()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind((LOOPBACK, 0))
        return int(found.getsockname()[1])
