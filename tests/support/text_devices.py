"""A device that sends text by itself, at the far end of a simulated line: one record, then it waits for the answer.

It watches whether the node has its end open, as a device does by its DSR wire, and waits a moment before it speaks. It
never repeats a record: what it said while somebody listened has to be kept.
"""

from __future__ import annotations

import os
import re
import select
import threading
import time
import tty
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.support.line_simulator import Line

PAUSE_S: Final = 0.3
"""Between the opening of the other end or an answer, and the next record."""
STORED_S: Final = 1.0
"""How long a record that has left may take until it is kept, on a loaded machine."""
_RECORD: Final = b"\x02%b\x03"
_SAID: Final = re.compile(rb"(?P<taken>\x06)|\x15(?P<refused>[^;]*);|(?P<shown>[^\x06\x15]*?)\r\n")


class TextDevice:
    """One device; ``put`` gives it a record to be sent, ``display`` is what it was told to show."""

    def __init__(self, line: Line) -> None:
        self.display: list[bytes] = []
        self.refusals: list[bytes] = []
        self._line = line
        self._lock = threading.Lock()
        self._records: list[bytes] = []
        self._sent = False
        self._holds = False
        self._heard = b""
        self._heard_bytes = 0
        self._quiet_since_s = time.monotonic()
        self._port = os.open(line.far, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self._port)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="text device", daemon=True)
        self._thread.start()

    def put(self, record: bytes) -> None:
        """Have a record to be sent."""
        with self._lock:
            self._records.append(record)

    def waiting(self) -> list[bytes]:
        """Return the records that were not answered yet."""
        with self._lock:
            return list(self._records)

    def wait_until_quiet(self) -> None:
        """Wait until nothing has come over the line for a moment."""
        heard_bytes = -1
        while heard_bytes != self._heard_bytes:
            heard_bytes = self._heard_bytes
            self._stopped.wait(0.2)

    def hold(self) -> None:
        """Send nothing more; comes back when what was sent has arrived."""
        with self._lock:
            self._holds = True
            sent = self._sent
        if sent:
            self._stopped.wait(STORED_S)

    def go_on(self) -> None:
        """Send again."""
        with self._lock:
            self._holds = False

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()
        os.close(self._port)

    def _run(self) -> None:
        while not self._stopped.is_set():
            ready, _, _ = select.select([self._port], [], [], 0.02)
            with self._lock:
                if ready:
                    self._hear(os.read(self._port, 4096))
                elif not self._line.is_open("near"):
                    self._quiet_since_s = time.monotonic()
                elif self._may_speak():
                    self._sent = True
                    os.write(self._port, _RECORD % self._records[0])

    def _may_speak(self) -> bool:
        waited_s = time.monotonic() - self._quiet_since_s
        return bool(self._records) and not self._sent and not self._holds and waited_s > PAUSE_S

    def _hear(self, data: bytes) -> None:
        self._heard += data
        self._heard_bytes += len(data)
        while said := _SAID.match(self._heard):
            self._heard = self._heard[said.end() :]
            if said["shown"] is not None:
                self.display.append(said["shown"])
                continue
            assert self._sent, "an answer to nothing"
            if said["refused"] is not None:
                self.refusals.append(said["refused"])
            del self._records[0]
            self._sent = False
            self._quiet_since_s = time.monotonic()
