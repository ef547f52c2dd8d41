"""How fast files and text cross a serial line through the serial bridge, until the adapter hands them over.

Files are sent by `sz` and by C-Kermit from the far end of a simulated line, and timed from being put there until they
are fetched: starting the programs, the handshake, the fsync of the inbox included. Text are lines of 60 bytes, timed
from the first byte until all of them were fetched and acknowledged. A flip is of a bit, a drop of a byte, each 1 in
10,000.
``python -m tests.bench.line_files [--json] [--quick]``
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from adapters.contract import Outcome, SourceUnavailableError
from adapters.serial_bridge.kind import KIND
from node.clock import MachineClock
from tests.bench.lines import CASES, LineCase, record_contents
from tests.support.adapter_openings import opening
from tests.support.file_machines import FileMachine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapters.contract import Adapter, Delivery
    from node.clock import Clock
    from tests.support.line_simulator import Line

SCHEMA: Final = "yizhan.bench-line-files/1"
TAKEN: Final = Outcome(offered=1, accepted=1, repeated=0, refused=0)
TEXT_LINE: Final = b"20261126,window 3," + b"x" * 41 + b"\n"
PATIENCE_S: Final = 30.0
LIMIT_S: Final = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesPlan:
    """Bytes of a file at 115,200 bit/s, on a clean line and on a noisy one; eight times as many at 921,600."""

    clean_bytes: int = 60_000
    noisy_bytes: int = 8_000
    text_lines: int = 1_000


QUICK: Final = FilesPlan(clean_bytes=5_000, noisy_bytes=1_000, text_lines=50)


def measure_files(folder: Path, clock: Clock, plan: FilesPlan) -> dict[str, Any]:
    """Return the document; raises RuntimeError when a program is missing or something did not arrive as it was sent."""
    for program in ("sz", "kermit"):
        if shutil.which(program) is None:
            message = f"{program} is needed: apt-get install lrzsz ckermit"
            raise RuntimeError(message)
    return {"schema": SCHEMA, "columns": [_column(folder, clock, case, plan) for case in CASES]}


def _column(folder: Path, clock: Clock, case: LineCase, plan: FilesPlan) -> dict[str, Any]:
    more = case.bits_per_s // CASES[0].bits_per_s
    count = (plan.clean_bytes if case.name == "clean" else plan.noisy_bytes) * more
    content = b"".join(record_contents(count))[:count]
    column: dict[str, Any] = {"bits_per_s": case.bits_per_s, "line": case.name}
    for protocol in ("zmodem", "kermit"):
        with _fresh(folder) as place:
            column[protocol] = round(count / file_s(place, clock, case, protocol, content), 1)
    if case.name == "clean":
        with _fresh(folder) as place:
            column["text_lines_per_s"] = round(
                plan.text_lines * more / text_s(place, clock, case, plan.text_lines * more), 1
            )
    return column


def file_s(folder: Path, clock: Clock, case: LineCase, protocol: str, content: bytes) -> float:
    """Return the seconds from putting a file at the far end until the adapter hands it over."""
    with case.running(folder) as line, _open(folder, line, mode=protocol) as adapter:
        machine = FileMachine(line, folder / "machine", protocol)
        machine.patience_s = PATIENCE_S
        machine.start()
        try:
            begun_s = clock.monotonic_s()
            machine.put("REPORT.XML", content)
            delivery = next(_fetched(adapter, clock))
            taken_s = clock.monotonic_s() - begun_s
            if delivery.file is None or delivery.file.read_bytes() != content:
                raise RuntimeError("the file is not what was sent")
            return taken_s
        finally:
            machine.stop()


def text_s(folder: Path, clock: Clock, case: LineCase, count: int) -> float:
    """Return the seconds from the first byte of so many lines until all of them are acknowledged."""
    with case.running(folder) as line, _open(folder, line, mode="capture", encoding="ascii") as adapter:
        device = os.open(line.far, os.O_RDWR | os.O_NOCTTY)
        sender = threading.Thread(target=_write, args=(device, TEXT_LINE * count))
        begun_s = clock.monotonic_s()
        sender.start()
        fetched = _fetched(adapter, clock)
        for _ in range(count):
            adapter.acknowledge(next(fetched), TAKEN)
        taken_s = clock.monotonic_s() - begun_s
        sender.join()
        os.close(device)
        return taken_s


def table(answer: dict[str, Any]) -> str:
    """Return the document for people: kB of content a second, and lines of text a second."""
    lines = [f"{'bit/s':>8} {'line':<6} {'zmodem':>8} {'kermit':>8}   kB/s {'text':>8} lines/s"]
    for one in answer["columns"]:
        zmodem, kermit = one["zmodem"] / 1e3, one["kermit"] / 1e3
        text = one.get("text_lines_per_s", "")
        lines.append(f"{one['bits_per_s']:>8} {one['line']:<6} {zmodem:>8.1f} {kermit:>8.1f}        {text:>8}")
    return "\n".join(lines) + "\n"


@contextmanager
def _open(folder: Path, line: Line, **settings: Any) -> Iterator[Adapter]:
    adapter = KIND.open(opening(KIND, folder / "kept", {"port": str(line.near), **settings}))
    try:
        list(adapter.fetch(1))
        yield adapter
    finally:
        adapter.close()


def _fetched(adapter: Adapter, clock: Clock) -> Iterator[Delivery]:
    """Yield what comes, again and again; what was acknowledged in between does not come again."""
    until_s = clock.monotonic_s() + LIMIT_S
    while clock.monotonic_s() < until_s:
        try:
            yield from adapter.fetch(1000)
        except SourceUnavailableError as error:
            message = "the line is away"
            raise RuntimeError(message) from error
    raise RuntimeError("not everything came")


def _write(device: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(device, left) :]


@contextmanager
def _fresh(folder: Path) -> Iterator[Path]:
    place = folder / "measured"
    place.mkdir(parents=True)
    try:
        yield place
    finally:
        shutil.rmtree(place)


def main() -> int:
    """Measure and print the table, or with ``--json`` the document."""
    with TemporaryDirectory(prefix="yizhan-bench-") as folder:
        answer = measure_files(Path(folder), MachineClock(), QUICK if "--quick" in sys.argv else FilesPlan())
    sys.stdout.write(json.dumps(answer) + "\n" if "--json" in sys.argv else table(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
