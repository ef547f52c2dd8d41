"""Which tables are derived from records, and what of them a rebuild gives back exactly.

Not derived from records alone, and so left alone by a rebuild: the book of certificates, interned dimensions, and the
lists of work that is due (days to publish, cases to repair, notices to look at).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from node.cases.tables import (
    CASE_TABLES,
    PENALTY_TABLES,
    CaseTables,
    calendar,
    division,
    item,
    organisation,
    request,
)
from node.statistics.tables import counter, summary
from node.trust.tables import issued_certificate, node_tree

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Table

    from node.cases.projection import CaseProjection
    from node.journal.entries import Projection


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """The projections of one node, made anew; ``cases`` is the one that late reference data repair."""

    cases: CaseProjection
    projections: tuple[Projection, ...]


if TYPE_CHECKING:
    DerivedMaker = Callable[[], Derived]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plain:
    """A table whose key and columns are the same however often it is made anew.

    ``compared`` names the columns beside the key; ``where`` leaves out rows that say nothing.
    """

    table: Table
    compared: tuple[str, ...]
    where: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """The names of the primary key's columns."""
        return tuple(column.name for column in self.table.primary_key)


def _whole(table: Table, where: str = "") -> Plain:
    compared = tuple(column.name for column in table.columns if not column.primary_key)
    return Plain(table=table, compared=compared, where=where)


SUMMARY_STATED: Final = ("first_key", "stream_id", "own", "day", "definition_version", "content_hash")
"""What a summary's row says of its records; the rest says how far it was judged."""
SUMMARY_JUDGED: Final = ("own_verdict", "own_differing", "verdict", "differing")
SUMMARIES: Final = Plain(table=summary, compared=SUMMARY_STATED)
PLAIN: Final = (
    _whole(request),
    _whole(item),
    _whole(organisation),
    _whole(division),
    _whole(calendar),
    _whole(counter, 'WHERE "amount" <> 0'),
    SUMMARIES,
    _whole(issued_certificate),
    _whole(node_tree),
)
KINDS: Final[tuple[CaseTables, ...]] = (CASE_TABLES, PENALTY_TABLES)
"""Cases are named by stream and number: their ids follow the order of arrival."""
STANDING: Final[tuple[Table, ...]] = (
    *(plain.table for plain in PLAIN),
    *(table for kind in KINDS for table in (kind.state, kind.fact, kind.finding)),
)
