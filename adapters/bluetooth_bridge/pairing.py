"""Pairing with a terminal: what a person is asked, and the agent that BlueZ asks on our behalf.

BlueZ pairs a device by its own ``Pair``; whatever has to be compared or typed it asks of an agent on the system's
message bus (org.bluez.Agent1). bleak has no agent, so ours is registered for as long as a pairing lasts.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, Protocol

from dbus_fast.aio import MessageBus
from dbus_fast.constants import BusType, MessageType
from dbus_fast.message import Message

from adapters.bluetooth_bridge.connection import LET_GO_S
from adapters.bluetooth_bridge.stack import STACK_ERRORS
from adapters.contract import SourceUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_BLUEZ: Final = "org.bluez"
_AGENTS: Final = "org.bluez.AgentManager1"
_AGENT: Final = "org.bluez.Agent1"
_PATH: Final = "/cn/yizhan/agent"
_CAPABILITY: Final = "KeyboardDisplay"
"""A person at a terminal can read a number, type one and say yes: every way of pairing that a device knows."""
_REJECTED: Final = "org.bluez.Error.Rejected"


class Questions(Protocol):
    """What a person is asked while a terminal is paired; each may wait for the person."""

    def show(self, passkey: str) -> None:
        """Show six digits that have to be typed at the terminal."""

    def ask(self) -> str | None:
        """Return the six digits that the terminal shows, None to give up."""

    def confirm(self, number: str) -> bool:
        """Tell whether the terminal shows the same six digits."""


class Agent:
    """Answers what BlueZ asks while the device ``address`` is paired, and nothing that it asks about others."""

    def __init__(self, questions: Questions, address: str) -> None:
        self._questions = questions
        self._device = f"/dev_{address.upper().replace(':', '_')}"

    async def answer(self, asked: Message) -> Message:
        """Return the reply to a call of org.bluez.Agent1."""
        if asked.member in {"Cancel", "Release"}:
            return Message.new_method_return(asked)
        if not asked.body or not str(asked.body[0]).endswith(self._device):
            return Message.new_error(asked, _REJECTED, "another device is being paired")
        match asked.member:
            case "RequestPasskey":
                typed = await asyncio.to_thread(self._questions.ask)
                if typed is not None and typed.isdecimal() and len(typed) <= 6:  # noqa: PLR2004 - a passkey's digits.
                    return Message.new_method_return(asked, "u", [int(typed)])
            case "DisplayPasskey":
                # BlueZ says it again for each digit that was typed, with their number.
                if asked.body[2] == 0:
                    await asyncio.to_thread(self._questions.show, f"{asked.body[1]:06d}")
                return Message.new_method_return(asked)
            case "RequestConfirmation":
                if await asyncio.to_thread(self._questions.confirm, f"{asked.body[1]:06d}"):
                    return Message.new_method_return(asked)
            case "RequestAuthorization":
                return Message.new_method_return(asked)
        return Message.new_error(asked, _REJECTED, "not agreed to")


@asynccontextmanager
async def bluez_agent(questions: Questions, address: str) -> AsyncIterator[None]:
    """Let BlueZ ask ``questions`` about one device while the block runs."""
    agent = Agent(questions, address)
    answering: set[asyncio.Task[None]] = set()
    bus = await MessageBus(bus_type=BusType.SYSTEM).connect()

    async def reply(asked: Message) -> None:
        await bus.send(await agent.answer(asked))

    def heard(message: Message) -> bool:
        ours = message.message_type is MessageType.METHOD_CALL and message.interface == _AGENT
        if ours:
            task = asyncio.create_task(reply(message))
            answering.add(task)
            task.add_done_callback(answering.discard)
        return ours

    bus.add_message_handler(heard)
    try:
        await _asked_of_bluez(bus, "RegisterAgent", "os", [_PATH, _CAPABILITY])
        await _asked_of_bluez(bus, "RequestDefaultAgent", "o", [_PATH])
        yield
    finally:
        for task in answering:
            task.cancel()
        await asyncio.gather(*answering, return_exceptions=True)
        with suppress(SourceUnavailableError, *STACK_ERRORS):
            async with asyncio.timeout(LET_GO_S):
                await _asked_of_bluez(bus, "UnregisterAgent", "o", [_PATH])
        bus.disconnect()


async def _asked_of_bluez(bus: MessageBus, member: str, signature: str, body: list[Any]) -> None:
    answer = await bus.call(
        Message(destination=_BLUEZ, path="/org/bluez", interface=_AGENTS, member=member, signature=signature, body=body)
    )
    if answer is None or answer.message_type is MessageType.ERROR:
        raise SourceUnavailableError(f"the Bluetooth service does not take our agent: {answer and answer.body}")
