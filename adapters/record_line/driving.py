"""Runs one end of a line over a port: one thread reads, one writes, so that a line that is full both ways still moves.

Everything that the link tells its user happens in one of the two threads, with ``condition`` held.
"""

from __future__ import annotations

from threading import Condition, Thread
from typing import TYPE_CHECKING, Callable, Final

if TYPE_CHECKING:
    from adapters.record_line.link import Link
    from adapters.record_line.port import BytePort

READ_BYTES_MAX: Final = 4_096
WRITE_BYTES_MAX: Final = 1_024
"""So much is written at once: an acknowledgement waits behind no more than that."""
READ_WAIT_S: Final = 0.5
WAIT_S_MAX: Final = 0.5
WAIT_S_MIN: Final = 0.001
END_WAIT_S: Final = 5.0


class Driver:
    """Runs ``link`` over ``port`` from ``start`` until ``stop`` or until the port is gone, then calls ``ended`` once.

    ``gone`` are the errors by which the port says so.
    """

    def __init__(
        self,
        link: Link,
        port: BytePort,
        *,
        condition: Condition,
        monotonic_s: Callable[[], float],
        gone: tuple[type[Exception], ...],
        ended: Callable[[Driver], None],
    ) -> None:
        self.link = link
        self.error: Exception | None = None
        self._port = port
        self._condition = condition
        self._monotonic_s = monotonic_s
        self._gone = gone
        self._ended = ended
        self._stopping = False
        self._over = False
        self._threads = (
            Thread(target=self._guarded, args=(self._read,), name="record line reads", daemon=True),
            Thread(target=self._guarded, args=(self._write,), name="record line writes", daemon=True),
        )

    def start(self) -> None:
        """Begin; returns at once."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Say good-bye, close the port and wait for the threads; not to be called with the condition held."""
        with self._condition:
            self._stopping = True
            self.link.close()
            self._condition.notify_all()
        self._threads[1].join(END_WAIT_S)
        self._port.close()
        for thread in self._threads:
            thread.join(END_WAIT_S)

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except self._gone as error:
            with self._condition:
                self.error = self.error or error
        finally:
            self._end()

    def _end(self) -> None:
        with self._condition:
            first, self._over, self._stopping = not self._over, True, True
            if first:
                self._ended(self)
            self._condition.notify_all()
        self._port.close()

    def _read(self) -> None:
        while not self._stopping:
            data = self._port.read(READ_BYTES_MAX, READ_WAIT_S)
            if data:
                with self._condition:
                    self.link.receive(data, self._monotonic_s())
                    self._condition.notify_all()

    def _write(self) -> None:
        while True:
            with self._condition:
                last = self._stopping
                now_s = self._monotonic_s()
                data = self.link.poll(now_s, WRITE_BYTES_MAX)
                if not data and not last:
                    wait_s = min(self.link.due_at_s() - now_s, WAIT_S_MAX)
                    self._condition.wait(max(wait_s, WAIT_S_MIN))
            if data:
                self._port.write(data)
            if last:
                return
