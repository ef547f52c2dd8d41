"""Plays histories of the simulation by their seeds and prints what broke, and how many a second were played.

Every fault follows from the seed, so a seed that fails fails again: replay it with --seed N --trace.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TYPE_CHECKING

from tests.simulation.history import HistoryFailedError, play, settled_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKERS = 2
"""Processes that share the seeds: as many as the machine on which figures are compared has cores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one seed; ``failure`` is empty when every invariant held."""

    seed: int
    records: int = 0
    power_losses: int = 0
    failure: str = ""


def outcome_of(seed: int) -> Outcome:
    """Play one seed."""
    try:
        played = play(seed)
    except HistoryFailedError as error:
        return Outcome(seed=seed, failure=str(error))
    return Outcome(seed=seed, records=played.records, power_losses=played.power_losses)


def outcomes(seeds: range, workers: int) -> Iterator[Outcome]:
    """Play seeds in ``workers`` processes; yields in the order of the seeds."""
    # Made before the processes part: they share its keys.
    settled_tree()
    if workers == 1:
        yield from map(outcome_of, seeds)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("fork")) as pool:
        yield from pool.map(outcome_of, seeds, chunksize=4)


def main() -> int:
    """Return 0 when every invariant held in every history."""
    options = _options()
    if options.trace:
        return _trace(options.seeds)
    began_s = time.monotonic()
    done = list(outcomes(options.seeds, options.workers))
    took_s = time.monotonic() - began_s
    broken = [one for one in done if one.failure]
    for one in broken:
        _say(f"{one.failure}\n")
    losses = sum(one.power_losses for one in done)
    _say(
        f"{len(done)} histories, {len(broken)} violations, {sum(one.records for one in done)} records, "
        f"{losses} power losses, {took_s:.1f} s, {len(done) / took_s:.2f} histories a second"
    )
    return 1 if broken else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/simulate", description=__doc__)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--seeds", type=_seeds, help="the first and the last seed, like 0-3000")
    which.add_argument("--seed", type=lambda text: range(int(text), int(text) + 1), dest="seeds", help="one seed")
    parser.add_argument("--workers", type=int, default=WORKERS, help="processes that share the seeds (default 2)")
    parser.add_argument("--trace", action="store_true", help="print every step of every history")
    return parser.parse_args()


def _seeds(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def _trace(seeds: range) -> int:
    for seed in seeds:
        try:
            played = play(seed)
        except HistoryFailedError as error:
            _say("\n".join((*error.trace, str(error))))
            return 1
        digests = f"digest of the trace {played.trace_digest}, of all records {played.contents_digest}"
        _say("\n".join((*played.trace, f"seed {seed}: {digests}")))
    return 0


def _say(text: str) -> None:
    print(text)  # noqa: T201 - a command line.


if __name__ == "__main__":
    sys.exit(main())
