"""What a failing database means: contention (redo), unavailable (try later), or a person's matter.

SQLite speaks by result codes (https://www.sqlite.org/rescode.html), PostgreSQL by SQLSTATE (PostgreSQL manual,
appendix A).
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from sqlalchemy.exc import DBAPIError

from node.errors import ConfigurationError, IntegrityError, StoreUnavailableError, YizhanError

if TYPE_CHECKING:
    from collections.abc import Iterator

_SQLITE_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_SQLITE_UNAVAILABLE: Final = {
    sqlite3.SQLITE_FULL: ("its disk is full", "free space on the disk; nothing that was accepted is lost"),
    sqlite3.SQLITE_READONLY: ("it is read-only", "make the disk and the file writable for this account"),
    sqlite3.SQLITE_IOERR: ("its disk reports an error", "check the disk, then start again"),
    sqlite3.SQLITE_CANTOPEN: ("it cannot be opened", "check that the folder exists and that this account may write"),
    sqlite3.SQLITE_PERM: ("access is denied", "give this account access to the file and its folder"),
    sqlite3.SQLITE_NOMEM: ("memory ran out", "give the machine more memory, then start again"),
}
_POSTGRES_CONTENTION: Final = frozenset({"40001", "40P01", "55P03"})
_POSTGRES_CONFIGURATION: Final = ("28", "3D")
_POSTGRES_REFUSALS: Final = (
    "does not exist",
    "password authentication failed",
    "no password supplied",
    "no pg_hba.conf entry",
)
_CHECK_URL: Final = "check database.url in node.toml, and where its password stands (passfile: mode 0600)"


def is_contention(error: DBAPIError) -> bool:
    """Tell whether the same work may succeed when it is done again: locked, deadlocked, not serialisable."""
    origin = error.orig
    if isinstance(origin, sqlite3.Error):
        return _sqlite_code(origin) in _SQLITE_BUSY
    return getattr(origin, "sqlstate", None) in _POSTGRES_CONTENTION


def explained(error: DBAPIError) -> Exception:
    """Return what to raise for a failure that is no contention; a mistake in our own statement comes back as it is."""
    origin = error.orig
    if isinstance(origin, sqlite3.Error):
        return _explained_sqlite(origin) or error
    return _explained_postgres(error) or error


@contextmanager
def explaining() -> Iterator[None]:
    """Raise what ``explained`` makes of a database failure inside."""
    try:
        yield
    except DBAPIError as error:
        raise explained(error) from error


def _sqlite_code(origin: sqlite3.Error) -> int:
    # The lower byte is the primary result code; the upper bytes only refine it.
    return getattr(origin, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


def _explained_sqlite(origin: sqlite3.Error) -> YizhanError | None:
    code = _sqlite_code(origin)
    if code in _SQLITE_UNAVAILABLE:
        why, action = _SQLITE_UNAVAILABLE[code]
        return StoreUnavailableError("The database cannot be used.", why=f"{why} ({origin})", action=action)
    if code == sqlite3.SQLITE_CORRUPT:
        return IntegrityError(
            "The database file is damaged.",
            why=str(origin),
            action="stop the node and put the newest backup of its home in place",
        )
    if code == sqlite3.SQLITE_NOTADB:
        return ConfigurationError(
            "The database file is not an SQLite database.", why=str(origin), action="check database.url in node.toml"
        )
    return None


def _explained_postgres(error: DBAPIError) -> YizhanError | None:
    state = getattr(error.orig, "sqlstate", None)
    text = str(error.orig).strip().splitlines()
    why = text[0] if text else type(error.orig).__name__
    if state is not None and state.startswith(_POSTGRES_CONFIGURATION):
        return ConfigurationError("The database refuses us.", why=why, action=_CHECK_URL)
    if state is None and any(words in why for words in _POSTGRES_REFUSALS):
        # A failed connect carries no SQLSTATE in psycopg, only the server's text.
        return ConfigurationError("The database refuses us.", why=why, action=_CHECK_URL)
    if _is_lost(error, state):
        return StoreUnavailableError(
            "The database cannot be used.", why=why, action="check that the server runs and its disk has space"
        )
    return None


def _is_lost(error: DBAPIError, state: str | None) -> bool:
    if state is None:
        return error.connection_invalidated or type(error.orig).__name__ in {"OperationalError", "InterfaceError"}
    # Connection trouble, resources (disk full), shutdown, read-only, system error.
    return state.startswith(("08", "53", "57P", "58")) or state == "25006"
