"""The workshop: a copy of what a node holds, in a database of its own, in which everything derived is made anew.

A rebuild takes minutes and the journal's lock must not be held for them. So one snapshot of the journal is copied into
a database beside it (SQLite: a file ``<database>-rebuild``; PostgreSQL: a schema of the same database), and all work
happens there. The tables of the projections are made empty; what stands in the node is beside them as ``standing_…``.

Nothing of the workshop is worth keeping: it is not durable, and it is removed at the end, or by the next one.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import create_engine, event, func, select, text
from sqlalchemy.pool import StaticPool

from node.config.files import OWNER_ONLY
from node.errors import StoreBusyError
from node.journal.failures import explaining
from node.journal.memory import image_of
from node.journal.store import Store, Transaction
from node.journal.tables import arrival, metadata, quarantine, record, stream
from node.statistics.tables import dimension
from node.trust.tables import certificate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from sqlalchemy import Table
    from sqlalchemy.engine import Connection, Engine

SUFFIX: Final = "-rebuild"
"""What the workshop's file is called behind the database's name."""
SCHEMA: Final = "yizhan_rebuild"
WORKSHOP_LOCK: Final = 0x59495A485242
"""The PostgreSQL advisory lock that lets one workshop of a node be at a time."""
COPIED: Final = (stream, record, quarantine, arrival, certificate, dimension)
"""What projections are made from, and what they keep through a rebuild."""
STANDING: Final = "standing_"
_CACHE_KIB: Final = 65_536
_STANDING_SCHEMA: Final = "standing"


class _Writing(Transaction):
    """The one transaction of a workshop: nobody else sees it, so what it did counts at once, and nobody is told."""

    __slots__ = ()

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Run the callback now: it makes caches know what is written, and they end with the workshop."""
        callback()

    def announce(self) -> None:
        """Tell nobody."""


class Workshop:
    """An open workshop: ``transaction`` writes in it, under no lock of the node. Made by ``open_workshop``.

    ``dimensions`` is the highest id of an interned key that was copied.
    """

    def __init__(self, connection: Connection, store: Store) -> None:
        self.connection = connection
        self.dimensions = highest_dimension(connection)
        self.transaction = _Writing(connection, store)


@contextmanager
def open_workshop(store: Store, standing: Sequence[Table]) -> Iterator[Workshop]:
    """Copy one snapshot of ``store`` and give the workshop; ``standing`` are the tables to compare with later.

    Raises StoreBusyError when another process has one of this node, StoreUnavailableError when the disk is full.
    """
    place = _memory(store) if store.reader is None else _file(store) if store.file is not None else _schema(store)
    with explaining(), place as (engine, source):
        own = Store(engine)
        try:
            with engine.connect() as connection:
                with connection.begin():
                    _copy(connection, source, standing)
                with connection.begin():
                    yield Workshop(connection, own)
        finally:
            own.close()


def highest_dimension(connection: Connection) -> int:
    """Return the highest id of an interned key of figures, 0 when there is none."""
    return connection.scalar(select(func.max(dimension.c.id))) or 0


def standing_name(table: Table) -> str:
    """Return the name under which what stands of a table is kept in the workshop."""
    return STANDING + table.name


def _copy(connection: Connection, source: str, standing: Sequence[Table]) -> None:
    metadata.create_all(connection, checkfirst=False)
    for table in COPIED:
        # With no column named SQLite copies whole rows without looking into them.
        columns = "*" if connection.dialect.name == "sqlite" else ", ".join(f'"{one.name}"' for one in table.columns)
        where = f'{source}."{table.name}"'
        connection.execute(text(f'INSERT INTO "{table.name}" SELECT {columns} FROM {where}'))  # noqa: S608 - constants.
    for table in standing:
        columns = ", ".join(f'"{one.name}"' for one in table.columns)
        chosen = f'SELECT {columns} FROM {source}."{table.name}"'  # noqa: S608 - constants.
        connection.execute(text(f'CREATE TABLE "{standing_name(table)}" AS {chosen}'))
    connection.execute(
        text(
            'CREATE TABLE "standing_outcome" AS SELECT "key", "case_id", "previous", "state_after", "flags" '  # noqa: S608
            f'FROM {source}."record" ORDER BY "key"'
        )
    )
    connection.execute(text('CREATE UNIQUE INDEX "standing_outcome_key" ON "standing_outcome" ("key")'))


