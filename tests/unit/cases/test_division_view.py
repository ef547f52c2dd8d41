"""What is shown of a division: what records say, and what the tree of nodes makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.cases.division_view import show_division
from node.journal.entries import read_entry
from node.standard.seals import ANCESTORS, DESCENDANTS, StreamName
from node.trust.holders import holders
from node.trust.tree import Tree
from tests.support.case_nodes import CaseNode
from tests.support.intake import tree_node
from tests.support.samples import record

if TYPE_CHECKING:
    from node.cases.division_view import DivisionView
    from node.journal.store import Store

DAY = "2026-11-03"
PROVINCE, CITY, COUNTY = "369000", "369900", "369981"


def division(code: str, parent: str | None, level: str = "4", **values: str | None) -> bytes:
    empty = {"BusinessParentCode": None, "ValidFrom": None, "ValidTo": None, "ReplacedBy": None}
    names = {"DivisionCode": code, "DivisionName": f"区划{code}", "ParentCode": parent, "DivisionLevel": level}
    return record("Division", RecordKey=f"d:{code}", **{**empty, **names, **values})


DIVISIONS = (
    division(PROVINCE, None, "2"),
    division(CITY, PROVINCE, "3"),
    division(COUNTY, CITY, BusinessParentCode=PROVINCE),
    division("369921", CITY, ValidTo="2025-12-31", ReplacedBy=COUNTY),
    division("369981100", COUNTY, "5"),
    division("369972", CITY, Kind="MANAGED"),
)
BELOW_THE_CITY = Tree([tree_node(PROVINCE, None), tree_node(CITY, PROVINCE), tree_node(COUNTY, CITY)], root=PROVINCE)
BELOW_THE_PROVINCE = Tree(
    [tree_node(PROVINCE, None), tree_node(CITY, PROVINCE), tree_node(COUNTY, PROVINCE)], root=PROVINCE
)


def shown(store: Store, code: str, *, tree: Tree = BELOW_THE_CITY, day: str = DAY) -> DivisionView | None:
    node = CaseNode(store, CITY)
    with store.reading() as connection:
        empty = node.journal.held(connection, StreamName(PROVINCE, DESCENDANTS)) is None
    if empty:
        node.receive([read_entry(one) for one in DIVISIONS], PROVINCE, DESCENDANTS)
    with store.reading() as connection:
        return show_division(connection, tree, code, day)


def test_a_county_that_the_province_manages_reports_to_city_and_province(memory: Store) -> None:
    found = shown(memory, COUNTY)
    assert found is not None
    assert [one.code for one in found.parents] == [CITY, PROVINCE]
    assert found.business_parent is not None
    assert (found.business_parent.code, found.business_parent.name) == (PROVINCE, "区划369000")
    assert [(one.division.code, one.nodes, one.reached) for one in found.reporting] == [
        (CITY, (CITY,), True),
        (PROVINCE, (PROVINCE,), True),
    ]
    # What "reached" rests on: the holders of the county's stream, which the tree alone decides.
    assert holders(BELOW_THE_CITY, StreamName(COUNTY, ANCESTORS)) == {COUNTY, CITY, PROVINCE}


def test_a_county_whose_node_stands_below_the_province_does_not_reach_its_city(memory: Store) -> None:
    found = shown(memory, COUNTY, tree=BELOW_THE_PROVINCE)
    assert found is not None
    assert [(one.division.code, one.reached) for one in found.reporting] == [(CITY, False), (PROVINCE, True)]
    assert CITY not in holders(BELOW_THE_PROVINCE, StreamName(COUNTY, ANCESTORS))


def test_a_lapsed_code_names_what_new_cases_bear(memory: Store) -> None:
    found = shown(memory, "369921")
    assert found is not None
    assert (found.lapsed, found.in_force, found.new_cases) == (True, False, COUNTY)
    assert [one.code for one in found.successors] == [COUNTY]
    assert found.served_by == ()
    before = shown(memory, "369921", day="2025-12-31")
    assert before is not None
    assert (before.lapsed, before.in_force, before.new_cases) == (False, True, "369921")
    successor = shown(memory, COUNTY)
    assert successor is not None
    assert [one.code for one in successor.predecessors] == ["369921"]
    assert successor.served_by == (COUNTY,)


def test_a_township_names_its_county_published_or_not(memory: Store) -> None:
    published, unpublished = shown(memory, "369981100"), shown(memory, "369902100201")
    assert published is not None
    assert published.county.code == COUNTY
    assert unpublished is not None
    assert (unpublished.version, unpublished.county.code, unpublished.county.name) == (None, "369902", "")


def test_a_managed_area_is_a_division_like_any(memory: Store) -> None:
    found = shown(memory, "369972")
    assert found is not None
    assert found.version is not None
    assert (found.version.kind, [one.code for one in found.parents]) == ("MANAGED", [CITY, PROVINCE])


def test_a_code_of_which_nothing_is_known_is_nothing(memory: Store) -> None:
    assert shown(memory, "369903") is None


def test_a_code_that_only_a_node_bears_is_shown(memory: Store) -> None:
    tree = Tree([tree_node("369903", None)], root="369903")
    found = shown(memory, "369903", tree=tree)
    assert found is not None
    assert (found.version, found.served_by, found.reporting) == (None, ("369903",), ())
