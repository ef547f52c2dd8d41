"""A process beside this one: the same program, for work that one interpreter cannot do on two processors.

It gets requests through its standard input and answers them in their order through its standard output; it opens no
home, no key and no store. Nothing rests on it: when it cannot be started or dies (out of memory, killed), its owner is
told, and does the work itself. When this process dies, its input ends, and so does it.
"""

from __future__ import annotations

import fcntl
import logging
import os
import pickle
import select
import struct
import subprocess
import sys
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LEAVE_S: Final = 5.0
"""Seconds that a process may take to leave once its input has ended."""
PROCESSORS_MIN: Final = 2
"""Processors from which on a process beside this one is a gain."""
READY: Final = "ready"
"""What such a process says first: starting takes half a second, in which whoever started it goes on alone."""
COMMAND: Final = (sys.executable, "-P", "-m")
"""What starts a module of this program. -P: a folder named `node` where the user happens to stand is not ours."""
_PROTOCOL: Final = 5
_LENGTH: Final = struct.Struct("!Q")
_PIPE_BYTES: Final = 1_048_576
"""Room for most batches, so that whoever writes them need not wait for their reader: the most that Linux gives without
being asked by root."""

_log = logging.getLogger(__name__)


class Line:
    """Pipes to and from another process of this program: whole messages, in their order."""

    def __init__(self, incoming: Connection, outgoing: Connection) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        # Ours alone: the other end of a pipe has a mode of its own.
        for end in (incoming, outgoing):
            os.set_blocking(end.fileno(), False)

    def tell(self, message: object, wait_s: float | None = None) -> None:
        """Send a message; OSError when nobody is there, or when nothing of it was taken for ``wait_s`` seconds."""
        self.send(pickle.dumps(message, _PROTOCOL), wait_s)

    def hear(self, wait_s: float | None = None) -> Any:
        """Return the next message; EOFError or OSError when none comes, or nothing of it for ``wait_s`` seconds."""
        return pickle.loads(self.receive(wait_s))  # noqa: S301 - from a process of our own.

    def send(self, written: bytes, wait_s: float | None = None) -> None:
        """Send bytes as one message; raises as ``tell``."""
        left = memoryview(_LENGTH.pack(len(written)) + written)
        while left:
            if not select.select([], [self._outgoing], [], wait_s)[1]:
                raise TimeoutError
            left = left[os.write(self._outgoing.fileno(), left) :]

    def receive(self, wait_s: float | None = None, *, bytes_max: int | None = None) -> bytearray:
        """Return the bytes of the next message; raises as ``hear``, and ValueError for more than ``bytes_max``."""
        (length,) = _LENGTH.unpack(self._read(_LENGTH.size, wait_s))
        if bytes_max is not None and length > bytes_max:
            raise ValueError(length)
        return self._read(length, wait_s)

    def _read(self, count: int, wait_s: float | None) -> bytearray:
        found = bytearray()
        while len(found) < count:
            if not self.has_news(wait_s):
                raise TimeoutError
            piece = os.read(self._incoming.fileno(), min(count - len(found), _PIPE_BYTES))
            if not piece:
                raise EOFError
            found += piece
        return found

    def has_news(self, wait_s: float | None = 0.0) -> bool:
        """Tell whether there is something to hear, if need be after ``wait_s`` seconds (None: any time)."""
        return bool(select.select([self._incoming], [], [], wait_s)[0])

    def close(self) -> None:
        """Let go of both pipes."""
        self._incoming.close()
        self._outgoing.close()


def line_to_starter() -> Line:
    """Return the line from such a process to the one that started it."""
    return Line(Connection(sys.stdin.fileno(), writable=False), Connection(sys.stdout.fileno(), readable=False))


class Beside:
    """One such process: it runs ``module``, is told requests, and heard once for each."""

    command: tuple[str, ...] = COMMAND

    def __init__(self, module: str) -> None:
        self._module = module
        self._is_ready = False
        self._line: Line | None = None
        self._process = self._started()

    def is_ready(self) -> bool:
        """Tell, without waiting, whether it has started; it is told nothing before."""
        if not self._is_ready:
            self._is_ready = self.answers() and self.hear() == READY
        return self._is_ready

    def tell(self, request: object, wait_s: float | None = None) -> bool:
        """Give it a request; False when it is not there (any more).

        One that takes nothing of it for ``wait_s`` seconds (None: any time) is ended and counts as gone.
        """
        if self._line is None:
            return False
        try:
            self._line.tell(request, wait_s)
        except OSError as error:
            self._lost(error)
            return False
        return True

    def hear(self, wait_s: float | None = None) -> Any:
        """Wait for its answer to the next request, which is never None; None when it is not there any more.

        One that does not answer within ``wait_s`` (None: any time) is ended and counts as gone.
        """
        if self._line is None:
            return None
        try:
            return self._line.hear(wait_s)
        except (OSError, EOFError, pickle.UnpicklingError) as error:
            self._lost(error)
            return None

    def answers(self) -> bool:
        """Tell, without waiting, whether there is something to hear."""
        return self._line is not None and self._line.has_news()

    def has_left(self) -> bool:
        """Tell whether it is gone, by itself or not."""
        return self._process is None or self._process.poll() is not None

    def leave(self) -> None:
        """End its input and wait until it has left; kill one that does not, or has not even started."""
        process, self._process = self._process, None
        line, self._line = self._line, None
        if process is None or line is None:
            return
        line.close()
        if not self._is_ready:
            process.kill()
        try:
            process.wait(LEAVE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _started(self) -> subprocess.Popen[bytes] | None:
        try:
            process, self._line = start_process([*self.command, self._module])
        except OSError as error:
            _log.warning("no worker can be started; its work is done here", extra={"reason": str(error)})
            return None
        return process

    def _lost(self, error: Exception) -> None:
        _log.warning("the worker was lost; its work is done here", extra={"reason": type(error).__name__})
        if isinstance(error, TimeoutError) and self._process is not None:
            # It would not hear that its input has ended either.
            self._process.kill()
        self.leave()


def start_process(
    command: Sequence[str], *, environment: Mapping[str, str] | None = None, errors: int = subprocess.DEVNULL
) -> tuple[subprocess.Popen[bytes], Line]:
    """Start a process and return it with the line to it; raises OSError.

    ``environment``: None for ours. ``errors``: where its standard error goes, as for ``subprocess.Popen``.
    """
    requests, outgoing = Pipe(duplex=False)
    incoming, answers = Pipe(duplex=False)
    line = Line(incoming, outgoing)
    try:
        # An account with many pipes gets no more room for them; a smaller pipe is only slower.
        with suppress(PermissionError):
            for pipe in (outgoing, incoming):
                fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        # In a session of its own: what is typed at the terminal is for this process, which ends the other one.
        process = subprocess.Popen(  # noqa: S603 - our own program, no shell.
            command,
            stdin=requests.fileno(),
            stdout=answers.fileno(),
            stderr=errors,
            env=environment,
            start_new_session=True,
        )
    except OSError:
        line.close()
        raise
    finally:
        requests.close()
        answers.close()
    return process, line


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0))
