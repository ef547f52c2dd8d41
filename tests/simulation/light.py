"""A connection to SQLite that does for the simulation what SQLAlchemy's does, without its bookkeeping.

Half of a history's time went into SQLAlchemy's execution contexts and cursor results. The statements are compiled by
SQLAlchemy, once for each shape, and run on the driver's connection; what is not plain (lists of parameters, ``IN``)
goes through SQLAlchemy itself. Rows are SQLAlchemy's rows.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Delete, Insert, Select, Update
from sqlalchemy.engine.result import IteratorResult, SimpleResultMetaData
from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy.engine import Connection

_NO_COLUMNS = SimpleResultMetaData(())
_PLAIN = (Select, Insert, Update, Delete)


@dataclass(frozen=True, slots=True)
class _Shape:
    """A compiled statement: how its parameters are made, and how its columns are read."""

    text: str
    compiled: Any
    metadata: SimpleResultMetaData
    readers: tuple[Callable[[Any], Any] | None, ...] | None


_SHAPES: dict[Any, _Shape | None] = {}
"""Shapes by SQLAlchemy's cache key; None for one that SQLAlchemy must run itself."""
_TEXTS: dict[str, SimpleResultMetaData] = {}


class LightResult(IteratorResult[Any]):
    """The rows of one statement; ``rowcount`` and the generated key of an inserted row as the driver says."""

    rowcount = -1
    inserted_primary_key: tuple[int | None] = (None,)


@contextmanager
def translated(statement: str, dialect: Any) -> Iterator[None]:
    """Raise the driver's errors as SQLAlchemy does."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translated(error, statement, dialect) from error


def _translated(error: sqlite3.Error, statement: str, dialect: Any) -> BaseException:
    return DBAPIError.instance(statement, (), error, sqlite3.Error, hide_parameters=True, dialect=dialect)


class LightConnection:
    """What the parts of a node ask of a connection."""

    def __init__(self, connection: Connection, driver: sqlite3.Connection) -> None:
        self._full = connection
        self._driver = driver
        self.dialect = connection.dialect

    def __getattr__(self, name: str) -> Any:
        return getattr(self._full, name)

    def exec_driver_sql(self, statement: str, parameters: Any = None) -> LightResult:
        """Run a statement in the driver's own words: a list of parameters runs it for each of them."""
        try:
            if isinstance(parameters, list):
                cursor = self._driver.executemany(statement, parameters)
            else:
                cursor = self._driver.execute(statement, () if parameters is None else parameters)
        except sqlite3.Error as error:
            raise _translated(error, statement, self.dialect) from error
        if cursor.description is None:
            result = LightResult(_NO_COLUMNS, iter(()))
            result.rowcount = cursor.rowcount
            return result
        metadata = _TEXTS.get(statement)
        if metadata is None:
            metadata = _TEXTS[statement] = SimpleResultMetaData([column[0] for column in cursor.description])
        return LightResult(metadata, cursor)

    def execute(self, statement: Any, parameters: Any = None) -> Any:
        """Run a statement of SQLAlchemy."""
        if parameters is not None or not isinstance(statement, _PLAIN):
            return self._full.execute(statement, parameters)
        key = statement._generate_cache_key()
        if key is None:
            return self._full.execute(statement)
        if key[0] not in _SHAPES:
            _SHAPES[key[0]] = _shape_of(statement, key, self.dialect)
        shape = _SHAPES[key[0]]
        if shape is None:
            return self._full.execute(statement)
        compiled = shape.compiled
        values = compiled.construct_params(extracted_parameters=key[1], escape_names=False)
        writers = compiled._bind_processors
        bound = tuple(writers[name](values[name]) if name in writers else values[name] for name in compiled.positiontup)
        try:
            cursor = self._driver.execute(shape.text, bound)
        except sqlite3.Error as error:
            raise _translated(error, shape.text, self.dialect) from error
        result = LightResult(shape.metadata, cursor if shape.readers is None else _read(cursor, shape.readers))
        result.rowcount = cursor.rowcount
        result.inserted_primary_key = (cursor.lastrowid,)
        return result

    def scalar(self, statement: Any, parameters: Any = None) -> Any:
        """Return the first column of the first row, None without one."""
        return self.execute(statement, parameters).scalar()

    def scalars(self, statement: Any, parameters: Any = None) -> Any:
        """Return the first column of every row."""
        return self.execute(statement, parameters).scalars()


def _shape_of(statement: Any, key: Any, dialect: Any) -> _Shape | None:
    compiled: Any = dialect.statement_compiler(dialect, statement, cache_key=key, column_keys=[], for_executemany=False)
    if compiled.post_compile_params or compiled.literal_execute_params or compiled.positiontup is None:
        return None
    if (compiled.isinsert or compiled.isupdate) and (compiled.insert_prefetch or compiled.update_prefetch):
        return None
    columns = compiled._result_columns
    readers = tuple(column.type._cached_result_processor(dialect, None) for column in columns)
    return _Shape(
        text=str(compiled),
        compiled=compiled,
        metadata=SimpleResultMetaData([column.keyname for column in columns], [column.objects for column in columns]),
        readers=readers if any(readers) else None,
    )


def _read(rows: Iterator[Sequence[Any]], readers: Sequence[Callable[[Any], Any] | None]) -> Iterator[tuple[Any, ...]]:
    for row in rows:
        yield tuple(value if reader is None else reader(value) for value, reader in zip(row, readers, strict=True))
