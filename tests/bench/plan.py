"""How much is measured: the whole run, and a quick one that proves that everything works."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Sizes of one run.

    ``held``: records held before the receiver is measured, as far as ``fill_s_max`` seconds allow. ``rounds`` of
    ``packages`` packages of ``package_records`` records each, product and floor in turns. ``hop_packages`` a round of
    the hop. ``intake_rounds`` files of ``intake_records`` rows each are imported. ``singles``: records one by one over
    the idle hop, for the bytes they cost, as far as ``singles_s_max`` seconds allow. Over the idle tree: ``idle_s``
    seconds without any record, and ``tries`` a door for the latency. ``proving_records``: length of the stream in which
    single records are proved. ``replays``: packages that are offered fresh and again, one at a time.
    """

    held: int = 100_000
    fill_s_max: float = 40.0
    open_cases: int = 15_000
    rounds: int = 11
    packages: int = 12
    package_records: int = 500
    hop_packages: int = 16
    replays: int = 24
    hop_rounds: int = 12
    intake_records: int = 10_000
    intake_rounds: int = 10
    singles: int = 2_000
    singles_s_max: float = 70.0
    idle_s: float = 5.0
    tries: int = 100
    proving_records: int = 10_000_000


FULL = Plan()
QUICK = Plan(
    held=2_000,
    open_cases=1_000,
    rounds=2,
    packages=1,
    replays=2,
    hop_packages=2,
    hop_rounds=1,
    intake_records=500,
    intake_rounds=1,
    singles=50,
    singles_s_max=5.0,
    idle_s=1.0,
    tries=5,
    proving_records=100_000,
)
