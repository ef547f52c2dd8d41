"""Faults put into a process that runs, and taken away again, by tracing it (root only)."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from node.clock import MachineClock
from node.demo.raising import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

ATTACHED_S = 10.0


def require_tracing() -> None:
    """Skip unless this account may trace other processes with strace."""
    if os.geteuid() != 0:
        pytest.skip("tracing another process needs root")
    if shutil.which("strace") is None:
        pytest.skip("not installed: strace")
    tried = subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no process may be traced here: {tried.stderr.strip()[-200:]}")


class Injected:
    """A fault that is in a process now; ``count`` tells how often it struck."""

    def __init__(self, log: Path) -> None:
        self._log = log

    @property
    def count(self) -> int:
        """How many calls failed so far."""
        return self._log.read_text(errors="replace").count("(INJECTED)")


@contextmanager
def failing_calls(process: int, calls: str, error: str, log: Path) -> Iterator[Injected]:
    """Let system calls of a process and its threads fail while the block runs.

    ``calls`` as strace names them (``fdatasync,fsync``), ``error`` the name of the error (``EIO``).
    """
    log.write_text("")
    trace = ("-e", f"trace={calls}", "-e", f"inject={calls}:error={error}")
    tracer = subprocess.Popen(["strace", "-f", "-qq", "-o", str(log), *trace, "-p", str(process)])
    try:
        assert wait_until(lambda: _traced(process), ATTACHED_S, MachineClock()), "strace did not attach"
        yield Injected(log)
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait()


def _traced(process: int) -> bool:
    """Tell whether every thread of a process is being traced."""
    tracers = [
        re.search(r"^TracerPid:\s*(\d+)", status.read_text(), re.MULTILINE)
        for status in Path(f"/proc/{process}/task").glob("*/status")
    ]
    return all(found is not None and found[1] != "0" for found in tracers)
