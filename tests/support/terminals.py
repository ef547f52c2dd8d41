"""A terminal's program as a department runs it: the single file in a process of its own, on a port."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from adapters.record_line.key_text import key_text
from tests.support.terminal_file import TARGET

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

END_S = 20.0


class TerminalProgram:
    """A terminal in ``folder``; ``run`` starts it on a port, ``call`` runs one of its other commands."""

    def __init__(self, folder: Path, *, name: str = "hall-1", key: bytes = bytes(range(32))) -> None:
        self.folder = folder
        self.name = name
        self.key = key
        self.call("key", "set", name, typed=key_text(key) + "\n")

    def call(self, *arguments: str, typed: str = "") -> str:
        """Run a command and return what it wrote; CalledProcessError when it failed."""
        command = [sys.executable, str(TARGET), "--folder", str(self.folder), *arguments]
        return subprocess.run(command, input=typed, capture_output=True, text=True, check=True).stdout

    @contextmanager
    def run(self, port: Path, *arguments: str, bits_per_s: int = 115_200) -> Iterator[subprocess.Popen[str]]:
        """Run the terminal on a port; it is asked to end, and must, when the block is left."""
        command = [sys.executable, str(TARGET), "--folder", str(self.folder), "run"]
        command += ["--port", str(port), "--speed", str(bits_per_s), *arguments]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            try:
                yield process
            finally:
                process.terminate()
                try:
                    process.wait(END_S)
                finally:
                    process.kill()
