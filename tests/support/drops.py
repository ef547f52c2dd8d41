"""A folder of this machine and an adapter of it, for tests: what the department does, what the node does."""

from __future__ import annotations

import dataclasses
import json
import os
from typing import TYPE_CHECKING, Any

from adapters.file_drop import KIND
from tests.support.adapter_openings import content_of, opening, outcome

if TYPE_CHECKING:
    from pathlib import Path

    from adapters.contract import Adapter, Delivery


class HandClock:
    """Seconds that pass when a test says so, or when somebody waits; ``stopping`` is what waits tell."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.stopping = False
        self.waited: list[float] = []

    def monotonic_s(self) -> float:
        return self.now_s

    def wait(self, seconds: float) -> bool:
        self.waited.append(seconds)
        self.now_s += seconds
        return self.stopping


class Drop:
    """A folder below ``place``; times of files are small whole seconds, in the order in which they were put there."""

    def __init__(self, place: Path, *, folder: Path | None = None) -> None:
        self.folder = folder or place / "drop"
        self.folder.mkdir(exist_ok=True)
        self.kept = place / "kept"
        self.clock = HandClock()
        self._written = 0
        self._opened: list[Adapter] = []

    def put(self, name: str | bytes, content: str | bytes | None = None) -> Path:
        """Have the department put a file there; without ``content`` it holds its name."""
        self._written += 1
        path = self.folder / os.fsdecode(name)
        content = os.fsencode(name) if content is None else content
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        os.utime(path, ns=(self._written * 10**9, self._written * 10**9))
        return path

    def open(self, *, kept: Path | None = None, **settings: Any) -> Adapter:
        """Open an adapter; several may be open at once."""
        whole = {"folder": str(self.folder), "settle_s": 0.0, **settings}
        made = opening(KIND, kept or self.kept, whole)
        made = dataclasses.replace(made, monotonic_s=self.clock.monotonic_s, wait=self.clock.wait)
        adapter = KIND.open(made)
        self._opened.append(adapter)
        return adapter

    def take(self, adapter: Adapter, *, limit: int = 10, **counts: Any) -> dict[str, bytes]:
        """Have the node fetch and acknowledge one round; return contents by name, in order."""
        came = {}
        for delivery in adapter.fetch(limit):
            came[delivery.name] = content_of(delivery)
            adapter.acknowledge(delivery, outcome(**counts))
        return came

    def names(self, shelf: str = ".") -> list[str]:
        """Return the names of the files on a shelf."""
        return sorted(path.name for path in (self.folder / shelf).glob("*") if not path.is_dir())

    def result(self, name: str) -> dict[str, Any]:
        """Return what the department reads of a file that was taken in."""
        read: dict[str, Any] = json.loads((self.folder / "results" / f"{name}.result.json").read_bytes())
        return read

    def reason(self, name: str) -> str:
        """Return why a file was rejected, as the department reads it."""
        return (self.folder / "rejected" / f"{name}.reason.txt").read_text(encoding="utf-8-sig")

    def close(self) -> None:
        for adapter in self._opened:
            adapter.close()


def first(adapter: Adapter) -> Delivery:
    """Return the next delivery, unanswered."""
    return next(iter(adapter.fetch(1)))
