"""The published tree of divisions, as far as this node holds it: which division stands above which, on which day.

The root publishes ``Division`` records with the dates on which they hold and what replaced them. Asked by whoever gives
divisions to a node (node.trust.divisions), through ``build_node`` and the command line, since trust knows nothing of
reference data; and by whoever bounds a source to divisions (node.departments.divisions).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from sqlalchemy import and_, case, or_, select

from node.cases.tables import division as table

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection

DEPTH_MAX: Final = 8
"""Divisions one above another, and replacements one after another, that are followed: a circle must end."""


def published_divisions(connection: Connection, day: str) -> Callable[[str], tuple[str, ...] | None]:
    """Return what tells the codes above a division on ``day`` (YYYY-MM-DD), nearest first; None: not published.

    Divisions that were replaced by one of these, or by the division itself, count as standing above too: a node that
    was admitted with them answers for what took their place. So do what has taken its place and what stands above that:
    old cases bear the old code.
    """
    return partial(_above, connection, day)


def parents_on(connection: Connection, day: str, code: str, *, lapsed: bool = True) -> list[str] | None:
    """Return the codes above a division by ``ParentCode``, nearest first; None: it is not published.

    Of several versions the newest that holds on ``day`` counts, and with ``lapsed``, where none does, the newest of
    all: who asks what may be given away must not be told that an abolished division is free.
    """
    found: list[str] = []
    holds = and_(table.c.valid_from <= day, or_(table.c.valid_to.is_(None), table.c.valid_to >= day))
    for _ in range(DEPTH_MAX):
        query = select(table.c.parent).where(table.c.code == (found or [code])[-1])
        newest = query if lapsed else query.where(holds)
        order = (case((holds, 1), else_=0).desc(), table.c.valid_from.desc())
        row = connection.execute(newest.order_by(*order).limit(1)).one_or_none()
        if row is None:
            return found or None
        if row.parent is None:
            break
        found.append(row.parent)
    return found


def _above(connection: Connection, day: str, code: str) -> tuple[str, ...] | None:
    parents = parents_on(connection, day, code)
    if parents is None:
        return None
    around = dict.fromkeys(parents)
    for successor in _successors(connection, code):
        around |= dict.fromkeys([successor, *(parents_on(connection, day, successor) or ())])
    found = [one for one in around if one != code]
    newest = [code, *found]
    for _ in range(DEPTH_MAX):
        query = select(table.c.code).where(table.c.replaced_by.in_(newest), table.c.code.not_in([code, *found]))
        newest = sorted(set(connection.execute(query).scalars()))
        if not newest:
            break
        found.extend(newest)
    return tuple(found)


def _successors(connection: Connection, code: str) -> list[str]:
    """Return what took the place of a division, one after the other."""
    found: list[str] = []
    for _ in range(DEPTH_MAX):
        query = select(table.c.replaced_by).where(table.c.code == (found or [code])[-1])
        successor = connection.scalar(query.order_by(table.c.valid_from.desc()).limit(1))
        if successor is None or successor in found:
            break
        found.append(successor)
    return found
