"""The statements that the database bridge sends: one page of rows after a place in the order of the watermark.

Whatever the site wrote as its own SELECT stands in a subquery, so that order, limit and place are ours, and so that
nothing but a SELECT can stand there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, column, select, table, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql import and_, literal_column, or_
from sqlalchemy.sql.elements import quoted_name
from sqlalchemy.types import NullType

from adapters.contract import SourceNeedsPersonError

if TYPE_CHECKING:
    from sqlalchemy.sql import ColumnElement, FromClause, Select, TableClause

    from adapters.database.settings import Plan

MYSQL: Final = "mysql"
POSTGRESQL: Final = "postgresql"
SQLITE: Final = "sqlite"
PARAMETERS: Final = frozenset({"watermark_at", "watermark_id"})
LOWEST_TIME: Final = "1000-01-01 00:00:00"
"""Before every time that MySQL documents for DATETIME, and a date in every system."""
LOWEST_NUMBER: Final = -(2**63)
_COMMENT: Final = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_BEGIN: Final = re.compile(r"\s*\(?\s*(select|with)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place in the order of the rows: the watermark and the ids of a row, or a watermark alone."""

    at: str | int
    ids: tuple[Any, ...] = ()


def check_query(query: str) -> None:
    """Refuse a SELECT that is none, or holds more than one; raises SourceNeedsPersonError with what to change."""
    if not _BEGIN.match(_COMMENT.sub(" ", query)):
        raise SourceNeedsPersonError("query has to begin with SELECT or WITH")
    if ";" in query.strip().removesuffix(";"):
        raise SourceNeedsPersonError("query holds a semicolon: one statement is taken (in a text write it as CHAR(59))")
    try:
        names = set(text(query)._bindparams)  # noqa: SLF001 - the names that SQLAlchemy reads, not what we guess.
    except SQLAlchemyError:
        raise SourceNeedsPersonError("query cannot be read") from None
    if unknown := sorted(names - PARAMETERS):
        raise SourceNeedsPersonError(
            f"query has parameters that are not known: {', '.join(unknown)[:200]}; a colon in a text is written \\:"
        )


def page(plan: Plan, start: Place | None, rows_max: int) -> Select[Any]:
    """Return the statement for the rows from ``start`` on, itself included (None: all that have a watermark)."""
    # Columns are named with their table: SQLite takes a bare name that it does not know for a text.
    rows = _rows(plan, start)
    mark, *ids = (rows.c[name] for name in (plan["watermark"], *plan.ids))
    columns = [rows.c[name] for name in plan.columns] or [literal_column("*")]
    statement = select(*columns).select_from(rows).where(mark.is_not(None))
    if start is not None:
        at = _bound("at", _in_session(plan, start.at))
        statement = statement.where(mark >= at)
        if start.ids:
            statement = statement.where(or_(mark > at, _from(ids, start.ids)))
    return statement.order_by(mark, *ids).limit(rows_max)


def watermark_alone(plan: Plan) -> Select[Any]:
    """Return a statement that tells of what type the watermark is, and reads no row."""
    rows = _rows(plan, None)
    return select(rows.c[plan["watermark"]]).select_from(rows).limit(0)


def of_table(name: str, *columns: str) -> TableClause:
    """Return a table by its name, SCHEMA.TABLE or TABLE, with columns; every name is quoted."""
    schema, _, bare = name.rpartition(".")
    return table(
        quoted_name(bare, quote=True),
        *(column(quoted_name(one, quote=True)) for one in columns),
        schema=quoted_name(schema, quote=True) if schema else None,
    )


def _rows(plan: Plan, start: Place | None) -> FromClause:
    names = dict.fromkeys((plan["watermark"], *plan.ids, *plan.columns))
    if plan["table"]:
        return of_table(plan["table"], *names)
    # The line end keeps a comment at the end from swallowing what comes after it.
    query = text(plan["query"].strip().removesuffix(";") + "\n")
    lowest = LOWEST_TIME if plan.timed else LOWEST_NUMBER
    values = {
        "watermark_at": lowest if start is None else _in_session(plan, start.at),
        "watermark_id": start.ids[0] if start is not None and start.ids else None,
    }
    used = query._bindparams  # noqa: SLF001 - as above.
    named = query.bindparams(*(_bound(name, value) for name, value in values.items() if name in used))
    return named.columns(*map(_column, names)).subquery("source_rows")


def _from(ids: list[ColumnElement[Any]], values: tuple[Any, ...], number: int = 0) -> ColumnElement[bool]:
    """Return the condition that ids stand at ``values`` or behind them, compared one after the other."""
    one, value = ids[0], _bound(f"id_{number}", values[0])
    here: ColumnElement[bool] = one >= value
    if len(values) == 1:
        return here
    return or_(one > value, and_(one == value, _from(ids[1:], values[1:], number + 1)))


def _in_session(plan: Plan, at: str | int) -> str | int:
    """Return a watermark as the session takes it: MySQL takes no offsets, and the session's zone is UTC."""
    return at.removesuffix("+00:00") if isinstance(at, str) and plan.system == MYSQL else at


def _column(name: str) -> ColumnElement[Any]:
    return column(quoted_name(name, quote=True))


def _bound(name: str, value: Any) -> Any:
    # Without a type of ours the server takes the text for what the column is: a time, a number, a UUID.
    return bindparam(name, value, type_=NullType())
