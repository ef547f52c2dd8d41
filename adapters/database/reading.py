"""Reading a round: pages of rows in the order of the watermark, each row once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from adapters.contract import SourceNeedsPersonError
from adapters.database.connecting import transaction
from adapters.database.settings import ROW_CHARACTERS_MAX
from adapters.database.statements import Place, page
from adapters.database.values import RowReader, SourceRow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection

    from adapters.database.settings import Plan

FIRST_PAGE_ROWS: Final = 250
"""Rows of the first page of a round at most: the node takes them in while the next page is read. Our own choice."""
PAGE_GROWTH: Final = 2
"""How many times as long as a page the next one may be: a row is read in half the time in which it is taken in."""
PAGE_CHARACTERS_MAX: Final = 16_000_000
"""Characters that a page should have: how many rows it may have is told by the longest of the page before."""
SHORT_ROW_CHARACTERS: Final = 1000
SAME_PLACE_MAX: Final = 20_000
"""Rows that one place may hold (a watermark, when there are no ids). Our own choice."""
COLUMNS_MAX: Final = 400
"""Columns of a row, as many as the node's readers take."""


def pages_from(connection: Connection, plan: Plan, start: Place | None) -> Iterator[list[SourceRow]]:
    """Yield the rows from ``start`` on in the order of watermark and ids, each once, one short transaction a page.

    Every page begins at the last row of the page before, itself included, so that rows which share a place are not lost
    at the border of a page, and rows that change meanwhile move to a later page. The first pages are short and each is
    longer than the one before, up to ``page_rows``, so that nobody waits long for the first one.
    """
    here: Place | None = None
    told_here: set[bytes] = set()
    for rows in _pages(connection, plan, start):
        new: list[SourceRow] = []
        for row in rows:
            if row.place != here:
                here = row.place
                told_here.clear()
            if row.digest not in told_here:
                told_here.add(row.digest)
                new.append(row)
        yield new


def first_row(connection: Connection, plan: Plan, start: Place | None) -> SourceRow | None:
    """Return the first row from ``start`` on, None when there is none."""
    rows = _page(connection, plan, start, 1)
    return rows[0] if rows else None


def _pages(connection: Connection, plan: Plan, start: Place | None) -> Iterator[list[SourceRow]]:
    again_rows, longest, grown = 0, ROW_CHARACTERS_MAX, FIRST_PAGE_ROWS
    before: frozenset[bytes] = frozenset()
    while True:
        rows_max = min(int(plan["page_rows"]), grown, max(1, PAGE_CHARACTERS_MAX // longest)) + again_rows
        rows = _page(connection, plan, start, rows_max)
        yield rows
        if len(rows) < rows_max:
            return
        start = rows[-1].place
        grown *= PAGE_GROWTH
        longest = max(SHORT_ROW_CHARACTERS, *(row.characters for row in rows))
        passed, before = before, frozenset(row.digest for row in rows)
        shared_rows, again_rows = again_rows, sum(row.place == start for row in rows)
        if before <= passed and again_rows <= shared_rows:
            raise SourceNeedsPersonError(
                "a page brings no rows but those of the page before: the database takes ids for equal that are not, so "
                "name id_columns that it tells apart"
            )
        if again_rows > SAME_PLACE_MAX:
            raise SourceNeedsPersonError(
                f"more than {SAME_PLACE_MAX} rows share one watermark and id: name id_columns that tell them apart"
            )


def _page(connection: Connection, plan: Plan, start: Place | None, rows_max: int) -> list[SourceRow]:
    statement = page(plan, start, rows_max)
    with transaction(connection, plan):
        found = connection.execute(statement)
        names = _names(list(found.keys()), plan)
        rows = found.all()
    reader = RowReader(names, plan)
    return [reader.row_of(values) for values in rows]


def _names(keys: list[str], plan: Plan) -> list[str]:
    if len(set(keys)) != len(keys):
        raise SourceNeedsPersonError("two columns of the query have one name: name one of them anew with AS")
    if len(keys) > COLUMNS_MAX:
        raise SourceNeedsPersonError(f"there are {len(keys)} columns; at most {COLUMNS_MAX} are taken: name columns")
    wanted = (plan["watermark"], *plan.ids, *filter(None, (plan["document_column"],)))
    if missing := [name for name in wanted if name not in keys]:
        raise SourceNeedsPersonError(
            f"there is no column {', '.join(missing)}; the columns are {', '.join(keys)[:500]}: correct the settings"
        )
    return keys
