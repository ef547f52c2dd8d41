"""A terminal at the far end of a simulated line, in this process: the terminal's own program without its commands."""

from __future__ import annotations

import secrets
import time
from threading import Condition
from typing import TYPE_CHECKING

from adapters.record_line.calling import TerminalLink
from adapters.record_line.driving import Driver
from adapters.serial_bridge.terminal.correspondence import Correspondence
from adapters.serial_bridge.terminal.ports import SerialPort
from adapters.serial_bridge.terminal.spool import Spool

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.line_simulator import Line


class LineTerminal:
    """One terminal with its spool in ``folder``; it calls as soon as it is there, and again and again."""

    def __init__(self, line: Line, folder: Path, *, name: str, key: bytes) -> None:
        folder.mkdir(exist_ok=True)
        self._line = line
        self._name = name
        self._condition = Condition()
        self._spool = Spool(folder)
        self._correspondence = Correspondence(self._spool, monotonic_s=time.monotonic, tell=lambda _, __: None)
        self._driver = self._calling(key)

    def put(self, content: bytes, *, name: str) -> None:
        """Put an entry into the spool."""
        with self._condition:
            self._spool.put(name, "application/xml", content)
            self._condition.notify_all()

    def waiting(self) -> int:
        """Return how many entries are not answered yet."""
        with self._condition:
            return self._spool.waiting_count()

    def answered(self) -> list[tuple[int, str, str]]:
        """Return number, state and text of the entries that were answered, oldest first."""
        with self._condition:
            return sorted((one.number, one.state, one.text) for one in self._spool.answered(1_000))

    def documents(self) -> list[tuple[str, bytes]]:
        """Return key and content of the documents that came down, oldest first."""
        with self._condition:
            rows = self._spool._database.execute("SELECT key, content FROM incoming ORDER BY number")
            return [(str(key), bytes(content)) for key, content in rows]

    def rekey(self, key: bytes) -> None:
        """Go on with another key."""
        self._driver.stop()
        self._driver = self._calling(key)

    def close(self) -> None:
        """Stop the line and close the spool."""
        self._driver.stop()
        self._spool.close()

    def _calling(self, key: bytes) -> Driver:
        link = TerminalLink(
            self._correspondence, name=self._name, key=key, spool=self._spool.spool, token=secrets.token_bytes
        )
        driver = Driver(
            link,
            SerialPort(str(self._line.far), 115_200),
            condition=self._condition,
            monotonic_s=time.monotonic,
            gone=(OSError,),
            ended=lambda ended: ended.link.hang_up(time.monotonic()),
        )
        driver.start()
        return driver
