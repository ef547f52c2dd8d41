"""How fast records cross a serial line: the record line against ZMODEM on the same simulated lines.

The terminal's program and the node's end (``RecordLine``, which confirms at once) exchange files of records of the mix;
`sz` and `rz` of lrzsz exchange one file of the same records, a shorter one because they take their time. Each is timed
from its start until the sender knows that everything has arrived, starting the programs included. Speeds are bytes of
records a second, so that compression counts; the median of rounds in turns, with other damage in each, 0 for what gave
up. ``random`` is what the record line does with content that cannot be compressed (once), ``kermit`` what C-Kermit does
with the file of `sz` (null: not installed); no bar is set for them. A flip is of a bit, a drop of a byte, each with a
probability of 1 in 10,000.

``python -m tests.bench.lines [--json] [--quick]``
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
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
KERMIT_SESSION: Final = """\
set carrier-watch off
set transfer display none
set parity none
set flow none
set block-check 3
set send packet-length 1000
set receive packet-length 1000
set window 8
set streaming off
set retry-limit 10
set send timeout 2 fixed
set file type binary
set transfer mode manual
set file names literal
set file collision overwrite
"""
"""What suits a line with noise: long packets, a window, the strong check, and little patience."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineCase:
    """A line: its speed, what it is called, how bad it is."""

    bits_per_s: int
    name: str
    noise: Noise

    def damaged_anew(self, number: int) -> LineCase:
        """Return a line as bad as this one, with other bits and bytes hit."""
        return replace(self, noise=replace(self.noise, seed=self.noise.seed + 100 * number))

    def running(self, folder: Path) -> AbstractContextManager[Line]:
        """Run such a line."""
        return simulated_line(folder / "line", bits_per_s=self.bits_per_s, noise=self.noise)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinePlan:
    """Bytes of content at 115,200 bit/s, at 921,600 eight times as many; and ``rounds`` of the record line and ZMODEM.

    ``noisy_zmodem_bytes`` are for ZMODEM on lines with noise, where it is slow.
    """

    rounds: int = 3
    record_bytes: int = 400_000
    random_bytes: int = 40_000
    zmodem_bytes: int = 60_000
    noisy_zmodem_bytes: int = 10_000


QUICK_LINES: Final = LinePlan(
    rounds=1, record_bytes=40_000, random_bytes=5_000, zmodem_bytes=5_000, noisy_zmodem_bytes=2_000
)
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
            if column["ratio"] <= RATIO_MIN
        ],
    }


def _column(folder: Path, clock: Clock, case: LineCase, plan: LinePlan) -> dict[str, Any]:
    more = case.bits_per_s // CASES[0].bits_per_s
    records = record_contents(plan.record_bytes * more)
    random = [os.urandom(plan.random_bytes * more // 4) for _ in range(4)]
    noisy = case.name != "clean"
    content = b"".join(records)[: (plan.noisy_zmodem_bytes if noisy else plan.zmodem_bytes) * more]
    rates: dict[str, list[float]] = {"record_line": [], "zmodem": [], "kermit": []}
    for number in range(plan.rounds):
        how: dict[str, Any] = {"clock": clock, "case": case.damaged_anew(number)}
        rates["record_line"].append(_rate(folder, records, partial(record_line_s, **how)))
        rates["zmodem"].append(_rate(folder, [content], partial(zmodem_s, **how)))
        if shutil.which("kermit") is not None:
            rates["kermit"].append(_rate(folder, [content], partial(kermit_s, **how)))
    line, zmodem = median(rates["record_line"]), median(rates["zmodem"])
    return {
        "bits_per_s": case.bits_per_s,
        "line": case.name,
        "record_line": line,
        "random": _rate(folder, random, partial(record_line_s, clock=clock, case=case)),
        "zmodem": zmodem,
        "kermit": median(rates["kermit"]) if rates["kermit"] else None,
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


def record_line_s(folder: Path, contents: Sequence[bytes], *, clock: Clock, case: LineCase) -> float:
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


def zmodem_s(folder: Path, contents: Sequence[bytes], *, clock: Clock, case: LineCase) -> float:
    """Return the seconds that `sz` takes until it knows that `rz` has the file; infinite when it gives up."""
    sent, target = _sent_and_target(folder, contents)
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
    return _if_arrived(taken_s, sent, target)


def kermit_s(folder: Path, contents: Sequence[bytes], *, clock: Clock, case: LineCase) -> float:
    """Return the seconds that `kermit` takes until it knows that the other has the file; infinite when it gives up."""
    sent, target = _sent_and_target(folder, contents)
    with case.running(folder) as line:
        commands = {
            "receive": f"set line {line.near}\ncd {target}\nreceive\n",
            "send": f"set line {line.far}\nsend {{{sent}}}\n",
        }
        for name, told in commands.items():
            (folder / name).write_text(f"{KERMIT_SESSION}{told}if fail exit 1\nexit 0\n", encoding="utf-8")
        programs = [["kermit", str(folder / name), "-Y"] for name in commands]
        with subprocess.Popen(programs[0], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as receiver:
            begun_s = clock.monotonic_s()
            try:
                done = subprocess.run(
                    programs[1],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    timeout=LIMIT_S,
                    check=False,
                )
                taken_s = clock.monotonic_s() - begun_s if done.returncode == 0 else float("inf")
                with suppress(subprocess.TimeoutExpired):
                    receiver.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                taken_s = float("inf")
            finally:
                receiver.kill()
    return _if_arrived(taken_s, sent, target)


def _sent_and_target(folder: Path, contents: Sequence[bytes]) -> tuple[Path, Path]:
    """Write one file of all contents, and make the folder into which it is to come."""
    sent, target = folder / "sent.xml", folder / "received"
    sent.write_bytes(b"".join(contents))
    target.mkdir()
    return sent, target


def _if_arrived(taken_s: float, sent: Path, target: Path) -> float:
    arrived = target / sent.name
    is_whole = arrived.is_file() and arrived.read_bytes() == sent.read_bytes()
    return taken_s if is_whole else float("inf")


def table(answer: dict[str, Any]) -> str:
    """Return the document for people: kB of content a second."""
    names = ("records", "ZMODEM", "ratio", "Kermit", "random")
    lines = [f"{'bit/s':>8} {'line':<6}" + "".join(f" {name:>8}" for name in names) + "   kB/s"]
    for one in answer["columns"]:
        line, zmodem, random = (one[name] / 1e3 for name in ("record_line", "zmodem", "random"))
        kermit = "-" if one["kermit"] is None else f"{one['kermit'] / 1e3:.1f}"
        figures = (f"{line:.1f}", f"{zmodem:.1f}", f"{one['ratio']:.1f}", kermit, f"{random:.1f}")
        lines.append(f"{one['bits_per_s']:>8} {one['line']:<6}" + "".join(f" {figure:>8}" for figure in figures))
    return "\n".join([*lines, *(f"MISSED: {fault}" for fault in answer["faults"])]) + "\n"


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """Open a device for reading and writing."""
    device = os.open(path, os.O_RDWR | os.O_NOCTTY)
    try:
        yield device
    finally:
        os.close(device)


def _rate(folder: Path, contents: Sequence[bytes], taken_s: Callable[[Path, Sequence[bytes]], float]) -> float:
    """Return the bytes a second at which ``contents`` come over, in a folder that goes again; 0.0: they never come."""
    place = folder / "measured"
    place.mkdir(parents=True)
    try:
        return round(sum(map(len, contents)) / taken_s(place, contents), 1)
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
