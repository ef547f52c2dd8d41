"""Where the receiver's time goes: ``python -m tests.bench.spans [HELD [ORIGINS]]``, microseconds a record.

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
from tests.bench.homes import found, open_node
from tests.bench.origins import COUNTIES, PROVINCE, bench_identities, courier
from tests.bench.receiving import FILL_RECORDS, receive

if TYPE_CHECKING:
    from collections.abc import Callable

SPANS = {
    "expand": ("tests.bench.receiving.expand_limited",),
    "frame, Head, signature": ("node.exchange.accepting.read_package",),
    "checkpoints (signatures, lookups)": ("node.exchange.receiver._Judge._refuse_checkpoints",),
    "leaf hashes": ("node.exchange.receiver.leaf_hash",),
    "Merkle": ("node.journal.streams.plan", "node.journal.streams.Journal.extended_root"),
    "parse and XSD": ("node.journal.replay.parse_record",),
    "facts": ("node.journal.replay.facts_of",),
    "authority": ("node.exchange.receiver.check_authority",),
    "compress": ("node.exchange.receiver.pack",),
    "cases: read": ("node.cases.rows.CaseRows.load",),
    "cases: move": ("node.cases.projection._Work.take",),
    "cases: write": ("node.cases.rows.CaseRows.write",),
    "cases: replay": ("node.cases.projection._Work._replay_all",),
    "counters": ("node.statistics.counters.StreamBook.close",),
    "journal rows": ("node.journal.records.insert_entries",),
    "tiles": ("node.journal.roots.save_tiles",),
    "streams (find, move)": ("node.journal.holdings.find", "node.journal.holdings.move"),
    "checkpoints (save)": ("node.journal.checkpoints.settle",),
    "commit": ("sqlalchemy.engine.Connection._commit_impl",),
    "receipts": ("node.exchange.receipts.Receipts.signed",),
    "answer": ("node.exchange.composing.Composer._write",),
}
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
        for name, targets in SPANS.items():
            for target in targets:
                patcher = patch(target)
                original, _ = patcher.get_original()
                stack.enter_context(patch(target, spans.wrap(name, original)))
        whole_s = sum(receive(node, parcel) for parcel in parcels)
    records = PACKAGES * PACKAGE_RECORDS
    return whole_s / records, {name: spans.taken_s[name] / records for name in SPANS}


def main() -> None:
    """Print the table."""
    held = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    origins = int(sys.argv[2]) if len(sys.argv) > 2 else len(COUNTIES)
    with TemporaryDirectory(prefix="yizhan-bench-") as folder:
        whole_s, taken = measure_spans(Path(folder), held, origins)
    lines = [*sorted(taken.items(), key=lambda one: -one[1]), ("everything else", whole_s - sum(taken.values()))]
    for name, seconds in lines:
        sys.stdout.write(f"{name:<36} {seconds * 1e6:6.1f} µs {seconds / whole_s:6.1%}\n")
    sys.stdout.write(f"{'one record':<36} {whole_s * 1e6:6.1f} µs\n")


if __name__ == "__main__":
    main()
