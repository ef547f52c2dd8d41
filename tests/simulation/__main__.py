"""``python -m tests.simulation --seed N --trace`` replays one history; ``--count N`` plays many and tells the rate."""

from __future__ import annotations

import argparse
import sys
import time

from tests.simulation.history import HistoryFailedError, play


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--count", type=int, default=1, help="how many seeds to play")
    parser.add_argument("--steps", type=int, default=None, help="play so many steps instead of a seeded number")
    parser.add_argument("--trace", action="store_true", help="print every step")
    options = parser.parse_args()
    failed = records = losses = 0
    began_s = time.process_time()
    for seed in range(options.seed, options.seed + options.count):
        try:
            played = play(seed, steps=options.steps)
        except HistoryFailedError as error:
            failed += 1
            if options.trace:
                print("\n".join(error.trace))  # noqa: T201 - a command line.
                raise
            print(error, file=sys.stderr)  # noqa: T201 - a command line.
            continue
        records += played.records
        losses += played.power_losses
        if options.trace:
            print("\n".join(played.trace))  # noqa: T201 - a command line.
    took_s = time.process_time() - began_s
    print(  # noqa: T201 - a command line.
        f"{options.count} histories, {failed} failed, {records} records, {losses} power losses, "
        f"{took_s:.1f} s of one core, {options.count / took_s:.2f} a second"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
