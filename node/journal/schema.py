"""The database's schema version: upgraded by migrations that ship with the program, checked at every start."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Column, MetaData, Table, Text, inspect, select

from node.errors import StoreSchemaError

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from node.journal.store import Store, Transaction

_LOG: Final = logging.getLogger(__name__)
_FOLDER: Final = Path(__file__).parent / "migrations"
_version = Table("alembic_version", MetaData(), Column("version_num", Text))
_one_at_a_time: Final = threading.Lock()
"""Alembic keeps the running migration in module-level proxies, so one process upgrades one store at a time."""


def upgrade_schema(store: Store) -> None:
    """Bring the database to this program's version, making it if it is empty; nothing to do is fine.

    It runs in one transaction under the journal's lock, so processes that upgrade at once wait for one another, and a
    failing migration leaves the database as it was. Raises StoreSchemaError when the database is newer than this
    program.
    """

    def work(transaction: Transaction) -> None:
        _refuse_unknown(_stored_version(transaction.connection))
        config = _config()
        config.attributes["connection"] = transaction.connection
        command.upgrade(config, "head")

    with _one_at_a_time:
        store.write(work)


def bring_up_to_date(store: Store) -> bool:
    """Upgrade a database of an older version; return whether there was anything to do.

    Raises StoreSchemaError for a newer one and for one without a schema, which is not the database of a node: making
    one would hide that ``database.url`` names the wrong place.
    """
    version = _known_version(store)
    if version == newest_version():
        return False
    upgrade_schema(store)
    _LOG.info("database upgraded", extra={"before": version, "now": newest_version()})
    return True


def check_schema(store: Store) -> None:
    """Raise StoreSchemaError, saying what to do, unless the database has exactly this program's version."""
    version, newest = _known_version(store), newest_version()
    if version != newest:
        raise StoreSchemaError(
            "The database is older than this program.",
            why=f"it has version {version}, the program needs {newest}",
            action="start the node with: yizhan run (it upgrades first)",
        )


def newest_version() -> str:
    """Return the version that this program needs: the last migration that ships with it."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        message = "the program ships no migrations"
        raise RuntimeError(message)
    return head


def _known_version(store: Store) -> str:
    with store.reading() as connection:
        version = _stored_version(connection)
    if version is None:
        raise StoreSchemaError(
            "The database is empty.",
            why="no schema was made in it",
            action="check database.url in node.toml; a new node is made by: yizhan init",
        )
    _refuse_unknown(version)
    return version


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    return config


def _stored_version(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_version.name):
        return None
    return connection.scalar(select(_version.c.version_num))


def _refuse_unknown(version: str | None) -> None:
    if version is None:
        return
    try:
        ScriptDirectory.from_config(_config()).get_revision(version)
    except CommandError as error:
        raise StoreSchemaError(
            "The database is newer than this program.",
            why=f"version {version} is not known here",
            action="install the program version that was used last, or a newer one",
        ) from error
