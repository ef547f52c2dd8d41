"""A connection to SQLite that does for the simulation what SQLAlchemy's does, without its bookkeeping.

Half of a history's time went into SQLAlchemy's execution contexts and cursor results. The statements are compiled by
SQLAlchemy, once for each shape (and for each number of values behind ``IN``), and run on the driver's connection; what
is not plain (lists of parameters) goes through SQLAlchemy itself. Rows are SQLAlchemy's rows. ``light_comparisons``
makes ``column == value`` from the comparison that was made before with the same column.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Column, Delete, Insert, Select, Update
from sqlalchemy.engine.result import IteratorResult, SimpleResultMetaData
from sqlalchemy.engine.row import Row
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.elements import BinaryExpression, BindParameter, _anonymous_label

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy.engine import Connection

    Reader = Callable[[Any], Any] | None

_NO_COLUMNS = SimpleResultMetaData(())
_PLAIN = (Select, Insert, Update, Delete)


@dataclass(frozen=True, slots=True)
class _Shape:
    """A compiled statement: how its parameters are made, and how its columns are read.

    ``sources`` says of each parameter, by its name, at which place of the statement's own values it stands, under which
    key it may be given, and what it is otherwise. ``spread`` names those of which each is a list; ``texts`` holds what
    is run, and the parameters that it takes, by how many values these lists have.
    """

    compiled: Any
    sources: Mapping[str, tuple[int | None, str, Any]]
    spread: tuple[str, ...]
    texts: dict[tuple[int, ...], _Text]
    metadata: SimpleResultMetaData
    readers: tuple[Reader, ...] | None


@dataclass(frozen=True, slots=True)
class _Text:
    """What is run: ``taken`` says of each ``?`` which parameter it is, which value of a list, and how it is written."""

    text: str
    taken: tuple[tuple[str, int | None, Reader], ...]


_SHAPES: dict[Any, _Shape | None] = {}
"""Shapes by SQLAlchemy's cache key; None for one that SQLAlchemy must run itself."""
_TEXTS: dict[str, SimpleResultMetaData] = {}
_EQUAL: dict[tuple[int, type], Any] = {}
"""Comparisons by the id of their column and the value's type; they are copied, and never used themselves."""


class LightResult:
    """The rows of one statement; ``rowcount`` and the generated key of an inserted row as the driver says.

    What is asked of most results is answered here, the rest by one of SQLAlchemy's.
    """

    __slots__ = ("_cursor", "_metadata", "_readers", "inserted_primary_key", "rowcount")

    def __init__(
        self, metadata: SimpleResultMetaData, cursor: sqlite3.Cursor, readers: Sequence[Reader] | None = None
    ) -> None:
        self._metadata = metadata
        self._cursor = cursor
        self._readers = readers
        self.rowcount = cursor.rowcount
        self.inserted_primary_key = (cursor.lastrowid,)

    def __getattr__(self, name: str) -> Any:
        return getattr(IteratorResult(self._metadata, self._read()), name)

    def __iter__(self) -> Iterator[Any]:
        metadata = self._metadata
        return map(partial(Row, metadata, None, metadata._key_to_index), self._read())

    def all(self) -> list[Any]:
        """Return every row."""
        return list(self)

    def first(self) -> Any:
        """Return the first row, None without one; the rest is not read."""
        found = next(iter(self), None)
        self._cursor.close()
        return found

    def scalar(self) -> Any:
        """Return the first column of the first row, None without one; the rest is not read."""
        row = self._cursor.fetchone()
        self._cursor.close()
        if row is None:
            return None
        reader = self._readers[0] if self._readers else None
        return row[0] if reader is None else reader(row[0])

    def close(self) -> None:
        """Read nothing more."""
        self._cursor.close()

    def _read(self) -> Iterator[tuple[Any, ...]]:
        return self._cursor if self._readers is None else _read(self._cursor, self._readers)


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
            return LightResult(_NO_COLUMNS, cursor)
        metadata = _TEXTS.get(statement)
        if metadata is None:
            metadata = _TEXTS[statement] = SimpleResultMetaData([column[0] for column in cursor.description])
        return LightResult(metadata, cursor)

    def execute(self, statement: Any, parameters: Any = None) -> Any:
        """Run a statement of SQLAlchemy."""
        given = parameters is not None
        if not isinstance(statement, Select if given else _PLAIN) or (given and not isinstance(parameters, dict)):
            return self._full.execute(statement, parameters)
        key = statement._generate_cache_key()
        if key is None:
            return self._full.execute(statement, parameters)
        if key[0] not in _SHAPES:
            _SHAPES[key[0]] = _shape_of(statement, key, self.dialect)
        shape = _SHAPES[key[0]]
        if shape is None:
            return self._full.execute(statement, parameters)
        text, bound = _bound(shape, key[1], parameters or {})
        try:
            cursor = self._driver.execute(text, bound)
        except sqlite3.Error as error:
            raise _translated(error, text, self.dialect) from error
        return LightResult(shape.metadata, cursor, shape.readers)

    def scalar(self, statement: Any, parameters: Any = None) -> Any:
        """Return the first column of the first row, None without one."""
        return self.execute(statement, parameters).scalar()

    def scalars(self, statement: Any, parameters: Any = None) -> Any:
        """Return the first column of every row."""
        return self.execute(statement, parameters).scalars()


