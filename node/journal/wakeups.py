"""Wake-ups: who waits for news hears of it soon, also when another process of the home wrote it.

A wake-up is a hint and never the truth: whoever waits compares sizes and cursors itself, at start, after each package
and at least every few seconds. So a wake-up too many costs a look, one too few costs a short delay.

In this process ``Store.announce`` rings directly. Other processes are heard through PostgreSQL's LISTEN, or through
SQLite's ``data_version`` of an idle connection, which changes when anybody else commits; the newest arrival tells then
whether it was an append.
"""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.exc import SQLAlchemyError

from node.journal.store import NEWS_CHANNEL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from node.journal.store import Store

_LOG: Final = logging.getLogger(__name__)

POLL_S: Final = 0.1
"""How often SQLite is asked: one read of a memory-mapped counter, a few microseconds."""
REOPEN_S: Final = 1.0
CLOSE_S: Final = 3.0
_DATA_VERSION: Final = "PRAGMA data_version"
_NEWEST_ARRIVAL: Final = "SELECT coalesce(max(number), 0) FROM arrival"


class Wakeups:
    """Lets threads wait for news of one store; ``start`` begins to listen to other processes too.

    Each thread that waits is told once of what happened since its last wait, so nothing is lost between two waits.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rung = threading.Condition()
        self._count = 0
        self._heard = threading.local()
        self._stopping = threading.Event()
        self._away = False
        self._watcher: threading.Thread | None = None
        store.listen(self.notify)

    def notify(self) -> None:
        """Wake everybody who waits."""
        with self._rung:
            self._count += 1
            self._rung.notify_all()

    def wait(self, timeout_s: float) -> bool:
        """Wait for news at most ``timeout_s`` and tell whether there is any since this thread's last wait.

        A thread's first wait counts from the moment that it begins.
        """
        with self._rung:
            if not hasattr(self._heard, "count"):
                self._heard.count = self._count
            self._rung.wait_for(lambda: self._count != self._heard.count or self._stopping.is_set(), timeout_s)
            news: bool = self._count != self._heard.count
            self._heard.count = self._count
            return news

    def start(self) -> None:
        """Begin to listen to other processes; a memory store has none."""
        if self._store.reader is not None and self._watcher is None:
            self._watcher = threading.Thread(target=self._watch, name="wakeups", daemon=True)
            self._watcher.start()

    @property
    def alive(self) -> bool:
        """Whether other processes are heard; a memory store has none."""
        return self._store.reader is None or (self._watcher is not None and self._watcher.is_alive())

    def close(self) -> None:
        """Stop listening and let every waiting thread go."""
        self._stopping.set()
        with self._rung:
            self._rung.notify_all()
        if self._watcher is not None:
            # A server that stopped answering must not hold up the end of the process; the thread ends with it.
            self._watcher.join(CLOSE_S)

    def _watch(self) -> None:
        listen = self._poll_sqlite if self._store.dialect == "sqlite" else self._listen_postgresql
        failures = (SQLAlchemyError, OSError, self._store.writer.dialect.loaded_dbapi.Error)
        while not self._stopping.is_set():
            try:
                with _idle_connection(self._store) as driver:
                    listen(driver)
            except failures as error:
                if not self._away:
                    _LOG.warning("wake-ups lost the database", extra={"cause": type(error).__name__})
                self._away = True
                self._stopping.wait(REOPEN_S)

    def _opened(self) -> None:
        if self._away:
            _LOG.info("wake-ups have the database again")
            self._away = False
            # Whatever was written meanwhile was not heard.
            self.notify()

    def _poll_sqlite(self, driver: Any) -> None:
        version, arrived = _number(driver, _DATA_VERSION), _number(driver, _NEWEST_ARRIVAL)
        self._opened()
        while not self._stopping.wait(POLL_S):
            now = _number(driver, _DATA_VERSION)
            if now == version:
                continue
            version = now
            newest = _number(driver, _NEWEST_ARRIVAL)
            if newest != arrived:
                arrived = newest
                self.notify()

    def _listen_postgresql(self, driver: Any) -> None:
        driver.autocommit = True
        driver.execute(f"LISTEN {NEWS_CHANNEL}")
        self._opened()
        while not self._stopping.is_set():
            for _ in driver.notifies(timeout=POLL_S, stop_after=1):
                self.notify()


@contextmanager
def _idle_connection(store: Store) -> Iterator[Any]:
    """Give a driver connection of its own, outside the pool and outside any transaction."""
    engine = store.reader or store.writer
    connection = engine.raw_connection()
    driver = connection.driver_connection
    connection.detach()
    try:
        yield driver
    finally:
        connection.close()


def _number(driver: Any, statement: str) -> int:
    (number,) = driver.execute(statement).fetchone()
    return int(number)
