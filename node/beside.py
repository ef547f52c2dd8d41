"""A process beside this one: the same program, for work that one interpreter cannot do on two processors.

It gets pickled requests through its standard input and answers through its standard output, one after the other; it
opens no home, no key and no store. Nothing rests on it: when it cannot be started or dies (out of memory, killed), its
owner is told, and does the work itself. When this process dies, its input ends, and so does it.
"""

from __future__ import annotations

import logging
import os
import pickle
import select
import subprocess
import sys
from typing import Any, Final

LEAVE_S: Final = 5.0
"""Seconds that a process may take to leave once its input has ended."""
PROCESSORS_MIN: Final = 2
"""Processors from which on a process beside this one is a gain."""
_PROTOCOL: Final = 5
_PIPE_BYTES: Final = 1_048_576
"""Room for a whole batch, so that whoever writes it need not wait for its reader: the most that Linux gives without
being asked by root."""

_log = logging.getLogger(__name__)


class Beside:
    """One such process: it runs ``module``, is told a request, then heard, then told the next one."""

    # -P: a folder named `node` where the user happens to stand must not be taken for ours.
    command: tuple[str, ...] = (sys.executable, "-P", "-m")

    def __init__(self, module: str) -> None:
        self._module = module
        self._process = self._started()

    def tell(self, request: object) -> bool:
        """Give it a request; False when it is not there (any more)."""
        if self._process is None or self._process.stdin is None:
            return False
        try:
            pickle.dump(request, self._process.stdin, _PROTOCOL)
            self._process.stdin.flush()
        except OSError as error:
            self._lost(error)
            return False
        return True

    def hear(self) -> Any:
        """Wait for what it answers to the last request, which is never None; None when it is not there any more."""
        if self._process is None or self._process.stdout is None:
            return None
        try:
            return pickle.load(self._process.stdout)  # noqa: S301 - from our own process.
        except (OSError, EOFError, pickle.UnpicklingError) as error:
            self._lost(error)
            return None

    def answers(self) -> bool:
        """Tell, without waiting, whether there is something to hear."""
        stdout = None if self._process is None else self._process.stdout
        return stdout is not None and bool(select.select([stdout], [], [], 0)[0])

    def has_left(self) -> bool:
        """Tell whether it is gone, by itself or not."""
        return self._process is None or self._process.poll() is not None

    def leave(self) -> None:
        """End its input and wait until it has left; kill one that does not."""
        process, self._process = self._process, None
        if process is None:
            return
        try:
            process.communicate(timeout=LEAVE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()

    def _started(self) -> subprocess.Popen[bytes] | None:
        try:
            # In a session of its own: what is typed at the terminal is for this process, which ends the other one.
            return subprocess.Popen(  # noqa: S603 - our own program, no shell.
                [*self.command, self._module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                pipesize=_PIPE_BYTES,
            )
        except OSError as error:
            _log.warning("no worker can be started; its work is done here", extra={"reason": str(error)})
            return None

    def _lost(self, error: Exception) -> None:
        _log.warning("the worker was lost; its work is done here", extra={"reason": type(error).__name__})
        self.leave()


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0))
