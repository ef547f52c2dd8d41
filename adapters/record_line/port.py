"""What the record line runs over: anything that carries bytes both ways, badly if need be."""

from __future__ import annotations

from typing import Protocol


class BytePort(Protocol):
    """One end of a line. One thread reads and another one writes at the same time; ``close`` may come from a third."""

    def read(self, max_bytes: int, wait_s: float) -> bytes:
        """Return what has come, at most ``max_bytes``; waits at most ``wait_s`` for the first, b"" when none came.

        Raises OSError, or an error of the bridge's own, when the line is gone.
        """

    def write(self, data: bytes) -> None:
        """Hand over all of ``data``, and wait for as long as the line takes; raises as ``read`` does."""

    def close(self) -> None:
        """Let go of the line and make a read or write that waits come back; calling it twice is harmless."""
