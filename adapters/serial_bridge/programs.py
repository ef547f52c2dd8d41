"""A file-transfer program on a port: run on a terminal of its own, with the adapter between it and the line.

The programs (``rz``, ``sz``, ``kermit``) know nothing of the real port: the adapter holds it open, passes bytes both
ways, sees what is offered before the program does, and keeps what came before the sender is told. A program gets a
private folder, a bare environment, no shell, a limit on what it may write, and a terminal whose end takes it along when
this process dies.
"""

from __future__ import annotations

import os
import pty
import select
import shutil
import signal
import subprocess
import tty
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from adapters.contract import SourceNeedsPersonError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from adapters.serial_bridge.ports import Port

CHUNK_BYTES: Final = 1024
"""Passed on at once: a tenth of a second at 115,200 bit/s, so that the other direction is not kept waiting."""
PENDING_BYTES_MAX: Final = 65_536
CALL_BYTES_MAX: Final = 64
"""A program that says more at once does not call for somebody any more: it sends, and the line takes it. A sender by
ZMODEM hears nothing until the other side has the whole file."""
TICK_S: Final = 0.5
ENDING_S: Final = 2.0
"""How long a program may take to end once the line or its work is over."""
OPEN_FILES_MAX: Final = 64
FREE_BYTES_MIN: Final = 64 * 1024 * 1024
"""What a transfer must leave free on the disk, for the node's sake."""
CONFINING: Final = ("setsid", "prlimit")
CONFINING_PACKAGE: Final = "util-linux"
"""Programs that every other one is started by, and their package, which every Debian has."""


class Tap(Protocol):
    """Who sees what passes."""

    def heard(self, data: bytes) -> bytes:
        """Take bytes that came over the line, and return what the program gets of it."""

    def answered(self, data: bytes) -> bytes:
        """Take what the program says, and return what goes out; what came so far is on disk when this returns."""

    def silent(self) -> bytes:
        """Return what the program gets because nothing came for half a second."""

    @property
    def is_over(self) -> bool:
        """Whether the session is over, although the program still runs."""

    def finish(self) -> bytes:
        """Keep what came whole, as the session has ended well; return what is still to be said."""


