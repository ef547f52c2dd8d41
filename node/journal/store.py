"""The unit of work: one database, many readers, one writer at a time.

Every write of a node, of whatever process of its home, runs as ``store.write(work)``: it takes the journal's lock
(SQLite: ``BEGIN IMMEDIATE``; PostgreSQL: an advisory lock), runs ``work`` in one transaction, commits durably, and then
runs the callbacks that the work asked for. When the database was locked or chose our transaction to break a deadlock,
the whole work runs again, so ``work`` must not change anything but the database. No network inside ``work``.

Reading never blocks writing: ``store.reading()`` gives a consistent snapshot that cannot write.

After a failed commit, a flush that failed or a lost server the store is *distrusted*: what this process believes of it
may not be what is there. Then nothing is read or written, and so nothing signed, until the store was opened anew and
everybody who asked for it (``read_back``) has compared what is there. That happens by itself at the next use.
"""

from __future__ import annotations

import threading
import weakref
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from node.errors import StoreBusyError, YizhanError
from node.journal.distrust import Distrust
from node.journal.engines import engines
from node.journal.failures import explained, is_contention

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import Connection, Engine

T = TypeVar("T")

ATTEMPTS_MAX: Final = 5
"""How often one work is tried: a lock that is not free after that is held by something that is stuck."""
LOCK_WAIT_S: Final = 5.0
"""How long one attempt waits for the lock: longer than any batch of ours holds it."""
JOURNAL_LOCK: Final = 0x59495A48414E
"""The PostgreSQL advisory lock that orders all appends of a node ("YIZHAN" in ASCII)."""
NEWS_CHANNEL: Final = "yizhan_journal"
"""The PostgreSQL channel on which appending processes wake the waiting ones."""
_PAUSE_S: Final = 0.02
_PLACE: Final = """
SELECT (SELECT system_identifier FROM pg_control_system()) || ' ' || left(pg_walfile_name(pg_current_wal_lsn()), 8)
"""


