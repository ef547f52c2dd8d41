"""Faults that are known of Bluetooth: impostors, storms, small packets, terminals that vanish, floods."""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING

import pytest
from bumble.gatt import Characteristic

from adapters.contract import Document, SourceNeedsPersonError, SourceUnavailableError
from node.randomness import SeededRandomness
from tests.integration.adapters.bluetooth_bridge.test_bridge import BOTH, NOTICE, SECOND, becomes, taken
from tests.support.bumble_backend import stack_of
from tests.support.bumble_gatt import Look
from tests.support.bumble_terminal import KEY

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.adapters.bluetooth_bridge.conftest import Place

pytestmark = pytest.mark.integration
OTHER_KEY = bytes(range(1, 33))
IMPOSTOR = Look(name="YZ-1", address="C4:7C:8D:00:00:66")


def test_an_impostor_under_the_same_name_and_address_is_refused_and_named(place: Place) -> None:
    impostor = place.terminal(key=OTHER_KEY)
    impostor.put(b"<Application>forged</Application>")
    bridge = place.bridge({"window-1": "C4:7C:8D:00:00:01 YZ-1"})
    with pytest.raises(SourceNeedsPersonError, match=r"C4:7C:8D:00:00:01 \('YZ-1'\) does not prove the key"):
        bridge.check()
    with pytest.raises(SourceNeedsPersonError, match="compare the key on the terminal with terminal_keys"):
        list(bridge.fetch(10))
    assert impostor.waiting() == 1
    with pytest.raises(SourceUnavailableError):
        bridge.deliver(NOTICE, "310000/3-1/7")
    assert impostor.documents() == []


def test_the_true_terminal_is_preferred_to_an_impostor_of_the_same_name(place: Place) -> None:
    impostor = place.terminal(key=OTHER_KEY, look=IMPOSTOR)
    bridge = place.bridge()
    with pytest.raises(SourceNeedsPersonError):
        bridge.check()
    terminal = place.terminal()
    terminal.put(b"<Application>true</Application>")
    assert becomes(lambda: not refuses(bridge.check))
    assert taken(bridge, 1) == [b"<Application>true</Application>"]
    assert not impostor.server.is_connected


def test_a_stranger_that_is_not_among_the_terminals_is_never_connected(place: Place) -> None:
    stranger = place.terminal(look=SECOND)
    with pytest.raises(SourceUnavailableError, match="not heard"):
        place.bridge({"window-1": "C4:7C:8D:00:00:02 YZ-1"}).check()
    assert stranger.server.connections == 0


def test_a_key_that_was_changed_at_the_terminal_needs_a_person_and_then_works_again(place: Place) -> None:
    terminal = place.terminal()
    bridge = place.bridge()
    bridge.check()
    terminal.rekey(OTHER_KEY)
    terminal.hang_up()
    assert becomes(lambda: refuses(lambda: list(bridge.fetch(1))))
    terminal.rekey(KEY)
    terminal.put(b"again")
    assert becomes(lambda: not refuses(bridge.check))
    assert taken(bridge, 1) == [b"again"]


