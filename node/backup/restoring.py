"""Putting a backup in place of a home that was lost, or whose database came to harm."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Final

from node.backup.archive import CHUNK_BYTES, COPY_SUFFIX, DATABASE, HOME, SQLITE_MEMBER, members, refused
from node.backup.checking import check_backup, take_out
from node.backup.copying import copy_table_in, table_names
from node.config import NODE_FILE, load_config
from node.config.files import make_home, write_safely
from node.errors import StateConflictError
from node.journal.doubt import Doubt, save_doubt
from node.journal.schema import upgrade_schema
from node.journal.store import open_store
from node.standard.resources import level_folder
from node.trust.identity import has_identity, load_identity

if TYPE_CHECKING:
    from datetime import datetime

    from node.backup.archive import Manifest
    from node.config import NodeConfig
    from node.journal.store import Store, Transaction

_URL: Final = re.compile(r"(?m)^(\[database\]\s*\n(?:[^\[\n]*\n)*?)url\s*=.*\n?")


def restore(path: Path, home: Path, *, now: datetime, database_url: str | None = None) -> Manifest:
    """Put the backup ``path`` into ``home``: a new folder, or the home of the same node; return its manifest.

    ``database_url`` takes the place of the one that the backup's settings name.

    The backup is checked first. A database that lies in the home is not lost: it is renamed. The node is in doubt
    afterwards (02, R12). The caller holds the home's lock where there is a home. Raises BackupRefusedError, and
    StateConflictError when the home is another node's or its PostgreSQL database is not empty.
    """
    manifest = check_backup(path).manifest
    _check_home(home, manifest)
    make_home(home, ours=has_identity(home))
    with tempfile.TemporaryDirectory(prefix=".restore-", dir=home) as name:
        folder = Path(name)
        tables = _take_out_all(path, manifest, home, folder)
        if database_url is not None:
            _name_database(home / NODE_FILE, database_url)
        config = load_config(home, shipped_levels=level_folder())
        if manifest.kind == "sqlite":
            _put_file(config, folder / "journal.db", now)
        store = open_store(config.database_url, home=home)
        try:
            if manifest.kind == "postgresql":
                _fill(store, tables)
            upgrade_schema(store)
            reason = f"it was restored from a backup of {manifest.made_at}"
            store.write(lambda transaction: save_doubt(transaction, Doubt(reason=reason, since=now)))
        finally:
            store.close()
    return manifest


def _check_home(home: Path, manifest: Manifest) -> None:
    if not has_identity(home):
        return
    identity = load_identity(home)
    if (identity.code, identity.tree) != (manifest.node, manifest.tree):
        raise StateConflictError(
            f"{home} is the home of another node",
            why=f"it is {identity.code}, the backup is of {manifest.node}",
            action="name the home of that node, or a new folder",
        )


def _take_out_all(path: Path, manifest: Manifest, home: Path, folder: Path) -> dict[str, Path]:
    """Put the home's files in place and the database into ``folder``; return the files of tables by name."""
    tables: dict[str, Path] = {}
    for member, file in members(path, manifest):
        if member.name.startswith(HOME):
            write_safely(_place_of(path, home, member.name.removeprefix(HOME)), file.read())
        elif member.name == SQLITE_MEMBER:
            with (folder / "journal.db").open("wb") as target:
                take_out(path, member, file, target)
        elif member.name.startswith(DATABASE):
            table = member.name.removeprefix(DATABASE).removesuffix(COPY_SUFFIX)
            tables[table] = folder / f"{len(tables)}.copy"
            with tables[table].open("wb") as target:
                take_out(path, member, file, target)
    return tables


def _name_database(settings: Path, url: str) -> None:
    """Have the settings of a home name another database."""
    line = f"url = {json.dumps(url)}\n"
    text = settings.read_text(encoding="utf-8")
    changed, count = _URL.subn(lambda found: f"{found[1]}{line}", text, count=1)
    write_safely(settings, (changed if count else f"{text}\n[database]\n{line}").encode())


def _place_of(path: Path, home: Path, name: str) -> Path:
    """Return where a file of the home belongs; a name that leads out of the home is refused."""
    parts = PurePosixPath(name)
    if parts.is_absolute() or ".." in parts.parts:
        raise refused(path, f"it names {name[:80]!r}, which lies in no home")
    place = home / parts
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return place


def _put_file(config: NodeConfig, database: Path, now: datetime) -> None:
    """Put an SQLite database where the settings name it; what lay there is kept under another name."""
    target = config.home / config.database_url.removeprefix("sqlite:///")
    stamp = f"{now:%Y%m%dT%H%M%SZ}"
    for one in (target, target.with_name(f"{target.name}-wal"), target.with_name(f"{target.name}-shm")):
        if one.exists():
            one.rename(one.with_name(one.name.replace(target.name, f"{target.name}.replaced-{stamp}", 1)))
    database.chmod(0o600)
    database.rename(target)


def _fill(store: Store, tables: dict[str, Path]) -> None:
    """Fill an empty PostgreSQL database from the copies of its tables."""
    with store.reading() as connection:
        names = "SELECT count(*) FROM information_schema.tables WHERE table_schema = current_schema()"
        if connection.exec_driver_sql(names).scalar_one():
            raise StateConflictError(
                "The database that node.toml names is not empty",
                why="a backup is restored into an empty one only, so that nothing is lost",
                action="make a new database and name it: --database postgresql+psycopg://...",
            )
    upgrade_schema(store)

    def work(transaction: Transaction) -> None:
        for name in table_names():
            if name in tables:
                _fill_table(transaction, name, tables[name].open("rb"))

    store.write(work)


def _fill_table(transaction: Transaction, name: str, source: IO[bytes]) -> None:
    with source:
        transaction.connection.exec_driver_sql(f'DELETE FROM "{name}"')  # noqa: S608 - names are ours.
        copy_table_in(transaction.connection, name, source, CHUNK_BYTES)
