"""Openings of a conversation while streams go on growing."""

from __future__ import annotations

from node.exchange.head import Standing
from node.exchange.statements import statement_of
from node.standard.seals import ANCESTORS, DESCENDANTS, StreamName
from tests.support.exchanging import ExchangeNode, carrier_to, settle, settled_nodes

CITY, EAST, WEST = "360100", "360102", "360103"


class Overtaken:
    """Carries to the parent; the child takes ``data`` of an older answer before the first new one arrives."""

    def __init__(self, parent: ExchangeNode, child: ExchangeNode, data: bytes) -> None:
        self._carrier = carrier_to(parent, child)
        self._child = child
        self._parent = parent
        self._pending = [data]

    def exchange(self, package: bytes, *, wait_s: float) -> bytes:
        answer = self._carrier.exchange(package, wait_s=wait_s)
        if self._pending:
            self._child.exchange.accept_package(self._pending.pop(), self._parent.code)
        return answer

    def close(self) -> None:
        """Hold nothing."""


def test_a_parent_whose_lists_were_never_needed_opens_at_the_first_poll() -> None:
    nodes = settled_nodes()
    county, city = nodes[EAST], nodes[CITY]
    down = city.write(3, DESCENDANTS)
    settle(nodes)
    city.write(2, DESCENDANTS, first=20)
    older = city.exchange.next_package(EAST)
    assert older is not None
    # The digests differ when the parent looks; when the child compares, it holds all that the parent states.
    county.exchange.open_conversation(CITY, Overtaken(city, county, older.data))
    assert county.size(down) == 5
    assert not city.exchange.conversation(EAST).is_open
    city.write(1, DESCENDANTS, first=30)
    county.exchange.poll_once(CITY, carrier_to(city, county), 0.0)
    assert city.exchange.conversation(EAST).is_open
    assert county.size(down) == 6


def test_a_poll_to_a_process_that_was_not_opened_opens_nothing() -> None:
    nodes = settled_nodes()
    county, city = nodes[EAST], nodes[CITY]
    county.exchange.open_conversation(CITY, carrier_to(city, county))
    city.started()
    county.exchange.poll_once(CITY, carrier_to(city, county), 0.0)
    assert not city.exchange.conversation(EAST).is_open
    assert county.exchange.must_open(CITY)


def test_an_origin_whose_list_is_too_long_keeps_no_other_from_being_listed() -> None:
    long = [Standing(StreamName(EAST, code), 1, b"r" * 32) for code in ("360000", CITY, ANCESTORS, DESCENDANTS)]
    short = Standing(StreamName(WEST, ANCESTORS), 1, b"r" * 32)
    said = statement_of([*long, short], listed=[EAST, WEST], lines_max=4)
    assert said.lines == (short,)