@contextmanager
def light_comparisons() -> Iterator[None]:
    """Let ``column == value`` be a copy of an earlier comparison, with this value."""
    honest = Column.__eq__

    def equal(self: Any, other: Any) -> Any:
        kind = type(other)
        if kind is not str and kind is not int and kind is not bytes:
            return honest(self, other)
        known = _EQUAL.get((id(self), kind))
        if known is None:
            known = _EQUAL[id(self), kind] = honest(self, other)
        value: Any = object.__new__(BindParameter)
        value.__dict__.update(known.right.__dict__)
        value.key, value._anon_map_key = _anonymous_label.safe_construct_with_key(id(value), self.key)
        value._identifying_key, value.value = value.key, other
        made: Any = object.__new__(BinaryExpression)
        made.__dict__.update(known.__dict__)
        made.right = value
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Column, "__eq__", equal)
        yield


def _shape_of(statement: Any, key: Any, dialect: Any) -> _Shape | None:
    compiled: Any = dialect.statement_compiler(dialect, statement, cache_key=key, column_keys=[], for_executemany=False)
    if compiled.literal_execute_params or compiled.positiontup is None:
        return None
    if (compiled.isinsert or compiled.isupdate) and (compiled.insert_prefetch or compiled.update_prefetch):
        return None
    if any(parameter.type._is_tuple_type for parameter in compiled.post_compile_params):
        return None
    columns = compiled._result_columns
    readers = tuple(column.type._cached_result_processor(dialect, None) for column in columns)
    places = {parameter.key: place for place, parameter in enumerate(key[1])}
    return _Shape(
        compiled=compiled,
        sources={
            name: (places.get(parameter.key), parameter.key, parameter.effective_value)
            for parameter, name in compiled.bind_names.items()
        },
        spread=tuple(name for one, name in compiled.bind_names.items() if one in compiled.post_compile_params),
        texts={},
        metadata=SimpleResultMetaData([column.keyname for column in columns], [column.objects for column in columns]),
        readers=readers if any(readers) else None,
    )


def _bound(shape: _Shape, extracted: Sequence[Any], given: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """Return the text to be run for these parameters, and its values in order."""
    values = {
        name: given[key] if key in given else otherwise if place is None else extracted[place].effective_value
        for name, (place, key, otherwise) in shape.sources.items()
    }
    counts = tuple([len(values[name]) for name in shape.spread])
    found = shape.texts.get(counts)
    if found is None:
        found = shape.texts[counts] = _text_of(shape, dict(values))
    bound = []
    for name, number, write in found.taken:
        value = values[name] if number is None else values[name][number]
        bound.append(value if write is None else write(value))
    return found.text, bound


def _text_of(shape: _Shape, values: dict[str, Any]) -> _Text:
    compiled = shape.compiled
    writers = compiled._bind_processors
    if not shape.spread:
        return _Text(str(compiled), tuple((name, None, writers.get(name)) for name in compiled.positiontup))
    expanded = compiled._process_parameters_for_postcompile(values)
    spread = {one: (name, at) for name, ones in expanded.parameter_expansion.items() for at, one in enumerate(ones)}
    taken = [(*spread.get(name, (name, None)), name) for name in expanded.positiontup]
    return _Text(expanded.statement, tuple((name, number, writers.get(name)) for name, number, _ in taken))


def _read(rows: Iterator[Sequence[Any]], readers: Sequence[Reader]) -> Iterator[tuple[Any, ...]]:
    for row in rows:
        yield tuple([value if reader is None else reader(value) for value, reader in zip(row, readers, strict=True)])
