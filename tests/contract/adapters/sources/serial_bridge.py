"""The real source of the serial bridge: a machine that sends files by ``sz`` over a simulated line."""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from adapters.serial_bridge.kind import KIND
from adapters.serial_bridge.naming import document_name
from tests.support.file_machines import FileMachine
from tests.support.line_simulator import simulated_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from adapters.contract import AdapterKind
    from tests.support.line_simulator import Line

KEYS = {document_name(key, ".XML"): key for key in ("310000/3-1/7", "310000/3-1/8")}
"""A machine that keeps names of eight characters sees the key in this form only."""


class SerialSource:
    """A machine at the end of a line."""

    kind: AdapterKind = KIND
    entry = "adapters.serial_bridge.kind:KIND"

    def __init__(self, line: Line, other: Line, machine: FileMachine) -> None:
        self._line = line
        self._other = other
        self._machine = machine
        self._offered = 0
        self._taken = -1

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "port": str(self._line.near),
            "mode": "zmodem",
            "deliver": "xml",
            "answer_refused": "REFUSED {reason}<CR><LF>",
            "deliver_wait_s": 10.0,
        }

    @property
    def secrets(self) -> dict[str, str]:
        return {}

    def offer(self, texts: Sequence[str]) -> None:
        for text in texts:
            self._offered += 1
            self._machine.put(f"R{self._offered:03}.XML", f"<Record>{text}</Record>".encode())

    def snapshot(self) -> object:
        self._machine.wait_until_quiet()
        return self._machine.waiting(), self._machine.received(), bytes(self._machine.screen)

    def go_away(self) -> None:
        self._line.unplug("near")

    def come_back(self) -> None:
        self._line.replug("near")

    def lock_out(self) -> str:
        """Have another program take the port: its name now leads to one that is locked."""
        self._taken = os.open(self._other.near, os.O_RDWR | os.O_NOCTTY)
        fcntl.flock(self._taken, fcntl.LOCK_EX)
        staged = self._line.near.with_name("staged")
        staged.symlink_to(self._other.near)
        staged.rename(self._line.near)
        return "taken"

    def refusals(self) -> Sequence[str]:
        return [one.decode() for one in re.findall(rb"REFUSED (.*?)\r\n", bytes(self._machine.screen))]

    def delivered(self) -> Sequence[tuple[str, bytes]]:
        return [(KEYS[name], content) for name, content in self._machine.received().items()]

    def close(self) -> None:
        self._machine.stop()
        if self._taken >= 0:
            os.close(self._taken)


@contextmanager
def serial_source(folder: Path) -> Iterator[SerialSource]:
    """Run a machine and its line in ``folder``."""
    with simulated_line(folder / "line", bits_per_s=460_800) as line, simulated_line(folder / "other") as other:
        machine = FileMachine(line, folder / "machine")
        machine.start()
        source = SerialSource(line, other, machine)
        try:
            yield source
        finally:
            source.close()
