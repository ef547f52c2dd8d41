"""What came over a line and was not answered by the node yet: on disk before anybody is told that it came.

A device cannot repeat what it sent, and a sender of files deletes them once the protocol says that they arrived. So
every record and file is written here, and reaches the disk, before its sender gets an answer; it goes once the node
answered. ``Inbox`` is used from two threads: the one that listens to the port puts, the one of the adapter takes.

Files: ``inbox.sqlite3`` (records; names of files; keys of documents delivered; transfers that broke off), ``files/``
(files that came whole), ``partial/`` (the beginnings of others). A file is linked into ``files/`` first, then entered,
then unlinked where it came from: killed in between, it is found again there or here.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import file_digest, sha256
from typing import TYPE_CHECKING, Final

from adapters.contract import Delivery, SourceUnavailableError
from adapters.serial_bridge.naming import delivery_key, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

KEYS_MAX: Final = 10_000
"""How many keys of documents delivered, and of files answered, are remembered; a busy counter has hundreds a day."""
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS received (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    media_type TEXT NOT NULL,
    content BLOB NOT NULL,
    file TEXT NOT NULL,
    received_at TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS delivered (seq INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE IF NOT EXISTS answered (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, answer BLOB NOT NULL
) STRICT;
"""


class InboxUnwritableError(SourceUnavailableError):
    """The adapter's folder takes nothing: its disk is full or broken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One thing that came: ``content``, or a file in ``files/``; ``seq`` counts in the order of coming."""

    seq: int
    key: str
    name: str
    media_type: str
    content: bytes
    file: Path | None
    received_at: datetime


