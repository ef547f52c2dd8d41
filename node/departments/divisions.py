"""Which divisions lie within which, as far as this node knows: nobody reads it out of the digits of a code.

Asked where a source may hand in records of some divisions only. Two things tell: the ``Division`` records that the root
publishes, each naming its parent, as they hold on the record's own day; and the tree, in which a node stands below the
one that serves the division around it. While neither is held a division lies within itself only, so that a source bound
to the divisions that its records name works from the first day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from node.cases.tables import division as table

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from node.trust.tree import Tree

DEPTH_MAX: Final = 8
"""Divisions one above another: more than any administration has; it ends a circle of parents. Our own choice."""


class Divisions:
    """What one transaction knows of divisions. Every answer is found once."""

    def __init__(self, connection: Connection, tree: Tree) -> None:
        self._connection = connection
        self._tree = tree
        self._answers: dict[tuple[str, tuple[str, ...], str], bool] = {}

    def within(self, division: str, bounds: tuple[str, ...], day: str) -> bool:
        """Tell whether ``division`` is one of ``bounds`` or lies within one of them on ``day`` (YYYY-MM-DD)."""
        if division in bounds:
            return True
        asked = (division, bounds, day)
        if asked not in self._answers:
            by_record = not set(bounds).isdisjoint(self._parents(division, day))
            self._answers[asked] = by_record or any(self._served_below(bound, division) for bound in bounds)
        return self._answers[asked]

    def _parents(self, division: str, day: str) -> list[str]:
        """Return the divisions around one, nearest first."""
        found: list[str] = []
        for _ in range(DEPTH_MAX):
            parent = self._parent(division, day)
            if parent is None:
                break
            found.append(parent)
            division = parent
        return found

    def _parent(self, division: str, day: str) -> str | None:
        """Return the parent that the version in force on ``day`` names: the last one that began by then."""
        query = select(table.c.parent, table.c.valid_to).where(table.c.code == division, table.c.valid_from <= day)
        row = self._connection.execute(query.order_by(table.c.valid_from.desc()).limit(1)).first()
        if row is None or (row.valid_to is not None and row.valid_to < day):
            return None
        parent: str | None = row.parent
        return parent

    def _served_below(self, bound: str, division: str) -> bool:
        """Tell whether a node below one that serves ``bound`` serves ``division``."""
        return any(
            self._tree.serves(child, division)
            for node in self._tree
            if bound in node.divisions
            for child in self._tree.children(node.code)
        )
