"""A table of a million rows: ``scripts/bench --rows N``, how fast ``yizhan import`` takes it in, and in what memory.

The table (the mix of tests/bench/mix.py, GB18030, headings in 中文) is streamed to a temporary file and imported by a
process of its own into a new node; its resident memory, together with that of the worker that it starts, is looked at
all the while. The receiver floor is measured before and after on records of the same mix. Beside the time that passed
stands the processor's time of the import, by which two runs on a busy machine can still be compared. What has to hold
whatever else the machine does: every row is accepted, the peak stays below 300 MB, and memory is flat: as high in the
last quarter of the time as in the second. The speed is reported beside its bar, because it depends on who else works on
the machine.
"""

from __future__ import annotations

import csv
import io
import json
import os
import resource
import shutil
import subprocess
import sys
from dataclasses import dataclass
from statistics import median
from threading import Event, Thread
from time import perf_counter
from typing import TYPE_CHECKING, Any

from node.demo.plan import PROVINCE
from node.demo.program import PROGRAM
from tests.bench.floors import ReceiverFloor
from tests.bench.importing import table_of
from tests.bench.mix import CaseMix
from tests.bench.processes import memory_with_children_mb, new_node

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from node.clock import Clock

SCHEMA = "yizhan.bench-rows/1"
RATIO_MIN = 0.3
PEAK_MB_MAX = 300.0
GROWTH_MB_MAX = 8.0
"""MB by which the last quarter may lie above the second: what an allocator keeps back by chance. Our own choice."""
GROWTH_ROWS_MIN = 500_000
"""Rows from which on growth is a fault: below, caches and the allocator still fill up in the second quarter (a run of
200,000 rows grew by 9 MB, one of a million by 2). Our own choice."""
ROW_DISK_BYTES = 2_500
"""Bytes of disk that a row needs at most while it is measured: its line, the database and its log. Our own choice."""
FLOOR_RECORDS = 4_000
FLOOR_ROUNDS = 5
_CHUNK_ROWS = 2_000
_OPEN_CASES = 15_000
_BATCH = 500
_LOOK_EVERY_S = 0.25
_LOOKS_MIN = 8
"""Below so many looks nothing can be said of quarters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """What one import of a table showed: its report, its seconds, resident memory in MB at even times, and the peak.

    ``processor_s`` are the seconds that it and its worker had a processor; memory is that of both.
    """

    report: dict[str, Any]
    taken_s: float
    processor_s: float
    memory_mb: Sequence[float]
    peak_mb: float


def measure_rows(folder: Path, clock: Clock, rows: int) -> dict[str, Any]:
    """Import a table of ``rows`` rows and return the document; raises RuntimeError when the disk is too small."""
    check_disk(shutil.disk_usage(folder).free, rows)
    before = measure_floor(folder / "floor-before")
    path = folder / "cases.csv"
    _say(f"writing {rows:,} rows")
    write_table(path, rows, clock)
    home = new_node(folder, PROVINCE).home
    _say(f"importing {path.stat().st_size / 1e6:,.0f} MB")
    done = run_import(home, path)
    after = measure_floor(folder / "floor-after")
    disk = sum(one.stat().st_size for one in home.glob("yizhan.sqlite*"))
    return document(done, rows=rows, floors=(before, after), disk_bytes=disk, load=os.getloadavg()[1])


def check_disk(free_bytes: int, rows: int) -> None:
    """Raise RuntimeError when ``free_bytes`` are too few for a run of ``rows`` rows."""
    if free_bytes < rows * ROW_DISK_BYTES:
        message = f"{rows:,} rows need {rows * ROW_DISK_BYTES / 1e9:.1f} GB, {free_bytes / 1e9:.1f} GB are free"
        raise RuntimeError(f"{message}; name another folder with TMPDIR")


def write_table(path: Path, rows: int, clock: Clock) -> None:
    """Stream a table of the mix to ``path``, in pieces that fit into little memory."""
    # A few cases that run through to their end use every column that the mix has.
    headings = _rows_of(CaseMix(division=PROVINCE.code, seed=5, open_cases=50), _CHUNK_ROWS, clock).fieldnames
    mix = CaseMix(division=PROVINCE.code, seed=3, open_cases=_OPEN_CASES)
    with path.open("w", encoding="gb18030", newline="") as file:
        writer = csv.DictWriter(file, headings or (), restval="", lineterminator="\n")
        writer.writeheader()
        for start in range(0, rows, _CHUNK_ROWS):
            writer.writerows(_rows_of(mix, min(_CHUNK_ROWS, rows - start), clock))


def _rows_of(mix: CaseMix, count: int, clock: Clock) -> csv.DictReader[str]:
    return csv.DictReader(io.StringIO(table_of(mix, count, clock).decode("gb18030"), newline=""))


def measure_floor(folder: Path) -> float:
    """Return records a second of the receiver floor on records of the same mix."""
    folder.mkdir(parents=True)
    mix = CaseMix(division=PROVINCE.code, seed=4, open_cases=_OPEN_CASES)
    floor = ReceiverFloor(folder)
    taken_s = []
    for _ in range(FLOOR_ROUNDS):
        bodies = mix.records(FLOOR_RECORDS)
        batches = [bodies[start : start + _BATCH] for start in range(0, FLOOR_RECORDS, _BATCH)]
        taken_s.append(sum(map(floor.receive, batches)) / FLOOR_RECORDS)
    floor.close()
    return 1 / median(taken_s)


def run_import(home: Path, path: Path) -> Import:
    """Run ``yizhan import`` in a process of its own and look at its memory; RuntimeError when it reports nothing."""
    command = [*PROGRAM, "import", str(path), "--home", str(home), "--dialect", "csv", "--json", "--no-input"]
    begun_s, processor_s = perf_counter(), _processor_s_of_children()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as process:
        looks: list[float] = []
        with _Watch(lambda: looks.append(memory_with_children_mb(process.pid))):
            out, _ = process.communicate()
    taken_s = perf_counter() - begun_s
    if not out:
        message = f"yizhan import left with {process.returncode} and no report; its message stands above"
        raise RuntimeError(message)
    return Import(
        report=json.loads(out),
        taken_s=taken_s,
        processor_s=_processor_s_of_children() - processor_s,
        memory_mb=looks,
        peak_mb=round(max(looks, default=0.0), 1),
    )


def _processor_s_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class _Watch:
    """Calls ``look`` at even times in a thread of its own, until it is left or what it looks at has gone."""

    def __init__(self, look: Callable[[], None]) -> None:
        self._look = look
        self._ended = Event()
        self._thread = Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(_LOOK_EVERY_S):
            try:
                self._look()
            except (OSError, KeyError):
                # It has ended: a process that nobody has waited for yet shows no memory.
                return


def growth_mb(memory_mb: Sequence[float]) -> float | None:
    """Return by how many MB the last quarter lies above the second, each by its median; None: too few looks."""
    quarter = len(memory_mb) // 4
    if len(memory_mb) < _LOOKS_MIN:
        return None
    return median(memory_mb[-quarter:]) - median(memory_mb[quarter : 2 * quarter])


def document(done: Import, *, rows: int, floors: tuple[float, float], disk_bytes: int, load: float) -> dict[str, Any]:
    """Return the answer; ``faults`` says what does not hold."""
    rate = rows / done.taken_s
    floor = sum(floors) / len(floors)
    growth = growth_mb(done.memory_mb)
    faults = []
    if done.report["accepted"] != rows:
        faults.append(f"{done.report['accepted']} of {rows} rows were accepted: {done.report['problems'][:1]}")
    if done.peak_mb > PEAK_MB_MAX:
        faults.append(f"{done.peak_mb} MB at the peak; at most {PEAK_MB_MAX:g}")
    if rows >= GROWTH_ROWS_MIN and growth is not None and growth > GROWTH_MB_MAX:
        faults.append(f"memory grew by {growth:.1f} MB from the second quarter to the last; at most {GROWTH_MB_MAX:g}")
    return {
        "schema": SCHEMA,
        "rows": rows,
        "seconds": round(done.taken_s, 1),
        "rate": round(rate, 1),
        "processor_us_per_row": round(done.processor_s / rows * 1e6, 1),
        "floor_before": round(floors[0], 1),
        "floor_after": round(floors[1], 1),
        "ratio": round(rate / floor, 3),
        "ratio_bar": RATIO_MIN,
        "peak_mb": done.peak_mb,
        "growth_mb": None if growth is None else round(growth, 1),
        "disk_bytes_per_row": round(disk_bytes / rows, 1),
        "load": round(load, 2),
        "faults": faults,
    }


def lines(answer: dict[str, Any]) -> str:
    """Return the answer for people."""
    growth = "not known: too short" if answer["growth_mb"] is None else f"{answer['growth_mb']:+.1f} MB"
    floors = f"{answer['floor_before']:,.0f} before, {answer['floor_after']:,.0f} after"
    speed = f"{answer['rate']:,.0f} rows/s, {answer['processor_us_per_row']:,.0f} µs of a processor each"
    shown = [
        f"{answer['rows']:,} rows in {answer['seconds']:,.0f} s: {speed}",
        f"receiver floor {floors}: ratio {answer['ratio']:.2f}, bar {answer['ratio_bar']:g}; load {answer['load']:g}",
        f"memory: {answer['peak_mb']:.0f} MB at the peak; from the second quarter to the last {growth}",
        f"disk: {answer['disk_bytes_per_row']:,.0f} bytes a row",
        *(f"FAULT: {fault}" for fault in answer["faults"]),
    ]
    return "\n".join(shown) + "\n"


def _say(what: str) -> None:
    sys.stderr.write(f"bench: {what} …\n")
    sys.stderr.flush()
