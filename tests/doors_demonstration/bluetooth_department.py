"""A department with a terminal that is reached by Bluetooth Low Energy, on an air without radio."""

from __future__ import annotations

from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING, Final

from adapters.record_line.key_text import key_text
from node.demo.writers import delivery
from tests.doors_demonstration.department import AdapterPlan, no_counts
from tests.support.bumble_air import Air
from tests.support.bumble_kind import BESIDE
from tests.support.bumble_terminal import KEY, LOOK, NAME, terminal_on

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from node.demo.generator import GeneratedRecord
    from tests.doors_demonstration.department import Access
    from tests.support.bumble_terminal import AirTerminal

NODE_CONTROLLER: Final = "00:1B:DC:FF:00:01"


class BluetoothDepartment:
    """Hands over each record by itself, as it happens; the node connects to the terminal."""

    def __init__(self, terminal: AirTerminal, port: int) -> None:
        self._terminal = terminal
        self.place = f"{LOOK.address} {LOOK.name}"
        self.adapter = AdapterPlan(
            kind=BESIDE.name,
            settings={
                "terminals": {NAME: f"{LOOK.address} {LOOK.name}"},
                # A machine of bumble's keeps its bonds no longer than an opening.
                "encrypted": False,
                "look_s": 2.0,
                "retry_s_max": 1.0,
                "hci": f"tcp-client:127.0.0.1:{port}",
            },
            secrets={"terminal_keys": f"{NAME}={key_text(KEY)}"},
            dialect="standard",
            every_s=0.0,
        )

    def hand_over(self, records: Sequence[GeneratedRecord], _access: Access) -> Mapping[str, int]:
        for number, record in enumerate(records):
            self._terminal.put(delivery("standard", [record]), name=f"{number:04d}-{record.record_type}.xml")
        return no_counts()

    def documents(self) -> Sequence[bytes]:
        return [content for _, _, content in self._terminal.documents()]


@contextmanager
def bluetooth_department(folder: Path) -> Iterator[BluetoothDepartment]:
    """Put the terminal on the air, and a controller for the node that is reached by HCI over TCP."""
    air = Air()
    doors = AsyncExitStack()
    try:
        port = air.run(doors.enter_async_context(air.tcp(NODE_CONTROLLER)))
        with terminal_on(air, folder) as terminal:
            yield BluetoothDepartment(terminal, port)
    finally:
        air.run(doors.aclose())
        air.close()
