"""Which divisions lie within which, as far as this node knows: nobody reads it out of the digits of a code.

Asked where a source may hand in records of some divisions only. Two things tell: the ``Division`` records that the root
publishes, each naming its parent, as they hold on the record's own day (a code that holds no more lies where what took
its place does: open cases bear it); and the tree, in which a node stands below the
one that serves the division around it. While neither is held a division lies within itself only, so that a source bound
to the divisions that its records name works from the first day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.cases.division_rules import parents_on, successors
from node.cases.divisions import held_divisions

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from node.trust.tree import Tree


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
            by_record = not set(bounds).isdisjoint(self._around(division, day))
            self._answers[asked] = by_record or any(self._served_below(bound, division) for bound in bounds)
        return self._answers[asked]

    def _around(self, division: str, day: str) -> list[str]:
        """Return what a division lies within by the records of its day; of a lapsed one, by those of its successors."""
        held = held_divisions(self._connection)
        parents = parents_on(held, day, division, lapsed=False)
        if parents is not None:
            return parents
        return [
            code
            for successor in successors(held, division)
            if (above := parents_on(held, day, successor, lapsed=False)) is not None
            for code in (successor, *above)
        ]

    def _served_below(self, bound: str, division: str) -> bool:
        """Tell whether a node below one that serves ``bound`` serves ``division``."""
        return any(
            self._tree.serves(child, division)
            for node in self._tree
            if bound in node.divisions
            for child in self._tree.children(node.code)
        )
