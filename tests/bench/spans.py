"""Where the time goes, in microseconds a record.

``python -m tests.bench.spans [HELD [ORIGINS]]`` for the receiver, ``python -m tests.bench.spans intake`` for a file at
a county; there one thread does everything, so that the lines add up (the product prepares in another process).

Spans are wrapped around the product's own functions for this process only; what lies inside another span is taken off
it, so the lines add up. ORIGINS (1 to 10) is the number of slices that a package of 500 records is cut into. Wrapping
costs a little; the shares count.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from contextlib import ExitStack
from functools import wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from node.clock import MachineClock
from node.departments.importing import import_file
from tests.bench.homes import found, open_node
from tests.bench.importing import table_of
from tests.bench.mix import CaseMix
from tests.bench.origins import COUNTIES, PROVINCE, bench_identities, courier
from tests.bench.receiving import FILL_RECORDS, receive

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

SPANS = {
    "expand": ("tests.bench.receiving.expand_limited",),
    "frame, Head, signature": ("node.exchange.accepting.read_package",),
    "checkpoints (signatures, lookups)": ("node.exchange.judging.Judge._refuse_checkpoints",),
    "leaf hashes": ("node.exchange.judging.leaf_hash",),
    "Merkle": ("node.journal.streams.plan", "node.journal.holdings.Held.extended_root"),
    "parse and XSD": ("node.journal.entries.parse_record",),
    "facts": ("node.journal.entries.facts_of",),
    "authority": ("node.exchange.judging.check_authority",),
    "compress": ("node.exchange.reading.pack",),
    "cases: read": ("node.cases.rows.CaseRows.load",),
    "cases: move": ("node.cases.projection._Work.take",),
    "cases: write": ("node.cases.rows.CaseRows.write",),
    "cases: replay": ("node.cases.projection._Work._replay_all",),
    "counters": ("node.statistics.counters.Counters.close",),
    "journal rows": ("node.journal.records.insert_entries",),
    "tiles": ("node.journal.roots.save_tiles",),
    "streams (find, move)": ("node.journal.holdings.find_many", "node.journal.holdings.move"),
    "checkpoints (save)": ("node.journal.checkpoints.settle",),
    "commit": ("sqlalchemy.engine.Connection._commit_impl",),
    "receipts": ("node.exchange.receipts.Receipts.signed",),
    "answer": ("node.exchange.composing.Composer._write",),
}
INTAKE_SPANS = {
    "file: lines, encoding, cells": ("node.departments.dialects.csv_rows.LineReader.next",),
    "mapping: columns, values, types": ("node.departments.dialects.csv_table._TextTable.candidate",),
    "numbers of cases": ("node.departments.batches.number_cases", "node.departments.accept.remember_numbers"),
    "compose": ("node.departments.prepare.compose",),
    "parse and XSD": ("node.departments.prepare.parse_record",),
    "facts": ("node.departments.prepare.facts_of",),
    "hashes: leaf, content": ("node.departments.prepare.leaf_hash", "node.departments.prepare.content_hash_of"),
    "compress": ("node.departments.prepare.pack",),
    "prepare: the rest": ("node.departments.preparing.prepare_salted",),
    "keys: look up": ("node.departments.deciding.lookup_many",),
    "keys: remember": ("node.departments.accept.remember_many",),
    "decide": ("node.departments.accept.Decision.decide",),
    "verdicts": ("node.departments.accept.Intake._finished",),
    "Merkle": ("node.journal.streams.plan",),
    "cases: read": ("node.cases.rows.CaseRows.load",),
    "cases: move": ("node.cases.projection._Work.take",),
    "cases: write": ("node.cases.rows.CaseRows.write",),
    "counters": ("node.statistics.counters.Counters.close",),
    "journal rows": ("node.journal.records.insert_entries",),
    "tiles": ("node.journal.roots.save_tiles",),
    "append: the rest": ("node.journal.streams.Journal.append",),
    "commit": ("sqlalchemy.engine.Connection._commit_impl",),
}
INTAKE_RECORDS = 10_000
PACKAGES = 20
PACKAGE_RECORDS = 500


class Spans:
    """Seconds by span; a span inside another counts for itself only."""

    def __init__(self) -> None:
        self.taken_s: dict[str, float] = defaultdict(float)
        self._open: list[float] = []

    def wrap(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return ``function`` with its time counted under ``name``."""

        @wraps(function)
        def timed(*arguments: Any, **named: Any) -> Any:
            begun_s = perf_counter()
            self._open.append(0.0)
            try:
                return function(*arguments, **named)
            finally:
                whole_s = perf_counter() - begun_s
                self.taken_s[name] += whole_s - self._open.pop()
                if self._open:
                    self._open[-1] += whole_s

        return timed


