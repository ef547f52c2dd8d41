"""Whole nodes of a province, a city and a county, linked in memory, with sealed and receipted records: for upkeep."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from node.exchange.carriers.memory import MemoryCarrier
from node.journal.entries import read_entry
from node.journal.memory import image_of, memory_store
from node.standard.seals import ANCESTORS, DESCENDANTS, StreamName
from tests.support.case_records import bodies, case_no, item_body
from tests.support.samples import record
from tests.support.whole_nodes import issue_children, whole_node

if TYPE_CHECKING:
    from node.bootstrap import Node
    from node.journal.store import Store

ROOT, CITY, COUNTY = "360000", "360100", "360102"
CHAIN = (ROOT, CITY, COUNTY)
ROUNDS_MAX = 60


def append(node: Node, made: list[bytes], audience: str = ANCESTORS) -> None:
    """Append records to an own stream and seal them."""
    entries = [read_entry(body) for body in made]
    stream = StreamName(node.code, audience)
    node.store.write(lambda transaction: node.journal.append(transaction, stream, entries))
    node.work()


def step(child: Node, parent: Node) -> bool:
    """Let a child's link do what it would do next, once; tell whether anything moved."""
    carrier = MemoryCarrier(parent.exchange, child.code)
    if child.exchange.must_open(parent.code):
        child.exchange.open_conversation(parent.code, carrier)
        return True
    pushed = child.exchange.push_once(parent.code, carrier)
    polled = child.exchange.poll_once(parent.code, carrier, 0.0)
    return bool(pushed) or pushed.asked or bool(polled) or child.exchange.must_open(parent.code)


def settle(nodes: dict[str, Node]) -> None:
    """Run all links and all nodes' own work until nothing moves."""
    for _ in range(ROUNDS_MAX):
        moved = [step(nodes[child], nodes[parent]) for parent, child in pairwise(CHAIN)]
        for node in nodes.values():
            node.work()
        if not any(moved):
            return
    message = "the links do not come to rest"
    raise AssertionError(message)


def linked_nodes(*, cases: int = 4, city_store: Store | None = None) -> dict[str, Node]:
    """Return the three nodes, settled: everything that the county wrote is held and receipted by all."""
    nodes = {code: whole_node(code, store=city_store if code == CITY else None) for code in CHAIN}
    if city_store is not None:
        issue_children(nodes[CITY])
    for node in nodes.values():
        node.work()
    append(nodes[ROOT], [item_body(), record("Calendar")], DESCENDANTS)
    settle(nodes)
    for number in range(1, cases + 1):
        line = "apply accept handle review decide grant" if number % 3 else "accept apply grant"
        append(nodes[COUNTY], bodies(line, case_no=case_no(number)))
        if number % 20 == 0:
            settle(nodes)
    append(nodes[CITY], bodies("apply accept", case_no=case_no(900)))
    nodes[COUNTY].publish_statistics()
    settle(nodes)
    nodes[CITY].publish_statistics()
    settle(nodes)
    return nodes


@lru_cache(maxsize=2)
def _images(cases: int) -> dict[str, bytes]:
    return {code: image_of(node.store) for code, node in linked_nodes(cases=cases).items()}


def linked_node(code: str, *, cases: int = 4) -> Node:
    """Return one of the three as it is when all is settled; cheaper than settling again."""
    return whole_node(code, store=memory_store(_images(cases)[code]))
