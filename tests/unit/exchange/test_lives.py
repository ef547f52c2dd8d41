"""Two live processes of one node: the second is refused, and both sides are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from node.errors import PackageRefusedError, StoreUnavailableError
from node.journal.alarms import alarms
from node.journal.memory import image_of, memory_store
from node.standard.seals import ANCESTORS, StreamName
from tests.support.exchanging import ExchangeNode, carrier_to, settle, settled_nodes
from tests.support.identities import identities

if TYPE_CHECKING:
    from node.journal.alarms import Alarm

CITY, EAST = "360100", "360102"


def told(node: ExchangeNode) -> list[Alarm]:
    with node.store.reading() as connection:
        return alarms(connection)


def cloned(first: ExchangeNode) -> ExchangeNode:
    clone = ExchangeNode(identities()[EAST], store=memory_store(image_of(first.store)), clock=first.clock)
    clone.randomness = first.randomness
    clone.started()
    return clone


def test_of_two_live_processes_the_second_is_refused() -> None:
    nodes = settled_nodes()
    first = nodes[EAST]
    settle(nodes)
    clone = cloned(first)
    city = nodes[CITY]
    first.clock.advance(2.0)
    clone.exchange.open_conversation(CITY, carrier_to(city, clone))
    first.clock.advance(2.0)
    # The first one goes on: from now on everybody knows that there are two.
    with pytest.raises(PackageRefusedError, match="has begun since"):
        first.exchange.poll_once(CITY, carrier_to(city, first), 0.0)
    first.exchange.open_conversation(CITY, carrier_to(city, first))
    for _ in range(2):
        with pytest.raises(PackageRefusedError, match="Another process"):
            clone.exchange.poll_once(CITY, carrier_to(city, clone), 0.0)
    stream = first.write(2, first=90)
    settle(nodes)
    assert city.size(stream) == 2
    assert [one.subject for one in told(clone)] == ["360102 lives twice"]
    assert "360102 lives twice" in [one.subject for one in told(city)]
    # When the first one is gone for good, the other is heard; it finds out what it lacks.
    city.clock.advance(100.0)
    nodes[EAST] = clone
    settle(nodes)
    clone.seal()
    settle(nodes)
    assert clone.size(stream) == city.size(stream) == 3


def test_a_late_package_of_a_process_that_ended_makes_no_second() -> None:
    nodes = settled_nodes()
    settle(nodes)
    county, city = nodes[EAST], nodes[CITY]
    county.write(1)
    late = county.exchange.next_package(CITY)
    assert late is not None
    county.clock.advance(2.0)
    county.started()
    county.exchange.open_conversation(CITY, carrier_to(city, county))
    with pytest.raises(PackageRefusedError, match="has begun since"):
        city.exchange.accept_package(late.data, EAST)
    settle(nodes)
    assert not told(city)
    assert city.size(StreamName(EAST, ANCESTORS)) == 1


def test_a_store_that_could_not_take_the_alarm_is_told_at_the_next_opening(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = settled_nodes()
    first, city = nodes[EAST], nodes[CITY]
    settle(nodes)
    clone = cloned(first)
    clone.exchange.open_conversation(CITY, carrier_to(city, clone))

    def fail(_: object) -> None:
        raise StoreUnavailableError("The database cannot be used.")

    with monkeypatch.context() as patch:
        patch.setattr(city.store, "write", fail)
        with pytest.raises(StoreUnavailableError):
            first.exchange.open_conversation(CITY, carrier_to(city, first))
    first.exchange.open_conversation(CITY, carrier_to(city, first))
    assert "360102 lives twice" in [one.subject for one in told(city)]
    with pytest.raises(PackageRefusedError, match="Another process"):
        clone.exchange.poll_once(CITY, carrier_to(city, clone), 0.0)
