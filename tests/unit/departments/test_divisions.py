"""Which divisions lie within which: by Division records and by the tree, never by the digits of a code."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert

from node.cases.division_rules import DEPTH_MAX
from node.cases.tables import division as table
from node.departments.divisions import Divisions
from node.departments.sources import OPERATOR
from node.standard.facts import Facts
from node.trust.tree import Tree
from tests.support.intake import CITY, NODE, PROVINCE, small_tree, tree_node

if TYPE_CHECKING:
    from node.journal.store import Store

STREET = "369902001"
MOVED = "361128"
DAY = "2026-11-03"


def hold(
    store: Store,
    code: str,
    parent: str | None,
    valid_from: str = "",
    valid_to: str | None = None,
    replaced_by: str | None = None,
) -> None:
    """Let the node hold a Division record."""
    row = {"code": code, "parent": parent, "valid_from": valid_from, "valid_to": valid_to}
    rest = {"record_key": 1, "name": code, "level": 3, "kind": "STATUTORY", "replaced_by": replaced_by}
    store.write(lambda transaction: transaction.connection.execute(insert(table).values(**row, **rest)))


def within(store: Store, division: str, *bounds: str, day: str = DAY, tree: Tree | None = None) -> bool:
    with store.reading() as connection:
        return Divisions(connection, tree or small_tree()).within(division, bounds, day)


def test_without_any_division_record_a_division_lies_within_itself(memory: Store) -> None:
    assert within(memory, NODE, NODE)
    assert within(memory, STREET, NODE, STREET)
    assert not within(memory, STREET, NODE)
    assert not within(memory, NODE, STREET)


def test_the_tree_tells_what_lies_below_a_node(memory: Store) -> None:
    assert within(memory, NODE, CITY)
    assert within(memory, NODE, PROVINCE)
    assert not within(memory, CITY, NODE)
    assert not within(memory, NODE, "369903")


def test_two_divisions_of_one_node_do_not_lie_within_each_other(memory: Store) -> None:
    county = replace(tree_node(NODE, None), divisions=(NODE, STREET))
    tree = Tree([county], root=NODE)
    assert not within(memory, STREET, NODE, tree=tree)
    assert not within(memory, NODE, STREET, tree=tree)


def test_division_records_tell_by_their_parents(memory: Store) -> None:
    hold(memory, STREET, NODE)
    hold(memory, NODE, CITY)
    assert within(memory, STREET, NODE)
    assert within(memory, STREET, CITY)
    assert not within(memory, NODE, STREET)


def test_digits_tell_nothing(memory: Store) -> None:
    # A county that was moved under another city keeps its code.
    hold(memory, MOVED, CITY)
    assert within(memory, MOVED, CITY)
    assert not within(memory, MOVED, "361100")
    assert not within(memory, MOVED, "36")


@pytest.mark.parametrize(("day", "city"), [("2025-12-31", "361100"), ("2026-01-01", CITY), ("2026-11-03", CITY)])
def test_the_version_of_the_records_own_day_counts(memory: Store, day: str, city: str) -> None:
    hold(memory, MOVED, "361100", valid_to="2025-12-31")
    hold(memory, MOVED, CITY, valid_from="2026-01-01")
    assert {bound for bound in ("361100", CITY) if within(memory, MOVED, bound, day=day)} == {city}


def test_a_division_that_ended_lies_nowhere(memory: Store) -> None:
    hold(memory, MOVED, CITY, valid_to="2025-12-31")
    assert not within(memory, MOVED, CITY)


def test_a_lapsed_code_lies_where_its_successor_does(memory: Store) -> None:
    """Open cases bear the old code: who hands in records of the new one, or of its city, hands in these too."""
    hold(memory, "361129", "361100", valid_to="2025-12-31", replaced_by=MOVED)
    hold(memory, MOVED, CITY, valid_from="2026-01-01")
    assert within(memory, "361129", MOVED)
    assert within(memory, "361129", CITY)
    assert not within(memory, "361129", "361100")
    # While it held it lay in its own city, and not in what came after it; a bound to the old code gives nothing new.
    assert within(memory, "361129", "361100", day="2025-12-31")
    assert not within(memory, "361129", MOVED, day="2025-12-31")
    assert not within(memory, MOVED, "361129")


def test_a_circle_of_parents_ends(memory: Store) -> None:
    hold(memory, MOVED, STREET)
    hold(memory, STREET, MOVED)
    assert DEPTH_MAX < 10
    assert not within(memory, MOVED, CITY)


def test_a_source_is_bound_to_its_divisions_and_those_within(memory: Store) -> None:
    hold(memory, STREET, NODE)
    source = replace(OPERATOR, name="hall", divisions=(NODE,))
    facts = Facts("Application", "1.0")
    facts.event_day = DAY
    with memory.reading() as connection:
        divisions = Divisions(connection, small_tree())
        for division, allowed in (
            (NODE, True),
            (STREET, True),
            ("369903", False),
            ("3699020011", False),
            (None, False),
        ):
            facts.division = division
            assert (source.objection(facts, divisions) is None) is allowed
        assert "hall hands in records of 369902 only" in (source.objection(facts, divisions) or "")
