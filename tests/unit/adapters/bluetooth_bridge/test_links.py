"""Where terminals are, in words, and how long they are left alone; which device is tried as a terminal."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any, cast

import pytest
from bleak.backends.device import BLEDevice

from adapters.bluetooth_bridge.links import DOUBT_S, STEADY_S, Board, Link, Place, Standing
from adapters.bluetooth_bridge.looking import CANDIDATES_MAX, Look
from adapters.bluetooth_bridge.settings import Terminal
from adapters.contract import SourceNeedsPersonError, SourceUnavailableError

if TYPE_CHECKING:
    from adapters.record_line.line import RecordLine

BEGUN = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)
NO_LINE = cast("RecordLine", None)


def link(name: str = "a", *, address: str = "", heard_name: str = "") -> Link:
    terminal = Terminal(name=name, address=address, heard_name=heard_name, key=bytes(32))
    return Link(terminal, NO_LINE, Place(standing=Standing.LOOKED_FOR, since=BEGUN, text="looked for"))


def board(*links: Link) -> Board:
    minutes = count(1)
    return Board(links, lambda: BEGUN + timedelta(minutes=next(minutes)))


def device(address: str, name: str | None = None) -> BLEDevice:
    return BLEDevice(address, name, {})


def test_pauses_grow_and_begin_anew_after_a_steady_connection() -> None:
    one = link()
    pauses = []
    for _ in range(8):
        one.lost(100.0, 0.0, 60.0)
        pauses.append(one.due_s - 100.0)
    assert pauses == [0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 60.0]
    one.lost(100.0, STEADY_S, 60.0)
    assert one.due_s == 100.0
    one.lost(100.0, STEADY_S - 1, 60.0)
    assert one.due_s == 100.5


def test_since_when_is_that_of_the_first_of_equal_reports() -> None:
    one = link()
    told = board(one)
    told.put(one, Standing.AWAY, "not heard")
    told.put(one, Standing.AWAY, "not heard either")
    assert one.place == Place(standing=Standing.AWAY, since=BEGUN + timedelta(minutes=1), text="not heard either")


def test_a_bridge_is_away_only_when_all_are_and_needs_a_person_when_one_does() -> None:
    first, second = link("a"), link("b")
    told = board(first, second)
    assert told.problem() is None
    assert not told.is_settled()
    told.put(first, Standing.AWAY, "not heard")
    assert told.problem() is None
    told.put(second, Standing.AWAY, "not heard")
    assert told.is_settled()
    problem = told.problem()
    assert isinstance(problem, SourceUnavailableError)
    assert str(problem) == (
        "terminal a since 2026-11-26 08:01:00 UTC: not heard; terminal b since 2026-11-26 08:02:00 UTC: not heard"
    )
    told.put(second, Standing.REFUSED, "wrong key")
    assert isinstance(told.problem(), SourceNeedsPersonError)
    told.put(first, Standing.TALKING, "")
    assert told.problem() is None
    assert told.talking() == [first]
    assert str(told.missing()) == "terminal b since 2026-11-26 08:03:00 UTC: wrong key"
    told.put(second, Standing.TALKING, "")
    assert told.missing() is None


def test_doubt_passes_and_is_bounded() -> None:
    one = link()
    one.doubt("A", 0.0)
    assert one.is_doubtful("A", DOUBT_S - 1)
    assert not one.is_doubtful("A", DOUBT_S + 1)
    for number in range(40):
        one.doubt(str(number), 0.0)
    assert not one.is_doubtful("A", 1.0)
    assert one.is_doubtful("39", 1.0)


def test_of_several_devices_the_strongest_without_doubt_is_tried() -> None:
    one = link(heard_name="YZ-1")
    look = Look([one], lambda: 1.0)
    assert look.choice(one) is None
    for address, rssi in (("near", -40), ("far", -80), ("middle", -60)):
        look.hear(device(address), "YZ-1", rssi)
    look.hear(device("other"), "YZ-2", -20)
    assert chosen(look, one) == "near"
    one.doubt("near", 0.0)
    assert chosen(look, one) == "middle"
    one.doubt("middle", 0.0)
    one.doubt("far", 0.0)
    assert chosen(look, one) == "near"


def test_the_device_that_proved_the_key_last_is_tried_before_strangers_under_ever_new_addresses() -> None:
    one = link(heard_name="YZ-1")
    one.proven = "true"
    look = Look([one], lambda: 1.0)
    for number in range(CANDIDATES_MAX):
        look.hear(device(str(number)), "YZ-1", -20)
    look.hear(device("true"), "YZ-1", -80)
    assert chosen(look, one) == "true"
    one.doubt("true", 0.0)
    assert chosen(look, one) != "true"


def chosen(look: Look, wanted: Link) -> str:
    found = look.choice(wanted)
    assert found is not None
    return found.address


def test_a_device_under_ever_new_addresses_fills_no_memory() -> None:
    one = link(heard_name="YZ-1")
    look = Look([one], lambda: 0.0)
    for number in range(CANDIDATES_MAX + 10):
        look.hear(device(str(number)), "YZ-1", number)
    assert chosen(look, one) == str(CANDIDATES_MAX - 1)
    look.hear(device("0"), "YZ-1", 1000)
    assert chosen(look, one) == "0"


@pytest.mark.parametrize(
    ("heard", "is_whole", "limit_s"), [((), True, 0.3), (("A",), False, 1.5), (("A", "B"), False, 0.3)]
)
def test_a_look_ends_early_when_it_has_what_it_wants(heard: tuple[str, ...], is_whole: bool, limit_s: float) -> None:  # noqa: FBT001
    wanted = [link(name.lower(), address=name) for name in ("A", "B")]
    look = Look(wanted, lambda: 0.0)

    async def work() -> float:
        begun_s = asyncio.get_running_loop().time()
        for address in heard:
            look.heard(device(address), cast("Any", FakeAdvertisement()))
        await look.wait(0.2 if not heard else 10)
        return asyncio.get_running_loop().time() - begun_s

    assert asyncio.run(work()) < limit_s
    assert look.is_whole == is_whole


class FakeAdvertisement:
    local_name = None
    rssi = -50