class Passing:
    """Lets everything pass."""

    def heard(self, data: bytes) -> bytes:
        """Return what came."""
        return data

    def answered(self, data: bytes) -> bytes:
        """Return what is said."""
        return data

    def silent(self) -> bytes:
        """Return nothing: nothing is held."""
        return b""

    @property
    def is_over(self) -> bool:
        """The program says so itself, by ending."""
        return False

    def finish(self) -> bytes:
        """Nothing is left to be done."""
        return b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """How a program is run: its command, its folder, who sees what passes.

    One that ``fails_politely`` is told when there is no more room and tells its sender; another one is killed.
    """

    argv: Sequence[str]
    folder: Path
    tap: Tap
    fails_politely: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long a session may take: ``idle_s`` with nothing from the line and no data to it, ``whole_s`` altogether."""

    idle_s: float
    whole_s: float

    def refuse_when_over(self, idle_s: float, whole_s: float) -> None:
        """Raise TransferRefusedError when a session has taken longer."""
        if idle_s > self.idle_s:
            raise TransferRefusedError(f"nothing came for {self.idle_s:g} s")
        if whole_s > self.whole_s:
            raise TransferRefusedError(f"not finished after {self.whole_s:g} s")


class TransferRefusedError(Exception):
    """The session is ended from here; the text tells the other side why, without personal data."""


def refuse_on_trial(is_trial: bool) -> None:  # noqa: FBT001 - its only argument.
    """Raise TransferRefusedError when a file has come while somebody only looks: its sender has to keep it."""
    if is_trial:
        raise TransferRefusedError("the adapter is only being tried; send it again")


class BegunAnewError(Exception):
    """The sender has begun anew in the middle of a session; ``heard`` is what it said, from there on."""

    def __init__(self, heard: bytes) -> None:
        super().__init__("the sender has begun anew")
        self.heard = heard


def refuse_without_room(folder: Path, file_bytes: int) -> None:
    """Raise TransferRefusedError when a file of this size would fill the disk."""
    if shutil.disk_usage(folder).free < file_bytes + FREE_BYTES_MIN:
        raise TransferRefusedError("there is no room on the disk")


def require_program(name: str, package: str) -> str:
    """Return where a program is; raises SourceNeedsPersonError when it is not installed."""
    found = shutil.which(name)
    if found is None:
        raise SourceNeedsPersonError(f"the program {name} is not installed: install the package {package}")
    return found


@contextmanager
def started(session: Session, file_bytes_max: int) -> Iterator[Program]:
    """Run a program on a terminal of its own; at the end it is ended.

    It may write ``file_bytes_max`` bytes to a file.
    """
    master, slave = pty.openpty()
    try:
        tty.setraw(slave)
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(session.folder), "LANG": "C", "TERM": "dumb"}
        process = subprocess.Popen(  # noqa: S603 - the programs are ours to name, and their files are named by us.
            [*_confined(file_bytes_max), shutil.which(session.argv[0]) or session.argv[0], *session.argv[1:]],
            stdin=slave,
            stdout=slave,
            stderr=subprocess.DEVNULL,
            cwd=session.folder,
            env=environment,
            restore_signals=not session.fails_politely,
        )
    except BaseException:
        os.close(master)
        raise
    finally:
        os.close(slave)
    os.set_blocking(master, False)
    try:
        yield Program(process, master, session.tap)
    finally:
        os.close(master)
        _end(process)


def _confined(file_bytes_max: int) -> list[str]:
    """Return what a command is put behind: limits, and a controlling terminal.

    kermit asks for such a terminal, and its end ends the program whatever becomes of us.
    """
    setsid, prlimit = (require_program(name, CONFINING_PACKAGE) for name in CONFINING)
    return [setsid, "--ctty", prlimit, f"--fsize={file_bytes_max}", f"--nofile={OPEN_FILES_MAX}"]


class Program:
    """A program that runs."""

    def __init__(self, process: subprocess.Popen[bytes], master: int, tap: Tap) -> None:
        self._process = process
        self._master = master
        self._tap = tap
        self._pending = bytearray()

    def relay(
        self,
        port: Port,
        begun: bytes,
        limits: Limits,
        *,
        monotonic_s: Callable[[], float],
        is_stopped: Callable[[], bool],
    ) -> int:
        """Pass bytes between the line and the program until the session is over; return the program's exit status.

        ``begun`` came before. Raises SourceUnavailableError when the port is gone; TransferRefusedError when the line
        is silent for too long, the session takes too long, or the adapter is stopped; and what the tap raises.
        """
        self._pending += self._tap.heard(begun)
        began_s = heard_s = monotonic_s()
        while True:
            if is_stopped():
                raise TransferRefusedError("the node is being stopped")
            readable = [self._master, port.fileno()] if len(self._pending) < PENDING_BYTES_MAX else [self._master]
            ready, _, _ = select.select(readable, [self._master] if self._pending else [], [], TICK_S)
            now_s = monotonic_s()
            if port.fileno() in ready and (data := port.read(CHUNK_BYTES, 0)):
                heard_s = now_s
                self._pending += self._tap.heard(data)
            elif now_s - heard_s > TICK_S:
                self._pending += self._tap.silent()
            self._hand_over()
            if self._master in ready:
                said_bytes = self._speak(port)
                if not said_bytes:
                    return self._status()
                if said_bytes > CALL_BYTES_MAX:
                    heard_s = now_s
            if self._tap.is_over:
                return 0
            limits.refuse_when_over(now_s - heard_s, now_s - began_s)

    def _hand_over(self) -> None:
        """Give the program what is pending, as much as it takes."""
        try:
            while self._pending:
                del self._pending[: os.write(self._master, self._pending[:CHUNK_BYTES])]
        except BlockingIOError:
            return
        except OSError:
            # It has ended; that is seen where it is read.
            self._pending.clear()

    def _speak(self, port: Port) -> int:
        """Send what the program says; return how many bytes that were, 0 only when it has ended."""
        try:
            said = os.read(self._master, CHUNK_BYTES)
        except BlockingIOError:
            return 1
        except OSError:
            # Linux' way to say that nobody has the other side open any more.
            return 0
        if said and (out := self._tap.answered(said)):
            port.write(out)
        return len(said)

    def _status(self) -> int:
        """Return the exit status of a program that has let go of its terminal."""
        try:
            return self._process.wait(ENDING_S)
        except subprocess.TimeoutExpired as error:
            raise TransferRefusedError("the program does not end") from error


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program, and wait until it has ended."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            process.wait(ENDING_S if number is signal.SIGKILL else 0.1)
        except subprocess.TimeoutExpired:
            process.send_signal(number)
        else:
            return
    process.wait()
