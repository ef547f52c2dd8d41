"""``run``: keeps a line to the node for as long as there is one, and opens the port again when it was gone."""

from __future__ import annotations

import os
import sqlite3
import time
from threading import Condition, Event
from typing import TYPE_CHECKING, Callable, Final

from adapters.record_line.calling import TerminalLink
from adapters.record_line.driving import Driver
from adapters.serial_bridge.terminal.correspondence import Correspondence
from adapters.serial_bridge.terminal.outbox import OUTBOX_NAME, Outbox
from adapters.serial_bridge.terminal.settings import write_private

if TYPE_CHECKING:
    from pathlib import Path

    from adapters.record_line.port import BytePort
    from adapters.serial_bridge.terminal.spool import Incoming, Spool

OPEN_AGAIN_S: Final = (1.0, 2.0, 5.0, 10.0)
DISK_AGAIN_S: Final = 5.0
ROUND_S: Final = 0.2
ENDINGS: Final = {"application/xml": ".xml", "text/plain": ".txt", "application/json": ".json", "text/csv": ".csv"}
Tell = Callable[[str, str], None]


class Running:
    """Serves the spool in ``folder`` over ports by ``open_port``; ``tell`` gets a word and what goes with it."""

    def __init__(
        self, folder: Path, spool: Spool, *, name: str, key: bytes, open_port: Callable[[], BytePort], tell: Tell
    ) -> None:
        self._spool = spool
        self._name = name
        self._key = key
        self._open_port = open_port
        self._tell = tell
        self._condition = Condition()
        self._outbox = Outbox(folder / OUTBOX_NAME, time.monotonic)
        self._inbox = folder / "inbox"
        self._inbox.mkdir(mode=0o700, exist_ok=True)
        self._correspondence = Correspondence(spool, monotonic_s=time.monotonic, tell=tell)
        self._driver: Driver | None = None
        self._open_at_s = 0.0
        self._disk_at_s = 0.0
        self._disk_said = ""
        self._failures = 0
        self._stopped = Event()

    def run(self, *, once: bool) -> None:
        """Serve until stopped; with ``once`` until the outbox is empty and everything in the spool is answered."""
        try:
            while not self._stopped.wait(ROUND_S):
                if self.look() and once:
                    return
        finally:
            driver = self._driver
            if driver is not None:
                driver.stop()
            self._with_disk(self._show)

    def stop(self) -> None:
        """Have ``run`` come back."""
        self._stopped.set()

    def look(self) -> bool:
        """Do what is to be done besides the line itself; tell whether nothing is left to be sent or answered."""
        if self._driver is None and time.monotonic() >= self._open_at_s:
            self._open()
        if time.monotonic() < self._disk_at_s:
            return False
        with self._condition:
            return self._with_disk(self._look_at_disk)

    def _look_at_disk(self) -> bool:
        for what, name in self._outbox.look(self._spool):
            self._tell(what, name)
        self._show()
        return not self._spool.waiting_count() and not self._outbox.is_settling

    def _with_disk(self, work: Callable[[], object]) -> bool:
        """Do what needs the disk; a full one is told once, and tried again after a while."""
        try:
            done = bool(work())
        except (OSError, sqlite3.Error) as error:
            self._disk_at_s = time.monotonic() + DISK_AGAIN_S
            if self._disk_said != str(error):
                self._disk_said = str(error)
                self._tell("disk", str(error))
            return False
        self._disk_said = ""
        return done

    def _open(self) -> None:
        try:
            port = self._open_port()
        except OSError as error:
            self._later("no-port", str(error))
            return
        self._failures = 0
        self._tell("port", "")
        link = TerminalLink(
            self._correspondence, name=self._name, key=self._key, spool=self._spool.spool, token=os.urandom
        )
        self._driver = Driver(
            link,
            port,
            condition=self._condition,
            monotonic_s=time.monotonic,
            gone=(OSError, sqlite3.Error),
            ended=self._ended,
        )
        self._driver.start()

    def _ended(self, driver: Driver) -> None:
        driver.link.hang_up(time.monotonic())
        self._driver = None
        if not self._stopped.is_set():
            word = "disk" if isinstance(driver.error, sqlite3.Error) else "no-port"
            self._later(word, str(driver.error or "the program made a mistake"))

    def _later(self, word: str, why: str) -> None:
        if not self._failures:
            self._tell(word, why)
        self._open_at_s = time.monotonic() + OPEN_AGAIN_S[min(self._failures, len(OPEN_AGAIN_S) - 1)]
        self._failures += 1

    def _show(self) -> None:
        """Write documents of the node into the inbox and show their texts; repeated when it was cut short."""
        document = self._spool.unshown()
        while document is not None:
            path = self._inbox / file_name(document)
            # On the disk before the spool lets go of it.
            write_private(path, document.content)
            self._tell("document", f"{path.name}\n{document.text}" if document.text else path.name)
            self._spool.shown(document.number)
            document = self._spool.unshown()


def file_name(document: Incoming) -> str:
    """Return the name of a document's file in the inbox: its number, and what it is as far as that makes a name."""
    plain = "".join(one for one in document.name if one.isalnum() or one in "-_")[:60]
    return f"{document.number:06d}-{plain or 'document'}{ENDINGS.get(document.media_type, '.bin')}"
