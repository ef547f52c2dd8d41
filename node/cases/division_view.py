"""Looking at one division on a day: what it is, what stands above it, who answers for it, where its figures go.

Reading only. What the records of reference data say is told beside what the tree of nodes does: the two are kept apart
on purpose. Records describe, the tree decides who may write and who holds what (protocol, R10, R11, R16).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from node.cases.division_rules import (
    code_for_new_cases,
    county_of,
    has_lapsed,
    parents_on,
    reporting_parents,
    successors,
    version_for,
    version_in_force,
)
from node.cases.divisions import held_divisions, predecessors

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from node.cases.division_rules import Held, HeldDivision
    from node.trust.tree import Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedDivision:
    """A code and the name that it has on the day, "" where it is not published."""

    code: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reporting:
    """A division to which figures go, the nodes admitted with it, and whether figures reach one of these.

    They do where a node that serves the division is that node, or stands below it in the tree: every node above holds
    what it writes.
    """

    division: NamedDivision
    nodes: tuple[str, ...]
    reached: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DivisionView:
    """One division on ``day``; ``version`` is what counts on that day, None for a code that is not published.

    ``in_force`` tells whether that version holds on the day, ``lapsed`` whether the code is past its last day;
    ``new_cases`` is the code that a case beginning on the day has to bear. ``served_by`` are the nodes that were
    admitted with the code itself: only they, and those above them, may write records of it.
    """

    day: str
    code: str
    version: HeldDivision | None
    in_force: bool
    lapsed: bool
    new_cases: str
    parents: tuple[NamedDivision, ...]
    business_parent: NamedDivision | None
    county: NamedDivision
    successors: tuple[NamedDivision, ...]
    predecessors: tuple[NamedDivision, ...]
    served_by: tuple[str, ...]
    reporting: tuple[Reporting, ...]
    versions: tuple[HeldDivision, ...]


def show_division(connection: Connection, tree: Tree, code: str, day: str) -> DivisionView | None:
    """Return the division with this code on ``day`` (YYYY-MM-DD).

    None for a code that is neither published here nor served by any node, unless it is a township's or a village's: the
    digits of these name their county.
    """
    held = held_divisions(connection)
    versions = tuple(sorted(held(code), key=lambda one: one.valid_from))
    served_by = tree.admitted_with(code)
    county = county_of(held, day, code)
    if not versions and not served_by and county == code:
        return None
    version = version_for(versions, day)
    business = None if version is None else version.business_parent
    return DivisionView(
        day=day,
        code=code,
        version=version,
        in_force=version_in_force(versions, day) is not None,
        lapsed=has_lapsed(versions, day),
        new_cases=code_for_new_cases(held, day, code),
        parents=_named(held, day, parents_on(held, day, code) or ()),
        business_parent=None if business is None else _name(held, day, business),
        county=_name(held, day, county),
        successors=_named(held, day, successors(held, code)),
        predecessors=_named(held, day, predecessors(connection, (code,))),
        served_by=served_by,
        reporting=tuple(
            _reporting(tree, _name(held, day, one), served_by) for one in reporting_parents(held, day, code)
        ),
        versions=versions,
    )


def _reporting(tree: Tree, above: NamedDivision, served_by: tuple[str, ...]) -> Reporting:
    nodes = tree.admitted_with(above.code)
    reached = any(node == server or tree.is_ancestor(node, server) for node in nodes for server in served_by)
    return Reporting(division=above, nodes=nodes, reached=reached)


def _named(held: Held, day: str, codes: list[str] | tuple[()]) -> tuple[NamedDivision, ...]:
    return tuple(_name(held, day, code) for code in codes)


def _name(held: Held, day: str, code: str) -> NamedDivision:
    version = version_for(held(code), day)
    return NamedDivision(code=code, name="" if version is None else version.name)
