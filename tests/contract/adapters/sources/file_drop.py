"""A real folder, on the disk of this machine."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from adapters.file_drop import KIND

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


class FolderSource:
    """A folder that a department's program writes to: each text is a file."""

    kind = KIND
    entry = "adapters.file_drop:KIND"
    repeats = True

    def __init__(self, place: Path) -> None:
        self.folder = place / "drop"
        self.folder.mkdir()
        self._away = place / "unmounted"
        self._locked = False
        self._written = 0

    @property
    def settings(self) -> dict[str, Any]:
        return {"folder": str(self.folder), "settle_s": 0.0}

    @property
    def secrets(self) -> dict[str, str]:
        return {}

    def offer(self, texts: Sequence[str]) -> None:
        for text in texts:
            self._written += 1
            hidden = self.folder / f".{text}.tmp"
            hidden.write_text(f"{text}\n")
            os.utime(hidden, ns=(self._written * 10**9, self._written * 10**9))
            hidden.rename(self.folder / f"{text}.csv")

    def snapshot(self) -> object:
        return snapshot_of(self.folder)

    def go_away(self) -> None:
        self.folder.rename(self._away)

    def come_back(self) -> None:
        self._away.rename(self.folder)

    def lock_out(self) -> str:
        self._locked = True
        if os.geteuid():
            self.folder.chmod(0o500)
        else:
            for options in (["--bind"], ["-o", "remount,ro,bind"]):
                subprocess.run(["mount", *options, self.folder, self.folder], check=True)
        return "chmod"

    def refusals(self) -> Sequence[str]:
        return [path.read_text(encoding="utf-8-sig") for path in self.folder.glob("rejected/*.reason.txt")]

    def delivered(self) -> Sequence[tuple[str, bytes]]:
        return delivered_in(self.folder / "deliver")

    def close(self) -> None:
        if self._locked and not os.geteuid():
            subprocess.run(["umount", self.folder], check=True)
        if self._away.exists():
            self.come_back()
        self.folder.chmod(0o700)


def snapshot_of(folder: Path) -> object:
    """Return every path below a folder with its time and content."""
    return {
        path: (path.lstat().st_mtime_ns, path.read_bytes() if path.is_file() else None) for path in folder.rglob("*")
    }


def delivered_in(folder: Path) -> list[tuple[str, bytes]]:
    """Return the documents in a folder by the keys that their names hold, in the order of their names."""
    return [
        (unquote(path.name.partition(".")[2].removesuffix(".xml")), path.read_bytes())
        for path in sorted(folder.glob("*.xml"))
    ]


@contextmanager
def folder_source(place: Path) -> Iterator[FolderSource]:
    source = FolderSource(place)
    try:
        yield source
    finally:
        source.close()