class Transaction:
    """An open write transaction that holds the journal's lock."""

    __slots__ = ("_callbacks", "_store", "connection", "dialect")

    def __init__(self, connection: Connection, store: Store) -> None:
        self.connection = connection
        self.dialect = store.dialect
        self._store = store
        self._callbacks: list[Callable[[], None]] = []

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Run ``callback`` once this transaction is durable and the lock is free; a rollback forgets it.

        Asking twice for the same callback runs it once.
        """
        if callback not in self._callbacks:
            self._callbacks.append(callback)

    def announce(self) -> None:
        """Wake whoever waits for news, here and in other processes, once this transaction is durable."""
        if self.dialect == "postgresql" and self._store.announce not in self._callbacks:
            # PostgreSQL delivers it at the commit; SQLite's waiters see the database change by themselves.
            self.connection.exec_driver_sql(f"NOTIFY {NEWS_CHANNEL}")
        self.after_commit(self._store.announce)

    @property
    def callbacks(self) -> tuple[Callable[[], None], ...]:
        """What to run after the commit, in the order asked for."""
        return tuple(self._callbacks)


class Store:
    """A database: ``writer`` begins transactions that hold the lock, ``reader`` such that cannot write.

    Without ``reader`` both share the one connection of ``writer`` (a memory database): readings nest, and see what an
    open write has done so far. ``dialect`` is ``sqlite`` or ``postgresql``. ``lock_wait_s`` is what the engine was told
    to wait for a lock.
    """

    def __init__(self, writer: Engine, reader: Engine | None = None, *, lock_wait_s: float = LOCK_WAIT_S) -> None:
        self.dialect: str = writer.dialect.name
        self.commits = 0
        self._writer = writer
        self._reader = reader
        self._lock_wait_s = lock_wait_s
        self._lock = threading.Lock()
        self._shared = threading.RLock()
        self._shared_connection: Connection | None = None
        self._writing_thread: int | None = None
        self._listeners: list[Callable[[], None]] = []
        self._distrust = Distrust()
        # A store that is dropped without ``close`` (as a crashed node of a simulation is) leaves no connection behind.
        weakref.finalize(self, _dispose, writer, reader).atexit = False

    @property
    def writer(self) -> Engine:
        """The writing engine: for the memory image and the wake-ups, not for statements."""
        return self._writer

    @property
    def reader(self) -> Engine | None:
        """The reading engine, None for a memory store."""
        return self._reader

    @property
    def file(self) -> Path | None:
        """The file of the database, None for one that has none on this machine's disk."""
        name = self._writer.url.database
        return Path(name) if self.dialect == "sqlite" and name not in {None, "", ":memory:"} else None

    def place(self, connection: Connection) -> str:
        """Return what the database's server says of itself: system and timeline; empty for SQLite.

        The timeline changes when a standby takes over or a server comes back from an archive (PostgreSQL, 26.3.5).
        """
        if self.dialect != "postgresql":
            return ""
        return str(connection.exec_driver_sql(_PLACE).scalar_one())

    @property
    def distrusted(self) -> bool:
        """Whether something failed since the store was last read back."""
        return self._distrust.cast

    def read_back(self, check: Callable[[Connection], None]) -> None:
        """Call ``check`` when the store was opened anew after a failure; what it raises leaves the store distrusted."""
        if check not in self._distrust.checks:
            self._distrust.checks.append(check)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection with a consistent snapshot on which every write fails.

        Raises StoreUnavailableError when the database does not answer, StoreBusyError when it stays locked,
        IntegrityError when the store is distrusted and does not read back.
        """
        self._settle()
        with self._translated():
            if self._reader is None:
                with self._sharing(self._writer) as connection:
                    yield connection
            else:
                with self._reader.connect() as connection:
                    yield connection

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Run ``work`` in one durable transaction under the journal's lock and return what it returns.

        Any exception from ``work`` rolls everything back and comes out unchanged. Raises StoreBusyError when the lock
        was not to be had, StoreUnavailableError when the database failed, IntegrityError when the store is distrusted
        and does not read back. Calling it inside ``work`` is a mistake.
        """
        self._settle()
        with self._alone():
            result, callbacks = self._redone(work)
        for callback in callbacks:
            callback()
        return result

    def empty_log(self) -> bool:
        """Write SQLite's write-ahead log back into its file and cut it to nothing; False while a reader needs it.

        A log that was merely written back keeps old content until it is written over. True where there is none.
        """
        if self.file is None:
            return True
        with self._alone():
            connection = self._writer.raw_connection()
            try:
                busy, _, _ = connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                connection.close()
        return not busy

    def listen(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` on every ``announce``: in-process wake-ups."""
        self._listeners.append(listener)

    def announce(self) -> None:
        """Tell the listeners of this process that there is something new; ``Transaction.announce`` tells others too."""
        for listener in tuple(self._listeners):
            listener()

    def close(self) -> None:
        """Close every connection that is not in use."""
        _dispose(self._writer, self._reader)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if self._writing_thread == threading.get_ident():
            message = "store.write inside store.write: pass the transaction on instead"
            raise RuntimeError(message)
        if not self._lock.acquire(timeout=self._lock_wait_s * ATTEMPTS_MAX):
            raise _busy()
        self._writing_thread = threading.get_ident()
        try:
            yield
        finally:
            self._writing_thread = None
            self._lock.release()

    def _redone(self, work: Callable[[Transaction], T]) -> tuple[T, tuple[Callable[[], None], ...]]:
        cause: Exception | None = None
        for attempt in range(ATTEMPTS_MAX):
            try:
                return self._once(work)
            except StoreBusyError as error:
                cause = error
            except DBAPIError as error:
                if not is_contention(error):
                    self._distrust.raise_for(error)
                    raise explained(error) from error
                cause = error
            except PoolTimeoutError as error:
                cause = error
            threading.Event().wait(_PAUSE_S * attempt)
        raise _busy() from cause

    def _once(self, work: Callable[[Transaction], T]) -> tuple[T, tuple[Callable[[], None], ...]]:
        if self._reader is None:
            with self._sharing(None):
                return self._committed(work)
        return self._committed(work)

    def _committed(self, work: Callable[[Transaction], T]) -> tuple[T, tuple[Callable[[], None], ...]]:
        with self._writer.connect() as connection:
            if self._reader is None:
                self._shared_connection = connection
            try:
                with connection.begin():
                    self._take_lock(connection)
                    transaction = Transaction(connection, self)
                    result = work(transaction)
            finally:
                self._shared_connection = None
        self.commits += 1
        return result, transaction.callbacks

    def _take_lock(self, connection: Connection) -> None:
        if self.dialect == "postgresql":
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {int(self._lock_wait_s * 1000)}")
            # Whatever the server's default: what was promised to others must survive a crash.
            connection.exec_driver_sql("SET LOCAL synchronous_commit = on")
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (JOURNAL_LOCK,))

    @contextmanager
    def _sharing(self, engine: Engine | None) -> Iterator[Connection]:
        """Hold the memory database's one connection; with ``engine`` open it for reading, or join who has it open."""
        with self._shared:
            if self._shared_connection is not None:
                if engine is None:
                    message = "store.write inside store.reading of a memory store: end the reading first"
                    raise RuntimeError(message)
                yield self._shared_connection
            elif engine is None:
                yield None  # type: ignore[misc] # The writer opens and publishes the connection itself.
            else:
                with engine.connect() as connection:
                    connection.exec_driver_sql("PRAGMA query_only = 1")
                    self._shared_connection = connection
                    try:
                        yield connection
                    finally:
                        self._shared_connection = None
                        connection.rollback()
                        connection.exec_driver_sql("PRAGMA query_only = 0")

    def _settle(self) -> None:
        """Open a store that is distrusted anew and have it read back; does nothing inside a use of a memory store."""
        if not self._distrust.cast:
            return
        # The one connection of a memory store is taken first by whoever reads; so it is here.
        with self._shared if self._reader is None else nullcontext():
            if self._shared_connection is None:
                self._distrust.settle(self._opened_anew)

    @contextmanager
    def _opened_anew(self) -> Iterator[Connection]:
        with self._translated():
            if self._reader is None:
                with self._sharing(self._writer) as connection:
                    yield connection
            else:
                _dispose(self._writer, self._reader)
                with self._reader.connect() as connection:
                    yield connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            if is_contention(error):
                raise _busy() from error
            self._distrust.raise_for(error)
            raise explained(error) from error
        except PoolTimeoutError as error:
            raise _busy() from error


def open_store(url: str, *, home: Path | None = None, lock_wait_s: float = LOCK_WAIT_S) -> Store:
    """Open the database at ``url`` and try that it answers and can be written.

    ``sqlite:///name`` is relative to ``home``; PostgreSQL goes through psycopg.
    ``lock_wait_s`` bounds one attempt to get the journal's lock. Raises ConfigurationError for a URL that names no
    usable database and StoreUnavailableError when the database does not answer or cannot be written.
    """
    writer, reader = engines(url, home=home, lock_wait_s=lock_wait_s)
    store = Store(writer, reader, lock_wait_s=lock_wait_s)
    # The writer goes first: it makes an SQLite file and turns its write-ahead log on, which a reader may not.
    try:
        store.write(lambda _: None)
    except YizhanError:
        store.close()
        raise
    return store


def _dispose(writer: Engine, reader: Engine | None) -> None:
    writer.dispose()
    if reader is not None:
        reader.dispose()


def _busy() -> StoreBusyError:
    return StoreBusyError(
        "The journal's lock could not be had.",
        why="another process of this home, or a long write, holds it",
        action="try again; if it stays so, look for a stuck process that has the database open",
    )
