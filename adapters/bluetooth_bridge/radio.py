"""The radio of one adapter: looks for the terminals that are not there, and connects them.

All of it runs in one loop in one thread. Looking and connecting are done by one task, one terminal after the other,
because stacks refuse two attempts at once; terminals that are connected go on beside it, each watched by a task of its
own. So a terminal that is away costs others nothing but, before they are connected, the time of a try.

Nothing is trusted because it is near: a device whose address and name fit gets a line, and the record line decides by
the key. One that does not prove it is hung up and named, and others that fit are preferred to it for a while.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from bleak import BleakAdapter, BleakScanner

from adapters.bluetooth_bridge.connection import LET_GO_S, Connection
from adapters.bluetooth_bridge.links import Standing
from adapters.bluetooth_bridge.looking import Look
from adapters.bluetooth_bridge.stack import STACK_ERRORS, bluez_options, stack_problem
from adapters.contract import SourceNeedsPersonError, SourceUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bleak.backends.device import BLEDevice

    from adapters.bluetooth_bridge.links import Board, Link
    from adapters.bluetooth_bridge.settings import Plan
    from adapters.bluetooth_bridge.stack import Stack

ANSWER_S: Final = 15.0
"""How long the stack may take to begin a scan. Our own choice: it takes a second, and several on a machine at work."""
_HANGS: Final = "the Bluetooth service does not answer: systemctl restart bluetooth"


class Radio:
    """Keeps the terminals of ``board`` connected, from ``start`` to ``stop``; both are called once."""

    def __init__(self, plan: Plan, stack: Stack, board: Board, monotonic_s: Callable[[], float]) -> None:
        self.defect: BaseException | None = None
        """What ended the radio although nobody stopped it; None as long as it runs."""
        self._plan = plan
        self._stack = stack
        self._board = board
        self._monotonic_s = monotonic_s
        self._idle: set[Link] = set(board.links.values())
        self._runs: set[asyncio.Task[None]] = set()
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), name="bluetooth", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()
        self._started.wait()

    def hurry(self) -> None:
        """Try the terminals that are not there now, whatever pause they are in."""
        with suppress(RuntimeError):  # The loop has ended, by a defect.
            self._loop.call_soon_threadsafe(self._hurry)

    def stop(self) -> None:
        """Say good-bye to every terminal, let go of it, and end."""
        with suppress(RuntimeError):  # The loop has ended already, by a defect.
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def _hurry(self) -> None:
        for link in self._idle:
            link.due_s = 0.0
        self._wake.set()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        self._wake = asyncio.Event()
        self._started.set()
        keeping = asyncio.create_task(self._keep())
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({keeping, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if keeping.done():
            self._end_by(keeping.exception())
        keeping.cancel()
        await asyncio.gather(*(asyncio.to_thread(link.line.close) for link in self._board.links.values()))
        last = {keeping, stopping, *self._runs}
        for task in last:
            task.cancel()
        await asyncio.gather(*last, return_exceptions=True)

    async def _keep(self) -> None:
        # A stack may take a cancellation for a failure of its own.
        while not self._stopping.is_set():
            self._wake.clear()
            now_s = self._monotonic_s()
            due = [link for link in self._board.links.values() if link in self._idle and link.due_s <= now_s]
            if due:
                await self._reach(due)
                continue
            next_s = min((link.due_s for link in self._idle), default=None)
            with suppress(TimeoutError):
                async with asyncio.timeout(None if next_s is None else next_s - now_s):
                    await self._wake.wait()

    async def _reach(self, due: Sequence[Link]) -> None:
        """Look for terminals, and connect those that are near."""
        look = Look(due, self._monotonic_s)
        try:
            await self._look(look)
        except STACK_ERRORS as error:
            problem = SourceNeedsPersonError(_HANGS) if isinstance(error, TimeoutError) else stack_problem(error)
            for link in due:
                self._failed(link, problem)
            return
        for link in due:
            device = look.choice(link)
            if device is not None:
                await self._connect(link, device)
            elif look.is_whole:
                self._failed(
                    link, SourceUnavailableError(f"not heard within {self._plan.look_s:g} s: is it on and near?")
                )

    async def _look(self, look: Look) -> None:
        """Listen for the terminals of ``look``; raises TimeoutError when the stack does not answer."""
        scanner = BleakScanner(look.heard, backend=self._stack.scanner, **bluez_options(self._plan.controller))
        async with asyncio.timeout(ANSWER_S):
            for device in await self._connected_before():
                look.is_connected(device)
            await scanner.start()
        try:
            await look.wait(self._plan.look_s)
        finally:
            async with asyncio.timeout(LET_GO_S):
                await scanner.stop()

    async def _connected_before(self) -> list[BLEDevice]:
        """Return what a process before this one left connected: it advertises no more, so no scan would hear it."""
        try:
            adapter = await BleakAdapter.get(backend=self._stack.adapter, **bluez_options(self._plan.controller))
            return await adapter.get_connected_devices([self._plan.service_uuid])
        except NotImplementedError:
            return []

    async def _connect(self, link: Link, device: BLEDevice) -> None:
        connection = Connection(link, device, self._plan, self._stack)
        try:
            port = await connection.open()
        except (SourceUnavailableError, SourceNeedsPersonError) as problem:
            self._failed(link, problem)
            return
        self._idle.discard(link)
        run = asyncio.create_task(connection.run(port, self._board, self._monotonic_s))
        self._runs.add(run)
        run.add_done_callback(lambda _: self._ended(link, run))

    def _ended(self, link: Link, run: asyncio.Task[None]) -> None:
        self._runs.discard(run)
        self._idle.add(link)
        self._wake.set()
        if not run.cancelled() and run.exception() is not None:
            self._end_by(run.exception())
            self._stopping.set()

    def _failed(self, link: Link, problem: SourceUnavailableError | SourceNeedsPersonError) -> None:
        needs_person = isinstance(problem, SourceNeedsPersonError)
        self._board.put(link, Standing.REFUSED if needs_person else Standing.AWAY, str(problem))
        link.lost(self._monotonic_s(), 0, self._plan.retry_s_max)

    def _end_by(self, defect: BaseException | None) -> None:
        self.defect = self.defect or defect
