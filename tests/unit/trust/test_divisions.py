"""Which divisions an issuer may give: 360000 > 360100 > 360102, 360103 and 360200 > 360202, 360203."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from node.trust.divisions import check_divisions
from node.trust.identity import tree_node
from node.trust.tree import Tree
from tests.support.identities import identities, tree_of

if TYPE_CHECKING:
    from collections.abc import Sequence

PROVINCE, CITY, COUNTY, SIBLING, OTHER_CITY, OTHER_COUNTY = "360000", "360100", "360102", "360103", "360200", "360202"
MADE = identities(7)
TREE = tree_of(MADE)
NEW = "360104"


def taken(division: str, by: str, issuer: str) -> str:
    return f"division {division} is served by {by}, which does not stand below {issuer}"


@pytest.mark.parametrize(
    ("issuer", "subject", "divisions", "expected"),
    [
        (CITY, NEW, [NEW], None),
        (CITY, NEW, [NEW, CITY], None),
        (CITY, NEW, [NEW, COUNTY], None),
        (CITY, COUNTY, [COUNTY, SIBLING], None),
        (COUNTY, "360102001", ["360102001", COUNTY], None),
        (PROVINCE, CITY, [CITY, OTHER_COUNTY], None),
        (CITY, NEW, [NEW, OTHER_COUNTY], taken(OTHER_COUNTY, OTHER_COUNTY, CITY)),
        (CITY, NEW, [OTHER_CITY], taken(OTHER_CITY, OTHER_CITY, CITY)),
        (CITY, NEW, [NEW, PROVINCE], taken(PROVINCE, PROVINCE, CITY)),
        (COUNTY, "360102001", [CITY], taken(CITY, CITY, COUNTY)),
        (COUNTY, "360102001", [SIBLING], taken(SIBLING, SIBLING, COUNTY)),
    ],
)
def test_a_division_that_is_served_outside_the_branch_is_not_given(
    issuer: str, subject: str, divisions: Sequence[str], expected: str | None
) -> None:
    assert check_divisions(TREE, issuer, subject, divisions) == expected


def test_the_own_code_counts_as_a_division() -> None:
    """A city that serves another county's division too: nobody else may admit a node of that code."""
    hosting = replace(tree_node(MADE[OTHER_CITY].path[0]), divisions=(OTHER_CITY, "360281"))
    tree = Tree([*(node for node in TREE if node.code != OTHER_CITY), hosting], PROVINCE)
    assert check_divisions(tree, CITY, "360281", [NEW]) == taken("360281", OTHER_CITY, CITY)
    assert check_divisions(tree, OTHER_CITY, "360281", ["360281"]) is None


ABOVE = {NEW: (CITY, PROVINCE), "360281": (OTHER_CITY, PROVINCE), "360121": (CITY, PROVINCE), "440000": ()}


@pytest.mark.parametrize(
    ("issuer", "division", "allowed"),
    [
        (CITY, "360121", True),
        (PROVINCE, "360121", True),
        (CITY, "360281", False),
        (PROVINCE, "360281", True),
        (COUNTY, "360121", False),
        (PROVINCE, "440000", False),
        # Not published: nobody knows where it stands.
        (CITY, "360199", True),
    ],
)
def test_a_published_division_is_given_by_those_above_it_only(issuer: str, division: str, *, allowed: bool) -> None:
    reason = check_divisions(TREE, issuer, "360104001", [division], ABOVE.get)
    assert reason == (None if allowed else f"division {division} does not stand below one that {issuer} serves")


def test_the_tree_names_who_was_admitted_with_a_division() -> None:
    assert TREE.admitted_with(COUNTY) == (COUNTY,)
    assert TREE.admitted_with(NEW) == ()
