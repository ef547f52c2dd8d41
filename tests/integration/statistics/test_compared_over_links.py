"""A disputed figure over real links: signed packages between whole nodes at three levels, nothing copied by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from node.exchange.carriers.memory import MemoryCarrier
from node.journal.entries import read_entry
from node.standard.seals import StreamName
from node.statistics.comparisons import comparisons
from node.statistics.explain import Asked, explain
from node.statistics.indicators import contribution
from tests.support.case_records import bodies, case_no
from tests.support.identities import FOUR
from tests.support.roll_up import DAY
from tests.support.whole_nodes import whole_node

if TYPE_CHECKING:
    from node.bootstrap import Node
    from node.standard.facts import Facts

ROUNDS_MAX = 60


def rest(nodes: dict[str, Node]) -> None:
    """Let every node work and every child talk to its parent until nothing moves."""
    for _ in range(ROUNDS_MAX):
        moved = False
        for node in nodes.values():
            done = node.work()
            moved = moved or any(getattr(done, name) for name in done.__slots__)
        for code, place in FOUR.items():
            if place.parent is not None:
                moved = step(nodes[code], nodes[place.parent]) or moved
        for node in nodes.values():
            node.clock.advance(2.0)  # type: ignore[attr-defined]
        if not moved:
            return
    message = "the links do not come to rest"
    raise AssertionError(message)


def step(child: Node, parent: Node) -> bool:
    carrier = MemoryCarrier(parent.exchange, child.code)
    if child.exchange.must_open(parent.code):
        child.exchange.open_conversation(parent.code, carrier)
        return True
    pushed = child.exchange.push_once(parent.code, carrier)
    polled = child.exchange.poll_once(parent.code, carrier, 0.0)
    return bool(pushed) or pushed.asked or bool(polled)


def miscount(facts: Facts) -> Any:
    """The county's program forgets one case."""
    return () if facts.case_no == case_no(333) else contribution(facts)


def test_a_county_that_forgets_a_case_is_found_by_its_city_and_shown_at_the_province() -> None:
    nodes = {code: whole_node(code) for code in FOUR}
    rest(nodes)
    county, city, province = nodes["360102"], nodes["360100"], nodes["360000"]
    county.cases._contribution = miscount
    entries = [read_entry(one) for number in range(1, 601) for one in bodies("apply", case_no=case_no(number))]
    stream = StreamName("360102", "ancestors")
    county.store.write(lambda transaction: county.journal.append(transaction, stream, entries))
    for node in (county, city, province):
        node.publish_statistics([DAY])
        rest(nodes)
    with province.store.reading() as connection:
        level = explain(
            connection, province.tree(connection), Asked(indicator="applied", days=(DAY,)), node_code="360000"
        )
    east = next(one for _, one in level.walk() if one.node == "360102")
    assert (level.subtree, east.own, east.counted, east.verdict) == (599, 599, 600, "disputed")
    (compared,) = east.comparisons
    (found,) = compared.found
    assert (compared.asker, compared.outcome) == ("360100", "NAMED")
    assert (found.case_no, found.stated, found.computed, found.cause) == (case_no(333), 0, 1, "ORIGIN")
    # The record of that case stands at its own number: the first thing in the stream are the applications.
    with province.store.reading() as connection:
        (record,) = province.journal.stored(connection, stream, found.records[0], found.records[0])
    assert case_no(333).encode() in (record.body or b"")
    for node in (county, city):
        with node.store.reading() as connection:
            (same,) = comparisons(connection, origin="360102")
            assert (same.outcome, same.found) == (compared.outcome, compared.found)
    exchanged = 0
    for one in (StreamName("360100", "360102"), StreamName("360102", "360100")):
        with province.store.reading() as connection:
            held = province.journal.held(connection, one)
            assert held is not None
            exchanged += held.total_bytes
    assert exchanged <= 64 * 1024
