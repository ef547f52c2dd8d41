"""Connections of the database bridge: encrypted, within time limits, and read-only where the server can promise it."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, cast

import psycopg
import pymysql.converters
from psycopg.types.datetime import DateLoader, TimestampLoader, TimestamptzLoader
from pymysql.constants import FIELD_TYPE
from sqlalchemy import create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from adapters.contract import SourceNeedsPersonError
from adapters.database.mysql_rows import QuickConnection
from adapters.database.refusals import told
from adapters.database.statements import MYSQL, POSTGRESQL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import Connection, Engine

    from adapters.database.settings import Plan

ANSWER_MARGIN_S: Final = 5.0
"""How much later than the server's own time limit we stop waiting for it. Our own choice."""
_UNKNOWN_VARIABLE: Final = 1193


@contextmanager
def connected(plan: Plan, *, writing: bool = False) -> Iterator[Connection]:
    """Yield a connection; its errors are those of the contract. Without ``writing`` it can only read."""
    engine = _engine(plan, writing=writing)
    with told():
        connection = engine.connect()
        try:
            with transaction(connection, plan):
                _prepare(connection, plan, writing=writing)
            yield connection
        finally:
            with suppress(Exception):
                connection.close()
            engine.dispose()


@contextmanager
def transaction(connection: Connection, plan: Plan) -> Iterator[None]:
    """Give a transaction for one statement, or a few short ones, that does not outlast ``statement_timeout_s``."""
    with _within(connection, plan["statement_timeout_s"] + ANSWER_MARGIN_S), connection.begin():
        yield


@contextmanager
def _within(connection: Connection, limit_s: float) -> Iterator[None]:
    """Cut the connection to PostgreSQL when the block takes longer: libpq waits for a frozen server without an end."""
    if connection.dialect.name != POSTGRESQL:
        yield
        return
    driver = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
    watch = threading.Timer(limit_s, _cut, (driver.fileno(),))
    watch.daemon = True
    watch.start()
    try:
        yield
    finally:
        watch.cancel()


def _cut(number: int) -> None:
    with suppress(OSError), socket.socket(fileno=os.dup(number)) as line:
        line.shutdown(socket.SHUT_RDWR)


def _engine(plan: Plan, *, writing: bool) -> Engine:
    url = plan.url.set(password=plan.password) if plan.password else plan.url
    if plan.system == MYSQL:
        engine = create_engine(url, poolclass=NullPool, connect_args=_mysql(plan))
        event.listen(engine, "do_connect", lambda _dialect, _record, _, arguments: QuickConnection(**arguments))
        return engine
    if plan.system == POSTGRESQL:
        engine = create_engine(url, poolclass=NullPool, connect_args=_postgresql(plan))
        event.listen(engine, "connect", _load_any_time)
        return engine
    mode = "rw" if writing else "ro"
    address = URL.create("sqlite", database=f"file:{_escaped(plan.url.database or '')}")
    return create_engine(
        address.update_query_dict({"mode": mode, "uri": "true"}),
        poolclass=NullPool,
        # One thread at a time uses it, and not always the same.
        connect_args={"timeout": plan["connect_timeout_s"], "check_same_thread": False},
    )


def _mysql(plan: Plan) -> dict[str, Any]:
    wait_s = plan["statement_timeout_s"] + ANSWER_MARGIN_S
    arguments: dict[str, Any] = {
        "charset": "utf8mb4",
        "connect_timeout": plan["connect_timeout_s"],
        "read_timeout": wait_s,
        "write_timeout": wait_s,
        "conv": {**pymysql.converters.conversions, FIELD_TYPE.BIT: int.from_bytes, FIELD_TYPE.TIMESTAMP: _instant},
    }
    return arguments | ({"ssl": _context(plan)} if plan.encrypted else {"ssl_disabled": True})


