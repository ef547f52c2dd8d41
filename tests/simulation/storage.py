"""A node's storage in the simulation: SQLite in memory, with moments at which the machine or its disk may fail.

Nothing else has the database open and nothing runs beside it, so one connection serves all and a reading begins no
transaction: a history takes two thirds of what it takes on ``node.journal.memory``.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from node.journal.failures import explained
from node.journal.store import Store, Transaction
from tests.simulation.light import LightConnection, translated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import Connection, Engine

T = TypeVar("T")

FULL = 2
"""SQLite's ``synchronous = FULL``: a commit survives the loss of power."""
BEFORE, AFTER = "before commit", "after commit"


@lru_cache(maxsize=1)
def _first_engine() -> Engine:
    engine = _new_engine()
    # The dialect knows the database only once it has connected.
    engine.connect().close()
    return engine


def _new_engine() -> Engine:
    return create_engine(
        "sqlite://",
        hide_parameters=True,
        poolclass=StaticPool,
        connect_args={"isolation_level": None, "check_same_thread": False},
    )


def _engine_of(image: bytes) -> tuple[Engine, Connection, sqlite3.Connection]:
    """Return an engine on a memory database that holds ``image``, its one connection, and the driver's below it.

    A history opens some twenty: they share one dialect and what was compiled for it, which is a third of the time.
    """
    engine = _new_engine()
    engine.dialect = _first_engine().dialect
    engine._compiled_cache = _first_engine()._compiled_cache
    connection = engine.connect()
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    driver.deserialize(image)
    return engine, connection, driver


class PowerLossError(BaseException):
    """The machine of ``code`` stops here. No handler of the node may catch it: it is no ``Exception``."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def disk_error(code: int, text: str) -> sqlite3.OperationalError:
    """Return what the driver raises for one of SQLite's result codes."""
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error


class SimulatedStore(Store):
    """A memory store that calls ``moment`` just before and just after every commit; it may raise a disk's error there.

    What a power loss leaves is ``durable_image``: the database at the last commit made with ``synchronous = FULL``.
    """

    def __init__(self, image: bytes, moment: Callable[[str], None] = lambda _what: None) -> None:
        engine, self._connection, self.driver = _engine_of(image)
        super().__init__(engine)
        self._light: Any = LightConnection(self._connection, self.driver)
        self._moment = moment
        self._is_reading = self._is_writing = False
        self._before_lazy_commits: bytes | None = None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        if self._is_reading or self._is_writing:
            yield self._light
            return
        self._is_reading = True
        try:
            yield self._light
        except DBAPIError as error:
            raise explained(error) from error
        finally:
            self._is_reading = False

    def write(self, work: Callable[[Transaction], T]) -> T:
        if self._is_reading or self._is_writing:
            message = "store.write inside store.write or store.reading: end that first"
            raise RuntimeError(message)
        synchronous = self.driver.execute("PRAGMA synchronous").fetchone()[0]
        if synchronous < FULL and self._before_lazy_commits is None:
            self._before_lazy_commits = self.image()
        try:
            result, callbacks = self._committed(work)
        except DBAPIError as error:
            raise explained(error) from error
        if synchronous >= FULL:
            self._before_lazy_commits = None
        for callback in callbacks:
            callback()
        return result

    def _committed(self, work: Callable[[Transaction], T]) -> tuple[T, tuple[Callable[[], None], ...]]:
        transaction = Transaction(self._light, self)
        self._is_writing = True
        try:
            self.driver.execute("BEGIN IMMEDIATE")
            result = work(transaction)
            with translated("COMMIT", self.dialect_object):
                self._moment(BEFORE)
                self.driver.execute("COMMIT")
                self.commits += 1
                self._is_writing = False
                self._moment(AFTER)
        finally:
            self._is_writing = False
            if self.driver.in_transaction:
                self.driver.execute("ROLLBACK")
        return result, transaction.callbacks

    @property
    def dialect_object(self) -> Any:
        """SQLAlchemy's dialect, which tells its errors apart."""
        return self._connection.dialect

    def image(self) -> bytes:
        """Return what is committed, as the bytes of an SQLite file; not inside a write."""
        return self.driver.serialize()

    def durable_image(self) -> bytes:
        """Return what is on the disk when the power goes now."""
        return self._before_lazy_commits or self.image()

    def close(self) -> None:
        self._connection.close()
        super().close()
