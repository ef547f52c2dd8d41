"""Hot statements, written from the table definitions for one dialect: tuples through ``exec_driver_sql``.

Core expressions with dictionaries cost a sixth of a receiver's speed on the path of a record (docs/performance.md), so
the few statements that run per record are plain text with positional parameters. Everything else uses Core.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.dialects.postgresql import dialect as postgresql

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Table
    from sqlalchemy.engine import Connection

_POSTGRESQL: Final = postgresql()  # type: ignore[no-untyped-call]


@lru_cache(maxsize=256)
def for_dialect(statement: str, dialect: str) -> str:
    """Return a statement that is written with ``?`` for parameters (and nowhere else) as the dialect wants it."""
    return statement.replace("?", _mark(dialect))


@lru_cache(maxsize=256)
def values_sql(columns: int, rows: int) -> str:
    """Return a parenthesised list of ``rows`` rows of ``columns`` parameters, to be compared with a row of columns."""
    row = f"({', '.join('?' * columns)})"
    return f"(VALUES {', '.join([row] * rows)})"


@lru_cache(maxsize=256)
def insert_sql(table: Table, dialect: str, columns: tuple[str, ...] = (), *, ignore: bool = False) -> str:
    """Return an INSERT of ``columns`` (none named: all, in the table's order); ``ignore`` skips rows that exist."""
    names = _names(table, columns)
    marks = ", ".join([_mark(dialect)] * len(names))
    tail = " ON CONFLICT DO NOTHING" if ignore else ""
    return f'INSERT INTO "{table.name}" ({_list(names)}) VALUES ({marks}){tail}'  # noqa: S608 - names are ours.


@lru_cache(maxsize=256)
def upsert_sql(
    table: Table,
    dialect: str,
    columns: tuple[str, ...] = (),
    *,
    put: tuple[str, ...] = (),
    add: tuple[str, ...] = (),
) -> str:
    """Return an INSERT that, where the primary key exists, replaces the columns ``put`` and sums those of ``add``."""
    return insert_sql(table, dialect, columns) + _conflict(table, put, add)


def _conflict(table: Table, put: tuple[str, ...], add: tuple[str, ...]) -> str:
    keys = tuple(column.name for column in table.primary_key)
    changes = [f'"{name}" = excluded."{name}"' for name in put]
    changes += [f'"{name}" = "{table.name}"."{name}" + excluded."{name}"' for name in add]
    return f" ON CONFLICT ({_list(keys)}) DO UPDATE SET {', '.join(changes)}"


@lru_cache(maxsize=256)
def update_sql(table: Table, dialect: str, columns: tuple[str, ...], *, keys: tuple[str, ...] = ()) -> str:
    """Return an UPDATE of ``columns`` where ``keys`` match (none named: the primary key); keys come last."""
    keys = keys or tuple(column.name for column in table.primary_key)
    _names(table, columns + keys)
    mark = _mark(dialect)
    changes = ", ".join(f'"{name}" = {mark}' for name in columns)
    match = " AND ".join(f'"{name}" = {mark}' for name in keys)
    return f'UPDATE "{table.name}" SET {changes} WHERE {match}'  # noqa: S608 - names are ours.


@lru_cache(maxsize=256)
def select_in_sql(table: Table, dialect: str, columns: tuple[str, ...], *, key: str, same: str = "") -> str:
    """Return a SELECT of ``columns`` where ``key`` is among one parameter made by ``in_parameter``.

    ``same`` names a column that has to equal a parameter of its own, which comes first.
    """
    _names(table, (*columns, key, *((same,) if same else ())))
    equal = f'"{same}" = {_mark(dialect)} AND ' if same else ""
    among = "IN (SELECT value FROM json_each(?))" if dialect == "sqlite" else "= ANY(%s)"
    return f'SELECT {_list(columns)} FROM "{table.name}" WHERE {equal}"{key}" {among}'  # noqa: S608 - names are ours.


def insert_many(connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert whole rows, in the order of the table's columns."""
    if rows:
        _write_many(connection, insert_sql(table, "sqlite"), _insert_arrays_sql(table), rows)


def upsert_many(connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]], *, add: tuple[str, ...]) -> None:
    """Insert whole rows (no key twice) or, where the primary key exists, sum the columns ``add``."""
    if rows:
        arrays = _insert_arrays_sql(table) + _conflict(table, (), add)
        _write_many(connection, upsert_sql(table, "sqlite", add=add), arrays, rows)


def update_many(
    connection: Connection, table: Table, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Update ``columns`` of rows by primary key (no key twice); in each row the key comes last."""
    if rows:
        _write_many(connection, update_sql(table, "sqlite", columns), _update_arrays_sql(table, columns), rows)


def _write_many(connection: Connection, each: str, arrays: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Run a statement for all rows: SQLite for ``each`` in its own process, PostgreSQL once, a column an array.

    A message and an execution for every row cost PostgreSQL more than the row (docs/performance.md).
    """
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(each, list(rows))
    else:
        connection.exec_driver_sql(arrays, tuple(map(list, zip(*rows, strict=True))))


@lru_cache(maxsize=64)
def _insert_arrays_sql(table: Table) -> str:
    names = _names(table, ())
    return f'INSERT INTO "{table.name}" ({_list(names)}) SELECT * FROM {_arrays(table, names)}'  # noqa: S608


@lru_cache(maxsize=64)
def _update_arrays_sql(table: Table, columns: tuple[str, ...]) -> str:
    keys = tuple(column.name for column in table.primary_key)
    changes = ", ".join(f'"{name}" = new."{name}"' for name in columns)
    match = " AND ".join(f'"{table.name}"."{name}" = new."{name}"' for name in keys)
    source = f"{_arrays(table, columns + keys)} AS new ({_list(columns + keys)})"
    return f'UPDATE "{table.name}" SET {changes} FROM {source} WHERE {match}'  # noqa: S608 - names are ours.


def _arrays(table: Table, names: tuple[str, ...]) -> str:
    """Return a row source of one array a column; in binary form, since bytes as text cost three times as much."""
    types = (table.c[name].type.compile(dialect=_POSTGRESQL) for name in names)
    return f"unnest({', '.join(f'%b::{each}[]' for each in types)})"


def in_parameter(dialect: str, values: Iterable[int] | Iterable[str]) -> tuple[Any, ...]:
    """Return the parameters of ``select_in_sql`` for any number of values."""
    found = list(values)
    return (json.dumps(found),) if dialect == "sqlite" else (found,)


def _mark(dialect: str) -> str:
    return "?" if dialect == "sqlite" else "%s"


def _list(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _names(table: Table, columns: tuple[str, ...]) -> tuple[str, ...]:
    names = tuple(column.name for column in table.columns)
    unknown = set(columns) - set(names)
    if unknown:
        message = f"table {table.name} has no column {', '.join(sorted(unknown))}"
        raise ValueError(message)
    return columns or names
