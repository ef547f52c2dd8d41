"""Our agent on a real message bus: how it is made known there, what it is asked by it, and what is left of it."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from contextlib import asynccontextmanager
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest
from dbus_fast.aio import MessageBus
from dbus_fast.constants import MessageType
from dbus_fast.message import Message

from adapters.bluetooth_bridge.pairing import bluez_agent
from adapters.contract import SourceUnavailableError
from tests.integration.adapters.bluetooth_bridge.test_near import ADDRESS, DEVICE, OTHER_DEVICE, Person

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

# Everything is allowed on this bus; that of a system would not let a test be org.bluez.

pytestmark = pytest.mark.integration
SETUP = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={socket}</listen>
<policy context="default"><allow user="*"/><allow own="*"/>
<allow send_destination="*"/><allow receive_sender="*"/></policy>
</busconfig>
"""


@pytest.fixture
def bus_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A message bus of its own for each test, which takes the place of the system's."""
    daemon = shutil.which("dbus-daemon")
    if daemon is None:
        pytest.skip("dbus-daemon is not installed")
    setup = tmp_path / "bus.conf"
    setup.write_text(SETUP.format(socket=tmp_path / "bus"))
    running = subprocess.Popen(
        [daemon, f"--config-file={setup}", "--nofork", "--print-address"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert running.stdout is not None
        address = running.stdout.readline().strip()
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        yield address
    finally:
        running.kill()
        running.wait()
        assert running.stdout is not None
        running.stdout.close()


class Service:
    """The service org.bluez, as far as agents know it (doc/org.bluez.AgentManager.rst of BlueZ 5.66)."""

    def __init__(self, bus: MessageBus, refused: str, silent: frozenset[str]) -> None:
        self._bus = bus
        self._refused = refused
        self._silent = silent
        self.calls: list[tuple[str | None, list[Any]]] = []
        self.agent: str | None = None
        bus.add_message_handler(self._called)

    async def asks(self, member: str, signature: str, *body: Any) -> Message:
        """Ask the agent, as BlueZ does while a device is paired."""
        assert self.agent is not None
        question = Message(
            destination=self.agent,
            path="/cn/yizhan/agent",
            interface="org.bluez.Agent1",
            member=member,
            signature=signature,
            body=list(body),
        )
        async with asyncio.timeout(10):
            answer = await self._bus.call(question)
        assert answer is not None
        return answer

    async def misses_agent(self) -> None:
        """Wait until the bus knows nobody under the agent's name any more."""
        for _ in range(1000):
            if (await self.asks("Release", "")).error_name == "org.freedesktop.DBus.Error.ServiceUnknown":
                return
        raise AssertionError(self.agent)

    def _called(self, message: Message) -> Message | bool | None:
        if message.message_type is not MessageType.METHOD_CALL or message.interface != "org.bluez.AgentManager1":
            return None
        self.calls.append((message.member, message.body))
        if message.member in self._silent:
            return True
        if message.member == self._refused:
            return Message.new_error(message, "org.bluez.Error.AlreadyExists", "Already Exists")
        self.agent = message.sender
        return Message.new_method_return(message)


@asynccontextmanager
async def service(address: str, *, refused: str = "", silent: frozenset[str] = frozenset()) -> AsyncIterator[Service]:
    bus = await MessageBus(bus_address=address).connect()
    try:
        await bus.request_name("org.bluez")
        yield Service(bus, refused, silent)
    finally:
        bus.disconnect()


def test_the_agent_is_known_to_bluez_for_as_long_as_a_pairing_lasts(bus_address: str) -> None:
    async def work() -> None:
        person = Person()
        async with service(bus_address) as bluez:
            async with bluez_agent(person, ADDRESS):
                registered = list(bluez.calls)
                agreed = await bluez.asks("RequestConfirmation", "ou", DEVICE, 4711)
                refused = await bluez.asks("RequestConfirmation", "ou", OTHER_DEVICE, 99)
            await bluez.misses_agent()
        assert registered == [
            ("RegisterAgent", ["/cn/yizhan/agent", "KeyboardDisplay"]),
            ("RequestDefaultAgent", ["/cn/yizhan/agent"]),
        ]
        assert bluez.calls[2:] == [("UnregisterAgent", ["/cn/yizhan/agent"])]
        assert agreed.message_type is MessageType.METHOD_RETURN
        assert refused.error_name == "org.bluez.Error.Rejected"
        assert person.was_shown == ["004711"]

    asyncio.run(work())


@pytest.mark.parametrize("refused", ["RegisterAgent", "RequestDefaultAgent"])
def test_a_service_that_takes_no_agent_is_told_and_nothing_is_left(bus_address: str, refused: str) -> None:
    async def work() -> None:
        async with service(bus_address, refused=refused) as bluez:
            with pytest.raises(SourceUnavailableError, match=r"does not take our agent: .*Already Exists"):
                async with bluez_agent(Person(), ADDRESS):
                    raise AssertionError
            if bluez.agent is not None:
                await bluez.misses_agent()

    asyncio.run(work())


def test_without_the_service_there_is_no_agent(bus_address: str) -> None:
    async def work() -> None:
        async with bluez_agent(Person(), ADDRESS):
            raise AssertionError

    assert bus_address
    with pytest.raises(SourceUnavailableError, match="does not take our agent"):
        asyncio.run(work())


def test_a_service_that_answers_nothing_does_not_hold_up_the_end(
    bus_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.bluetooth_bridge.pairing.LET_GO_S", 0.2)

    async def work() -> None:
        async with service(bus_address, silent=frozenset({"UnregisterAgent"})) as bluez:
            async with asyncio.timeout(10), bluez_agent(Person(), ADDRESS):
                pass
            await bluez.misses_agent()

    asyncio.run(work())


def test_a_question_that_is_open_when_the_pairing_ends_is_dropped(bus_address: str) -> None:
    left = Event()

    async def work() -> None:
        loop, asked = asyncio.get_running_loop(), asyncio.Event()

        class Leaving(Person):
            def confirm(self, number: str) -> bool:
                assert number == "000007"
                loop.call_soon_threadsafe(asked.set)
                return left.wait(10)

        async with service(bus_address) as bluez:
            async with bluez_agent(Leaving(), ADDRESS):
                asking = asyncio.create_task(bluez.asks("RequestConfirmation", "ou", DEVICE, 7))
                async with asyncio.timeout(10):
                    await asked.wait()
            assert (await asking).message_type is MessageType.ERROR
            left.set()
            assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(work())
