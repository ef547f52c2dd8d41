from __future__ import annotations

import pytest

from node.errors import IdentityError, NotFoundError
from node.standard.seals import StreamName
from node.trust.holders import holders, holds, travels
from node.trust.tree import DIGEST_SETTING, Tree, TreeNode, TreeSource
from tests.support.identities import SEVEN, TrustNode, identities, issued_by_code, tree_of

PROVINCE, CITY, COUNTY, SIBLING = "360000", "360100", "360102", "360103"
OTHER_CITY, OTHER_COUNTY = "360200", "360202"
ALL = frozenset(SEVEN)


def node(code: str, parent: str | None, *divisions: str) -> TreeNode:
    return TreeNode(code=code, name=f"N{code}", level="level", parent=parent, divisions=divisions, certificate="c")


@pytest.fixture(scope="module")
def tree() -> Tree:
    return tree_of(identities(7))


def test_the_tree_answers_who_stands_where(tree: Tree) -> None:
    assert len(tree) == 7
    assert tree.codes == ALL == {each.code for each in tree}
    assert tree.root == PROVINCE
    assert tree.parent(COUNTY) == CITY
    assert tree.parent(PROVINCE) is None
    assert tree.children(CITY) == (COUNTY, SIBLING)
    assert tree.children(COUNTY) == ()
    assert tree.ancestors(COUNTY) == (CITY, PROVINCE)
    assert tree.ancestors(PROVINCE) == ()
    assert tree.descendants(PROVINCE) == (CITY, OTHER_CITY, COUNTY, SIBLING, OTHER_COUNTY, "360203")
    assert tree.descendants(COUNTY) == ()
    assert tree.name(CITY) == "南昌市"
    assert tree.name("999999") == "999999"
    assert tree.node(CITY).level == "city"
    assert tree.knows(CITY)
    assert not tree.knows("999999")


@pytest.mark.parametrize(
    ("above", "below", "expected"),
    [
        (PROVINCE, COUNTY, True),
        (CITY, COUNTY, True),
        (COUNTY, COUNTY, False),
        (COUNTY, CITY, False),
        (OTHER_CITY, COUNTY, False),
        ("999999", COUNTY, False),
        (CITY, "999999", False),
    ],
)
def test_an_ancestor_is_known(tree: Tree, above: str, below: str, *, expected: bool) -> None:
    assert tree.is_ancestor(above, below) is expected


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (PROVINCE, COUNTY, CITY),
        (CITY, COUNTY, COUNTY),
        (COUNTY, PROVINCE, CITY),
        (COUNTY, SIBLING, CITY),
        (COUNTY, OTHER_COUNTY, CITY),
        (CITY, OTHER_COUNTY, PROVINCE),
        (PROVINCE, OTHER_COUNTY, OTHER_CITY),
        (COUNTY, COUNTY, None),
    ],
)
def test_the_next_hop_leads_along_the_tree(tree: Tree, start: str, end: str, expected: str | None) -> None:
    assert tree.next_hop(start, end) == expected


def test_a_question_about_a_stranger_is_refused(tree: Tree) -> None:
    for ask in (tree.parent, tree.children, tree.ancestors, tree.descendants, tree.node):
        with pytest.raises(NotFoundError, match="999999"):
            ask("999999")
    with pytest.raises(NotFoundError):
        tree.next_hop(COUNTY, "999999")
    assert not tree.are_neighbours(CITY, "999999")
    assert not tree.are_neighbours("999999", CITY)


def test_a_node_serves_its_own_divisions_and_those_of_the_nodes_below() -> None:
    tree = Tree([node("360000", None, "360000"), node("360100", "360000", "360100", "360102", "360191")], "360000")
    assert tree.serves("360100", "360191")
    assert tree.serves("360000", "360191")
    assert not tree.serves("360100", "360000")
    assert not tree.serves("360100", "360103")
    assert not tree.serves("999999", "360000")


def test_nodes_that_no_parents_lead_to_are_left_out() -> None:
    nodes = [
        node("360000", None),
        node("360100", "360000"),
        node("360200", "360300"),
        node("360300", "360200"),
        node("360400", "360999"),
        node("360500", None),
    ]
    assert Tree(nodes, "360000").codes == {"360000", "360100"}


@pytest.mark.parametrize("nodes", [[], [node("360000", "360100")]])
def test_a_tree_without_its_root_is_refused(nodes: list[TreeNode]) -> None:
    with pytest.raises(IdentityError, match="root 360000"):
        Tree(nodes, "360000")


def test_a_tree_deeper_than_a_chain_may_be_is_cut() -> None:
    codes = [f"{360000 + number}" for number in range(12)]
    nodes = [node(code, None if number == 0 else codes[number - 1]) for number, code in enumerate(codes)]
    assert len(Tree(nodes, codes[0])) == 9


