"""Run by pytest inside the virtual machine: the unmodified adapter on BlueZ, terminals of bumble behind /dev/vhci.

Everything between is real: bleak, D-Bus, bluetoothd, the kernel's Bluetooth. Only controller and air are bumble's.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from bumble.hci import LeFeatureMask
from bumble.pairing import PairingDelegate
from bumble.transport.vhci import open_vhci_transport

from adapters.bluetooth_bridge import KIND
from adapters.bluetooth_bridge.near import devices_near, pair_with
from adapters.contract import Document, Opening, Outcome, SourceNeedsPersonError, SourceUnavailableError
from adapters.record_line.key_text import key_text
from tests.support.bumble_air import Air
from tests.support.bumble_gatt import Look
from tests.support.bumble_terminal import KEY, NAME, terminal_on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from adapters.contract import Adapter, Delivery
    from tests.support.bumble_terminal import AirTerminal

ADDRESS = "C4:7C:8D:00:00:01"
SECOND = Look(name="YZ-2", address="C4:7C:8D:00:00:02")
ENCRYPTED = Look(encrypted=True)
UNKEPT = LeFeatureMask.LL_PRIVACY | LeFeatureMask.LE_EXTENDED_ADVERTISING | LeFeatureMask.LE_PERIODIC_ADVERTISING
"""What bumble 0.0.236 claims: with it Linux waits for LE Enhanced Connection Complete, which bumble never sends."""
TAKEN = Outcome(offered=1, accepted=1, repeated=0, refused=0)
LIMIT_S = 40.0


@pytest.fixture(scope="session")
def air() -> Iterator[Air]:
    """An air on which the kernel's controller is one of bumble's."""
    made = Air()
    stack = AsyncExitStack()

    async def plug_in() -> None:
        transport = await stack.enter_async_context(await open_vhci_transport(None))
        controller = made.controller("00:1B:DC:FF:00:01", host_source=transport.source, host_sink=transport.sink)
        controller.le_features &= ~UNKEPT

    made.run(plug_in())
    becomes(lambda: "Powered: yes" in bluetoothctl("show") or "PowerState: on" in bluetoothctl("power", "on"))
    yield made
    made.run(stack.aclose())
    made.close()


@pytest.fixture
def terminal(air: Air, tmp_path: Path) -> Iterator[AirTerminal]:
    """A terminal that anybody may write to."""
    with terminal_on(air, tmp_path / "t1") as made:
        yield made
    forget()


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[Callable[..., Adapter]]:
    """Open the kind as it is shipped; closed at the end."""
    opened: list[Adapter] = []

    def open_one(terminals: dict[str, str] | None = None, **settings: Any) -> Adapter:
        opened.append(KIND.open(opening(tmp_path / "kept", terminals, **settings)))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


def opening(folder: Path, terminals: dict[str, str] | None = None, **settings: Any) -> Opening:
    folder.mkdir(exist_ok=True)
    named = terminals or {NAME: ADDRESS}
    defaults = {one.name: one.default for one in KIND.settings if not one.secret}
    return Opening(
        name="windows",
        source_id="hall",
        settings={**defaults, "encrypted": False, "retry_s_max": 1.0, **settings, "terminals": named},
        secrets={"terminal_keys": " ".join(f"{name}={key_text(KEY)}" for name in named)},
        folder=folder,
        now=lambda: datetime.now(UTC),  # noqa: TID251 - the node's clock is not here.
        monotonic_s=time.monotonic,
        wait=threading.Event().wait,
        token=os.urandom,
    )


def bluetoothctl(*words: str) -> str:
    done = subprocess.run(["bluetoothctl", *words], capture_output=True, text=True, timeout=20, check=False)
    return done.stdout + done.stderr


def forget() -> None:
    """Have BlueZ forget every device, its bond included."""
    for line in bluetoothctl("devices").splitlines():
        if line.startswith("Device "):
            bluetoothctl("remove", line.split()[1])


def becomes(done: Callable[[], object], limit_s: float = LIMIT_S) -> None:
    until_s = time.monotonic() + limit_s
    while not done():
        assert time.monotonic() < until_s
        threading.Event().wait(0.1)


def taken(adapter: Adapter, count: int) -> list[bytes]:
    came: list[Delivery] = []
    away: SourceUnavailableError | None = None
    until_s = time.monotonic() + LIMIT_S
    while len(came) < count:
        assert time.monotonic() < until_s, f"came: {came}; away: {away}; BlueZ: {bluetoothctl('info', ADDRESS)}"
        try:
            for delivery in adapter.fetch(10):
                came.append(delivery)
                adapter.acknowledge(delivery, TAKEN)
        except SourceUnavailableError as problem:
            away = problem
            threading.Event().wait(0.1)
    return [one.content for one in came]


def test_a_scan_lists_the_terminal_with_its_name_and_service(terminal: AirTerminal) -> None:
    assert terminal.server.connections == 0
    found = {one.address: one for one in devices_near(seconds=4)}
    assert found[ADDRESS].name == "YZ-1"
    assert found[ADDRESS].offers_service
    assert not found[ADDRESS].is_paired


def test_records_come_up_and_documents_go_down(terminal: AirTerminal, bridge: Callable[..., Adapter]) -> None:
    adapter = bridge()
    adapter.check()
    records = [b"<Application>%d</Application>" % number for number in range(20)]
    for record in records:
        terminal.put(record)
    assert taken(adapter, 20) == records
    becomes(lambda: terminal.waiting() == 0)
    content = os.urandom(20_000)
    adapter.deliver(Document(content=content, record_type="SupervisionNotice", text="督办"), "310000/3-1/7")
    adapter.deliver(Document(content=content, record_type="SupervisionNotice", text="督办"), "310000/3-1/7")
    assert terminal.documents() == [("310000/3-1/7", "督办", content)]
    # BlueZ asks for an MTU of 517 and reports 514 bytes; an attribute holds 512.
    assert max(terminal.server.written_sizes) == 512


def test_a_terminal_that_vanishes_is_away_and_taken_up_again(
    terminal: AirTerminal, bridge: Callable[..., Adapter]
) -> None:
    adapter = bridge(look_s=4.0)
    adapter.check()
    terminal.fall_silent()
    with pytest.raises(SourceUnavailableError, match=r"not heard|ended|does not answer"):
        adapter.check()
    terminal.come_back()
    terminal.put(b"back")
    assert taken(adapter, 1) == [b"back"]


def test_two_terminals_talk_at_once_and_one_that_hangs_up_does_not_disturb_the_other(
    terminal: AirTerminal, air: Air, tmp_path: Path, bridge: Callable[..., Adapter]
) -> None:
    with terminal_on(air, tmp_path / "t2", look=SECOND, name="window-2") as second:
        adapter = bridge({NAME: ADDRESS, "window-2": "YZ-2"})
        adapter.check()
        for number in range(3):
            second.hang_up()
            terminal.put(b"%d" % number)
            assert taken(adapter, 1) == [b"%d" % number]
        second.put(b"second")
        assert taken(adapter, 1) == [b"second"]
        assert terminal.server.connections == 1
        adapter.close()


def test_what_a_killed_process_left_connected_is_taken_up(
    terminal: AirTerminal, bridge: Callable[..., Adapter], tmp_path: Path
) -> None:
    before = subprocess.Popen(
        [sys.executable, "-c", _HOLDING, str(tmp_path / "held")], stdout=subprocess.PIPE, text=True
    )
    assert before.stdout is not None
    assert before.stdout.readline() == "connected\n"
    before.kill()
    before.wait()
    before.stdout.close()
    terminal.put(b"after the kill")
    assert taken(bridge(), 1) == [b"after the kill"]


_HOLDING = """
import sys, threading
from pathlib import Path
from adapters.bluetooth_bridge import KIND
from tests.bluez_vm.guest import opening
adapter = KIND.open(opening(Path(sys.argv[1])))
adapter.check()
print("connected", flush=True)
threading.Event().wait(60)
"""


def test_an_encrypted_bridge_needs_a_paired_terminal_and_a_person_who_types_its_digits(
    air: Air, tmp_path: Path, bridge: Callable[..., Adapter]
) -> None:
    shown = Displaying(air)
    with terminal_on(air, tmp_path / "t3", look=ENCRYPTED, delegate=shown) as terminal:
        unpaired = bridge(encrypted=True)
        with pytest.raises(SourceNeedsPersonError, match=f"yizhan bluetooth pair {ADDRESS}"):
            unpaired.check()
        unpaired.close()
        pair_with(ADDRESS, questions=Person(shown), seconds=40)
        assert {one.address: one for one in devices_near(seconds=4)}[ADDRESS].is_paired
        terminal.put(b"over an encrypted link")
        assert taken(bridge(encrypted=True), 1) == [b"over an encrypted link"]
        assert terminal.server.was_encrypted
    forget()


def test_a_terminal_without_display_and_keys_is_paired_without_a_question(
    air: Air, tmp_path: Path, bridge: Callable[..., Adapter]
) -> None:
    # This terminal does not ask for encryption: the machine does, as with everything that it is paired with.
    with terminal_on(air, tmp_path / "t4") as terminal:
        pair_with(ADDRESS, questions=Person(None), seconds=40)
        terminal.put(b"just works")
        assert taken(bridge(encrypted=True), 1) == [b"just works"]
        assert terminal.server.was_encrypted
    forget()


def test_a_terminal_that_lost_its_bond_is_told_nothing_and_is_paired_again(
    air: Air, tmp_path: Path, bridge: Callable[..., Adapter]
) -> None:
    with terminal_on(air, tmp_path / "t5"):
        pair_with(ADDRESS, questions=Person(None), seconds=40)
    # Another device under the same address, or the same one after a reset: it has the key of the line, and no bond.
    with terminal_on(air, tmp_path / "t6") as terminal:
        terminal.put(b"paired again")
        without_bond = bridge(encrypted=True, look_s=4.0)
        with pytest.raises((SourceUnavailableError, SourceNeedsPersonError)):
            without_bond.check()
        without_bond.close()
        assert terminal.server.written_sizes == []
        pair_with(ADDRESS, questions=Person(None), seconds=40, again=True)
        assert taken(bridge(encrypted=True), 1) == [b"paired again"]
    forget()


class Displaying(PairingDelegate):
    """A terminal that shows six digits."""

    def __init__(self, air: Air) -> None:
        super().__init__(PairingDelegate.IoCapability.DISPLAY_OUTPUT_ONLY)
        self.air = air
        self.number: int | None = None

    async def display_number(self, number: int, digits: int) -> None:
        assert digits == 6
        self.number = number


class Person:
    """Somebody who reads the terminal's display and types what it shows."""

    def __init__(self, shown: Displaying | None) -> None:
        self._shown = shown

    def show(self, passkey: str) -> None:
        raise AssertionError(passkey)

    def ask(self) -> str | None:
        shown = self._shown
        assert shown is not None
        becomes(lambda: shown.number is not None, 10)
        return f"{shown.number:06d}"

    def confirm(self, number: str) -> bool:
        raise AssertionError(number)


