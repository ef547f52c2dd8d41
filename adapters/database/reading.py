"""Reading a round: pages of rows in the order of the watermark, each row once."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING, Final

from adapters.contract import SourceNeedsPersonError
from adapters.database.connecting import transaction
from adapters.database.settings import COLUMNS_MAX, ROW_CHARACTERS_MAX
from adapters.database.statements import Place, page
from adapters.database.values import RowReader, SourceRow, sortable

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


def pages_from(connection: Connection, plan: Plan, start: Place | None) -> Iterator[list[SourceRow]]:
    """Yield the rows from ``start`` on in the order of watermark and ids, each once, one short transaction a page.

    Every page begins at the last row of the page before, itself included, so that rows which share a place are not lost
    at the border of a page, and rows that change meanwhile move to a later page. The first pages are short and each is
    longer than the one before, up to ``page_rows``, so that nobody waits long for the first one.
    """
    seen = _Seen()
    for rows in _pages(connection, plan, start):
        yield [row for row in rows if seen.is_new(row)]


class _Seen:
    """Tells rows that came before from new ones, as they come in the order of their places."""

    def __init__(self) -> None:
        self._last: SourceRow | None = None
        self._digests: set[bytes] = set()

    def is_new(self, row: SourceRow) -> bool:
        """Tell whether a row that is not exactly this one stood at its place until now."""
        last, self._last = self._last, row
        if last is None or row.place != last.place:
            self._digests.clear()
            return True
        # Only rows that share a place, as at the border of two pages, are told apart by what they hold.
        self._digests.add(last.digest())
        return row.digest() not in self._digests


def first_row(connection: Connection, plan: Plan, start: Place | None) -> SourceRow | None:
    """Return the first row from ``start`` on, None when there is none."""
    rows = _page(connection, plan, start, 1)
    return rows[0] if rows else None


def _pages(connection: Connection, plan: Plan, start: Place | None) -> Iterator[list[SourceRow]]:
    again_rows, longest, grown = 0, ROW_CHARACTERS_MAX, FIRST_PAGE_ROWS
    before: list[SourceRow] = []
    while True:
        rows_max = min(int(plan["page_rows"]), grown, max(1, PAGE_CHARACTERS_MAX // longest)) + again_rows
        rows = _page(connection, plan, start, rows_max)
        yield rows
        if len(rows) < rows_max:
            return
        begun, start = start, rows[-1].place
        grown *= PAGE_GROWTH
        longest = max(SHORT_ROW_CHARACTERS, *(row.characters for row in rows))
        shared_rows, again_rows = again_rows, _count_at(start, rows)
        if begun is not None and sortable(start.at) <= sortable(begun.at) and again_rows <= shared_rows:
            _ensure_progress(before, rows)
        before = rows
        if again_rows > SAME_PLACE_MAX:
            raise SourceNeedsPersonError(
                f"more than {SAME_PLACE_MAX} rows share one watermark and id: name id_columns that tell them apart"
            )


def _count_at(place: Place, rows: list[SourceRow]) -> int:
    """Return how many rows stand at the place of the last one."""
    return sum(1 for _ in takewhile(lambda row: row.place == place, reversed(rows)))


def _ensure_progress(before: list[SourceRow], rows: list[SourceRow]) -> None:
    if {row.place for row in rows} <= {row.place for row in before}:
        raise SourceNeedsPersonError(
            "a page brings no rows but those of the page before: the database takes ids for equal that are not, so "
            "name id_columns that it tells apart"
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