class Inbox:
    """What came by one adapter's port; ``folder`` is the adapter's own and exists.

    One of a trial (``is_trial``) is thrown away: nobody may be told that what came has arrived.
    """

    def __init__(self, folder: Path, now: Callable[[], datetime], *, is_trial: bool = False) -> None:
        self.is_trial = is_trial
        self._folder = folder
        self._now = now
        self._files = folder / "files"
        self._lock = threading.Lock()
        self._came = threading.Condition(self._lock)
        self._again: list[bytes] = []
        self._files.mkdir(mode=0o700, exist_ok=True)
        self._store = sqlite3.connect(folder / "inbox.sqlite3", isolation_level=None, check_same_thread=False)
        self._store.execute("PRAGMA journal_mode = WAL")
        self._store.execute("PRAGMA synchronous = FULL")
        self._store.executescript(_TABLES)
        self._sweep()

    def close(self) -> None:
        """Let go of the files; calling it twice is harmless."""
        with self._lock:
            self._store.close()

    def waiting(self) -> int:
        """Return how many things wait for the node's answer."""
        with self._lock:
            return int(self._store.execute("SELECT count(*) FROM received").fetchone()[0])

    def put_records(self, contents: Sequence[bytes], media_type: str) -> None:
        """Keep records in their order; they are on disk when this returns. Raises InboxUnwritableError."""
        with self._came, writing():
            self._store.execute("BEGIN IMMEDIATE")
            try:
                for content in contents:
                    self._put_record(content, media_type)
            except BaseException:
                self._store.execute("ROLLBACK")
                raise
            self._store.execute("COMMIT")
            self._came.notify_all()

    def put_file(self, path: Path, name: str, media_type: str) -> None:
        """Keep a file that came whole, and take it away from ``path`` (of the same file system).

        Its content and its entry are on disk when this returns. A file of the same name and content that still waits is
        not kept twice; one that the node took is answered again, as its sender seems not to know. Raises
        InboxUnwritableError.
        """
        with writing():
            path.chmod(0o600)
            with path.open("rb+") as file:
                digest = file_digest(file, "sha256").hexdigest()
                os.fsync(file.fileno())
        key = delivery_key(name, digest)
        kept = self._files / sha256(key.encode()).hexdigest()
        with self._came, writing():
            answered = self._store.execute("SELECT answer FROM answered WHERE key = ?", (key,)).fetchone()
            if answered is not None:
                self._again.append(answered[0])
                path.unlink()
                return
            if not kept.exists():
                kept.hardlink_to(path)
            _reach_the_disk(self._files)
            self._store.execute(
                "INSERT INTO received (key, name, media_type, content, file, received_at) VALUES (?, ?, ?, x'', ?, ?)"
                " ON CONFLICT (key) DO NOTHING",
                (key, printable(name), media_type, kept.name, self._now().isoformat()),
            )
            path.unlink()
            self._came.notify_all()

    def after(self, seq: int, limit: int) -> list[Received]:
        """Return at most ``limit`` things that came after ``seq``, oldest first."""
        with self._lock:
            rows = self._store.execute(
                "SELECT seq, key, name, media_type, content, file, received_at FROM received"
                " WHERE seq > ? ORDER BY seq LIMIT ?",
                (seq, limit),
            ).fetchall()
        return [self._received(*row) for row in rows]

    def wait(self, wait_s: float) -> None:
        """Wait until something waits for the node's answer, at most ``wait_s``."""
        with self._came:
            if not self._store.execute("SELECT 1 FROM received LIMIT 1").fetchone():
                self._came.wait(wait_s)

    def wake(self) -> None:
        """Let who waits look around."""
        with self._came:
            self._came.notify_all()

    def answers_again(self) -> list[bytes]:
        """Return the answers to files that came again, once."""
        with self._lock:
            answers, self._again = self._again, []
        return answers

    def remove(self, key: str, taken_with: bytes | None = None) -> bool:
        """Forget what the node answered; tell whether it was there.

        ``taken_with`` is the answer to a file that the node took whole: such a file is not handed over again. Raises
        InboxUnwritableError.
        """
        with self._lock, writing():
            found = self._store.execute("SELECT file FROM received WHERE key = ?", (key,)).fetchone()
            if found is None:
                return False
            if found[0] and taken_with is not None:
                self._remember("answered", "key, answer", (key, taken_with))
            self._store.execute("DELETE FROM received WHERE key = ?", (key,))
            if found[0]:
                (self._files / found[0]).unlink(missing_ok=True)
            return True

    def is_delivered(self, key: str) -> bool:
        """Tell whether the document of this key reached the department."""
        with self._lock:
            return self._store.execute("SELECT 1 FROM delivered WHERE key = ?", (key,)).fetchone() is not None

    def set_delivered(self, key: str) -> None:
        """Remember that the document of this key reached the department; raises InboxUnwritableError."""
        with self._lock, writing():
            self._remember("delivered", "key", (key,))

    def _remember(self, table: str, columns: str, values: tuple[object, ...]) -> None:
        """Enter a key, and forget the oldest ones; the names are constants of this module."""
        places = ", ".join("?" * len(values))
        self._store.execute(f"INSERT OR REPLACE INTO {table} ({columns}) VALUES ({places})", values)  # noqa: S608
        self._store.execute(f"DELETE FROM {table} WHERE seq <= (SELECT max(seq) FROM {table}) - ?", (KEYS_MAX,))  # noqa: S608

    def _put_record(self, content: bytes, media_type: str) -> None:
        """Enter one record; its key holds its number, because a device may well say the same thing twice."""
        entered = self._store.execute(
            "INSERT INTO received (key, name, media_type, content, file, received_at) VALUES (?, '', ?, ?, '', ?)",
            (os.urandom(16).hex(), media_type, content, self._now().isoformat()),
        )
        key = f"line-{entered.lastrowid}-{sha256(content).hexdigest()}"
        self._store.execute("UPDATE received SET key = ? WHERE seq = ?", (key, entered.lastrowid))

    def _received(
        self, seq: int, key: str, name: str, media_type: str, content: bytes, file: str, received_at: str
    ) -> Received:
        return Received(
            seq=seq,
            key=key,
            name=name,
            media_type=media_type,
            content=content,
            file=self._files / file if file else None,
            received_at=datetime.fromisoformat(received_at),
        )

    def _sweep(self) -> None:
        """Take away files that have no entry: their entry came too late, and they are where they came from."""
        entered = {file for (file,) in self._store.execute("SELECT file FROM received WHERE file <> ''")}
        for file in self._files.iterdir():
            if file.name not in entered:
                file.unlink()


def as_delivery(received: Received, source_id: str) -> Delivery:
    """Return what came as the node takes it."""
    return Delivery(
        source_id=source_id,
        delivery_key=received.key,
        content=received.content,
        file=received.file,
        media_type=received.media_type,
        fetched_at=received.received_at,
        name=received.name,
    )


@contextmanager
def writing() -> Iterator[None]:
    """Have what the disk does not take raise InboxUnwritableError."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise InboxUnwritableError(f"the folder of the adapter cannot be written: {error}") from error


def _reach_the_disk(folder: Path) -> None:
    """Have the names in a folder reach the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
