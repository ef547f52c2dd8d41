"""A third package: made while more waits than fits, under way while answers come quickly."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from node.clock import SetClock
from node.errors import PeerUnavailableError
from node.exchange.carriers.memory import MemoryCarrier
from node.exchange.head import ANSWER, HELD, Verdict
from node.exchange.limits import Limits
from node.exchange.places import QUICK_S, Places
from node.standard.seals import DESCENDANTS, StreamName
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


def answered(places: Places, clock: SetClock, seconds: float, *, full: bool = True) -> None:
    with places.place(full=full):
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
    first, second, third = (places.place(full=True) for _ in range(3))
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
    wanted = [places.place(full=True) for _ in range(4)]
    assert [entered(one) for one in wanted] == [True, True, third, False]


def test_a_request_that_failed_is_no_quick_answer(places: Places, clock: SetClock) -> None:
    answered(places, clock, 0.0)
    with pytest.raises(PeerUnavailableError), places.place(full=True):
        raise PeerUnavailableError("down")
    wanted = [places.place(full=True) for _ in range(3)]
    assert [entered(one) for one in wanted] == [True, True, False]


def test_only_a_full_package_shows_how_quick_a_line_is(places: Places, clock: SetClock) -> None:
    answered(places, clock, 0.0, full=False)
    wanted = [places.place(full=True) for _ in range(3)]
    assert [entered(one) for one in wanted] == [True, True, False]


def test_a_small_package_leaves_a_quick_line_quick(places: Places, clock: SetClock) -> None:
    answered(places, clock, 0.0)
    answered(places, clock, 0.0, full=False)
    wanted = [places.place(full=True) for _ in range(3)]
    assert [entered(one) for one in wanted] == [True, True, True]


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


@pytest.mark.parametrize("how", ["opened", "failed", "expired"])
def test_what_is_out_of_date_when_its_turn_comes_is_not_sent(
    nodes: dict[str, ExchangeNode], carrier: MemoryCarrier, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    county = nodes[EAST]
    written(county, 3)
    failing = county.exchange.next_package(CITY)
    assert failing is not None
    honest = Places.place

    def place(self: Places, *, full: bool) -> AbstractContextManager[None]:
        if how == "expired":
            county.clock.advance(61.0)
            assert county.exchange.next_package(CITY) is not None
        else:
            county.exchange.failed(CITY, failing)
        if how == "opened":
            county.exchange.open_conversation(CITY, carrier)
        return honest(self, full=full)

    with monkeypatch.context() as patch:
        patch.setattr(Places, "place", place)
        progress = county.exchange.push_once(CITY, MemoryCarrier(nodes[CITY].exchange, EAST, is_up=lambda: False))
    assert not progress
    assert not progress.asked
    assert len(county.exchange.conversation(CITY).flights) == (how == "expired")
    if how != "opened":
        county.exchange.open_conversation(CITY, carrier)
    while county.exchange.push_once(CITY, carrier):
        pass
    with nodes[CITY].store.reading() as connection:
        held = nodes[CITY].journal.streams(connection)
    assert [one.size for one in held if one.stream.origin == EAST] == [15]


def test_the_time_under_way_begins_when_a_package_is_sent(
    nodes: dict[str, ExchangeNode], carrier: MemoryCarrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    county = nodes[EAST]
    written(county, 1)
    honest = Places.place
    sent_at: list[float] = []

    def place(self: Places, *, full: bool) -> AbstractContextManager[None]:
        county.clock.advance(50.0)
        return honest(self, full=full)

    class Watched(MemoryCarrier):
        def exchange(self, package: bytes, *, wait_s: float) -> bytes:
            (flight,) = county.exchange.conversation(CITY).flights
            sent_at.append(county.clock.monotonic_s() - flight.since_s)
            return super().exchange(package, wait_s=wait_s)

    assert carrier is not None
    monkeypatch.setattr(Places, "place", place)
    assert county.exchange.push_once(CITY, Watched(nodes[CITY].exchange, EAST))
    assert sent_at == [0.0]


def test_replies_go_at_once_and_never_with_what_is_made_ahead(
    nodes: dict[str, ExchangeNode], carrier: MemoryCarrier, monkeypatch: pytest.MonkeyPatch
) -> None:
    county = nodes[EAST]
    conversation = county.exchange.conversation(CITY)
    written(county, 4)
    assert carrier is not None
    assert all(county.exchange.next_package(CITY) for _ in range(2))
    verdict = Verdict(stream=StreamName(CITY, DESCENDANTS), first=1, last=1, word=HELD)
    conversation.replies.verdicts.append(verdict)
    with monkeypatch.context() as patch:
        patch.setattr(Places, "place", _nobody_waits)
        # Two packages are under way, and it holds no slices.
        assert county.exchange.push_once(CITY, carrier).asked
    assert conversation.replies.verdicts == []
    ahead = county.exchange.next_package(CITY)
    assert ahead is not None
    assert ahead.head.slices
    conversation.replies.verdicts.append(verdict)
    alone = county.exchange.next_package(CITY)
    assert alone is not None
    assert (alone.head.slices, alone.head.verdicts) == ((), (verdict,))


def _nobody_waits(*_: object, **__: object) -> AbstractContextManager[None]:
    raise AssertionError("a package without slices waits for nobody")
