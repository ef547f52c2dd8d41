"""Settings of the kind ``database`` that do not fit together are refused before anything is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from pymysql.err import OperationalError
from sqlalchemy.exc import SQLAlchemyError

from adapters.contract import SourceNeedsPersonError, SourceUnavailableError
from adapters.database import KIND
from adapters.database.refusals import meaning, told
from tests.support.adapter_openings import opening

if TYPE_CHECKING:
    from pathlib import Path

RIGHT: dict[str, Any] = {"url": "mysql://reader@db/hall", "table": "cases", "watermark": "changed_at"}


def opened(folder: Path, **settings: Any) -> object:
    return KIND.open(opening(KIND, folder, RIGHT | settings))


@pytest.mark.parametrize("scheme", ["mysql", "mariadb", "postgresql", "postgres", "sqlite"])
def test_every_system_is_opened_without_asking_it(tmp_path: Path, scheme: str) -> None:
    assert opened(tmp_path, url=f"{scheme}://reader@db/hall")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"url": "db.hall"}, "url is not an address"),
        ({"url": "mysql://reader@db:port/hall"}, "url is not an address"),
        ({"url": "mysql://reader:secret@db/hall"}, "take it out"),
        ({"url": "oracle://reader@db/hall"}, "oracle://"),
        ({"url": "mysql+pymysql://reader@db/hall"}, "use one of mysql"),
        ({"url": "mysql://reader@db/hall?local_infile=1"}, "local_infile"),
        ({"url": "mysql://reader@db"}, "names no database"),
        ({"table": ""}, "exactly one of table and query"),
        ({"query": "SELECT 1"}, "exactly one of table and query"),
        ({"id_columns": ["a", "b", "c", "d", "e"]}, "at most 4"),
        ({"form": "documents"}, "document_column"),
        ({"begin_at": "yesterday"}, "begin_at is 'yesterday'"),
        ({"begin_at": "2026-11-03", "watermark_form": "number"}, "a whole number"),
        ({"text_encoding": "gb99"}, "gb18030"),
        ({"text_encoding": "rot13"}, "gb18030"),
        ({"text_encoding": "undefined"}, "gb18030"),
        ({"time_zone": "Asia/Nowhere"}, "Asia/Shanghai"),
        ({"time_zone": "../etc/passwd"}, "Asia/Shanghai"),
        ({"table": "", "query": "DELETE FROM cases"}, "begin with SELECT"),
        ({"table": "", "query": "SELECT 1; SELECT 2"}, "semicolon"),
        ({"table": "", "query": "SELECT * FROM cases WHERE a > :since"}, "since"),
    ],
)
def test_settings_that_do_not_fit_are_told_with_what_to_write(
    tmp_path: Path, settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(SourceNeedsPersonError) as caught:
        opened(tmp_path, **settings)
    assert said in str(caught.value)
    assert "secret@" not in str(caught.value)


@pytest.mark.parametrize(
    "query",
    [
        "select * from cases",
        "  -- a remark\n/* and another */ WITH a AS (SELECT 1) SELECT * FROM a;",
        "(SELECT id FROM cases) UNION (SELECT id FROM old)",
        "SELECT changed_at::date, ':\\:no' FROM cases WHERE at >= :watermark_at AND id > :watermark_id",
    ],
)
def test_queries_that_are_taken(tmp_path: Path, query: str) -> None:
    assert opened(tmp_path, table="", query=query)


@pytest.mark.parametrize(
    ("text", "away"),
    [
        ('FATAL:  password authentication failed for user "reader"', False),
        ('致命错误:  用户 "reader" Password 认证失败', False),
        ("FATAL:  the database system is starting up", True),
        ("致命错误:  数据库系统启动中", True),
        ("FATAL:  sorry, too many clients already", True),
        ("connection refused", True),
        ("server does not support SSL, but SSL was required", False),
        ("SSL error: certificate verify failed", False),
        ('server certificate for "db" does not match host name "other"', False),
        ("fe_sendauth: no password supplied", False),
    ],
)
def test_what_libpq_says_while_connecting(text: str, *, away: bool) -> None:
    found = meaning(psycopg.OperationalError(text))
    assert isinstance(found, SourceUnavailableError if away else SourceNeedsPersonError)


@pytest.mark.parametrize(
    ("number", "away"),
    [(1040, True), (1205, True), (1055, False), (1129, False), (1820, False), (2003, True), (9999, True)],
)
def test_what_mysql_says(number: int, *, away: bool) -> None:
    found = meaning(OperationalError(number, "value 张三 of a row"))
    assert isinstance(found, SourceUnavailableError if away else SourceNeedsPersonError)
    assert ("张三" in str(found)) == (number in {1040, 1055, 1129, 1820, 2003})


def test_an_error_without_anything_is_away() -> None:
    assert isinstance(meaning(None), SourceUnavailableError)


def test_errors_that_are_not_the_databases_are_told_too() -> None:
    undecodable = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")
    for error, said in ((undecodable, "set text_encoding"), (SQLAlchemyError("a statement"), "compare the settings")):
        with pytest.raises(SourceNeedsPersonError, match=said), told():
            raise error
