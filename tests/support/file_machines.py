"""An old machine at the far end of a simulated line: it sends files by ``sz`` or ``kermit``, and receives them.

Everything that comes over the line is remembered as its screen would show it. Files wait in its folder ``out`` until a
program says that they were received, as with somebody who tries again until it works.
"""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import threading
import time
import tty
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.line_simulator import Line

SILENT_S = 1.5
"""After so long without an answer the person at the machine stops a program that sends, and starts it again."""
CALL_BYTES = 64
"""A program that says more than this at once does not call any more: it sends."""
WAITS_FOR_US = {"zmodem": re.compile(rb"\*\*\x18B00"), "kermit": re.compile(rb"\x01[\x20-\x7e] S")}
PROGRAMS = {"zmodem": ("sz", "rz"), "kermit": ("kermit",)}
SESSION = """\
set delay 0
set transfer display none
set parity none
set flow none
set block-check 3
set send packet-length 1000
set receive packet-length 1000
set window 8
set streaming off
set retry-limit 3
set send timeout 1 fixed
set file type binary
set transfer mode manual
set file names literal
set file collision overwrite
"""


class FileMachine:
    """One machine; ``start`` begins its work, ``stop`` ends it.

    ``patience_s`` is how long a program may hear nothing; ``sends_together`` has all files sent in one session;
    ``command`` is given in place of sending: a command of kermit, or one that ``sz`` has the other side execute.
    """

    def __init__(self, line: Line, folder: Path, protocol: str = "zmodem") -> None:
        for program in (*PROGRAMS[protocol], "setsid"):
            if shutil.which(program) is None:
                pytest.skip(f"not installed: {program}")
        self.screen = bytearray()
        self.sends_together = False
        self.command = ""
        self.patience_s = SILENT_S
        self.failures = 0
        self._line = line
        self._protocol = protocol
        self._out = folder / "out"
        self._in = folder / "in"
        self._out.mkdir(parents=True)
        self._in.mkdir()
        self._port = -1
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="file machine", daemon=True)

    def start(self) -> None:
        self._port = os.open(self._line.far, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self._port)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._port >= 0:
            os.close(self._port)
            self._port = -1

    def put(self, name: str, content: bytes) -> None:
        """Have a file to be sent; several go in the order of their names."""
        staged = self._out.parent / "staged"
        staged.write_bytes(content)
        os.utime(staged, (1_700_000_000, 1_700_000_000))
        staged.rename(self._out / name)

    def waiting(self) -> list[str]:
        """Return the names of the files that nobody has received yet."""
        return sorted(path.name for path in self._out.iterdir())

    def received(self) -> dict[str, bytes]:
        """Return the files that came, by name, oldest first."""
        paths = sorted(self._in.iterdir(), key=lambda path: path.stat().st_ctime_ns)
        return {path.name: path.read_bytes() for path in paths if path.suffix in {".XML", ".TXT"}}

    def wait_until_sent(self, limit_s: float = 60.0) -> None:
        until = time.monotonic() + limit_s
        while self.waiting():
            assert time.monotonic() < until, f"still waiting: {self.waiting()}"
            self._stopped.wait(0.05)

    def wait_until_quiet(self) -> None:
        """Wait until nothing has come over the line for a moment."""
        shown = -1
        while shown != len(self.screen):
            shown = len(self.screen)
            self._stopped.wait(0.3)

    def _run(self) -> None:
        heard = b""
        while not self._stopped.is_set():
            heard = heard[-64:] + self._hear(0.1)
            if WAITS_FOR_US[self._protocol].search(heard):
                self._run_program(self._receiving(), self._in, heard)
                heard = b""
            elif names := self.waiting():
                self._send(names if self.sends_together else names[:1])

    def _send(self, names: list[str]) -> None:
        if self._run_program(self._sending(names), self._out, b"") == 0:
            for name in names:
                (self._out / name).unlink(missing_ok=True)
        else:
            self.failures += 1

    def _hear(self, wait_s: float) -> bytes:
        ready, _, _ = select.select([self._port], [], [], wait_s)
        heard = os.read(self._port, 4096) if ready else b""
        self.screen += heard
        return heard

    def _sending(self, names: list[str]) -> list[str]:
        if self._protocol == "zmodem":
            return [
                "sz",
                "--quiet",
                *(["-c", self.command] if self.command else ["--zmodem", "--binary", "--", *names]),
            ]
        return self._kermit(self.command or f"send {{{names[0]}}}")

    def _receiving(self) -> list[str]:
        if self._protocol == "zmodem":
            return ["rz", "--zmodem", "--binary", "--quiet", "--overwrite"]
        return self._kermit("receive")

    def _kermit(self, command: str) -> list[str]:
        script = self._out.parent / "commands"
        script.write_text(f"{SESSION}{command}\nif fail exit 1\nexit 0\n")
        return ["kermit", "-q", "-y", str(script)]

    def _run_program(self, command: list[str], folder: Path, heard: bytes) -> int:
        """Run a program with the line, and return its exit status; one that hears nothing is ended."""
        master, slave = pty.openpty()
        tty.setraw(slave)
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "LANG": "C", "TERM": "dumb"}
        process = subprocess.Popen(
            ["setsid", "--ctty", *command],
            stdin=slave,
            stdout=slave,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env=environment,
        )
        os.close(slave)
        try:
            self._relay(process, master, heard)
        finally:
            os.close(master)
            process.send_signal(signal.SIGKILL)
        return process.wait()

    def _relay(self, process: subprocess.Popen[bytes], master: int, heard: bytes) -> None:
        heard_s = time.monotonic()
        said = b""
        if heard:
            os.write(master, heard)
        while time.monotonic() < heard_s + self.patience_s and not self._stopped.is_set():
            ready, _, _ = select.select([master, self._port], [], [], 0.1)
            if self._port in ready:
                heard_s = time.monotonic()
                os.write(master, self._hear(0))
            if master in ready:
                try:
                    said = os.read(master, 1024)
                except OSError:
                    # The program has ended, and only then.
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(SILENT_S)
                    return
                if len(said) > CALL_BYTES:
                    heard_s = time.monotonic()
                os.write(self._port, said)
