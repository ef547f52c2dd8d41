"""Who may write what, for whom, from which level: every combination, against the words of the reference page.

What is expected comes from docs/reference/record-types.md and from a little tree written down here by hand, never from
the program's own tables.
"""

from __future__ import annotations

import re
from itertools import product
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from node.standard.facts import Facts
from node.standard.families import RECORD_TYPES
from node.standard.seals import StreamName
from node.trust.authority import check_authority
from node.trust.tree import Tree, TreeNode
from tests.tidy.tree import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT_CODE: Final = "369000"
PARENTS: Final = {
    "369000": None,
    "369100": "369000",
    "369200": "369000",
    "369101": "369100",
    "369102": "369100",
    "369201": "369200",
}
"""A root, two cities, three counties; each serves the division of its own code."""
LEVELS: Final = {"root": "369000", "city": "369100", "county": "369101"}
"""An origin of each level."""
DIVISIONS: Final = (None, *PARENTS, "440100")
AUDIENCES: Final = ("ancestors", "descendants", "trust", *PARENTS)
NAMING: Final = frozenset({"issuer", "redactor"})
"""Certificates name their subject, redactions a record: what may be said depends on more than words; tested apart."""


class Rule(NamedTuple):
    """One row of the page."""

    audiences: frozenset[str]
    authority: str


def rules() -> dict[str, Rule]:
    """Return audience and authority of every record type as the page says."""
    page = (ROOT / "docs" / "reference" / "record-types.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| \d+ \| ([^|]+) \| `(\w+)` \|$", page, re.MULTILINE)
    return {
        name: Rule(frozenset(part.strip() for part in audiences.split(",")), word) for name, audiences, word in rows
    }


RULES: Final = rules()


def above(code: str) -> Iterator[str]:
    parent = PARENTS.get(code)
    while parent is not None:
        yield parent
        parent = PARENTS[parent]


def serves(origin: str, division: str | None) -> bool:
    """Own divisions and those below; a record that names none is about the origin itself."""
    return division is None or division == origin or (division in PARENTS and origin in above(division))


def expected(rule: Rule, origin: str, audience: str, division: str | None) -> bool:
    """Say in plain words whether the page allows it."""
    directed = audience in PARENTS
    if ("directed" if directed else audience) not in rule.audiences:
        return False
    if audience == origin:
        return False  # Nobody directs a record to itself.
    if audience == "trust" and origin != ROOT_CODE:
        return False
    if rule.authority == "own":
        return serves(origin, division)
    if rule.authority == "root":
        return origin == ROOT_CODE
    if rule.authority == "ancestor_of_addressee":
        return origin in above(audience)
    if rule.authority == "descendant_of_addressee":
        return audience in above(origin)
    if rule.authority == "supervisor":
        return origin in above(audience) if directed else serves(origin, division)
    assert rule.authority == "any", rule.authority
    return True


def tree() -> Tree:
    nodes = [
        TreeNode(code=code, name=code, level="", parent=parent, divisions=(code,), certificate="")
        for code, parent in PARENTS.items()
    ]
    return Tree(nodes, root=ROOT_CODE)


def test_the_page_and_the_program_know_the_same_types() -> None:
    assert set(RULES) == set(RECORD_TYPES)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("record_type", sorted(name for name, rule in RULES.items() if rule.authority not in NAMING))
def test_every_combination_is_judged_as_the_page_says(record_type: str, level: str) -> None:
    standing, origin = tree(), LEVELS[level]
    allowed = 0
    for audience, division in product(AUDIENCES, DIVISIONS):
        facts = Facts(record_type, "1.0")
        facts.division = division
        answer = check_authority(standing, StreamName(origin, audience), record_type, facts)
        wanted = expected(RULES[record_type], origin, audience, division)
        assert (answer is None) is wanted, f"{origin} to {audience} about {division}: {answer}"
        allowed += wanted
    # No type is forbidden everywhere by a slip of the table: somebody may write each of them.
    everywhere = product(LEVELS.values(), AUDIENCES)
    assert allowed or any(expected(RULES[record_type], code, audience, None) for code, audience in everywhere)


@pytest.mark.parametrize("record_type", sorted(name for name, rule in RULES.items() if rule.authority == "issuer"))
def test_a_certificate_without_its_subject_says_nothing_of_anybody(record_type: str) -> None:
    standing = tree()
    for origin, audience in product(LEVELS.values(), ("ancestors", "descendants", *PARENTS)):
        assert check_authority(standing, StreamName(origin, audience), record_type, None, None) is not None
