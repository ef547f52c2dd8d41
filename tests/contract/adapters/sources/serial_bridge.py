"""The real sources of the serial bridge, one for each of its modes, over a simulated line."""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pytest

from adapters.record_line import calling
from adapters.record_line.key_text import key_text
from adapters.serial_bridge import bridge, record_mode
from adapters.serial_bridge.kind import KIND
from adapters.serial_bridge.naming import document_name
from tests.support.file_machines import FileMachine
from tests.support.line_simulator import simulated_line
from tests.support.line_terminals import LineTerminal
from tests.support.text_devices import TextDevice

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from adapters.contract import AdapterKind
    from tests.support.line_simulator import Line
    from tests.support.real_sources import RealSource

KEYS: Final = {"310000/3-1/7": "first", "310000/3-1/8": "other"}
"""What the suite delivers, key and text: what has no keys is known by its text, or by the name made of the key."""
BITS_PER_S: Final = 460_800
WAIT_S: Final = 0.5
TERMINAL: Final = "hall-1"
KEY: Final = bytes(range(32))
OTHER_KEY: Final = bytes(range(1, 33))


class LineSource:
    """What all have in common: a port that is pulled out, plugged in, and taken by another program."""

    kind: AdapterKind = KIND
    entry = "adapters.serial_bridge.kind:KIND"
    repeats = True
    secrets: dict[str, str] = {}  # noqa: RUF012 - never changed.

    def __init__(self, line: Line, other: Line) -> None:
        self._line = line
        self._other = other
        self._taken = -1

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

    def close(self) -> None:
        if self._taken >= 0:
            os.close(self._taken)


class FileSource(LineSource):
    """A machine that sends files by ``sz`` or ``kermit``."""

    def __init__(self, line: Line, other: Line, folder: Path, protocol: str) -> None:
        super().__init__(line, other)
        self._protocol = protocol
        self._machine = FileMachine(line, folder / "machine", protocol)
        self._machine.start()
        self._offered = 0

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "port": str(self._line.near),
            "mode": self._protocol,
            "deliver": "xml",
            "answer_refused": "REFUSED {reason}<CR><LF>",
            "deliver_wait_s": 10.0,
        }

    def offer(self, texts: Sequence[str]) -> None:
        for text in texts:
            self._offered += 1
            self._machine.put(f"R{self._offered:03}.XML", f"<Record>{text}</Record>".encode())

    def snapshot(self) -> object:
        self._machine.wait_until_quiet()
        return self._machine.waiting(), self._machine.received(), bytes(self._machine.screen)

    def refusals(self) -> Sequence[str]:
        return [one.decode() for one in re.findall(rb"REFUSED (.*?)\r\n", bytes(self._machine.screen))]

    def delivered(self) -> Sequence[tuple[str, bytes]]:
        # A machine that keeps names of eight characters sees the key in this form only.
        names = {document_name(key, ".XML"): key for key in KEYS}
        return [(names[name], content) for name, content in self._machine.received().items()]

    def close(self) -> None:
        self._machine.stop()
        super().close()


class TerminalSource(LineSource):
    """A terminal with our program: each text is an entry of its spool."""

    secrets = {"terminal_keys": f"{TERMINAL}={key_text(KEY)}"}  # noqa: RUF012 - never changed.

    def __init__(self, line: Line, other: Line, folder: Path) -> None:
        super().__init__(line, other)
        self._terminal = LineTerminal(line, folder / "terminal", name=TERMINAL, key=KEY)

    @property
    def settings(self) -> dict[str, Any]:
        return {"port": str(self._line.near), "mode": "record_line", "terminals": [TERMINAL], "deliver_wait_s": 10.0}

    def offer(self, texts: Sequence[str]) -> None:
        for text in texts:
            self._terminal.put(text.encode(), name=f"{text}.xml")

    def snapshot(self) -> object:
        return self._terminal.waiting(), self._terminal.answered(), self._terminal.documents()

    def lock_out(self) -> str:
        self._terminal.rekey(OTHER_KEY)
        return "terminal_keys"

    def refusals(self) -> Sequence[str]:
        return [text for _, state, text in self._terminal.answered() if state == "refused"]

    def delivered(self) -> Sequence[tuple[str, bytes]]:
        return self._terminal.documents()

    def close(self) -> None:
        self._terminal.close()
        super().close()


class DeviceSource(LineSource):
    """A device that sends records between marks and waits for the answer, with a display."""

    repeats = False

    def __init__(self, line: Line, other: Line) -> None:
        super().__init__(line, other)
        self._device = TextDevice(line)

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "port": str(self._line.near),
            "mode": "capture",
            "encoding": "ascii",
            "record_start": "<STX>",
            "record_end": "<ETX>",
            "answer_accepted": "<ACK>",
            "answer_refused": "<NAK>{reason};",
            "deliver": "text",
        }

    def offer(self, texts: Sequence[str]) -> None:
        for text in texts:
            self._device.put(text.encode())

    def snapshot(self) -> object:
        self._device.wait_until_quiet()
        return self._device.waiting(), list(self._device.refusals), list(self._device.display)

    def go_away(self) -> None:
        self._device.hold()
        super().go_away()

    def come_back(self) -> None:
        super().come_back()
        self._device.go_on()

    def refusals(self) -> Sequence[str]:
        return [reason.decode() for reason in self._device.refusals]

    def delivered(self) -> Sequence[tuple[str, bytes]]:
        keys = {text.encode(): key for key, text in KEYS.items()}
        return [(keys[shown], shown) for shown in self._device.display]

    def close(self) -> None:
        self._device.stop()
        super().close()


@contextmanager
def serial_source(folder: Path, mode: str) -> Iterator[RealSource]:
    """Run what speaks ``mode`` and its line in ``folder``."""
    with (
        pytest.MonkeyPatch.context() as patched,
        simulated_line(folder / "line", bits_per_s=BITS_PER_S) as line,
        simulated_line(folder / "other") as other,
    ):
        # Times that would only make the suite long: how long a fetch waits, and a terminal until it calls again.
        patched.setattr(bridge, "WAIT_S", WAIT_S)
        patched.setattr(record_mode, "WAIT_S", WAIT_S)
        patched.setattr(calling, "CALL_AGAIN_S", (0.2,))
        made: LineSource
        if mode == "record_line":
            made = TerminalSource(line, other, folder)
        elif mode == "capture":
            made = DeviceSource(line, other)
        else:
            made = FileSource(line, other, folder, mode)
        try:
            yield made
        finally:
            made.close()


SERIAL_SOURCES: Final = {
    mode: partial(serial_source, mode=mode) for mode in ("record_line", "zmodem", "kermit", "capture")
}