def _context(plan: Plan) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=plan["tls_ca_file"] or None)
        if plan["tls_certificate_file"]:
            context.load_cert_chain(plan["tls_certificate_file"], plan["tls_key_file"] or None)
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise SourceNeedsPersonError(
            f"a file of tls_ca_file, tls_certificate_file, tls_key_file cannot be read ({reason}): name PEM files"
        ) from error
    if plan["tls"] == "encrypted":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _postgresql(plan: Plan) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "application_name": "yizhan",
        # Even a database without an encoding has to be understood while the connection is made.
        "client_encoding": "utf8",
        "connect_timeout": plan["connect_timeout_s"],
        "keepalives_idle": 30,
        "sslmode": "disable",
    }
    if not plan.encrypted:
        return arguments
    # libpq does not look where the system keeps its authorities unless it is told to.
    arguments["sslmode"] = "verify-full" if plan["tls"] == "verified" else "require"
    files = {
        "sslrootcert": plan["tls_ca_file"] or ("system" if plan["tls"] == "verified" else ""),
        "sslcert": plan["tls_certificate_file"],
        "sslkey": plan["tls_key_file"] or plan["tls_certificate_file"],
    }
    return arguments | {name: path for name, path in files.items() if path}


def _prepare(connection: Connection, plan: Plan, *, writing: bool) -> None:
    timeout_s = plan["statement_timeout_s"]
    if plan.system == MYSQL:
        if writing:
            # Without it an old server cuts what is too long for a column, and says nothing.
            connection.exec_driver_sql("SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')")
        else:
            connection.exec_driver_sql("SET SESSION TRANSACTION READ ONLY")
        connection.exec_driver_sql("SET SESSION time_zone = '+00:00'")
        _set_limit(connection, timeout_s)
        if plan["text_encoding"]:
            connection.exec_driver_sql("SET character_set_results = binary")
    elif plan.system == POSTGRESQL:
        connection.exec_driver_sql(f"SET default_transaction_read_only = {'off' if writing else 'on'}")
        connection.exec_driver_sql(f"SET statement_timeout = {int(timeout_s * 1000)}")
        connection.exec_driver_sql("SET TIME ZONE 'UTC'")
        if plan["text_encoding"]:
            connection.exec_driver_sql("SET client_encoding = 'SQL_ASCII'")
    else:
        factory = bytes if plan["text_encoding"] else _text_or_bytes
        cast("Any", connection.connection.driver_connection).text_factory = factory


def _set_limit(connection: Connection, timeout_s: float) -> None:
    """Have the server itself end what takes too long; an old MySQL that cannot is left by the read time-out."""
    mariadb = getattr(connection.dialect, "is_mariadb", False)
    limit = f"max_statement_time = {timeout_s}" if mariadb else f"max_execution_time = {int(timeout_s * 1000)}"
    try:
        connection.exec_driver_sql(f"SET SESSION {limit}")
    except DBAPIError as error:
        if error.orig is None or error.orig.args[:1] != (_UNKNOWN_VARIABLE,):
            raise


def _text_or_bytes(data: bytes) -> str | bytes:
    """Return a text of SQLite, which may hold any bytes: what is not UTF-8 stays bytes, and costs its row only."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _instant(text: str) -> Any:
    """Return a TIMESTAMP, which comes in the session's zone, UTC; a zero date stays a text."""
    moment = pymysql.converters.convert_datetime(text)
    return moment.replace(tzinfo=UTC) if isinstance(moment, datetime) else moment


def _escaped(path: str) -> str:
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _load_any_time(connection: Any, _: Any) -> None:
    """Have times beyond Python's years, and infinity, come as the texts that they are, not as an error for a page."""
    adapters = connection.adapters
    adapters.register_loader("date", _AnyDate)
    adapters.register_loader("timestamp", _AnyTimestamp)
    adapters.register_loader("timestamptz", _AnyTimestamptz)


class _AnyDate(DateLoader):
    def load(self, data: Any) -> Any:
        return _or_text(super().load, data)


class _AnyTimestamp(TimestampLoader):
    def load(self, data: Any) -> Any:
        return _or_text(super().load, data)


class _AnyTimestamptz(TimestamptzLoader):
    def load(self, data: Any) -> Any:
        return _or_text(super().load, data)


def _or_text(load: Callable[[Any], Any], data: Any) -> Any:
    try:
        return load(data)
    except psycopg.DataError:
        return bytes(data).decode()
