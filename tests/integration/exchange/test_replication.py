"""Records travel county → city → province and back, between whole nodes in one process."""

from __future__ import annotations

import pytest

from node.journal import cursors, receipts
from node.standard.seals import ANCESTORS, DESCENDANTS, TRUST, StreamName
from tests.support.exchanging import ExchangeNode, notice_body, settle, tree_of_nodes

PROVINCE, CITY, EAST, WEST = "360000", "360100", "360102", "360103"


@pytest.fixture
def nodes() -> dict[str, ExchangeNode]:
    return tree_of_nodes()


def holders_of(nodes: dict[str, ExchangeNode], stream: StreamName) -> list[str]:
    return [code for code, node in nodes.items() if node.size(stream)]


def roots_of(nodes: dict[str, ExchangeNode], stream: StreamName) -> set[tuple[int, bytes]]:
    found = [node.held(stream) for node in nodes.values()]
    return {(held.size, held.root) for held in found if held is not None}


def test_what_a_county_writes_is_held_by_city_and_province_under_the_same_root(nodes: dict[str, ExchangeNode]) -> None:
    stream = nodes[EAST].write(1_203)
    settle(nodes)
    assert holders_of(nodes, stream) == [PROVINCE, CITY, EAST]
    assert roots_of(nodes, stream) == {(1_203, nodes[EAST].held(stream).root)}  # type: ignore[union-attr]


def test_trust_reaches_every_node_first(nodes: dict[str, ExchangeNode]) -> None:
    settle(nodes)
    assert holders_of(nodes, StreamName(PROVINCE, TRUST)) == [PROVINCE, CITY, EAST, WEST]
    assert all(node.current_tree().codes == frozenset(nodes) for node in nodes.values())


def test_what_the_province_broadcasts_arrives_at_every_county(nodes: dict[str, ExchangeNode]) -> None:
    stream = nodes[PROVINCE].write(7, DESCENDANTS)
    settle(nodes)
    assert holders_of(nodes, stream) == [PROVINCE, CITY, EAST, WEST]
    assert len(roots_of(nodes, stream)) == 1


def test_a_directed_record_arrives_at_its_addressee_its_ancestors_and_nowhere_else(
    nodes: dict[str, ExchangeNode],
) -> None:
    settle(nodes)
    stream = nodes[PROVINCE].append([notice_body(1, EAST)], EAST)
    nodes[PROVINCE].seal()
    settle(nodes)
    assert holders_of(nodes, stream) == [PROVINCE, CITY, EAST]


def test_a_county_is_shown_the_receipts_of_city_and_province(nodes: dict[str, ExchangeNode]) -> None:
    stream = nodes[EAST].write(5)
    settle(nodes)
    with nodes[EAST].store.reading() as connection:
        shown = {one.holder: one.size for one in receipts.receipts_for(connection, stream)}
        assert shown == {CITY: 5, PROVINCE: 5}
        assert cursors.cursor(connection, CITY, stream) == 5


def test_the_cursor_ends_where_the_stream_ends_on_every_link(nodes: dict[str, ExchangeNode]) -> None:
    stream = nodes[WEST].write(3)
    settle(nodes)
    nodes[WEST].write(4, first=10)
    settle(nodes)
    with nodes[CITY].store.reading() as connection:
        assert cursors.cursor(connection, PROVINCE, stream) == 7
    assert nodes[PROVINCE].size(stream) == 7


def test_a_node_that_was_away_catches_up(nodes: dict[str, ExchangeNode]) -> None:
    settle(nodes)
    stream = nodes[EAST].write(2_500)
    settle(nodes, only=[EAST])
    assert nodes[CITY].size(stream) == 2_500
    assert nodes[PROVINCE].size(stream) == 0
    settle(nodes)
    assert nodes[PROVINCE].size(stream) == 2_500


def test_every_process_may_be_restarted_between_any_two_steps(nodes: dict[str, ExchangeNode]) -> None:
    stream = nodes[EAST].write(3)
    for code in (EAST, CITY, PROVINCE, CITY, EAST):
        settle(nodes)
        nodes[code].started()
        nodes[EAST].write(2, first=100)
    settle(nodes)
    assert nodes[PROVINCE].held(stream) is not None
    assert roots_of(nodes, stream) == {(nodes[EAST].size(stream), nodes[EAST].held(stream).root)}  # type: ignore[union-attr]


def test_two_trees_of_nodes_do_not_share_streams(nodes: dict[str, ExchangeNode]) -> None:
    settle(nodes)
    east = StreamName(EAST, ANCESTORS)
    assert nodes[WEST].held(east) is None
