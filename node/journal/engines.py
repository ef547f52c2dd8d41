"""Engines for a store: from a database URL to connections that are durable, bounded, and unable to write when reading.

``node.journal.store.open_store`` calls them; nothing else opens a database. Parameters of statements are personal data:
every engine keeps them out of the texts of its errors.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import StaticPool

from node.config.database import MEMORY
from node.config.files import OWNER_ONLY, close_to_others
from node.errors import ConfigurationError

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

_LOG: Final = logging.getLogger(__name__)

WAL_PAGES: Final = 4000
"""Pages after which SQLite checkpoints its write-ahead log (16 MB): measured, docs/performance.md."""
_CACHE_KIB: Final = 32_768
_READERS_MAX: Final = 40
_CONNECT_WAIT_S: Final = 10
_POSTGRESQL: Final = "postgresql+psycopg"
_SCHEMES: Final = "sqlite:///journal.db or postgresql+psycopg://user@host/database"


def engines(url: str, *, home: Path | None, lock_wait_s: float) -> tuple[Engine, Engine]:
    """Return the writing and the reading engine for ``url``; a memory database comes from ``memory_engine`` alone.

    Raises ConfigurationError as ``check_database_url`` does. Nothing is connected yet.
    """
    parsed = check_database_url(url)
    if parsed.drivername == _POSTGRESQL:
        return _postgresql(parsed, lock_wait_s)
    return _sqlite(parsed, home, lock_wait_s)


def check_database_url(url: str) -> URL:
    """Return ``url`` in its parts, its driver spelt out, when it names a database that we support.

    Raises ConfigurationError, without the URL in it, when it is no URL, names another kind of database, a database in
    memory, or an option that PostgreSQL's library does not know. Nothing is opened.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # The error's text repeats the URL, password included.
        raise _wrong("it is not a database URL") from None
    if parsed.drivername in {"sqlite", "sqlite+pysqlite"}:
        if parsed.host:
            raise _wrong("a file's name follows three slashes, sqlite:///NAME; after two it would be a host")
        if not parsed.database or parsed.database == MEMORY:
            raise _wrong("it names no file, and what a node keeps in memory is lost")
        return parsed
    if parsed.drivername in {"postgresql", _POSTGRESQL}:
        return _checked_postgresql(parsed.set(drivername=_POSTGRESQL))
    raise _wrong(f"{parsed.drivername!r} is not supported")


def _checked_postgresql(url: URL) -> URL:
    # Imported here: a node on SQLite does not pay for PostgreSQL's library.
    from psycopg import Error  # noqa: PLC0415
    from psycopg.conninfo import make_conninfo  # noqa: PLC0415

    try:
        _, options = url.get_dialect()().create_connect_args(url)
        make_conninfo(**options)
    except ArgumentError:
        raise _wrong("its hosts and ports do not go together") from None
    except Error as error:
        # It names an option that is not known, never a value.
        raise _wrong(str(error).strip()) from None
    return url


def memory_engine() -> Engine:
    """Return an engine on an empty memory database with one connection: for tests and the simulation."""
    engine = create_engine(
        "sqlite://",
        hide_parameters=True,
        poolclass=StaticPool,
        connect_args={"isolation_level": None, "check_same_thread": False},
    )
    event.listen(engine, "begin", _begin)
    return engine


def _wrong(why: str) -> ConfigurationError:
    return ConfigurationError("database.url cannot be used.", why=why, action=f"set it in node.toml, like {_SCHEMES}")


def _sqlite(url: URL, home: Path | None, lock_wait_s: float) -> tuple[Engine, Engine]:
    path = Path(str(url.database)) if home is None else home / str(url.database)
    _keep_private(path)
    url = url.set(database=str(path))
    return _sqlite_engine(url, lock_wait_s, writes=True), _sqlite_engine(url, lock_wait_s, writes=False)


def _keep_private(path: Path) -> None:
    """Make the database's file for its owner alone; SQLite gives its write-ahead log and its index the same mode."""
    # What is wrong with the folder, SQLite tells when it opens the file, with its own reason.
    with suppress(OSError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, OWNER_ONLY))
    for file in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        if close_to_others(file):
            _LOG.warning("database file was open to other accounts", extra={"path": str(file)})


def _sqlite_engine(url: URL, lock_wait_s: float, *, writes: bool) -> Engine:
    engine = create_engine(
        url,
        hide_parameters=True,
        connect_args={"isolation_level": None, "timeout": lock_wait_s},
        pool_size=1 if writes else 5,
        max_overflow=0 if writes else _READERS_MAX,
        pool_timeout=lock_wait_s,
    )

    def prepare(connection: Any, _: object) -> None:
        if writes:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
        else:
            connection.execute("PRAGMA query_only = 1")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB if writes else _CACHE_KIB // 4}")

    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", _begin_immediate if writes else _begin)
    return engine


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _postgresql(url: URL, lock_wait_s: float) -> tuple[Engine, Engine]:
    writer = create_engine(
        url,
        hide_parameters=True,
        # A statement of the journal sees what was committed before it got the lock, so its snapshot must come after.
        isolation_level="READ COMMITTED",
        pool_pre_ping=True,
        pool_size=5,
        max_overflow=_READERS_MAX,
        pool_timeout=lock_wait_s,
        connect_args={"connect_timeout": _CONNECT_WAIT_S},
    )
    return writer, writer.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
