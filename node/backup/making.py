"""Making a backup, beside a running node or without one."""

from __future__ import annotations

import os
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from node.backup.archive import COPY_SUFFIX, DATABASE, HOME, SQLITE_MEMBER, ArchiveWriter, Manifest, compressed
from node.backup.copying import copy_sqlite, copy_table_out, table_names
from node.config.files import OWNER_ONLY
from node.errors import StateConflictError, StoreUnavailableError
from node.journal import holdings
from node.journal.high_water import FILE_NAME
from node.journal.schema import newest_version
from node.journal.store import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from node.config import NodeConfig
    from node.journal.store import Store

LEFT_OUT: Final = frozenset({FILE_NAME, "node.lock"})
"""Files of a home that no backup holds: the high-water file must never come back older than it was."""
FOLDERS_LEFT_OUT: Final = frozenset({"adapters"})
"""Folders of a home that no backup holds: what adapters remember changes all the time, and is fetched again where it is
lost; the records are *repeated* then."""
FILE_BYTES_MAX: Final = 64 * 1024 * 1024
"""Bytes of one file of the home beside the database; chosen by us: none of ours comes near."""


def make_backup(config: NodeConfig, target: Path, *, tree: str, made_at: datetime) -> Manifest:
    """Write a backup of a node into ``target`` (mode 0600) and return its manifest.

    It is whole or not there: it is written beside itself first. ``tree`` is the node's tree. Raises StateConflictError
    when the file exists, StoreUnavailableError when the database or the disk fails.
    """
    if target.exists():
        raise StateConflictError(
            f"{target} exists already",
            why="a backup never takes the place of another file",
            action="name a new file, for example with the day in it",
        )
    store = open_store(config.database_url, home=config.home)
    try:
        return _written(config, store, target, tree, made_at)
    except OSError as error:
        raise StoreUnavailableError(
            f"The backup {target} cannot be written",
            why=error.strerror or type(error).__name__,
            action="choose another folder, or free some space there",
        ) from error
    finally:
        store.close()


def _written(config: NodeConfig, store: Store, target: Path, tree: str, made_at: datetime) -> Manifest:
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as name:
        folder = Path(name)
        part = folder / "backup"
        with open(part, "wb", opener=_owner_only) as file:
            writer = ArchiveWriter(file)
            streams, rows = _add_database(writer, store, folder)
            for path in home_files(config.home, store.file):
                with path.open("rb") as source:
                    writer.add(f"{HOME}{path.relative_to(config.home)}", source, path.stat().st_size)
            manifest = Manifest(
                node=config.code,
                tree=tree,
                kind=store.dialect,
                revision=newest_version(),
                program=version("yizhan"),
                made_at=made_at.isoformat(timespec="seconds"),
                streams=streams,
                rows=rows,
                members=tuple(writer.members),
            )
            writer.close(manifest)
            file.flush()
            os.fsync(file.fileno())
        part.rename(target)
    return manifest


def home_files(home: Path, database: Path | None) -> Iterator[Path]:
    """Yield the files of a home that belong into a backup, by name: settings, keys, levels, mappings, evidence.

    ``database`` is the file of an SQLite database, which is copied by itself, with whatever lies beside it.
    """
    for path in sorted(home.rglob("*")):
        left_out = path.name in LEFT_OUT or path.name.startswith(".")
        left_out |= path.relative_to(home).parts[0] in FOLDERS_LEFT_OUT
        left_out |= database is not None and path.name.startswith(database.name)
        if path.is_file() and not path.is_symlink() and not left_out and path.stat().st_size <= FILE_BYTES_MAX:
            yield path


def _add_database(
    writer: ArchiveWriter, store: Store, folder: Path
) -> tuple[dict[str, tuple[int, str]], dict[str, int]]:
    """Add the database as it is at one moment; return its streams, and its rows by table where it is copied by tables.

    The streams are read from the copy, or in the same snapshot.
    """
    if store.file is None:
        with store.reading() as connection:
            return _streams(connection), _add_tables(writer, connection, folder)
    copy = folder / "journal.db"
    copy_sqlite(store.file, copy)
    copied = open_store(f"sqlite:///{copy}")
    try:
        with copied.reading() as connection:
            streams = _streams(connection)
    finally:
        copied.close()
    with copy.open("rb") as source:
        _add_compressed(writer, SQLITE_MEMBER, source, folder)
    return streams, {}


def _add_tables(writer: ArchiveWriter, connection: Connection, folder: Path) -> dict[str, int]:
    rows = {}
    for name in table_names():
        with tempfile.TemporaryFile(dir=folder) as plain:
            rows[name] = copy_table_out(connection, name, plain)
            plain.seek(0)
            _add_compressed(writer, f"{DATABASE}{name}{COPY_SUFFIX}", plain, folder)
    return rows


def _add_compressed(writer: ArchiveWriter, name: str, source: IO[bytes], folder: Path) -> None:
    with tempfile.TemporaryFile(dir=folder) as packed:
        writer.add(name, packed, compressed(source, packed))


def _streams(connection: Connection) -> dict[str, tuple[int, str]]:
    return {str(held.stream): (held.size, held.root.hex()) for held in holdings.all_held(connection)}


def _owner_only(name: str, flags: int) -> int:
    return os.open(name, flags, OWNER_ONLY)
