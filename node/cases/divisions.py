"""The published tree of divisions, as far as this node holds it: which division stands above which, on which day.

The root publishes ``Division`` records with the dates on which they hold and what replaced them. Asked by whoever gives
divisions to a node (node.trust.divisions), through ``build_node`` and the command line, since trust knows nothing of
reference data.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from node.cases.tables import division as table

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection

DEPTH_MAX: Final = 8
"""Divisions one above another, and replacements one after another, that are followed: a circle must end."""


def published_divisions(connection: Connection, day: str) -> Callable[[str], tuple[str, ...] | None]:
    """Return what tells the codes above a division on ``day`` (YYYY-MM-DD), nearest first; None: not published.

    Divisions that were replaced by one of these, or by the division itself, count as standing above too: a node that
    was admitted with them answers for what took their place.
    """
    return partial(_above, connection, day)


def _above(connection: Connection, day: str, code: str) -> tuple[str, ...] | None:
    parents = _parents(connection, day, code)
    if parents is None:
        return None
    found = [*parents]
    newest = [code, *parents]
    for _ in range(DEPTH_MAX):
        query = select(table.c.code).where(table.c.replaced_by.in_(newest), table.c.code.not_in([code, *found]))
        newest = sorted(set(connection.execute(query).scalars()))
        if not newest:
            break
        found.extend(newest)
    return tuple(found)


def _parents(connection: Connection, day: str, code: str) -> list[str] | None:
    """Return the codes above by ``ParentCode``; None when the division itself is not published for the day."""
    found: list[str] = []
    for _ in range(DEPTH_MAX):
        held = table.c.valid_to.is_(None) | (table.c.valid_to >= day)
        query = select(table.c.parent).where(table.c.code == (found or [code])[-1], table.c.valid_from <= day, held)
        row = connection.execute(query.order_by(table.c.valid_from.desc()).limit(1)).one_or_none()
        if row is None:
            return found or None
        if row.parent is None:
            break
        found.append(row.parent)
    return found