HOLDERS = [
    (PROVINCE, "ancestors", {PROVINCE}),
    (CITY, "ancestors", {CITY, PROVINCE}),
    (COUNTY, "ancestors", {COUNTY, CITY, PROVINCE}),
    (PROVINCE, "descendants", ALL),
    (CITY, "descendants", {PROVINCE, CITY, COUNTY, SIBLING}),
    (COUNTY, "descendants", {PROVINCE, CITY, COUNTY}),
    (PROVINCE, "trust", ALL),
    (CITY, "trust", set()),
    (PROVINCE, COUNTY, {PROVINCE, CITY, COUNTY}),
    (COUNTY, PROVINCE, {PROVINCE, CITY, COUNTY}),
    (CITY, COUNTY, {PROVINCE, CITY, COUNTY}),
    (COUNTY, SIBLING, {COUNTY, SIBLING, CITY, PROVINCE}),
    (COUNTY, OTHER_COUNTY, {COUNTY, CITY, PROVINCE, OTHER_CITY, OTHER_COUNTY}),
    (CITY, OTHER_CITY, {CITY, OTHER_CITY, PROVINCE}),
    (COUNTY, COUNTY, set()),
    (COUNTY, "999999", set()),
    ("999999", "ancestors", set()),
    ("999999", COUNTY, set()),
]


@pytest.mark.parametrize(("origin", "audience", "expected"), HOLDERS)
def test_holders_follow_the_audience(tree: Tree, origin: str, audience: str, expected: set[str]) -> None:
    stream = StreamName(origin, audience)
    assert holders(tree, stream) == expected
    assert {code for code in ALL if holds(tree, stream, code)} == expected
    assert not holds(tree, stream, "999999")


@pytest.mark.parametrize("origin", sorted(ALL))
@pytest.mark.parametrize("audience", ["ancestors", "descendants", *sorted(ALL)])
def test_a_sibling_never_holds_what_is_not_addressed_to_it(tree: Tree, origin: str, audience: str) -> None:
    parent = tree.parent(origin)
    siblings = set(tree.children(parent)) - {origin} if parent else set()
    held = holders(tree, StreamName(origin, audience))
    related = {code for code in siblings if code == audience or tree.is_ancestor(code, audience)}
    assert held & siblings == (related if held else set())


@pytest.mark.parametrize("origin", sorted(ALL))
@pytest.mark.parametrize("audience", ["ancestors", "descendants", "trust", *sorted(ALL)])
def test_every_holder_is_reached_over_exactly_one_link_and_the_origin_over_none(
    tree: Tree, origin: str, audience: str
) -> None:
    stream = StreamName(origin, audience)
    held = holders(tree, stream)
    links = [(sender, receiver) for sender in ALL for receiver in ALL if travels(tree, stream, sender, receiver)]
    assert {sender for sender, _ in links} | {receiver for _, receiver in links} <= held
    assert sorted(receiver for _, receiver in links) == sorted(held - {origin})


@pytest.mark.parametrize(
    ("origin", "audience", "sender", "receiver", "expected"),
    [
        (COUNTY, "ancestors", COUNTY, CITY, True),
        (COUNTY, "ancestors", CITY, PROVINCE, True),
        (COUNTY, "ancestors", CITY, COUNTY, False),
        (COUNTY, "ancestors", COUNTY, PROVINCE, False),
        (COUNTY, "ancestors", CITY, SIBLING, False),
        (CITY, "descendants", CITY, PROVINCE, True),
        (CITY, "descendants", PROVINCE, OTHER_CITY, False),
        (COUNTY, SIBLING, CITY, SIBLING, True),
        (COUNTY, SIBLING, CITY, PROVINCE, True),
        (COUNTY, SIBLING, PROVINCE, CITY, False),
        (COUNTY, SIBLING, SIBLING, CITY, False),
        (PROVINCE, "trust", CITY, COUNTY, True),
        (PROVINCE, "trust", COUNTY, CITY, False),
        (COUNTY, "ancestors", COUNTY, "999999", False),
    ],
)
def test_slices_travel_between_holders_away_from_the_origin(
    tree: Tree, origin: str, audience: str, sender: str, receiver: str, *, expected: bool
) -> None:
    assert travels(tree, StreamName(origin, audience), sender, receiver) is expected


def test_a_node_knows_its_own_way_up_before_it_holds_a_record() -> None:
    county = TrustNode(identities()["360102"])
    tree = county.current_tree()
    assert tree.codes == {"360102", "360100", "360000"}
    assert tree.ancestors("360102") == ("360100", "360000")


def test_the_tree_is_read_again_only_when_it_changed() -> None:
    root = TrustNode(identities()["360000"])
    before = root.current_tree()
    assert root.current_tree() is before
    root.found()
    root.issue(issued_by_code(identities())["360100"])
    after = root.current_tree()
    assert after is not before
    assert root.current_tree() is after
    assert after.knows("360100")
    assert not before.knows("360100")
    with root.store.reading() as connection:
        assert TreeSource(root.identity.tree_path)(connection).codes == after.codes
    assert DIGEST_SETTING == "trust.tree_digest"
