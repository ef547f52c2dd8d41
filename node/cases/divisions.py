"""The published divisions, as far as this node holds them: read out of the store for ``node.cases.division_rules``.

The root publishes ``Division`` records with the dates on which they hold and what replaced them. Asked by whoever gives
divisions to a node (node.trust.divisions), through ``build_node`` and the command line, since trust knows nothing of
reference data; by whoever bounds a source to divisions (node.departments.divisions); by the case projection.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from node.cases.division_rules import DEPTH_MAX, HeldDivision, parents_on, successors
from node.cases.tables import division as table
from node.journal.statements import in_parameter, select_in_sql

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from sqlalchemy.engine import Connection

    from node.cases.division_rules import Held, Versions
    from node.journal.store import Transaction

_COLUMNS: Final = HeldDivision._fields


def held_divisions(connection: Connection) -> Held:
    """Return what gives the versions of a code; each code is read once, so use it for one question and let it go."""
    known: dict[str, Versions] = {}
    columns = [table.c[name] for name in _COLUMNS]

    def held(code: str) -> Versions:
        if code not in known:
            rows = connection.execute(select(*columns).where(table.c.code == code))
            known[code] = [HeldDivision(*row) for row in rows]
        return known[code]

    return held


def versions_of(transaction: Transaction, codes: Collection[str]) -> dict[str, list[HeldDivision]]:
    """Return every version held of these codes; codes that were never published are absent."""
    found: dict[str, list[HeldDivision]] = {}
    if codes:
        sql = select_in_sql(table, transaction.dialect, _COLUMNS, key="code")
        for row in transaction.connection.exec_driver_sql(sql, in_parameter(transaction.dialect, sorted(codes))):
            found.setdefault(row[0], []).append(HeldDivision(*row))
    return found


def predecessors(connection: Connection, codes: Iterable[str]) -> list[str]:
    """Return the codes that were replaced by these, directly or one after another; nearest first."""
    start = list(dict.fromkeys(codes))
    found: list[str] = []
    newest = start
    for _ in range(DEPTH_MAX):
        query = select(table.c.code).where(table.c.replaced_by.in_(newest), table.c.code.not_in([*start, *found]))
        newest = sorted(set(connection.execute(query).scalars()))
        if not newest:
            break
        found.extend(newest)
    return found


def published_divisions(connection: Connection, day: str) -> Callable[[str], tuple[str, ...] | None]:
    """Return what tells the codes above a division on ``day`` (YYYY-MM-DD), nearest first; None: not published.

    Divisions that were replaced by one of these, or by the division itself, count as standing above too: a node that
    was admitted with them answers for what took their place. So do what has taken its place and what stands above that:
    old cases bear the old code. Who directs a division's business (``BusinessParentCode``) does not: that gives no
    right to hand it out.
    """
    return partial(_above, connection, day)


def _above(connection: Connection, day: str, code: str) -> tuple[str, ...] | None:
    held = held_divisions(connection)
    parents = parents_on(held, day, code)
    if parents is None:
        return None
    around = dict.fromkeys(parents)
    for successor in successors(held, code):
        around |= dict.fromkeys([successor, *(parents_on(held, day, successor) or ())])
    found = [one for one in around if one != code]
    return (*found, *predecessors(connection, [code, *found]))
