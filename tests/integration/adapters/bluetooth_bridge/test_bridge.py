"""A Bluetooth bridge and the reference terminal, over real ATT: what comes, what goes, and who is away."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import pytest
from bleak import BleakScanner
from bleak.backends.adapter import BaseBleakAdapter
from bleak.backends.device import BLEDevice
from bleak.exc import BleakBluetoothNotAvailableError, BleakBluetoothNotAvailableReason
from bumble.hci import Address

from adapters.contract import DeliveryRejectedError, Document, SourceNeedsPersonError, SourceUnavailableError
from node.clock import MachineClock
from node.demo.raising import wait_until
from tests.support.adapter_openings import gather, outcome
from tests.support.bumble_backend import BumbleAdapter, stack_of
from tests.support.bumble_gatt import Look

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapters.bluetooth_bridge.bridge import BluetoothBridge
    from tests.integration.adapters.bluetooth_bridge.conftest import Place

pytestmark = pytest.mark.integration
NOTICE = Document(content=b"<SupervisionNotice/>", record_type="SupervisionNotice", text="督办通知")
SECOND = Look(name="YZ-2", address="C4:7C:8D:00:00:02")
BOTH = {"window-1": "YZ-1", "window-2": "YZ-2"}


def taken(bridge: BluetoothBridge, count: int) -> list[bytes]:
    """Fetch and acknowledge so many deliveries; return their contents in order."""
    came = gather(
        bridge, lambda so_far: len(so_far) >= count, answer=lambda delivery: bridge.acknowledge(delivery, outcome())
    )
    return [delivery.content for delivery in came]


def becomes(done: Callable[[], bool]) -> bool:
    return wait_until(done, 20.0, MachineClock())


def test_what_a_terminal_sends_comes_in_order_and_is_confirmed_there(place: Place) -> None:
    terminal = place.terminal()
    bridge = place.bridge()
    bridge.check()
    for number in range(5):
        terminal.put(b"<Application>%d</Application>" % number)
    assert taken(bridge, 5) == [b"<Application>%d</Application>" % number for number in range(5)]
    assert becomes(lambda: terminal.waiting() == 0)
    assert [state for _, state, _ in terminal.answered()] == ["confirmed"] * 5


def test_a_delivery_tells_what_the_terminal_said_of_it_as_far_as_that_can_be_shown(place: Place) -> None:
    terminal = place.terminal()
    terminal.put(b"a,b\n1,2\n", "text/csv", "申请\t1.csv")
    terminal.put(b"?", "no media type", "")
    named, unnamed = gather(place.bridge(), lambda came: len(came) == 2)
    assert (named.media_type, named.name) == ("text/csv", "申请_1.csv")
    assert named.delivery_key.startswith("window-1/")
    assert (unnamed.media_type, unnamed.name) == ("application/octet-stream", "")


def test_a_round_brings_no_more_than_was_asked_for_and_what_is_not_answered_comes_again(place: Place) -> None:
    terminal = place.terminal()
    for number in range(3):
        terminal.put(b"%d" % number)
    bridge = place.bridge()
    assert [one.content for one in gather(bridge, bool, limit=1)] == [b"0"]
    again = gather(bridge, lambda came: len(came) == 2, limit=2)
    assert [one.content for one in again] == [b"0", b"1"]
    bridge.acknowledge(again[0], outcome())
    assert taken(bridge, 2) == [b"1", b"2"]


def test_what_cannot_be_read_is_refused_at_the_terminal_with_the_reason(place: Place) -> None:
    terminal = place.terminal()
    terminal.put(b"not a record")
    bridge = place.bridge()
    (delivery,) = gather(bridge, bool)
    bridge.reject(delivery, "no dialect reads it")
    assert becomes(lambda: terminal.answered() == [(1, "refused", "no dialect reads it")])


def test_an_answer_to_a_terminal_that_the_settings_do_not_name_any_more_is_nobodys(place: Place) -> None:
    place.terminal().put(b"one")
    first = place.bridge()
    (delivery,) = gather(first, bool)
    first.close()
    later = place.bridge({"window-9": "YZ-9"})
    later.acknowledge(delivery, outcome())
    later.reject(delivery, "too late")


def test_a_document_goes_to_every_terminal_that_is_named_once_for_each_key(place: Place) -> None:
    terminals = [place.terminal(), place.terminal(look=SECOND, name="window-2")]
    bridge = place.bridge(BOTH, deliver_to=["window-2", "window-1"])
    bridge.deliver(NOTICE, "310000/3-1/7")
    bridge.deliver(NOTICE, "310000/3-1/7")
    for terminal in terminals:
        assert terminal.documents() == [("310000/3-1/7", "督办通知", b"<SupervisionNotice/>")]


def test_a_document_that_a_line_cannot_carry_is_never_delivered(place: Place) -> None:
    place.terminal()
    large = Document(content=bytes(16 * 1024 * 1024 + 1), record_type="SupervisionNotice")
    with pytest.raises(DeliveryRejectedError):
        place.bridge().deliver(large, "key")


def test_a_terminal_that_is_away_does_not_keep_a_document_from_the_others(place: Place) -> None:
    terminal = place.terminal()
    bridge = place.bridge(BOTH, deliver_to=["window-2", "window-1"])
    with pytest.raises(SourceUnavailableError, match=r"terminal window-2 since .*: not heard within 1.5 s"):
        bridge.deliver(NOTICE, "310000/3-1/7")
    assert [key for key, _, _ in terminal.documents()] == ["310000/3-1/7"]


def test_one_terminal_that_is_away_is_named_by_a_check_and_disturbs_no_other(place: Place) -> None:
    terminal = place.terminal()
    bridge = place.bridge(BOTH)
    with pytest.raises(SourceUnavailableError, match=r"^terminal window-2 since [-0-9]{10} [:0-9]{8} UTC: not heard"):
        bridge.check()
    for number in range(3):
        terminal.put(b"%d" % number)
        assert taken(bridge, 1) == [b"%d" % number]
    assert list(bridge.fetch(10)) == []


def test_a_bridge_is_away_when_all_terminals_are_and_comes_back_by_itself(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "adapters")
    terminals = [place.terminal(), place.terminal(look=SECOND, name="window-2")]
    bridge = place.bridge(BOTH)
    bridge.check()
    for terminal in terminals:
        terminal.go_away()
    with pytest.raises(SourceUnavailableError) as caught:
        bridge.check()
    for ask in range(3):
        with pytest.raises(SourceUnavailableError, match=r"window-1 since .*; terminal window-2 since "):
            list(bridge.fetch(ask + 1))
    assert "window-1" in str(caught.value)
    for terminal in terminals:
        terminal.come_back()
        terminal.put(b"back")
    assert taken(bridge, 2) == [b"back"] * 2

    def said() -> list[tuple[str, str]]:
        return sorted((record.getMessage(), vars(record)["terminal"]) for record in caplog.records)

    assert becomes(lambda: len(said()) >= 4)
    assert said() == [
        (f"bluetooth terminal is {word}", name) for word in ("away", "back") for name in ("window-1", "window-2")
    ]


def test_a_terminal_without_power_is_noticed_and_taken_up_again(place: Place) -> None:
    terminal = place.terminal()
    bridge = place.bridge()
    bridge.check()
    terminal.fall_silent()
    with pytest.raises(SourceUnavailableError):
        bridge.check()
    terminal.come_back()
    terminal.put(b"after the power cut")
    assert taken(bridge, 1) == [b"after the power cut"]


def test_bluetooth_that_is_switched_off_needs_a_person_and_goes_on_when_it_is_on(place: Place) -> None:
    place.terminal()
    place.machine.missing = BleakBluetoothNotAvailableError("off", BleakBluetoothNotAvailableReason.POWERED_OFF)
    bridge = place.bridge()
    with pytest.raises(SourceNeedsPersonError, match="switched off: bluetoothctl power on"):
        bridge.check()
    with pytest.raises(SourceNeedsPersonError, match="switched off"):
        list(bridge.fetch(10))
    place.machine.missing = None

    def works() -> bool:
        try:
            bridge.check()
        except SourceNeedsPersonError:
            return False
        return True

    assert becomes(works)


def test_a_device_that_offers_another_service_needs_a_person(place: Place) -> None:
    place.terminal(look=Look(service="6e400099-b5a3-f393-e0a9-e50e24dcca9e"))
    with pytest.raises(SourceNeedsPersonError, match=r"C4:7C:8D:00:00:01 \('YZ-1'\) offers no service 6e400001"):
        place.bridge().check()


def test_a_device_that_says_nothing_is_hung_up_and_named(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.bluetooth_bridge.connection.PROOF_S", 0.5)
    terminal = place.terminal()
    terminal.server.subscribed = lambda _: None
    with pytest.raises(
        SourceUnavailableError, match="is connected and says nothing: is the terminal's program running"
    ):
        place.bridge().check()


def test_a_bridge_that_was_never_used_or_is_closed_holds_nothing(place: Place) -> None:
    unused = place.bridge()
    unused.close()
    unused.close()
    with pytest.raises(SourceUnavailableError, match="closed"):
        unused.check()


def test_asked_to_stop_a_bridge_does_not_go_on_waiting(place: Place) -> None:
    place.terminal()
    bridge = place.bridge(look_s=30.0)
    stops = bridge._opening.wait
    assert not stops(0)
    object.__setattr__(bridge._opening, "wait", lambda _seconds: True)
    begun_s = time.monotonic()
    assert list(bridge.fetch(1)) == []
    assert time.monotonic() - begun_s < 3


def test_a_defect_of_the_radio_is_not_taken_for_a_terminal_that_is_away(place: Place) -> None:
    place.terminal()
    place.machine.missing = ZeroDivisionError("a defect")  # type: ignore[assignment]
    bridge = place.bridge()
    with pytest.raises(RuntimeError, match="the radio has ended") as caught:
        bridge.check()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_defect_while_a_terminal_is_connected_ends_the_bridge_too(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> float:
        raise ZeroDivisionError

    monkeypatch.setattr("adapters.bluetooth_bridge.connection.Connection._watch", broken)
    place.terminal()
    with pytest.raises(RuntimeError, match="the radio has ended"):
        place.bridge().check()


def test_a_stack_that_does_not_tell_what_is_connected_is_scanned(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    # bleak's base class of an adapter raises NotImplementedError: that of a platform which has none.
    place.terminal()
    monkeypatch.setattr("tests.support.bumble_backend.BumbleAdapter", BaseBleakAdapter)
    place.bridge().check()


def test_a_device_that_a_process_before_left_connected_is_taken_up(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = place.terminal()
    device = place.air.run(found(place))
    monkeypatch.setattr(BumbleAdapter, "left", [device])
    terminal.put(b"one")
    bridge = place.bridge(look_s=30.0)
    assert taken(bridge, 1) == [b"one"]


def test_a_connection_that_the_stack_only_remembers_does_not_keep_the_terminal_from_being_scanned_for(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A bluetoothd that crashed takes no leave: bleak goes on believing in the connections and devices that it had.
    monkeypatch.setattr("adapters.bluetooth_bridge.connection.CONNECT_S", 1.0)
    place.terminal().put(b"one")
    nobody = {"address": Address("C4:7C:8D:00:00:99"), "props": {}}
    monkeypatch.setattr(BumbleAdapter, "left", [BLEDevice("C4:7C:8D:00:00:01", "YZ-1", nobody)])
    assert taken(place.bridge(), 1) == [b"one"]


async def found(place: Place) -> BLEDevice:
    scanner = stack_of(place.machine).scanner
    assert scanner is not None
    device = await BleakScanner.find_device_by_name("YZ-1", timeout=10, backend=scanner)
    assert device is not None
    return device
