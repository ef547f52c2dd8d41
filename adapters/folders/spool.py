"""Copies of files in the adapter's own folder: what is handed over, and what of it has come so far."""

from __future__ import annotations

import os
from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from adapters.folders.kept import no_room

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from adapters.folders.place import Entry, Place

_BLOCK_BYTES: Final = 1 << 20
_ANSWERED: Final = ".answered"
OVERLAP_BYTES: Final = 16_384
"""Bytes at the end of an interrupted copy that come once more: they must be the same for the copy to go on. Fewer than
any place brings in one piece, so that every round gets on."""


class UnfinishedCopyError(Exception):
    """A copy has not come to its end: it goes on in the next round."""


class Spool:
    """Copies below ``folder``, one for each state of a file (name, size, time)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def fill(self, place: Place, shelf: str, entry: Entry) -> tuple[Path, str] | None:
        """Copy a file, going on where an earlier copy ended; return the copy and its SHA-256 in hexadecimal.

        None when the file changed or vanished meanwhile. Raises UnreadableFileError and UnfinishedCopyError.
        """
        path = self._path(entry)
        try:
            self._folder.mkdir(exist_ok=True)
            if not self._copy(place, shelf, entry, path):
                return None
            digest = _digest(path)
        except FileNotFoundError:
            path.unlink(missing_ok=True)
            return None
        except OSError as error:
            # The node itself needs the room: a copy that does not fit must not hold it until somebody makes more.
            with suppress(OSError):
                path.unlink(missing_ok=True)
            raise no_room(error) from error
        if place.find(shelf, entry.raw) != entry:
            path.unlink(missing_ok=True)
            return None
        if path.stat().st_size < entry.size:
            raise UnfinishedCopyError
        return path, digest

    def is_answered(self, entry: Entry) -> bool:
        """Tell whether the results of a file were written, though it was not put away since."""
        return self._answered(entry).exists()

    def set_answered(self, entry: Entry) -> None:
        """Remember that the results of a file were written.

        Lost in a power cut, it would only have the results of a second answer replace those of the first.
        """
        try:
            self._answered(entry).touch()
        except OSError as error:
            raise no_room(error) from error

    def drop(self, entry: Entry) -> None:
        """Remove the copy of a file, and what is remembered of it."""
        self._path(entry).unlink(missing_ok=True)
        self._answered(entry).unlink(missing_ok=True)

    def keep_only(self, entries: Collection[Entry]) -> None:
        """Remove copies of files that are none of these: they changed, or somebody took them away."""
        kept = {self._path(entry).name for entry in entries}
        if self._folder.is_dir():
            for path in self._folder.iterdir():
                if path.stem not in kept:
                    path.unlink(missing_ok=True)

    def _answered(self, entry: Entry) -> Path:
        return self._path(entry).with_suffix(_ANSWERED)

    def _path(self, entry: Entry) -> Path:
        state = f"{entry.size} {entry.modified_ns} {entry.identity} ".encode() + entry.raw
        return self._folder / sha256(state).hexdigest()[:32]

    def _copy(self, place: Place, shelf: str, entry: Entry, path: Path) -> bool:
        """Bring the copy to the file's size; False when what is there is not the beginning of the file."""
        path.touch()
        with path.open("r+b") as copy:
            there = copy.seek(0, os.SEEK_END)
            if there > entry.size:
                there = copy.truncate(0)
            begin = max(0, there - OVERLAP_BYTES) if there < entry.size else there
            copy.seek(begin)
            before = copy.read()
            copy.seek(begin)
            if there < entry.size:
                place.copy(shelf, entry, copy, begin)
                copy.flush()
            copy.seek(begin)
            same = copy.read(len(before)) == before
        if not same:
            path.unlink()
        return same


def _digest(path: Path) -> str:
    """Return the SHA-256 of what stands on the disk now, whatever was written when."""
    made = sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            made.update(block)
    return made.hexdigest()