@contextmanager
def _file(store: Store) -> Iterator[tuple[Engine, str]]:
    database = store.file
    assert database is not None  # noqa: S101 - the caller looked.
    path = database.with_name(database.name + SUFFIX)
    with _alone(path):
        engine = create_engine(
            f"sqlite:///{path}", hide_parameters=True, poolclass=StaticPool, connect_args={"isolation_level": None}
        )

        def prepare(connection: Any, _: object) -> None:
            _hasten(connection)
            connection.execute(f"ATTACH DATABASE ? AS {_STANDING_SCHEMA}", (str(database),))

        event.listen(engine, "connect", prepare)
        event.listen(engine, "begin", _begin)
        yield engine, _STANDING_SCHEMA


@contextmanager
def _memory(store: Store) -> Iterator[tuple[Engine, str]]:
    image = image_of(store)
    engine = create_engine(
        "sqlite://",
        hide_parameters=True,
        poolclass=StaticPool,
        connect_args={"isolation_level": None, "check_same_thread": False},
    )

    def prepare(connection: Any, _: object) -> None:
        connection.execute(f"ATTACH DATABASE ':memory:' AS {_STANDING_SCHEMA}")
        connection.deserialize(image, name=_STANDING_SCHEMA)

    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", _begin)
    yield engine, _STANDING_SCHEMA


@contextmanager
def _schema(store: Store) -> Iterator[tuple[Engine, str]]:
    engine = create_engine(
        store.writer.url, hide_parameters=True, poolclass=StaticPool, isolation_level="REPEATABLE READ"
    )
    with store.writer.connect().execution_options(isolation_level="AUTOCOMMIT") as keeper:
        had = keeper.exec_driver_sql("SELECT pg_try_advisory_lock(%s)", (WORKSHOP_LOCK,)).scalar()
        if not had:
            raise _busy()
        try:
            source = keeper.exec_driver_sql("SELECT quote_ident(current_schema())").scalar()
            keeper.exec_driver_sql(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
            keeper.exec_driver_sql(f"CREATE SCHEMA {SCHEMA}")

            def prepare(connection: Any, _: object) -> None:
                connection.execute(f"SET search_path TO {SCHEMA}")
                connection.execute("SET synchronous_commit TO off")
                connection.commit()

            event.listen(engine, "connect", prepare)
            yield engine, str(source)
        finally:
            engine.dispose()
            keeper.exec_driver_sql(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
            keeper.exec_driver_sql("SELECT pg_advisory_unlock(%s)", (WORKSHOP_LOCK,))


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Make the workshop's file, empty and for this process alone, and remove it at the end."""
    number = os.open(path, os.O_RDWR | os.O_CREAT, OWNER_ONLY)
    try:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _busy() from None
        os.ftruncate(number, 0)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
    finally:
        os.close(number)


def _hasten(connection: Any) -> None:
    """Let SQLite write without any care: a workshop that was cut short is thrown away."""
    # Of ``main`` alone: said without it, it would hold for the node's own database too.
    for pragma in (
        "journal_mode = OFF",
        "synchronous = OFF",
        "locking_mode = EXCLUSIVE",
        f"cache_size = -{_CACHE_KIB}",
    ):
        connection.execute(f"PRAGMA main.{pragma}")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _busy() -> StoreBusyError:
    return StoreBusyError(
        "Another process is rebuilding this node.",
        why="a node has one workshop at a time",
        action="wait until it has ended",
    )
