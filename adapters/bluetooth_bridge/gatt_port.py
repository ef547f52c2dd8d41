"""A line of bytes over GATT: what the record line runs over when a terminal is connected by Bluetooth.

bleak lives in the loop of the radio's thread; the record line reads and writes from threads of its own. What the
terminal notifies waits here, bounded; what is written goes in values that fit, one after the other.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from adapters.bluetooth_bridge.stack import STACK_ERRORS, stack_problem
from adapters.contract import SourceUnavailableError

if TYPE_CHECKING:
    from bleak import BleakClient
    from bleak.backends.characteristic import BleakGATTCharacteristic

VALUE_BYTES_MAX: Final = 512
"""Of an attribute value: Core Specification, volume 3, part F, 3.2.9. Stacks report more; peers then drop the value."""
VALUE_BYTES_MIN: Final = 20
"""What every connection carries: the smallest MTU is 23, of which 3 are head (volume 3, part F, 5.2.1)."""
WAITING_BYTES_MAX: Final = 1024 * 1024
"""What a terminal may have sent and nobody read. Our own choice: far beyond the window of the record line."""
DRAIN_BYTES: Final = 4096
"""So much goes without response before one value goes with one, so that no queue grows out of sight. Our own choice."""
WRITE_S: Final = 15.0
"""How long one value may take. Our own choice: half of the 30 s after which ATT itself gives up (part F, 3.3.3)."""

ENDED: Final = "the connection ended"


class GattPort:
    """One connected terminal as a BytePort; ``arrived`` and ``lose`` belong to the radio's loop."""

    def __init__(self, client: BleakClient, written: BleakGATTCharacteristic) -> None:
        self._client = client
        self._written = written
        self._loop = asyncio.get_running_loop()
        self._condition = threading.Condition()
        self._waiting = bytearray()
        self._gone = ""
        self._writing: set[asyncio.Task[None]] = set()
        self._in_turn = asyncio.Lock()
        self._undrained = 0
        self.gone = asyncio.Event()
        """Set in the loop once the line is gone."""

    @property
    def reason(self) -> str:
        """Why the line is gone; "" while it is there."""
        return self._gone

    def arrived(self, _characteristic: BleakGATTCharacteristic, data: bytearray) -> None:
        """Take what the terminal notified; a terminal that floods loses its line."""
        with self._condition:
            if len(self._waiting) + len(data) > WAITING_BYTES_MAX:
                flooded = True
            else:
                flooded = False
                self._waiting += data
                self._condition.notify_all()
        if flooded:
            self.lose(f"the terminal sends without end: over {WAITING_BYTES_MAX} bytes wait")

    def lose(self, reason: str) -> None:
        """Let the line be gone: who reads or writes is told why; the first reason counts."""
        with self._condition:
            self._gone = self._gone or reason
            self._condition.notify_all()
        self.gone.set()
        for writing in self._writing:
            writing.cancel()

    def read(self, max_bytes: int, wait_s: float) -> bytes:
        """Return what has come, at most ``max_bytes``, after at most ``wait_s`` seconds; b"" when none came.

        Raises SourceUnavailableError, with the reason, when the line is gone and everything that came was read.
        """
        with self._condition:
            self._condition.wait_for(lambda: self._waiting or self._gone, wait_s)
            if self._waiting:
                taken = bytes(self._waiting[:max_bytes])
                del self._waiting[:max_bytes]
                return taken
            if self._gone:
                raise SourceUnavailableError(self._gone)
            return b""

    def write(self, data: bytes) -> None:
        """Write all of ``data``, and wait until the stack has taken it; raises SourceUnavailableError as ``read``."""
        if self._gone:
            raise SourceUnavailableError(self._gone)
        try:
            asyncio.run_coroutine_threadsafe(self._write(data), self._loop).result()
        except (CancelledError, RuntimeError) as ended:
            # The loop ends when the adapter is closed.
            raise SourceUnavailableError(self._gone or "the adapter is closed") from ended

    def probe(self) -> None:
        """Try that the terminal still answers: a delimiter alone, which is an empty frame, written with response."""
        if "write" in self._written.properties:
            self._undrained = DRAIN_BYTES
            self.write(b"\x00")

    def close(self) -> None:
        """Let go; the radio then ends the connection."""
        with suppress(RuntimeError):  # The loop has ended, and the connection with it.
            self._loop.call_soon_threadsafe(self.lose, "closed")

    async def _write(self, data: bytes) -> None:
        writing = asyncio.ensure_future(self._write_values(data))
        self._writing.add(writing)
        try:
            await writing
        except STACK_ERRORS as problem:
            # What a stack says of a connection that has ended is of no help to anybody.
            self.lose(str(stack_problem(problem)) if self._client.is_connected else ENDED)
            raise SourceUnavailableError(self._gone) from problem
        except asyncio.CancelledError:
            if not self._gone:
                raise
            raise SourceUnavailableError(self._gone) from None
        finally:
            self._writing.discard(writing)

    async def _write_values(self, data: bytes) -> None:
        async with self._in_turn:
            start = 0
            while start < len(data):
                value = data[start : start + self._value_bytes()]
                async with asyncio.timeout(WRITE_S):
                    await self._client.write_gatt_char(self._written, value, response=self._asks_response(len(value)))
                start += len(value)

    def _value_bytes(self) -> int:
        """Return how long a value may be; asked each time, because some stacks learn the MTU only after a while."""
        reported = self._written.max_write_without_response_size
        return max(VALUE_BYTES_MIN, min(VALUE_BYTES_MAX, reported))

    def _asks_response(self, size: int) -> bool:
        """Tell whether this value is written with response: always where it must be, else once in a while."""
        properties = self._written.properties
        if "write-without-response" not in properties:
            return True
        self._undrained += size
        if self._undrained < DRAIN_BYTES or "write" not in properties:
            return False
        self._undrained = 0
        return True
