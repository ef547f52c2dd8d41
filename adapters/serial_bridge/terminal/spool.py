"""What a terminal keeps on disk: what is to be sent until the node has it, and what the node sent down.

An SQLite database in the terminal's folder. What was put in is on the disk before anybody is told so; several programs
may use it at once (``send`` while ``run`` runs). Numbers of entries are never used twice.
"""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING, Final, Iterator, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

ANSWERED_KEPT: Final = 1_000
"""Answered entries that ``status`` still knows; their content is let go of."""
SPOOL_NAME_BYTES: Final = 8
BUSY_S: Final = 30.0
WAITING, CONFIRMED, REFUSED = "waiting", "confirmed", "refused"
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS outgoing (
    number INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, media_type TEXT NOT NULL, content BLOB,
    origin TEXT UNIQUE, state TEXT NOT NULL, offered INTEGER NOT NULL DEFAULT 0, refused INTEGER NOT NULL DEFAULT 0,
    text TEXT NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS outgoing_state ON outgoing (state, number);
CREATE TABLE IF NOT EXISTS incoming (
    number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, name TEXT NOT NULL, media_type TEXT NOT NULL,
    text TEXT NOT NULL, content BLOB NOT NULL, shown INTEGER NOT NULL DEFAULT 0);
"""


class Outgoing(NamedTuple):
    """An entry that waits for the node: ``number`` is its key on the line."""

    number: int
    name: str
    media_type: str
    content: bytes


class Answered(NamedTuple):
    """What the node said to an entry: ``refused`` of ``offered`` records were refused, or the whole entry."""

    number: int
    name: str
    state: str
    offered: int
    refused: int
    text: str


class Incoming(NamedTuple):
    """A document that the node sent down."""

    number: int
    name: str
    media_type: str
    text: str
    content: bytes


class Spool:
    """Opens or begins the spool in ``folder``, which other accounts cannot read."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / "spool.sqlite"
        self._database = sqlite3.connect(str(path), timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        os.chmod(str(path), 0o600)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.executescript(_TABLES)
        self._database.execute("INSERT OR IGNORE INTO about VALUES ('spool', ?)", (os.urandom(SPOOL_NAME_BYTES),))
        row = self._database.execute("SELECT value FROM about WHERE name = 'spool'").fetchone()
        self.spool = bytes(row[0])
        """Tells this spool from any other that a terminal of the same name may have had."""

    def put(self, name: str, media_type: str, content: bytes, origin: str | None = None) -> int:
        """Put an entry in and return its number; the same ``origin`` again changes nothing while the entry waits.

        Once it was answered, whoever gives it again wants it to be sent again: the node may read now what it refused.
        """
        if origin is not None:
            self._database.execute(
                "UPDATE outgoing SET origin = NULL WHERE origin = ? AND state <> ?", (origin, WAITING)
            )
        cursor = self._database.execute(
            "INSERT OR IGNORE INTO outgoing (name, media_type, content, origin, state) VALUES (?, ?, ?, ?, ?)",
            (name, media_type, content, origin, WAITING),
        )
        if cursor.rowcount:
            return int(cursor.lastrowid or 0)
        return int(self._database.execute("SELECT number FROM outgoing WHERE origin = ?", (origin,)).fetchone()[0])

    def waiting_after(self, number: int) -> Outgoing | None:
        """Return the first entry behind ``number`` that the node has not answered."""
        row = self._database.execute(
            "SELECT number, name, media_type, content FROM outgoing WHERE state = ? AND number > ?"
            " ORDER BY number LIMIT 1",
            (WAITING, number),
        ).fetchone()
        return Outgoing(*row) if row else None

    def waiting_count(self) -> int:
        """Return how many entries the node has not answered."""
        return int(self._database.execute("SELECT count(*) FROM outgoing WHERE state = ?", (WAITING,)).fetchone()[0])

    def confirm(self, number: int, offered: int, refused: int, text: str) -> None:
        """Take in that the node has an entry in its journal, with what it refused of it; its content is let go of.

        An answer that a power cut takes away comes again, so the disk is not waited for.
        """
        self._database.execute("PRAGMA synchronous = NORMAL")
        try:
            self._database.execute(
                "UPDATE outgoing SET state = ?, offered = ?, refused = ?, text = ?, content = NULL WHERE number = ?",
                (CONFIRMED, offered, refused, text, number),
            )
            self._database.execute(
                "DELETE FROM outgoing WHERE state = ? AND number <= ?", (CONFIRMED, number - ANSWERED_KEPT)
            )
        finally:
            self._database.execute("PRAGMA synchronous = FULL")

    def refuse(self, number: int, text: str) -> None:
        """Take in that the node will never take an entry; it is kept until somebody discards it."""
        self._database.execute(
            "UPDATE outgoing SET state = ?, text = ? WHERE number = ? AND state = ?", (REFUSED, text, number, WAITING)
        )

    def discard(self, number: int) -> bool:
        """Throw a refused entry away; False when there is none with this number."""
        cursor = self._database.execute("DELETE FROM outgoing WHERE number = ? AND state = ?", (number, REFUSED))
        return bool(cursor.rowcount)

    def answered(self, limit: int) -> Iterator[Answered]:
        """Yield what the node answered, the newest first; refused entries before the others."""
        for row in self._database.execute(
            "SELECT number, name, state, offered, refused, text FROM outgoing WHERE state <> ?"
            " ORDER BY state = ? DESC, number DESC LIMIT ?",
            (WAITING, REFUSED, limit),
        ):
            yield Answered(*row)

    def receive(self, key: str, name: str, media_type: str, text: str, content: bytes) -> bool:
        """Put a document of the node on the disk; False when it is there already."""
        cursor = self._database.execute(
            "INSERT OR IGNORE INTO incoming (key, name, media_type, text, content) VALUES (?, ?, ?, ?, ?)",
            (key, name, media_type, text, content),
        )
        return bool(cursor.rowcount)

    def unshown(self) -> Incoming | None:
        """Return the oldest document that nobody was shown yet."""
        row = self._database.execute(
            "SELECT number, name, media_type, text, content FROM incoming WHERE NOT shown ORDER BY number LIMIT 1"
        ).fetchone()
        return Incoming(*row) if row else None

    def shown(self, number: int) -> None:
        """Take in that a document was shown and stands in its file; only that it came is remembered."""
        self._database.execute("UPDATE incoming SET shown = 1, content = x'' WHERE number = ?", (number,))

    def close(self) -> None:
        """Close the database."""
        self._database.close()
