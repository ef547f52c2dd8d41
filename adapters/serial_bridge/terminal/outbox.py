"""The folder from which files are taken into the spool: whoever puts a file there has sent it."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import TYPE_CHECKING, Callable, Final, Iterator

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
OUTBOX_NAME: Final = "outbox"
SENT_NAME: Final = "sent"
OTHER_TYPE: Final = "application/octet-stream"
UNFINISHED: Final = (".part", ".tmp", ".new", ".crdownload")
"""Endings of files that somebody is still writing."""
SETTLED_S: Final = 2.0
"""A file that has not changed for so long is finished; FAT tells times of change in steps of two seconds."""


def media_type_of(name: str) -> str:
    """Return the media type that a file's ending says."""
    return MEDIA_TYPES.get(os.path.splitext(name)[1].lower(), OTHER_TYPE)


class _Seen:
    """A file as it was seen: since when it is of this size and time, and its number once it is in the spool."""

    def __init__(self, size: int, changed_ns: int, since_s: float) -> None:
        self.size = size
        self.changed_ns = changed_ns
        self.since_s = since_s
        self.number = 0
        self.is_told = False


class Outbox:
    """Takes files of ``folder`` that have not changed for ``SETTLED_S``, and moves them to ``sent`` below it."""

    def __init__(self, folder: Path, monotonic_s: Callable[[], float]) -> None:
        self.is_settling = False
        """Whether there are files that may still be growing, or cannot be read yet."""
        self._folder = folder
        self._sent = folder / SENT_NAME
        self._monotonic_s = monotonic_s
        self._seen: dict[str, _Seen] = {}
        self._sent.mkdir(mode=0o700, parents=True, exist_ok=True)

    def look(self, spool: Spool) -> Iterator[tuple[str, str]]:
        """Take what is finished; yield ``taken``, ``too-long`` or ``unread`` with what belongs to it.

        A file that is too long stays; one that cannot be read or moved is tried again at the next look. Both are told
        once.
        """
        self.is_settling = False
        files = dict(self._files())
        self._seen = {name: one for name, one in self._seen.items() if name in files}
        for name, about in files.items():
            one = self._seen.get(name)
            if one is None or (one.size, one.changed_ns) != (about.st_size, about.st_mtime_ns):
                one = self._seen[name] = _Seen(about.st_size, about.st_mtime_ns, self._monotonic_s())
            if self._monotonic_s() - one.since_s < SETTLED_S:
                self.is_settling = True
                continue
            what, said = self._settled(name, one, spool)
            if what == "taken":
                del self._seen[name]
                yield what, said
            elif not one.is_told:
                one.is_told = True
                yield what, said

    def _files(self) -> Iterator[tuple[str, os.stat_result]]:
        for path in sorted(self._folder.iterdir()):
            if path.name.startswith(".") or path.suffix.lower() in UNFINISHED:
                continue
            try:
                about = path.stat()
            except FileNotFoundError:
                # Whoever put it there has taken it away again.
                continue
            if stat.S_ISREG(about.st_mode):
                yield path.name, about

    def _settled(self, name: str, one: _Seen, spool: Spool) -> tuple[str, str]:
        """Take a file that does not grow any more; return what became of it."""
        if one.size > ENTRY_BYTES_MAX:
            return "too-long", name
        try:
            # What is in the spool and could not be moved is only moved: it may have been answered meanwhile.
            one.number = one.number or self._put(name, one, spool)
            os.replace(str(self._folder / name), str(self._sent / f"{one.number}-{name}"))
        except OSError as error:
            self.is_settling = self.is_settling or not one.number
            return "unread", f"{name}: {error}"
        return "taken", f"{one.number}: {name}"

    def _put(self, name: str, one: _Seen, spool: Spool) -> int:
        with (self._folder / name).open("rb") as file:
            content = file.read(one.size + 1)
        if len(content) != one.size:
            raise OSError("it is being written")
        # Killed before the move, the same file is found again and is known by this.
        origin = f"{name} {one.changed_ns} {hashlib.sha256(content).hexdigest()}"
        return spool.put(name, media_type_of(name), content, origin)