def refuses(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except SourceNeedsPersonError:
        return True
    return False


@pytest.mark.parametrize("mtu", [23, 185])
def test_a_small_packet_size_only_makes_it_slower(place: Place, mtu: int) -> None:
    # An MTU of 23 leaves 20 bytes for a value (Core Specification, volume 3, part F, 3.4.7.1).
    terminal = place.terminal(look=Look(mtu=mtu))
    record = bytes(range(256)) * 8
    terminal.put(record)
    bridge = place.bridge()
    assert taken(bridge, 1) == [record]
    bridge.deliver(Document(content=record, record_type="SupervisionNotice"), "key")
    assert [content for _, _, content in terminal.documents()] == [record]
    assert max(terminal.server.written_sizes) == mtu - 3


def test_no_value_is_longer_than_an_attribute_may_be_although_the_stack_reports_more(place: Place) -> None:
    # With an MTU of 517 stacks report 514; an attribute holds 512 (volume 3, part F, 3.2.9), and more is dropped.
    terminal = place.terminal()
    bridge = place.bridge()
    content = noise(20_000)
    bridge.deliver(Document(content=content, record_type="SupervisionNotice"), "key")
    assert [content for _, _, content in terminal.documents()] == [content]
    assert max(terminal.server.written_sizes) == 512


@pytest.mark.parametrize("properties", ["WRITE", "WRITE_WITHOUT_RESPONSE"])
def test_a_terminal_may_offer_only_one_way_of_writing(place: Place, properties: str) -> None:
    written = Characteristic.Properties[properties]
    terminal = place.terminal(look=Look(written_properties=written))
    bridge = place.bridge()
    bridge.check()
    content = noise(20_000)
    bridge.deliver(Document(content=content, record_type="SupervisionNotice"), "key")
    assert [content for _, _, content in terminal.documents()] == [content]


def test_a_terminal_that_vanishes_in_a_write_has_the_document_once_when_it_is_back(place: Place) -> None:
    terminal = place.terminal(look=Look(mtu=23))
    bridge = place.bridge()
    bridge.check()
    document = Document(content=noise(60_000), record_type="SupervisionNotice")
    terminal.fall_silent_in_a_write(200)
    begun_s = time.monotonic()
    with pytest.raises(SourceUnavailableError):
        bridge.deliver(document, "310000/3-1/7")
    assert time.monotonic() - begun_s < 30
    assert terminal.documents() == []
    terminal.come_back()
    assert becomes(lambda: delivers(lambda: bridge.deliver(document, "310000/3-1/7")))
    assert [(key, content) for key, _, content in terminal.documents()] == [("310000/3-1/7", document.content)]


def delivers(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except SourceUnavailableError:
        return False
    return True


def test_in_a_storm_of_disconnections_everything_comes_once_and_in_order(place: Place) -> None:
    terminal = place.terminal()
    bridge = place.bridge()
    sent = [b"%d" % number for number in range(30)]
    came: list[bytes] = []
    for number, content in enumerate(sent):
        terminal.put(content)
        if number % 3 == 0:
            came += taken(bridge, 1)
            terminal.hang_up()
    came += taken(bridge, len(sent) - len(came))
    assert came == sent
    assert becomes(lambda: terminal.waiting() == 0)


def test_a_terminal_that_hangs_up_at_once_again_and_again_is_tried_ever_more_seldom(place: Place) -> None:
    terminal = place.terminal()
    hanging_up: list[object] = []
    terminal.server.subscribed = lambda _: hanging_up.append(place.air.loop.create_task(terminal.server.hang_up()))
    bridge = place.bridge(retry_s_max=60.0)
    with pytest.raises(SourceUnavailableError, match="ended"):
        bridge.check()
    begun_s = time.monotonic()
    assert becomes(lambda: terminal.server.connections >= 4)
    # RETRY_S: half a second before the second connection, one before the third, two before the fourth.
    assert time.monotonic() - begun_s > 2.5


def test_one_terminal_in_a_storm_does_not_disturb_another(place: Place) -> None:
    steady = place.terminal()
    stormy = place.terminal(look=SECOND, name="window-2")
    bridge = place.bridge(BOTH)
    bridge.check()
    connections = steady.server.connections
    for number in range(10):
        stormy.hang_up()
        steady.put(b"%d" % number)
        assert taken(bridge, 1) == [b"%d" % number]
    assert steady.server.connections == connections


@pytest.mark.parametrize("call", ["start", "stop"])
def test_a_stack_that_does_not_answer_needs_a_person_and_holds_up_neither_the_adapter_nor_its_end(
    place: Place, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    async def never(_scanner: object) -> None:
        await asyncio.Event().wait()

    place.terminal()
    monkeypatch.setattr("adapters.bluetooth_bridge.radio.ANSWER_S", 0.5)
    monkeypatch.setattr("adapters.bluetooth_bridge.radio.LET_GO_S", 0.5)
    scanner = stack_of(place.machine).scanner
    assert scanner is not None
    with monkeypatch.context() as hanging:
        hanging.setattr(scanner.__mro__[1], call, never)
        bridge = place.bridge()
        begun_s = time.monotonic()
        with pytest.raises(SourceNeedsPersonError, match="does not answer: systemctl restart bluetooth"):
            bridge.check()
        ending = place.bridge({"window-9": "YZ-9"})
        with pytest.raises(SourceNeedsPersonError):
            ending.check()
        ending.close()
        assert time.monotonic() - begun_s < 20
    assert becomes(lambda: not refuses(bridge.check))


def noise(size: int) -> bytes:
    """Return bytes that compression does not make shorter."""
    return SeededRandomness(size).token(size)


def test_stopping_ends_the_radio_though_it_is_woken_all_the_time(place: Place) -> None:
    adapter = place.bridge()
    with pytest.raises(SourceUnavailableError, match="not heard"):
        adapter.check()
    radio = adapter._radio
    assert radio is not None

    def wake() -> None:
        for link in radio._idle:
            link.due_s = math.inf
        radio._wake.set()
        radio._loop.call_soon(wake)

    radio._loop.call_soon_threadsafe(wake)
    radio._loop.call_soon_threadsafe(radio._stopping.set)
    radio._thread.join(10)
    assert not radio._thread.is_alive()
