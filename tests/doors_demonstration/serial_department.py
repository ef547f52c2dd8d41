"""A department with a terminal on a serial line: our program on its machine, and a line that damages bytes."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from adapters.record_line.key_text import key_text
from node.demo.writers import delivery
from tests.doors_demonstration.department import AdapterPlan, no_counts
from tests.support.line_noise import Noise
from tests.support.line_simulator import simulated_line
from tests.support.terminals import TerminalProgram

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from node.demo.generator import GeneratedRecord
    from tests.doors_demonstration.department import Access

BITS_PER_S: Final = 115_200
NOISE: Final = Noise(flips_per_bit=2e-5, drops_per_byte=2e-5, seed=1)
"""A bad line: in the mean a bit of every 6,250 bytes is flipped, and a byte of every 50,000 is lost."""


class SerialDepartment:
    """Hands over each record by itself, as it happens; documents come into the terminal's inbox."""

    def __init__(self, folder: Path, terminal: TerminalProgram, port: Path) -> None:
        self._folder = folder
        self._terminal = terminal
        self.place = str(terminal.folder)
        self.adapter = AdapterPlan(
            kind="serial_bridge",
            settings={"port": str(port), "mode": "record_line", "baudrate": BITS_PER_S},
            secrets={"terminal_keys": f"{terminal.name}={key_text(terminal.key)}"},
            dialect="standard",
            every_s=0.0,
        )

    def hand_over(self, records: Sequence[GeneratedRecord], _access: Access) -> Mapping[str, int]:
        written = []
        for number, record in enumerate(records):
            path = self._folder / f"{number:04d}-{record.record_type}.xml"
            path.write_bytes(delivery("standard", [record]))
            written.append(str(path))
        if written:
            self._terminal.call("send", *written)
        return no_counts()

    def documents(self) -> Sequence[bytes]:
        return [path.read_bytes() for path in sorted((self._terminal.folder / "inbox").glob("*.xml"))]


@contextmanager
def serial_department(folder: Path) -> Iterator[SerialDepartment]:
    """Run the terminal at the far end of a line."""
    records = folder / "records"
    records.mkdir()
    terminal = TerminalProgram(folder / "terminal")
    with simulated_line(folder / "line", bits_per_s=BITS_PER_S, noise=NOISE) as line, terminal.run(line.far):
        yield SerialDepartment(records, terminal, line.near)