def measure_spans(folder: Path, held: int, origins: int) -> tuple[float, dict[str, float]]:
    """Return seconds a record in all, and by span, at a province that holds ``held`` records of ten counties."""
    clock = MachineClock()
    identities = bench_identities(clock)
    city = courier(identities, clock, open_cases=1_500)
    spans = Spans()
    with open_node(folder, identities[PROVINCE], clock) as node, ExitStack() as stack:
        found(node, identities)
        for _ in range(max(1, held // FILL_RECORDS)):
            receive(node, city.parcel(FILL_RECORDS))
        city.origins = city.origins[:origins]
        parcels = [city.parcel(PACKAGE_RECORDS) for _ in range(PACKAGES)]
        _wrap_all(spans, SPANS, stack)
        whole_s = sum(receive(node, parcel) for parcel in parcels)
    records = PACKAGES * PACKAGE_RECORDS
    return whole_s / records, {name: spans.taken_s[name] / records for name in SPANS}


def measure_intake_spans(folder: Path) -> tuple[float, dict[str, float]]:
    """Return seconds a record in all, and by span, of importing a table at a county that holds as many already."""
    clock = MachineClock()
    code = COUNTIES[0]
    mix = CaseMix(division=code, seed=2, open_cases=1_500)
    spans = Spans()
    with open_node(folder, bench_identities(clock)[code], clock) as node, ExitStack() as stack:
        paths = [folder / "held.csv", folder / "measured.csv"]
        for path in paths:
            path.write_bytes(table_of(mix, INTAKE_RECORDS, clock))
        import_file(node.intake, paths[0], dialect="csv")
        stack.enter_context(patch("node.departments.preparing.processors", lambda: 1))
        _wrap_all(spans, INTAKE_SPANS, stack)
        begun_s = perf_counter()
        import_file(node.intake, paths[1], dialect="csv")
        whole_s = perf_counter() - begun_s
    return whole_s / INTAKE_RECORDS, {name: spans.taken_s[name] / INTAKE_RECORDS for name in INTAKE_SPANS}


def _wrap_all(spans: Spans, targets: Mapping[str, Sequence[str]], stack: ExitStack) -> None:
    for name, functions in targets.items():
        for function in functions:
            original, _ = patch(function).get_original()
            stack.enter_context(patch(function, spans.wrap(name, original)))


def main() -> None:
    """Print the table."""
    with TemporaryDirectory(prefix="yizhan-bench-") as folder:
        whole_s, taken = _measured(Path(folder), sys.argv[1:])
    lines = [*sorted(taken.items(), key=lambda one: -one[1]), ("everything else", whole_s - sum(taken.values()))]
    for name, seconds in lines:
        sys.stdout.write(f"{name:<36} {seconds * 1e6:6.1f} µs {seconds / whole_s:6.1%}\n")
    sys.stdout.write(f"{'one record':<36} {whole_s * 1e6:6.1f} µs\n")


def _measured(folder: Path, arguments: list[str]) -> tuple[float, dict[str, float]]:
    if arguments[:1] == ["intake"]:
        return measure_intake_spans(folder)
    held = int(arguments[0]) if arguments else 20_000
    origins = int(arguments[1]) if len(arguments) > 1 else len(COUNTIES)
    return measure_spans(folder, held, origins)


if __name__ == "__main__":
    main()
