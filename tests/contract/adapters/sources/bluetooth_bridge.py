"""The reference terminal on an air without radio; adapters reach their controllers there by HCI over TCP."""

from __future__ import annotations

from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from adapters.record_line.key_text import key_text
from tests.support.bumble_air import Air
from tests.support.bumble_kind import KIND
from tests.support.bumble_terminal import KEY, NAME, terminal_on

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.support.bumble_terminal import AirTerminal

MACHINE = "00:1B:DC:FF:00:01"
OTHER_KEY = bytes(range(1, 33))


class TerminalSource:
    """One terminal with its spool: each text is an entry."""

    kind = KIND
    entry = "tests.support.bumble_kind:KIND"
    repeats = True

    def __init__(self, terminal: AirTerminal, port: int) -> None:
        self._terminal = terminal
        self._port = port

    @property
    def settings(self) -> dict[str, Any]:
        # A machine of bumble's keeps its bonds no longer than an opening: pairing has tests of its own.
        return {
            "terminals": {NAME: "C4:7C:8D:00:00:01 YZ-1"},
            "encrypted": False,
            "look_s": 1.5,
            "retry_s_max": 0.2,
            "hci": f"tcp-client:127.0.0.1:{self._port}",
        }

    @property
    def secrets(self) -> dict[str, str]:
        return {"terminal_keys": f"{NAME}={key_text(KEY)}"}

    def offer(self, texts: Sequence[str]) -> None:
        for text in texts:
            self._terminal.put(text.encode(), name=f"{text}.xml")

    def snapshot(self) -> object:
        return self._terminal.waiting(), self._terminal.answered(), self._terminal.documents()

    def go_away(self) -> None:
        self._terminal.go_away()

    def come_back(self) -> None:
        self._terminal.come_back()

    def lock_out(self) -> str:
        self._terminal.rekey(OTHER_KEY)
        self._terminal.hang_up()
        return "terminal_keys"

    def refusals(self) -> Sequence[str]:
        return [text for _, state, text in self._terminal.answered() if state == "refused"]

    def delivered(self) -> Sequence[tuple[str, bytes]]:
        return [(key, content) for key, _, content in self._terminal.documents()]

    def close(self) -> None:
        """Stop nothing: the terminal ends with its block."""


@contextmanager
def terminal_source(place: Path) -> Iterator[TerminalSource]:
    air = Air()
    doors = AsyncExitStack()
    try:
        port = air.run(doors.enter_async_context(air.tcp(MACHINE)))
        with terminal_on(air, place) as terminal:
            yield TerminalSource(terminal, port)
    finally:
        air.run(doors.aclose())
        air.close()
