"""How fast records cross a serial line: the record line against ZMODEM on the same simulated lines.

The terminal's program and the node's end (``RecordLine``, which confirms at once) exchange files of records of the mix;
`sz` and `rz` of lrzsz exchange one file of the same records, a shorter one because they take their time. Each is timed
from its start until the sender knows that everything has arrived, starting the programs included. Speeds are bytes of
records a second, so that compression counts; ``random`` is what the record line does with content that cannot be
compressed. A flip is of a bit, a drop of a byte, each with a probability of 1 in 10,000.
``python -m tests.bench.lines [--json] [--quick]``
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from adapters.contract import Outcome
from adapters.record_line.line import RecordLine
from adapters.serial_bridge.terminal.ports import SerialPort
from node.clock import MachineClock
from tests.bench.mix import CaseMix
from tests.support.line_noise import Noise
from tests.support.line_simulator import simulated_line
from tests.support.terminals import TerminalProgram

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from node.clock import Clock
    from tests.support.line_simulator import Line

SCHEMA: Final = "yizhan.bench-lines/1"
RATIO_MIN: Final = 1.0
"""The first bar: ahead of ZMODEM in every column."""
FILE_RECORDS: Final = 50
TAKEN: Final = Outcome(offered=FILE_RECORDS, accepted=FILE_RECORDS, repeated=0, refused=0)
LIMIT_S: Final = 120.0
GRACE_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LineCase:
    """A line: its speed, what it is called, how bad it is."""

    bits_per_s: int
    name: str
    noise: Noise

    def running(self, folder: Path) -> AbstractContextManager[Line]:
        """Run such a line."""
        return simulated_line(folder / "line", bits_per_s=self.bits_per_s, noise=self.noise)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinePlan:
    """Bytes of content at 115,200 bit/s; at 921,600 eight times as many.

    ``noisy_zmodem_bytes`` are for ZMODEM on lines with noise, where it is slow.
    """

    record_bytes: int = 400_000
    random_bytes: int = 40_000
    zmodem_bytes: int = 60_000
    noisy_zmodem_bytes: int = 10_000


QUICK_LINES: Final = LinePlan(record_bytes=40_000, random_bytes=5_000, zmodem_bytes=5_000, noisy_zmodem_bytes=2_000)
CASES: Final = tuple(
    LineCase(bits_per_s=speed, name=name, noise=noise)
    for speed in (115_200, 921_600)
    for name, noise in (
        ("clean", Noise()),
        ("flips", Noise(flips_per_bit=1e-4, seed=11)),
        ("drops", Noise(drops_per_byte=1e-4, seed=12)),
    )
)


def measure_lines(folder: Path, clock: Clock, plan: LinePlan) -> dict[str, Any]:
    """Return the document; raises RuntimeError when lrzsz is not there or something did not arrive as it was sent."""
    if shutil.which("sz") is None or shutil.which("rz") is None:
        message = "sz and rz are needed: apt-get install lrzsz"
        raise RuntimeError(message)
    columns = [_column(folder, clock, case, plan) for case in CASES]
    return {
        "schema": SCHEMA,
        "columns": columns,
        "faults": [
            f"{column['line']} at {column['bits_per_s']} bit/s: {column['ratio']:g} of ZMODEM"
            for column in columns
            if column["ratio"] < RATIO_MIN
        ],
    }


def _column(folder: Path, clock: Clock, case: LineCase, plan: LinePlan) -> dict[str, Any]:
    more = case.bits_per_s // CASES[0].bits_per_s
    records = record_contents(plan.record_bytes * more)
    random = [os.urandom(plan.random_bytes * more // 4) for _ in range(4)]
    noisy = case.name != "clean"
    content = b"".join(records)[: (plan.noisy_zmodem_bytes if noisy else plan.zmodem_bytes) * more]
    line = _rate(folder, sum(map(len, records)), lambda place: record_line_s(place, clock, case, records))
    plain = _rate(folder, sum(map(len, random)), lambda place: record_line_s(place, clock, case, random))
    zmodem = _rate(folder, len(content), lambda place: zmodem_s(place, clock, case, content))
    return {
        "bits_per_s": case.bits_per_s,
        "line": case.name,
        "record_line": line,
        "random": plain,
        "zmodem": zmodem,
        "ratio": round(line / zmodem, 2) if zmodem else 999.0,
    }


def record_contents(bytes_min: int) -> list[bytes]:
    """Return files of FILE_RECORDS records of the mix, at least so many bytes."""
    mix = CaseMix(division="369900", seed=21, open_cases=500)
    contents: list[bytes] = []
    while sum(map(len, contents)) < bytes_min:
        body = b"\n".join(mix.records(FILE_RECORDS))
        contents.append(b'<Records xmlns="urn:yizhan:standard:1">' + body + b"</Records>")
    return contents


def record_line_s(folder: Path, clock: Clock, case: LineCase, contents: Sequence[bytes]) -> float:
    """Return the seconds from starting the terminal's program until it knows that the node has every file."""
    terminal = TerminalProgram(folder / "terminal")
    paths = [folder / f"{number:04d}.xml" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    terminal.call("send", *map(str, paths))
    with ExitStack() as stack:
        line = stack.enter_context(case.running(folder))
        end = RecordLine(
            terminals={terminal.name: terminal.key}, folder=folder, monotonic_s=clock.monotonic_s, token=os.urandom
        )
        stack.callback(end.close)
        end.start(SerialPort(str(line.near), case.bits_per_s))
        begun_s = clock.monotonic_s()
        process = stack.enter_context(terminal.run(line.far, "--once"))
        for content in contents:
            message = end.received(LIMIT_S)
            if message is None or message.content != content:
                raise RuntimeError("the record line did not bring what was sent")
            end.confirm(message, TAKEN)
        if process.wait(LIMIT_S):
            raise RuntimeError("the terminal's program failed")
        return clock.monotonic_s() - begun_s


def zmodem_s(folder: Path, clock: Clock, case: LineCase, content: bytes) -> float:
    """Return the seconds that `sz` takes until it knows that `rz` has the file; infinite when it gives up."""
    sent, target = folder / "sent.xml", folder / "received"
    sent.write_bytes(content)
    target.mkdir()
    with ExitStack() as stack:
        line = stack.enter_context(case.running(folder))
        near = stack.enter_context(_opened(line.near))
        far = stack.enter_context(_opened(line.far))
        receive = ["rz", "--quiet", "--binary", "--overwrite"]
        receiver = stack.enter_context(subprocess.Popen(receive, stdin=near, stdout=near, cwd=target))
        stack.callback(receiver.kill)
        begun_s = clock.monotonic_s()
        try:
            done = subprocess.run(
                ["sz", "--quiet", "--binary", str(sent)], stdin=far, stdout=far, timeout=LIMIT_S, check=False
            )
        except subprocess.TimeoutExpired:
            return float("inf")
        taken_s = clock.monotonic_s() - begun_s
        if done.returncode:
            return float("inf")
        # `rz` may go on waiting for another file; what counts is that it has this one.
        with suppress(subprocess.TimeoutExpired):
            receiver.wait(GRACE_S)
    if (target / sent.name).read_bytes() != content:
        return float("inf")
    return taken_s


def table(answer: dict[str, Any]) -> str:
    """Return the document for people: kB of content a second."""
    lines = [f"{'bit/s':>8} {'line':<6} {'records':>9} {'ZMODEM':>8} {'ratio':>7} {'random':>8}   kB/s"]
    for one in answer["columns"]:
        line, zmodem, random = (one[name] / 1e3 for name in ("record_line", "zmodem", "random"))
        lines.append(
            f"{one['bits_per_s']:>8} {one['line']:<6} {line:>9.1f} {zmodem:>8.1f} {one['ratio']:>7.1f} {random:>8.1f}"
        )
    return "\n".join([*lines, *(f"MISSED: {fault}" for fault in answer["faults"])]) + "\n"


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """Open a device for reading and writing."""
    device = os.open(path, os.O_RDWR | os.O_NOCTTY)
    try:
        yield device
    finally:
        os.close(device)


def _rate(folder: Path, size: int, taken_s: Callable[[Path], float]) -> float:
    place = folder / "measured"
    place.mkdir(parents=True)
    try:
        return round(size / taken_s(place), 1)
    finally:
        shutil.rmtree(place)


def main() -> int:
    """Measure and print the table, or with ``--json`` the document; return 1 when a bar is missed."""
    with TemporaryDirectory(prefix="yizhan-bench-") as folder:
        answer = measure_lines(Path(folder), MachineClock(), QUICK_LINES if "--quick" in sys.argv else LinePlan())
    sys.stdout.write(json.dumps(answer) + "\n" if "--json" in sys.argv else table(answer))
    return 1 if answer["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
