"""Terminals on an air without radio, and bridges opened to them."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from adapters.bluetooth_bridge import KIND
from adapters.bluetooth_bridge.bridge import BluetoothBridge
from adapters.record_line.key_text import key_text
from tests.support.adapter_openings import opening
from tests.support.bumble_air import Air
from tests.support.bumble_backend import Machine, stack_of
from tests.support.bumble_terminal import KEY, NAME, terminal_on

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.support.bumble_terminal import AirTerminal

MACHINE = "00:1B:DC:FF:00:01"


class Place:
    """One machine with a bridge, and terminals around it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self.air = Air()
        self._stack.callback(self.air.close)
        self.machine = Machine(lambda: self.air.pipe(MACHINE))
        self._terminals = 0

    def terminal(self, **options: Any) -> AirTerminal:
        """Put one more terminal on the air."""
        self._terminals += 1
        return self._stack.enter_context(terminal_on(self.air, self._folder / f"t{self._terminals}", **options))

    def bridge(
        self, terminals: Mapping[str, str] | None = None, *, keys: Mapping[str, bytes] | None = None, **settings: Any
    ) -> BluetoothBridge:
        """Open a bridge with short times; by default to the terminal that ``terminal()`` puts on the air."""
        named = dict(terminals or {NAME: "YZ-1"})
        keys = keys or dict.fromkeys(named, KEY)
        whole = {"terminals": named, "encrypted": False, "look_s": 1.5, "retry_s_max": 0.2, **settings}
        typed = " ".join(f"{name}={key_text(key)}" for name, key in keys.items())
        opened = BluetoothBridge(
            opening(KIND, self._folder / "kept", whole, secrets={"terminal_keys": typed}), stack_of(self.machine)
        )
        self._stack.callback(opened.close)
        return opened

    def close(self) -> None:
        """Close bridges, then terminals, then the air."""
        self._stack.close()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A place of its own for each test."""
    made = Place(tmp_path)
    try:
        yield made
    finally:
        made.close()
