"""What the node's end of a line keeps on disk: the answers it gave lately, and what has come of a long entry."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from adapters.record_line.messages import Confirm, Entry, Refuse

if TYPE_CHECKING:
    from pathlib import Path

ANSWERS_MAX: Final = 4_096
"""Answers that are remembered; what comes again later is asked of the node again, which knows it too."""
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS answer (
    number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, taken INTEGER NOT NULL,
    offered INTEGER NOT NULL, accepted INTEGER NOT NULL, repeated INTEGER NOT NULL, refused INTEGER NOT NULL,
    received INTEGER NOT NULL, text TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS partial (
    terminal TEXT PRIMARY KEY, spool BLOB NOT NULL, key TEXT NOT NULL, digest BLOB NOT NULL, total INTEGER NOT NULL);
"""


class LineMemory:
    """The memory in ``folder``, opened or begun when it is first needed; used with the line's lock held.

    Every method may raise sqlite3.Error or OSError when the disk fails.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._opened: sqlite3.Connection | None = None

    @property
    def _database(self) -> sqlite3.Connection:
        if self._opened is None:
            path = self._folder / "line.sqlite"
            self._opened = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._opened.execute("PRAGMA journal_mode = WAL")
            self._opened.execute("PRAGMA synchronous = NORMAL")
            self._opened.executescript(_TABLES)
        return self._opened

    def answer(self, key: str) -> Confirm | Refuse | None:
        """Return what was answered to the message with this delivery key, with ``key`` "", None when unknown."""
        row = self._database.execute(
            "SELECT taken, offered, accepted, repeated, refused, received, text FROM answer WHERE key = ?", (key,)
        ).fetchone()
        if row is None:
            return None
        return Confirm("", *row[1:]) if row[0] else Refuse("", row[-1])

    def remember(self, key: str, answer: Confirm | Refuse) -> None:
        """Keep an answer, and forget the oldest ones."""
        counts = answer[1:6] if isinstance(answer, Confirm) else (0, 0, 0, 0, 0)
        taken = isinstance(answer, Confirm)
        self._database.execute("BEGIN")
        try:
            cursor = self._database.execute(
                "INSERT OR REPLACE INTO answer (key, taken, offered, accepted, repeated, refused, received, text)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (key, taken, *counts, answer.text),
            )
            self._database.execute("DELETE FROM answer WHERE number <= ?", ((cursor.lastrowid or 0) - ANSWERS_MAX,))
            self._database.execute("COMMIT")
        except sqlite3.Error:
            # What stays open would make every later answer fail.
            self._database.rollback()
            raise

    def held(self, terminal: str, spool: bytes) -> tuple[str, int]:
        """Return key and bytes of the long entry of this terminal that has come in part, ("", 0) for none."""
        row = self._database.execute(
            "SELECT key, total FROM partial WHERE terminal = ? AND spool = ?", (terminal, spool)
        ).fetchone()
        if row is None:
            return "", 0
        try:
            return row[0], min(self._part(terminal).stat().st_size, row[1])
        except FileNotFoundError:
            return "", 0

    def begin(self, terminal: str, spool: bytes, entry: Entry) -> bytes:
        """Begin to keep a long entry, or go on with it: return its bytes before its offset that are here already."""
        mine = (terminal, spool, entry.key, entry.digest, entry.total)
        row = self._database.execute("SELECT * FROM partial WHERE terminal = ?", (terminal,)).fetchone()
        path = self._part(terminal)
        if entry.offset and row == mine:
            with path.open("r+b") as file:
                held = file.read(entry.offset)
                file.truncate(len(held))
                return held
        # Emptied first: what the row says must never be taken for another entry's bytes.
        path.write_bytes(b"")
        self._database.execute("INSERT OR REPLACE INTO partial VALUES (?, ?, ?, ?, ?)", mine)
        return b""

    def keep(self, terminal: str, data: bytes) -> None:
        """Put the next bytes of a long entry on disk."""
        with self._part(terminal).open("ab") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    def drop(self, terminal: str, key: str | None = None) -> None:
        """Let go of the long entry of this terminal, of that with ``key`` only when one is given."""
        cursor = self._database.execute(
            "DELETE FROM partial WHERE terminal = ? AND (? IS NULL OR key = ?)", (terminal, key, key)
        )
        if cursor.rowcount:
            with suppress(FileNotFoundError):
                self._part(terminal).unlink()

    def close(self) -> None:
        """Close the database, if it was opened; nothing may be asked afterwards."""
        if self._opened is not None:
            self._opened.close()

    def _part(self, terminal: str) -> Path:
        return self._folder / f"{terminal}.part"
