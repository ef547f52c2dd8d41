"""What is near, and pairing with it: for people who set a terminal up, not for the adapter."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from bleak import BleakClient, BleakScanner

from adapters.bluetooth_bridge.connection import LET_GO_S
from adapters.bluetooth_bridge.pairing import bluez_agent
from adapters.bluetooth_bridge.settings import SERVICE_UUID
from adapters.bluetooth_bridge.stack import PLATFORM, STACK_ERRORS, bluez_options, is_paired, stack_problem
from adapters.contract import SourceUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from bleak.backends.device import BLEDevice

    from adapters.bluetooth_bridge.pairing import Questions
    from adapters.bluetooth_bridge.stack import Stack

DEVICES_MAX: Final = 500
"""Devices that are listed. Our own choice: a hostile one may advertise under any number of addresses."""
NAME_LENGTH_MAX: Final = 64
"""Characters that are shown of a name. Our own choice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearby:
    """A device that was heard: ``rssi`` in dBm (0 is strongest), ``name`` "" for none.

    ``offers_service`` tells whether it advertises the terminals' service; one that does not may still offer it, which
    only connecting shows. ``is_paired`` is what the machine's stack says.
    """

    address: str
    name: str
    rssi: int
    offers_service: bool
    is_paired: bool


def devices_near(
    *, seconds: float, controller: str = "", service_uuid: str = SERVICE_UUID, stack: Stack = PLATFORM
) -> list[Nearby]:
    """Listen for so many seconds; return what advertised, the strongest first.

    Raises SourceNeedsPersonError or SourceUnavailableError when the machine's Bluetooth does not work.
    """
    try:
        return asyncio.run(_devices_near(seconds, controller, service_uuid, stack))
    except STACK_ERRORS as problem:
        raise stack_problem(problem) from problem


def pair_with(
    address: str,
    *,
    questions: Questions,
    seconds: float,
    again: bool = False,
    controller: str = "",
    stack: Stack = PLATFORM,
    agent: Callable[[Questions, str], AbstractAsyncContextManager[None]] = bluez_agent,
) -> None:
    """Pair this machine with a device within so many seconds; ``again`` forgets an old bond first.

    Raises as ``devices_near``, and SourceUnavailableError when the device is not heard.
    """
    try:
        asyncio.run(_pair_with(_Pairing(address, seconds, controller, stack), agent(questions, address), again=again))
    except STACK_ERRORS as problem:
        raise stack_problem(problem) from problem


async def _devices_near(seconds: float, controller: str, service_uuid: str, stack: Stack) -> list[Nearby]:
    scanner = BleakScanner(backend=stack.scanner, **bluez_options(controller))
    async with scanner:
        await asyncio.sleep(seconds)
    heard = scanner.discovered_devices_and_advertisement_data.values()
    found = [
        Nearby(
            address=device.address,
            name=_shown(said.local_name or device.name or ""),
            rssi=said.rssi,
            offers_service=service_uuid in said.service_uuids,
            is_paired=is_paired(device),
        )
        for device, said in heard
    ]
    return sorted(found, key=lambda one: (-one.rssi, one.address))[:DEVICES_MAX]


async def _pair_with(wanted: _Pairing, agent: AbstractAsyncContextManager[None], *, again: bool) -> None:
    async with asyncio.timeout(wanted.seconds):
        device = await wanted.found()
        if again and is_paired(device):
            await wanted.client(device, pair=False).unpair()
            device = await wanted.found()
        client = wanted.client(device, pair=True)
        async with agent:
            try:
                await client.connect()
            finally:
                # How the pairing went is what counts: a bond that was made stays, and so does the reason of a failure.
                with suppress(*STACK_ERRORS):
                    async with asyncio.timeout(LET_GO_S):
                        await client.disconnect()


class _Pairing(NamedTuple):
    """A device that is to be paired, and by what."""

    address: str
    seconds: float
    controller: str
    stack: Stack

    async def found(self) -> BLEDevice:
        """Return the device; half of the time is left for the pairing, which then tells which of them took too long."""
        options: Any = {"backend": self.stack.scanner, **bluez_options(self.controller)}
        device = await BleakScanner.find_device_by_address(self.address, self.seconds / 2, **options)
        if device is None:
            raise SourceUnavailableError(
                f"{self.address} was not heard: is it on, near, and not connected to anything else?"
            )
        return device

    def client(self, device: BLEDevice, *, pair: bool) -> BleakClient:
        return BleakClient(
            device, backend=self.stack.client, timeout=self.seconds, pair=pair, **bluez_options(self.controller)
        )


def _shown(name: str) -> str:
    """Return what a device calls itself without what a screen might take for commands."""
    return "".join(one if one.isprintable() else "?" for one in name)[:NAME_LENGTH_MAX]