def test_bytes_a_second_on_the_real_stack(
    terminal: AirTerminal, bridge: Callable[..., Adapter], capsys: pytest.CaptureFixture[str]
) -> None:
    adapter = bridge()
    adapter.check()
    content = os.urandom(60_000)
    begun_s = time.monotonic()
    terminal.put(content)
    assert taken(adapter, 1) == [content]
    rate = len(content) / (time.monotonic() - begun_s)
    with capsys.disabled():
        sys.stdout.write(f"\nbluez-vm: {rate / 1000:.1f} kB/s of bytes that cannot be compressed\n")
    assert rate > 1_000


def works(adapter: Adapter) -> bool:
    try:
        adapter.check()
    except (SourceNeedsPersonError, SourceUnavailableError):
        return False
    return True


def test_bluetooth_that_is_switched_off_needs_a_person_and_goes_on_when_it_is_on(
    terminal: AirTerminal, bridge: Callable[..., Adapter]
) -> None:
    adapter = bridge()
    adapter.check()
    bluetoothctl("power", "off")
    with pytest.raises(SourceNeedsPersonError, match="switched off: bluetoothctl power on"):
        adapter.check()
    bluetoothctl("power", "on")
    terminal.put(b"on again")
    becomes(lambda: works(adapter))
    assert taken(adapter, 1) == [b"on again"]


