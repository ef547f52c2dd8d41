"""A third package: made while more waits than fits, under way while answers come quickly."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from node.clock import SetClock
from node.errors import PeerUnavailableError
from node.exchange.carriers.memory import MemoryCarrier
from node.exchange.head import ANSWER
from node.exchange.limits import Limits
from node.exchange.places import QUICK_S, Places
from tests.support.exchanging import ExchangeNode, settled_nodes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

CITY, EAST = "360100", "360102"
WAIT_S = 10.0
SHORT_S = 0.05


@pytest.fixture
def clock() -> SetClock:
    return SetClock(datetime(2026, 1, 5, tzinfo=UTC))


@pytest.fixture
def places(clock: SetClock) -> Places:
    return Places(Limits(), clock)


def answered(places: Places, clock: SetClock, seconds: float) -> None:
    with places.place():
        clock.advance(seconds)


def entered(place: AbstractContextManager[None]) -> bool:
    """Tell whether a place is given at once; it is held from then on."""
    given = threading.Event()

    def take() -> None:
        place.__enter__()
        given.set()

    threading.Thread(target=take, daemon=True).start()
    return given.wait(SHORT_S)


def test_the_third_waits_until_one_of_two_is_answered(places: Places) -> None:
    first, second, third = (places.place() for _ in range(3))
    assert entered(first)
    assert entered(second)
    given = threading.Event()

    def take() -> None:
        with third:
            given.set()

    waiting = threading.Thread(target=take)
    waiting.start()
    assert not given.wait(SHORT_S)
    first.__exit__(None, None, None)
    assert given.wait(WAIT_S)
    waiting.join(WAIT_S)


@pytest.mark.parametrize(("seconds", "third"), [(QUICK_S / 2, True), (QUICK_S * 2, False)])
def test_the_third_goes_at_once_while_answers_come_quickly(
    places: Places, clock: SetClock, seconds: float, *, third: bool
) -> None:
    answered(places, clock, seconds)
    wanted = [places.place() for _ in range(4)]
    assert [entered(one) for one in wanted] == [True, True, third, False]


def test_a_request_that_failed_is_no_quick_answer(places: Places, clock: SetClock) -> None:
    answered(places, clock, 0.0)
    with pytest.raises(PeerUnavailableError), places.place():
        raise PeerUnavailableError("down")
    wanted = [places.place() for _ in range(3)]
    assert [entered(one) for one in wanted] == [True, True, False]


# --- what is made --------------------------------------------------------------------------------------------------


@pytest.fixture
def nodes() -> dict[str, ExchangeNode]:
    return settled_nodes(limits=Limits(slice_records_max=5))


@pytest.fixture
def carrier(nodes: dict[str, ExchangeNode]) -> Iterator[MemoryCarrier]:
    made = MemoryCarrier(nodes[CITY].exchange, EAST)
    nodes[EAST].exchange.open_conversation(CITY, made)
    yield made
    made.close()


def written(county: ExchangeNode, slices: int) -> None:
    for number in range(slices):
        county.write(5, first=1 + 5 * number)


@pytest.mark.parametrize(("slices", "made"), [(2, 2), (3, 3), (5, 3)])
def test_a_third_package_is_made_while_more_waits_than_fitted(
    nodes: dict[str, ExchangeNode], carrier: MemoryCarrier, slices: int, made: int
) -> None:
    county = nodes[EAST]
    written(county, slices)
    packages = [county.exchange.next_package(CITY) for _ in range(4)]
    assert [one is not None for one in packages] == [number < made for number in range(4)]
    for one in packages[:made]:
        assert one is not None
        county.exchange.accept_answer(carrier.exchange(one.data, wait_s=0.0), CITY, one)


def test_no_more_answers_are_under_way_than_two(nodes: dict[str, ExchangeNode], carrier: MemoryCarrier) -> None:
    county = nodes[EAST]
    written(county, 5)
    assert carrier is not None
    packages = [county.exchange.next_package(CITY, ANSWER) for _ in range(3)]
    assert [one is not None for one in packages] == [True, True, False]


@pytest.mark.parametrize("how", ["opened", "failed"])
def test_what_was_made_for_a_conversation_that_ended_is_not_sent(
    nodes: dict[str, ExchangeNode], carrier: MemoryCarrier, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    county = nodes[EAST]
    written(county, 3)
    failing = county.exchange.next_package(CITY)
    assert failing is not None
    honest = Places.place

    def place(self: Places) -> AbstractContextManager[None]:
        county.exchange.failed(CITY, failing)
        if how == "opened":
            county.exchange.open_conversation(CITY, carrier)
        return honest(self)

    with monkeypatch.context() as patch:
        patch.setattr(Places, "place", place)
        progress = county.exchange.push_once(CITY, MemoryCarrier(nodes[CITY].exchange, EAST, is_up=lambda: False))
    assert not progress
    assert not progress.asked
    assert county.exchange.conversation(CITY).flights == []
    if how == "failed":
        county.exchange.open_conversation(CITY, carrier)
    while county.exchange.push_once(CITY, carrier):
        pass
    with nodes[CITY].store.reading() as connection:
        held = nodes[CITY].journal.streams(connection)
    assert [one.size for one in held if one.stream.origin == EAST] == [15]
