"""Copies of a database as it was at one moment, made while others write.

SQLite is copied by its backup interface, PostgreSQL by COPY of every table within one snapshot.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import IO, TYPE_CHECKING, Any, Final

from node.journal.tables import metadata

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Table
    from sqlalchemy.engine import Connection

VERSION_TABLE: Final = "alembic_version"


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy an SQLite database into a new file, as it is now: readers and writers go on meanwhile."""
    with closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as old, closing(sqlite3.connect(target)) as new:
        # In one step: in steps SQLite would begin again whenever somebody else writes.
        old.backup(new)
        new.execute("PRAGMA journal_mode = DELETE")


def table_names() -> list[str]:
    """Return every table of a node's database, the version of its schema first."""
    return [VERSION_TABLE, *sorted(metadata.tables)]


def copy_table_out(connection: Connection, name: str, target: IO[bytes]) -> int:
    """Write a table of PostgreSQL in binary COPY form; return its rows."""
    rows = int(connection.exec_driver_sql(f'SELECT count(*) FROM "{name}"').scalar_one())  # noqa: S608 - names are ours.
    with _driver(connection).cursor() as cursor, cursor.copy(f'COPY "{name}" TO STDOUT (FORMAT BINARY)') as copy:
        for data in copy:
            target.write(bytes(data))
    return rows


def copy_table_in(connection: Connection, name: str, source: IO[bytes], chunk_bytes: int) -> None:
    """Fill an empty table of PostgreSQL from its binary COPY form, and let its numbers go on behind."""
    with _driver(connection).cursor() as cursor, cursor.copy(f'COPY "{name}" FROM STDIN (FORMAT BINARY)') as copy:
        while data := source.read(chunk_bytes):
            copy.write(data)
    table = metadata.tables.get(name)
    if table is not None:
        _go_on_behind(connection, table)


def _go_on_behind(connection: Connection, table: Table) -> None:
    for column in table.primary_key:
        sequence = connection.exec_driver_sql(
            "SELECT pg_get_serial_sequence(%s, %s)", (f'"{table.name}"', column.name)
        ).scalar_one()
        if sequence is not None:
            connection.exec_driver_sql(
                f'SELECT setval(%s, greatest(coalesce(max("{column.name}"), 0), 1)) FROM "{table.name}"',  # noqa: S608
                (sequence,),
            )


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection
