"""The reference terminal: the GATT table of docs/reference/gatt.md, and behind it the terminal's own program.

In process: ``terminal_on(air, …)``. As a process of its own, over HCI on TCP or another transport of bumble:
``python -m tests.support.bumble_terminal TRANSPORT FOLDER NAME``, the key on standard input.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
import time
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from threading import Condition, Thread
from typing import TYPE_CHECKING

from bumble.transport import open_transport

from adapters.record_line.calling import TerminalLink
from adapters.record_line.driving import Driver
from adapters.record_line.key_text import key_of_text
from adapters.serial_bridge.terminal.correspondence import Correspondence
from adapters.serial_bridge.terminal.spool import Spool
from tests.support.bumble_gatt import CentralPort, GattServer, Look

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bumble.keys import KeyStore
    from bumble.pairing import PairingDelegate

    from tests.support.bumble_air import Air

KEY = bytes(range(32))
NAME = "window-1"
LOOK = Look()


class Terminal:
    """A terminal program with its spool, on a GATT server; calls whenever a central wants to be notified."""

    def __init__(self, server: GattServer, folder: Path, *, name: str, key: bytes) -> None:
        self.server = server
        self.told: list[tuple[str, str]] = []
        self._name = name
        self._key = key
        self._condition = Condition()
        self._spool = Spool(folder)
        self._driver: Driver | None = None
        self._beginning: Thread | None = None
        self._correspondence = Correspondence(
            self._spool, monotonic_s=time.monotonic, tell=lambda *what: self.told.append(what)
        )
        server.subscribed = self._open

    def put(self, content: bytes, media_type: str = "application/xml", name: str = "") -> int:
        """Put an entry into the spool; return its number."""
        with self._condition:
            return self._spool.put(name, media_type, content)

    def waiting(self) -> int:
        """Return how many entries are not answered yet."""
        with self._condition:
            return self._spool.waiting_count()

    def answered(self) -> list[tuple[int, str, str]]:
        """Return number, state and text of the entries that were answered, oldest first."""
        with self._condition:
            return sorted((one.number, one.state, one.text) for one in self._spool.answered(1_000))

    def documents(self) -> list[tuple[str, str, bytes]]:
        """Return key, text and content of the documents that came down, oldest first."""
        with self._condition:
            rows = self._spool._database.execute("SELECT key, text, content FROM incoming ORDER BY number")
            return [(str(key), str(text), bytes(content)) for key, text, content in rows]

    def rekey(self, key: bytes) -> None:
        """Take another key from the next connection on."""
        self._key = key

    def close(self) -> None:
        """Stop the line and close the spool."""
        self.server.subscribed = lambda _: None
        if self._beginning is not None:
            self._beginning.join()
        if self._driver is not None:
            self._driver.stop()
        self._spool.close()

    def _open(self, port: CentralPort) -> None:
        before = self._beginning
        self._beginning = Thread(target=self._begin, args=(port, before), name="terminal begins")
        self._beginning.start()

    def _begin(self, port: CentralPort, before: Thread | None) -> None:
        """Begin a line of its own for each subscription, once the one before has ended; not in the server's loop."""
        if before is not None:
            before.join()
        if self._driver is not None:
            self._driver.stop()
        link = TerminalLink(
            self._correspondence, name=self._name, key=self._key, spool=self._spool.spool, token=secrets.token_bytes
        )
        self._driver = Driver(
            link,
            port,
            condition=self._condition,
            monotonic_s=time.monotonic,
            gone=(OSError,),
            ended=lambda driver: driver.link.hang_up(time.monotonic()),
        )
        self._driver.start()


class AirTerminal(Terminal):
    """A terminal on the air of this process, with ways to trouble it."""

    def __init__(
        self, air: Air, public_address: str, server: GattServer, folder: Path, *, name: str, key: bytes
    ) -> None:
        super().__init__(server, folder, name=name, key=key)
        self._air = air
        self._public_address = public_address

    def go_away(self) -> None:
        """Say good-bye on the radio, and advertise no more."""
        self._air.run(self.server.hide())

    def come_back(self) -> None:
        """Be on the air again, advertising."""
        self._air.call(self._air.link.add_controller, self._air.controllers[self._public_address])
        self._air.run(self.server.advertise())

    def hang_up(self) -> None:
        """End the connection, and advertise."""
        self._air.run(self.server.hang_up())

    def fall_silent(self) -> None:
        """Be off the air from one moment to the next, as when the power goes."""
        self._air.call(self._air.link.fall_silent, self._air.controllers[self._public_address])

    def fall_silent_in_a_write(self, values: int) -> None:
        """Be off the air once so many further values were written."""
        end = len(self.server.written_sizes) + values

        def count() -> None:
            if len(self.server.written_sizes) == end:
                self._air.link.fall_silent(self._air.controllers[self._public_address])

        self.server.written = count


@contextmanager
def terminal_on(
    air: Air,
    folder: Path,
    *,
    look: Look = LOOK,
    name: str = NAME,
    key: bytes = KEY,
    bonds: KeyStore | None = None,
    delegate: PairingDelegate | None = None,
) -> Iterator[AirTerminal]:
    """Put a terminal on the air while the block runs."""
    public_address = f"00:1B:DC:{look.address[9:]}"
    stack = AsyncExitStack()

    async def power_up() -> GattServer:
        transport = await stack.enter_async_context(air.pipe(public_address))
        server = GattServer(look, transport.source, transport.sink, bonds=bonds, delegate=delegate)
        await server.advertise()
        return server

    terminal = AirTerminal(air, public_address, air.run(power_up()), folder, name=name, key=key)
    try:
        yield terminal
    finally:
        terminal.close()
        air.run(stack.aclose())


async def serve(transport_name: str, folder: Path, name: str, key: bytes, told: Callable[[str], object]) -> None:
    """Be a terminal on a controller of bumble's until cancelled; standard input is what is put into the spool."""
    async with await open_transport(transport_name) as transport:
        server = GattServer(LOOK, transport.source, transport.sink)
        terminal = Terminal(server, folder, name=name, key=key)
        try:
            await server.advertise()
            told("ready")
            while line := await asyncio.to_thread(sys.stdin.readline):
                terminal.put(line.strip().encode())
        finally:
            terminal.close()


def main() -> None:
    """Serve until standard input ends."""
    transport_name, folder, name = sys.argv[1:]
    key = key_of_text(sys.stdin.readline())
    asyncio.run(
        serve(transport_name, Path(folder), name, key, lambda word: (sys.stdout.write(word + "\n"), sys.stdout.flush()))
    )


if __name__ == "__main__":
    main()
