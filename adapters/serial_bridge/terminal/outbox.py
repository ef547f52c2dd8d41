"""The folder from which files are taken into the spool: whoever puts a file there has sent it."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Final, Iterator

from adapters.record_line.limits import ENTRY_BYTES_MAX

if TYPE_CHECKING:
    from pathlib import Path

    from adapters.serial_bridge.terminal.spool import Spool

MEDIA_TYPES: Final = {
    ".xml": "application/xml",
    ".json": "application/json",
    ".csv": "text/csv",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
OTHER_TYPE: Final = "application/octet-stream"
UNFINISHED: Final = (".part", ".tmp", ".new", ".crdownload")
"""Endings of files that somebody is still writing."""


def media_type_of(name: str) -> str:
    """Return the media type that a file's ending says."""
    return MEDIA_TYPES.get(os.path.splitext(name)[1].lower(), OTHER_TYPE)


class Outbox:
    """Takes files of ``folder`` whose size has been the same for two looks, and moves them to ``sent`` below it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sent = folder / "sent"
        self.is_settling = False
        """Whether there are files that may still be growing."""
        self._seen: dict[str, tuple[int, int]] = {}
        self._told: dict[str, int] = {}
        self._sent.mkdir(mode=0o700, parents=True, exist_ok=True)

    def look(self, spool: Spool) -> Iterator[tuple[str, int]]:
        """Take what is finished; yield names and numbers, 0 for one that is too long and stays."""
        seen = {}
        for path in sorted(self._folder.iterdir()):
            if not path.is_file() or path.name.startswith(".") or path.suffix.lower() in UNFINISHED:
                continue
            about = path.stat()
            seen[path.name] = about.st_size, about.st_mtime_ns
            if self._seen.get(path.name) != seen[path.name]:
                continue
            if about.st_size > ENTRY_BYTES_MAX:
                if self._told.get(path.name) != about.st_mtime_ns:
                    self._told[path.name] = about.st_mtime_ns
                    yield path.name, 0
                continue
            yield path.name, self._take(path, about.st_mtime_ns, spool)
        self.is_settling = any(self._seen.get(name) != about for name, about in seen.items())
        self._seen = seen

    def _take(self, path: Path, changed_ns: int, spool: Spool) -> int:
        content = path.read_bytes()
        # Killed between the two steps, the same file is found again and is known by this.
        origin = f"{path.name} {changed_ns} {hashlib.sha256(content).hexdigest()}"
        number = spool.put(path.name, media_type_of(path.name), content, origin)
        os.replace(str(path), str(self._sent / f"{number}-{path.name}"))
        return number
