"""What of a source was answered already, for doors that read parts of it again on purpose.

A row that became visible late, or an entry of a list that is handed out whole, can only be told from what was taken
before by remembering that. What is remembered stands in a small database in the adapter's folder. It never knows more
than the node does: each answer has a serial number that also stands in the cursor; when the node comes with an older
cursor than the folder has seen (it was restored from a backup), everything is forgotten, and comes again.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from adapters.contract import SourceUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

FILE_NAME: Final = "answered.sqlite3"
_TABLES: Final = """
    CREATE TABLE IF NOT EXISTS answered (digest BLOB PRIMARY KEY, place TEXT NOT NULL) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS answered_place ON answered (place);
    CREATE TABLE IF NOT EXISTS state (serial INTEGER NOT NULL);
"""


_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR})


class Remembered:
    """The digests of what was answered, each with its place in the source's order as a text that sorts.

    ``serial`` is that of the cursor with which the node opened the adapter, 0 without one.
    """

    def __init__(self, folder: Path, serial: int) -> None:
        path = folder / FILE_NAME
        # One thread may ask what is known while another adds to it.
        self._lock = threading.Lock()
        with _told():
            try:
                self._open(path, serial)
            except sqlite3.DatabaseError as error:
                if error.sqlite_errorcode & 0xFF not in _DAMAGED:
                    raise
                # What it knew comes again, and the node knows it by its keys.
                self._database.close()
                for ending in ("", "-wal", "-shm"):
                    path.with_name(path.name + ending).unlink(missing_ok=True)
                self._open(path, serial)

    def _open(self, path: Path, serial: int) -> None:
        self._database = sqlite3.connect(path, check_same_thread=False)
        # Losing the last answers in a power cut makes them come again; a flush for each would cost more.
        self._database.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;" + _TABLES)
        (seen,) = self._database.execute("SELECT max(serial) FROM state").fetchone()
        if (seen or 0) > serial:
            with self._database:
                self._database.execute("DELETE FROM answered")
                self._database.execute("DELETE FROM state")
        count, newest = self._database.execute("SELECT count(*), max(place) FROM answered").fetchone()
        self._count: int = count
        self._newest: str = newest or ""

    def __len__(self) -> int:
        """How many are remembered."""
        return self._count

    def reaches(self, place: str) -> bool:
        """Tell whether anything is remembered from a place on."""
        return place <= self._newest

    def knows(self, digest: bytes) -> bool:
        """Tell whether this was answered."""
        with self._lock, _told():
            return self._database.execute("SELECT 1 FROM answered WHERE digest = ?", (digest,)).fetchone() is not None

    def add(self, answered: Iterable[tuple[bytes, str]], serial: int) -> None:
        """Remember what the answer with this serial was about: digests with their places; repeating is harmless."""
        added = list(answered)
        with self._lock, _told(), self._database:
            before = self._database.total_changes
            self._database.executemany("INSERT OR IGNORE INTO answered VALUES (?, ?)", added)
            self._count += self._database.total_changes - before
            self._newest = max([self._newest, *(place for _, place in added)])
            self._database.execute("DELETE FROM state")
            self._database.execute("INSERT INTO state VALUES (?)", (serial,))

    def forget(self, digests: Iterable[bytes]) -> None:
        """Forget these."""
        with self._lock, _told(), self._database:
            for digest in digests:
                self._count -= self._database.execute("DELETE FROM answered WHERE digest = ?", (digest,)).rowcount

    def forget_before(self, place: str) -> None:
        """Forget what stands before a place."""
        with self._lock, _told(), self._database:
            self._count -= self._database.execute("DELETE FROM answered WHERE place < ?", (place,)).rowcount

    def keep_newest(self, count: int) -> None:
        """Forget the first in order until about ``count`` are left."""
        if self._count > count:
            border = "SELECT place FROM answered ORDER BY place DESC LIMIT 1 OFFSET ?"
            with self._lock, _told():
                (place,) = self._database.execute(border, (count - 1,)).fetchone()
            self.forget_before(place)

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()


@contextmanager
def _told() -> Iterator[None]:
    """Turn what goes wrong with the file in the block into an error of the contract: most often the disk is full."""
    try:
        yield
    except sqlite3.Error as error:
        raise SourceUnavailableError(
            f"what was answered cannot be remembered in the adapter's folder ({error})"
        ) from error
