"""What is near a machine, and pairing with it, over real SMP; and what BlueZ asks of our agent."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from bleak.exc import BleakBluetoothNotAvailableError, BleakBluetoothNotAvailableReason, BleakDBusError
from bumble.keys import MemoryKeyStore
from bumble.pairing import PairingDelegate
from dbus_fast.constants import MessageType
from dbus_fast.message import Message

from adapters.bluetooth_bridge.near import Nearby, devices_near, pair_with
from adapters.bluetooth_bridge.pairing import Agent
from adapters.contract import SourceNeedsPersonError, SourceUnavailableError
from tests.integration.adapters.bluetooth_bridge.test_bridge import SECOND, taken
from tests.support.bumble_backend import stack_of
from tests.support.bumble_gatt import Look

if TYPE_CHECKING:
    from tests.integration.adapters.bluetooth_bridge.conftest import Place

pytestmark = pytest.mark.integration
ADDRESS = "C4:7C:8D:00:00:01"
DEVICE = "/org/bluez/hci0/dev_C4_7C_8D_00_00_01"
OTHER_DEVICE = "/org/bluez/hci0/dev_C4_7C_8D_00_00_66"
ENCRYPTED = Look(encrypted=True)
Io = PairingDelegate.IoCapability


@dataclass
class Person:
    """Somebody who stands at the machine and sees the terminal too."""

    terminal: AtTerminal | None = None
    agrees: bool = True
    was_shown: list[str] = field(default_factory=list)
    was_asked: int = 0

    def show(self, passkey: str) -> None:
        self.was_shown.append(passkey)
        if self.terminal is not None:
            self.terminal.typed.set_result(int(passkey))

    def ask(self) -> str | None:
        self.was_asked += 1
        if self.terminal is None or not self.agrees:
            return None
        return asyncio.run_coroutine_threadsafe(self.terminal.displayed(), self.terminal.loop).result(10)

    def confirm(self, number: str) -> bool:
        self.was_shown.append(number)
        return self.agrees


class AtTerminal(PairingDelegate):
    """The display and the keys of a terminal."""

    def __init__(self, place: Place, capability: PairingDelegate.IoCapability) -> None:
        super().__init__(capability)
        self.loop = place.air.loop
        self._display: asyncio.Future[int] = self.loop.create_future()
        self.numbers: list[int] = []
        self.typed = TypedOnce(self.loop)

    async def display_number(self, number: int, digits: int) -> None:
        assert digits == 6
        self._display.set_result(number)

    async def displayed(self) -> str:
        return f"{await self._display:06d}"

    async def get_number(self) -> int | None:
        return await self.typed.future

    async def compare_numbers(self, number: int, digits: int) -> bool:
        assert digits == 6
        self.numbers.append(number)
        return True


class TypedOnce:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.future: asyncio.Future[int] = loop.create_future()

    def set_result(self, number: int) -> None:
        self._loop.call_soon_threadsafe(self.future.set_result, number)


def pair(place: Place, person: Person, *, again: bool = False, seconds: float = 15) -> None:
    pair_with(
        ADDRESS,
        questions=person,
        seconds=seconds,
        again=again,
        stack=stack_of(place.machine),
        agent=place.machine.agent,
    )


def test_what_is_near_is_listed_with_what_it_says_of_itself(place: Place) -> None:
    place.terminal()
    place.terminal(
        look=Look(name="Lamp\x1b[2J\u202e", address=SECOND.address, advertises_service=False), name="window-2"
    )
    found = devices_near(seconds=0.8, stack=stack_of(place.machine))
    # bumble's controllers hear everything at -50 dBm.
    assert found == [
        Nearby(address=ADDRESS, name="YZ-1", rssi=-50, offers_service=True, is_paired=False),
        Nearby(address=SECOND.address, name="Lamp?[2J?", rssi=-50, offers_service=False, is_paired=False),
    ]


def test_without_bluetooth_nothing_is_listed_and_the_person_is_told(place: Place) -> None:
    place.machine.missing = BleakBluetoothNotAvailableError("none", BleakBluetoothNotAvailableReason.NO_BLUETOOTH)
    with pytest.raises(SourceNeedsPersonError, match="no Bluetooth adapter"):
        devices_near(seconds=0.1, stack=stack_of(place.machine))


def test_without_pairing_an_encrypted_bridge_needs_a_person_and_with_it_the_link_is_encrypted(place: Place) -> None:
    terminal = place.terminal(look=ENCRYPTED)
    unpaired = place.bridge(encrypted=True)
    with pytest.raises(
        SourceNeedsPersonError, match=f"{ADDRESS} is not paired with this machine: yizhan bluetooth pair"
    ):
        unpaired.check()
    unpaired.close()
    assert terminal.server.connections == 0
    person = Person()
    pair(place, person)
    assert devices_near(seconds=0.8, stack=stack_of(place.machine))[0].is_paired
    terminal.put(b"over an encrypted link")
    assert taken(place.bridge(encrypted=True), 1) == [b"over an encrypted link"]
    assert terminal.server.was_encrypted
    # Neither end can show or type anything, so nothing could be compared.
    assert (person.was_shown, person.was_asked) == ([], 0)


def test_a_terminal_that_asks_for_encryption_tells_a_bridge_without_pairing_so(place: Place) -> None:
    place.terminal(look=ENCRYPTED)
    with pytest.raises(SourceNeedsPersonError, match="the terminal asks for pairing"):
        place.bridge(encrypted=False).check()


def test_a_terminal_that_lost_its_bond_is_paired_again(place: Place) -> None:
    bonds = MemoryKeyStore()
    place.terminal(look=ENCRYPTED, bonds=bonds)
    pair(place, Person())
    asyncio.run(bonds.delete_all())
    forgotten = place.bridge(encrypted=True)
    with pytest.raises((SourceUnavailableError, SourceNeedsPersonError)):
        forgotten.check()
    forgotten.close()
    pair(place, Person(), again=True)
    place.bridge(encrypted=True).check()


def test_a_terminal_with_a_display_shows_digits_that_the_person_types_here(place: Place) -> None:
    shown = AtTerminal(place, Io.DISPLAY_OUTPUT_ONLY)
    place.terminal(look=ENCRYPTED, delegate=shown)
    person = Person(terminal=shown)
    pair(place, person)
    assert person.was_asked == 1
    place.bridge(encrypted=True).check()


def test_a_terminal_with_keys_has_digits_typed_that_are_shown_here(place: Place) -> None:
    keys = AtTerminal(place, Io.KEYBOARD_INPUT_ONLY)
    place.terminal(look=ENCRYPTED, delegate=keys)
    person = Person(terminal=keys)
    pair(place, person)
    assert [len(one) for one in person.was_shown] == [6]
    place.bridge(encrypted=True).check()


def test_two_displays_are_compared(place: Place) -> None:
    compared = AtTerminal(place, Io.DISPLAY_OUTPUT_AND_YES_NO_INPUT)
    place.terminal(look=ENCRYPTED, delegate=compared)
    person = Person(terminal=compared)
    pair(place, person)
    assert [int(one) for one in person.was_shown] == compared.numbers
    place.bridge(encrypted=True).check()


@pytest.mark.parametrize("capability", [Io.DISPLAY_OUTPUT_ONLY, Io.DISPLAY_OUTPUT_AND_YES_NO_INPUT])
def test_a_person_who_does_not_agree_ends_the_pairing(place: Place, capability: PairingDelegate.IoCapability) -> None:
    at_terminal = AtTerminal(place, capability)
    place.terminal(look=ENCRYPTED, delegate=at_terminal)
    with pytest.raises((SourceUnavailableError, SourceNeedsPersonError)):
        pair(place, Person(terminal=at_terminal, agrees=False))
    assert not devices_near(seconds=0.8, stack=stack_of(place.machine))[0].is_paired


def test_a_terminal_that_is_not_heard_is_not_paired(place: Place) -> None:
    with pytest.raises(SourceUnavailableError, match=f"{ADDRESS} was not heard: is it on, near"):
        pair(place, Person(), seconds=1)


def test_what_pairing_failed_of_is_told_although_the_stack_does_not_let_go(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(_client: object) -> None:
        await asyncio.Event().wait()

    async def refused(*_: object, **__: object) -> None:
        raise BleakDBusError("org.bluez.Error.AuthenticationRejected", [])

    place.terminal(look=ENCRYPTED)
    monkeypatch.setattr("adapters.bluetooth_bridge.near.LET_GO_S", 0.2)
    monkeypatch.setattr("tests.support.bumble_backend._Client.connect", refused)
    monkeypatch.setattr("tests.support.bumble_backend._Client.disconnect", never)
    with pytest.raises(SourceNeedsPersonError, match="pairing failed"):
        pair(place, Person())


def asked(member: str, signature: str = "", *body: Any) -> Message:
    return Message(
        destination=":1.2",
        sender=":1.1",
        serial=7,
        path="/cn/yizhan/agent",
        interface="org.bluez.Agent1",
        member=member,
        signature=signature,
        body=list(body),
    )


def answer(person: Person, question: Message) -> Message:
    reply = asyncio.run(Agent(person, ADDRESS).answer(question))
    assert reply.reply_serial == 7
    return reply


class Typing(Person):
    def __init__(self, typed: str | None) -> None:
        super().__init__()
        self._typed = typed

    def ask(self) -> str | None:
        return self._typed


def test_the_agent_answers_what_bluez_asks() -> None:
    # doc/org.bluez.Agent.rst of BlueZ 5.66 names the methods and their signatures.
    person = Person()
    typed = answer(Typing("012345"), asked("RequestPasskey", "o", DEVICE))
    assert (typed.message_type, typed.signature, typed.body) == (MessageType.METHOD_RETURN, "u", [12345])
    for digits in (0, 1, 2):
        shown = answer(person, asked("DisplayPasskey", "ouq", DEVICE, 4711, digits))
        assert shown.message_type is MessageType.METHOD_RETURN
    assert person.was_shown == ["004711"]
    assert answer(person, asked("RequestConfirmation", "ou", DEVICE, 99)).message_type is MessageType.METHOD_RETURN
    assert person.was_shown == ["004711", "000099"]
    for member in ("Cancel", "Release"):
        assert answer(person, asked(member)).message_type is MessageType.METHOD_RETURN
    allowed = answer(person, asked("RequestAuthorization", "o", DEVICE))
    assert allowed.message_type is MessageType.METHOD_RETURN


@pytest.mark.parametrize(
    ("person", "question"),
    [
        (Typing(None), asked("RequestPasskey", "o", DEVICE)),
        (Typing("12345x"), asked("RequestPasskey", "o", DEVICE)),
        (Typing("1234567"), asked("RequestPasskey", "o", DEVICE)),
        (Person(agrees=False), asked("RequestConfirmation", "ou", DEVICE, 99)),
        (Person(), asked("RequestPinCode", "o", DEVICE)),
        (Person(), asked("AuthorizeService", "os", DEVICE, "0000ffe0-0000-1000-8000-00805f9b34fb")),
        (Person(), asked("RequestAuthorization", "o", OTHER_DEVICE)),
        (Person(), asked("RequestConfirmation", "ou", OTHER_DEVICE, 99)),
        (Typing("012345"), asked("RequestPasskey", "o", OTHER_DEVICE)),
        (Person(), asked("RequestAuthorization")),
    ],
)
def test_the_agent_agrees_to_nothing_else(person: Person, question: Message) -> None:
    reply = answer(person, question)
    assert (reply.message_type, reply.error_name) == (MessageType.ERROR, "org.bluez.Error.Rejected")