def test_a_bluetooth_service_that_crashed_and_was_started_again_is_used_again(
    terminal: AirTerminal, bridge: Callable[..., Adapter]
) -> None:
    adapter = bridge()
    adapter.check()
    # It takes no leave, so bleak goes on believing in the connection and in the device, which BlueZ knows no more.
    subprocess.run(["busybox", "killall", "-9", "bluetoothd"], check=True)
    with pytest.raises((SourceNeedsPersonError, SourceUnavailableError)):
        adapter.check()
    subprocess.run(["sh", "-c", "/usr/libexec/bluetooth/bluetoothd >>/tmp/bluetoothd.log 2>&1 &"], check=True)
    becomes(lambda: "Powered: yes" in bluetoothctl("show") or "PowerState: on" in bluetoothctl("power", "on"))
    terminal.put(b"after the crash")
    becomes(lambda: works(adapter))
    assert taken(adapter, 1) == [b"after the crash"]


def test_without_the_bluetooth_service_a_person_is_told_to_start_it(bridge: Callable[..., Adapter]) -> None:
    subprocess.run(["busybox", "killall", "bluetoothd"], check=True)
    becomes(lambda: not subprocess.run(["busybox", "pidof", "bluetoothd"], check=False, stdout=subprocess.PIPE).stdout)
    with pytest.raises(SourceNeedsPersonError, match="Bluetooth service does not run"):
        bridge().check()
