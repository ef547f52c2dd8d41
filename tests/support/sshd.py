"""A real SSH server for tests: OpenSSH's sshd on a port of the loopback, with keys and a configuration of its own.

It lets in the account that runs the tests, by key, and nobody else; it needs no privileges and leaves nothing behind.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from node.clock import MachineClock
from node.demo.raising import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

READY_S: Final = 20.0
_SEPARATION: Final = Path("/run/sshd")
"""Where sshd separates privileges; it does not start as root without this folder."""


class Sshd:
    """A server in ``folder``; ``subsystem`` are arguments of its SFTP part, ``lines`` are added to its configuration.

    ``before`` is a command that ends in starting sshd: a namespace of its own, another account.
    """

    def __init__(
        self,
        folder: Path,
        *,
        subsystem: Sequence[str] = (),
        lines: Sequence[str] = (),
        before: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self.user = pwd.getpwuid(os.geteuid()).pw_name
        self.port = free_port()
        self._before = before
        self._process: subprocess.Popen[bytes] | None = None
        self._subsystem = subsystem
        self._lines = lines
        self.new_host_key()
        make_key(folder / "user_key")
        self.let_in()
        self._configure()

    @property
    def host_key(self) -> str:
        """The public key of the host, as a line of its file."""
        return (self.folder / "host_key.pub").read_text().strip()

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the host's key, as ssh-keygen tells it."""
        told = subprocess.run(
            ["ssh-keygen", "-l", "-f", self.folder / "host_key.pub"], check=True, capture_output=True, text=True
        )
        return told.stdout.split()[1]

    @property
    def private_key(self) -> str:
        """The private key that is let in."""
        return (self.folder / "user_key").read_text()

    @property
    def log(self) -> str:
        """What the server said so far."""
        return (self.folder / "log").read_text(errors="replace")

    def new_host_key(self) -> None:
        """Give the server another key; takes effect at the next start."""
        for name in ("host_key", "host_key.pub"):
            (self.folder / name).unlink(missing_ok=True)
        make_key(self.folder / "host_key")

    def let_in(self) -> None:
        """Let the private key in."""
        shutil.copy(self.folder / "user_key.pub", self.folder / "authorized_keys")

    def lock_out(self) -> None:
        """Let nobody in any more; connections that stand are not touched."""
        (self.folder / "authorized_keys").write_text("")

    def start(self) -> None:
        """Start, and wait until the server greets."""
        if os.geteuid() == 0:
            _SEPARATION.mkdir(mode=0o755, exist_ok=True)
        program = shutil.which("sshd") or "/usr/sbin/sshd"
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._before, program, "-D", "-e", "-f", self.folder / "config"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        assert wait_until(self._greets, READY_S, MachineClock()), self.log

    def kill(self) -> None:
        """End the server and every session at once."""
        if self._process is not None:
            self._signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def kill_sessions(self) -> None:
        """End every session; the server goes on listening."""
        assert self._process is not None
        for process in descendants(self._process.pid):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def freeze(self) -> None:
        """Have the server and its sessions stand still: connections stay open, nobody answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        assert self._process is not None
        for process in (self._process.pid, *descendants(self._process.pid)):
            with suppress(ProcessLookupError):
                os.kill(process, number)

    def _greets(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1) as link:
            return link.recv(4) == b"SSH-"
        return False

    def _configure(self) -> None:
        lines = [
            f"Port {self.port}",
            "ListenAddress 127.0.0.1",
            f"HostKey {self.folder}/host_key",
            f"AuthorizedKeysFile {self.folder}/authorized_keys",
            "PidFile none",
            "StrictModes no",
            "UsePAM no",
            "KbdInteractiveAuthentication no",
            "PermitRootLogin yes",
            "MaxStartups 100",
            f"Subsystem sftp internal-sftp {' '.join(self._subsystem)}",
            *(self._lines or ["PasswordAuthentication no"]),
        ]
        (self.folder / "config").write_text("\n".join(lines) + "\n")


@contextmanager
def ssh_server(folder: Path, **options: Sequence[str]) -> Iterator[Sshd]:
    """Give a server that runs; skips, with the reason, where none can."""
    require_sshd()
    folder.mkdir(exist_ok=True)
    server = Sshd(folder, **options)
    try:
        server.start()
        yield server
    finally:
        server.kill()


def require_sshd() -> None:
    """Skip unless OpenSSH's server is installed."""
    if not (shutil.which("sshd") or Path("/usr/sbin/sshd").is_file()):
        pytest.skip("not installed: sshd (apt install openssh-server)")


def make_key(path: Path, *, kind: str = "ed25519", passphrase: str = "") -> None:
    """Make a pair of keys at ``path`` and ``path``.pub."""
    command = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "test", "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def free_port() -> int:
    """Return a port of the loopback that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


def descendants(process: int) -> list[int]:
    """Return the processes that descend from one, which their numbers tell; titles change and tell nothing."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(folder.name))
    found = [process]
    for one in found:
        found += children.get(one, [])
    return found[1:]
