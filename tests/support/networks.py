"""Networks for tests of broken ones: each node in a network namespace of its own, each link a pair of virtual cables.

A process or socket that is made ``inside`` a node's namespace stays in it, so the unchanged program runs there. The
node's face listens on that namespace's loopback; a forwarder on ours, at the same port, lets the test reach it.
Root only; ``require_network`` skips with the reason where the kernel refuses.
"""

from __future__ import annotations

import ctypes
import os
import select
import shutil
import socket
import socketserver
import subprocess
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_NEW_NETWORK: Final = 0x40000000
"""CLONE_NEWNET of the Linux headers: what setns(2) is asked to change."""
_OURS: Final = "/proc/thread-self/ns/net"
WHOLE: Final = 100
"""Percent that are all packets: a cut that nobody is told of."""
_RULES: Final = "faults"
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


def require_network(*programs: str) -> None:
    """Skip unless this account may make namespaces and virtual cables with ``ip`` and ``programs``."""
    if os.geteuid() != 0:
        pytest.skip("making network namespaces needs root")
    missing = [program for program in ("ip", *programs) if shutil.which(program) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    name = f"yz{os.getpid()}try"
    try:
        _run("ip", "netns", "add", name)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network namespace may be made here: {error.stderr.strip()}")
    else:
        _run("ip", "netns", "del", name)


class Network:
    """Namespaces by node code, and cables between them; ``close`` takes all of it away."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._cables: dict[tuple[str, str], int] = {}
        self._forwarders: list[_Forwarder] = []

    def add(self, code: str, face_port: int) -> None:
        """Make a namespace for the node ``code``, whose face will listen at ``face_port``."""
        name = f"yz{os.getpid()}n{code}"
        _run("ip", "netns", "add", name)
        self._names[code] = name
        _run("ip", "-n", name, "link", "set", "lo", "up")
        forwarder = _Forwarder(name, face_port)
        self._forwarders.append(forwarder)
        threading.Thread(target=forwarder.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()

    def connect(self, parent: str, child: str) -> str:
        """Lay a cable between two nodes; return the address at which the child finds the parent."""
        number = len(self._cables) + 1
        self._cables[parent, child] = number
        ends = ((parent, "p", 1), (child, "c", 2))
        _run("ip", "link", "add", f"yzp{number}", "type", "veth", "peer", "name", f"yzc{number}")
        for code, letter, last in ends:
            device = f"yz{letter}{number}"
            _run("ip", "link", "set", device, "netns", self._names[code])
            _run("ip", "-n", self._names[code], "addr", "add", f"10.213.{number}.{last}/30", "dev", device)
            _run("ip", "-n", self._names[code], "link", "set", device, "up")
        return f"10.213.{number}.1"

    @contextmanager
    def inside(self, code: str) -> Iterator[None]:
        """Let this thread, and the processes that it starts, stand in the namespace of ``code``."""
        with _entered(self._names[code]):
            yield

    def pull(self, parent: str, child: str) -> None:
        """Pull the cable: both ends see at once that nothing is connected."""
        self._switch(parent, child, "down")

    def plug(self, parent: str, child: str) -> None:
        """Put the cable back."""
        self._switch(parent, child, "up")

    def lose(self, parent: str, child: str, *, upward: int = 0, downward: int = 0) -> None:
        """Lose so many percent of the packets that go up and down; 100 cuts without anybody being told, 0 heals."""
        number = self._cables[parent, child]
        for code, device, percent in ((parent, f"yzp{number}", upward), (child, f"yzc{number}", downward)):
            name = f"{_RULES}{number}"
            rules = f"table netdev {name} {{}}\ndelete table netdev {name}\n"
            if percent:
                chance = "" if percent == WHOLE else f"numgen random mod {WHOLE} < {percent} "
                rules += (
                    f"table netdev {name} {{ chain in {{ type filter hook ingress device {device} priority 0; "
                    f"{chance}drop; }}; }}\n"
                )
            _run("nsenter", f"--net=/run/netns/{self._names[code]}", "nft", "-f", "-", text=rules)

    def slow(self, parent: str, child: str, *, kilobits: int) -> None:
        """Let the cable carry so many kilobits a second in each direction; 0 takes the bound away."""
        number = self._cables[parent, child]
        for code, device in ((parent, f"yzp{number}"), (child, f"yzc{number}")):
            root = ("qdisc", "replace" if kilobits else "del", "dev", device, "root")
            shape = ("tbf", "rate", f"{kilobits}kbit", "burst", "16kb", "latency", "400ms") if kilobits else ()
            _run("tc", "-n", self._names[code], *root, *shape)

    def close(self) -> None:
        """Take everything away; the cables go with their namespaces."""
        for forwarder in self._forwarders:
            forwarder.shutdown()
            forwarder.server_close()
        for name in self._names.values():
            _run("ip", "netns", "del", name)

    def _switch(self, parent: str, child: str, state: str) -> None:
        number = self._cables[parent, child]
        for code, device in ((parent, f"yzp{number}"), (child, f"yzc{number}")):
            _run("ip", "-n", self._names[code], "link", "set", device, state)


class _Forwarder(socketserver.ThreadingTCPServer):
    """Listens on our loopback and passes every connection on to the same port of a namespace's loopback."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, name: str, port: int) -> None:
        self.name = name
        self.port = port
        super().__init__(("127.0.0.1", port), _Passing)


class _Passing(socketserver.BaseRequestHandler):
    server: _Forwarder

    def handle(self) -> None:
        with suppress(OSError), _entered(self.server.name):
            inner = socket.create_connection(("127.0.0.1", self.server.port), timeout=10)
            with inner:
                inner.settimeout(None)
                _pass_on(self.request, inner)


def _pass_on(left: socket.socket, right: socket.socket) -> None:
    """Carry bytes both ways until one side ends."""
    other = {left: right, right: left}
    while True:
        for ready in select.select([left, right], [], [])[0]:
            data = ready.recv(65_536)
            if not data:
                return
            other[ready].sendall(data)


@contextmanager
def _entered(name: str) -> Iterator[None]:
    ours = os.open(_OURS, os.O_RDONLY)
    theirs = os.open(Path("/run/netns") / name, os.O_RDONLY)
    try:
        _set_network(theirs)
        try:
            yield
        finally:
            _set_network(ours)
    finally:
        os.close(theirs)
        os.close(ours)


def _set_network(descriptor: int) -> None:
    if _LIBC.setns(descriptor, _NEW_NETWORK):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _run(*command: str, text: str | None = None) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, input=text)
