"""One connection to one device that may be a terminal: from connecting until it is let go."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from bleak import BleakClient

from adapters.bluetooth_bridge.gatt_port import ENDED, GattPort
from adapters.bluetooth_bridge.links import Standing
from adapters.bluetooth_bridge.stack import STACK_ERRORS, bluez_options, is_paired, stack_problem
from adapters.contract import SourceNeedsPersonError, SourceUnavailableError
from adapters.record_line.line import Standing as LineStanding

if TYPE_CHECKING:
    from collections.abc import Callable

    from bleak.backends.device import BLEDevice

    from adapters.bluetooth_bridge.links import Board, Link
    from adapters.bluetooth_bridge.settings import Plan
    from adapters.bluetooth_bridge.stack import Stack

CONNECT_S: Final = 20.0
"""How long connecting may take, services included. Our own choice: over a weak signal it takes several seconds."""
PROOF_S: Final = 15.0
"""How long a device has to prove the key. Our own choice: a terminal calls at once, and four times in 7 s."""
UNPROVEN_S: Final = 2.0
"""So long who does not prove the key may still do so. Our own choice: several round trips, even over a weak signal."""
WATCH_S: Final = 0.25
"""How often the state of a line is looked at. Our own choice: far shorter than anything that is waited for."""
LET_GO_S: Final = 5.0
"""How long a stack may take to end a connection. Our own choice: what it has not done by then it does by itself."""


class Connection:
    """A device that fits terminal ``link``, connected by ``open`` and watched by ``run``."""

    def __init__(self, link: Link, device: BLEDevice, plan: Plan, stack: Stack) -> None:
        self._link = link
        self._device = device
        self._plan = plan
        self._port: GattPort | None = None
        self._client = BleakClient(
            device, self._on_end, timeout=CONNECT_S, backend=stack.client, **bluez_options(plan.controller)
        )

    async def open(self) -> GattPort:
        """Connect, and return the line on which the device is heard; raises one of the contract's errors."""
        if self._plan.encrypted and not is_paired(self._device):
            address = self._device.address
            raise SourceNeedsPersonError(f"{address} is not paired with this machine: yizhan bluetooth pair {address}")
        connected = False
        try:
            async with asyncio.timeout(CONNECT_S):
                await self._client.connect()
                connected = True
                return await self._opened_port()
        except STACK_ERRORS as problem:
            ended = connected and not self._client.is_connected
            await self._let_go()
            raise (SourceUnavailableError(_ENDED_EARLY) if ended else stack_problem(problem)) from problem
        except (SourceNeedsPersonError, asyncio.CancelledError):
            await self._let_go()
            raise

    async def run(self, port: GattPort, board: Board, now_s: Callable[[], float]) -> None:
        """Let the record line run until the connection ends, the device proves false, or the adapter stops."""
        link = self._link
        link.port = port
        try:
            await asyncio.to_thread(link.line.start, port)
            talked_s = await self._watch(port, board, now_s)
        finally:
            link.port = None
            port.lose("the adapter is closed")
            await self._let_go()
        link.lost(now_s(), talked_s, self._plan.retry_s_max)

    async def _watch(self, port: GattPort, board: Board, now_s: Callable[[], float]) -> float:
        """Return for how many seconds the terminal talked, 0 for never; writes on the board where it is."""
        link = self._link
        begun_s = last_s = now_s()
        has_talked = False
        while not port.gone.is_set() and now_s() - last_s < PROOF_S:
            state = link.line.state
            if state.standing is LineStanding.OPEN:
                last_s, has_talked = now_s(), True
                link.proven = self._device.address
                if link.place.standing is not Standing.TALKING:
                    board.put(link, Standing.TALKING, "")
            elif state.standing is LineStanding.UNPROVEN and now_s() - state.since_s > UNPROVEN_S:
                link.doubt(self._device.address, now_s())
                board.put(link, Standing.REFUSED, f"{self._named()} {_UNPROVEN}")
                return 0.0
            elif link.place.standing is Standing.TALKING:
                board.put(link, Standing.LOOKED_FOR, state.text)
            with suppress(TimeoutError):
                async with asyncio.timeout(WATCH_S):
                    await port.gone.wait()
        if has_talked:
            board.put(link, Standing.LOOKED_FOR, port.reason or "the terminal went silent")
            return now_s() - begun_s
        board.put(link, Standing.AWAY, f"{self._named()} {port.reason or _SILENT}")
        return 0.0

    async def _opened_port(self) -> GattPort:
        plan = self._plan
        service = self._client.services.get_service(plan.service_uuid)
        written = service.get_characteristic(plan.written_uuid) if service else None
        notified = service.get_characteristic(plan.notified_uuid) if service else None
        if written is None or notified is None:
            raise SourceNeedsPersonError(
                f"{self._named()} offers no service {plan.service_uuid} with the two characteristics: "
                "compare service_uuid, written_uuid and notified_uuid with what the terminal's manual says"
            )
        self._port = GattPort(self._client, written)
        await self._client.start_notify(notified, self._port.arrived)
        return self._port

    def _on_end(self, _client: BleakClient) -> None:
        if self._port is not None:
            self._port.lose(ENDED)

    async def _let_go(self) -> None:
        with suppress(*STACK_ERRORS):
            async with asyncio.timeout(LET_GO_S):
                await self._client.disconnect()

    def _named(self) -> str:
        name = self._device.name
        return f"{self._device.address} ({name[:40]!r})" if name else self._device.address


_UNPROVEN: Final = (
    "does not prove the key: another device under the terminal's address or name, or a key that was changed on one "
    "side only; compare the key on the terminal with terminal_keys"
)
_ENDED_EARLY: Final = f"{ENDED} while it was set up"
_SILENT: Final = "is connected and says nothing: is the terminal's program running?"
