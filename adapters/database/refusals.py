"""What an error of a database means to the node: try later, or needs a person; never with values of rows in it."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import psycopg
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from adapters.contract import AdapterError, SourceNeedsPersonError, SourceUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXT_MAX: Final = 200
_ACCOUNT: Final = "check account and password (secret password), and that the account may read this database"
_TABLE: Final = (
    "check the name of the table: to an account without rights the server does not tell whether there is one; then "
    "have the account allowed to read it (GRANT SELECT)"
)
_STRUCTURE: Final = (
    "the table, a column or the statement does not fit (any more): compare the settings with the database"
)
_CERTIFICATE: Final = (
    "the encrypted connection was not made: check tls_ca_file and the name in the server's certificate; a server "
    'without encryption on a closed network takes tls = "off"'
)

_MYSQL: Final = {
    **dict.fromkeys((1044, 1045, 1130, 1227, 1820, 1862, 1698, 3118, 4151), _ACCOUNT),
    **dict.fromkeys((1142, 1143), _TABLE),
    **dict.fromkeys((1049, 1051, 1052, 1054, 1055, 1060, 1064, 1103, 1109, 1111, 1140), _STRUCTURE),
    **dict.fromkeys((1146, 1149, 1222, 1241, 1242, 1248, 1267, 1305, 1349, 1356, 1525), _STRUCTURE),
    1129: "the server blocked this machine after failed connections: its administrator runs FLUSH HOSTS",
    2026: _CERTIFICATE,
}
"""Numbers of https://mariadb.com/kb/en/mariadb-error-codes/; those not named here pass with time."""
_POSTGRESQL: Final = {
    "28": _ACCOUNT,
    "42501": _TABLE,
    "3D": _ACCOUNT,
    "3F": _STRUCTURE,
    "0A": _STRUCTURE,
    "42": _STRUCTURE,
}
"""Codes and their classes, of appendix A of PostgreSQL's manual; those not named here pass with time."""
_SQLITE: Final = {
    sqlite3.SQLITE_ERROR: _STRUCTURE,
    sqlite3.SQLITE_PERM: _ACCOUNT,
    sqlite3.SQLITE_AUTH: _ACCOUNT,
    sqlite3.SQLITE_READONLY: "the file may not be written by this account",
    sqlite3.SQLITE_CORRUPT: "the file is damaged: restore it",
    sqlite3.SQLITE_NOTADB: "the file is no SQLite database: correct url",
}
_NO_FILE: Final = (
    "the file of the database cannot be opened: it is not there, or this account may not read it; mount its disk, "
    "correct url, or give permission"
)
_FATAL: Final = ("FATAL", "致命错误")
"""How the server of PostgreSQL begins what ends a connection; libpq gives no code for it while connecting."""
_PASSING: Final = (
    "starting up",
    "shutting down",
    "recovery",
    "too many",
    "启动",
    "关闭",
    "恢复",
    "太多",
    "过多",
    "terminating",
)
_UNCERTIFIED: Final = ("certificate", "SSL", "证书")


@contextmanager
def told() -> Iterator[None]:
    """Turn the errors of the block into those of the contract."""
    try:
        yield
    except AdapterError:
        raise
    except DBAPIError as error:
        raise meaning(error.orig) from error
    except UnicodeDecodeError as error:
        raise SourceNeedsPersonError(
            "a text is not in the encoding that the database declares: set text_encoding to the one that it is in"
        ) from error
    except SQLAlchemyError as error:
        raise SourceNeedsPersonError(f"the statement cannot be made ({type(error).__name__}): {_STRUCTURE}") from error


def meaning(error: BaseException | None) -> AdapterError:
    """Return what an error of a driver means."""
    if isinstance(error, sqlite3.Error):
        code: Any = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
        if code == sqlite3.SQLITE_CANTOPEN:
            return SourceUnavailableError(f"{_NO_FILE} ({code})")
        return _answer(code, _SQLITE.get(code), error)
    if isinstance(error, psycopg.Error):
        code = error.sqlstate
        return _answer(code, _POSTGRESQL.get(code) or _POSTGRESQL.get(code[:2]), error) if code else _connecting(error)
    number, text = (*(error.args if error else ()), None, "")[:2]
    encrypted = any(word in str(text) for word in _UNCERTIFIED)
    return _answer(number, _CERTIFICATE if encrypted else _MYSQL.get(number), text)


def _connecting(error: psycopg.Error) -> AdapterError:
    text = str(error)
    fatal = any(word in text for word in _FATAL)
    if any(word in text for word in _UNCERTIFIED) and not fatal:
        return _answer("tls", _CERTIFICATE, text)
    passing = any(word in text for word in _PASSING)
    needs_person = (fatal and not passing) or "no password supplied" in text
    return _answer("connection", _ACCOUNT if needs_person else None, text)


def _answer(code: Any, action: str | None, text: Any) -> AdapterError:
    lines = str(text).splitlines() or [""]
    # Beyond the three groups that are named, a server's text may quote a value of a row: the code has to do.
    said = f": {lines[0][:TEXT_MAX]}" if action or code in {"connection", 2003, 2013, 2006, 1040} else ""
    if action:
        return SourceNeedsPersonError(f"the database refuses ({code}){said}; {action}")
    return SourceUnavailableError(f"the database does not answer now ({code}){said}")
