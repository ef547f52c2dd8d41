"""Files through the doors against intake alone: ``.venv/bin/python -m tests.bench.folders [ROUNDS] [ROWS]``.

A county takes in tables of the same mix, in turns: one that is imported, one that a department put into a folder (kind
``file_drop``), one that it put onto an SSH server (``sftp``), until it is answered at the source.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING, Any

from adapters import file_drop, sftp
from node.clock import MachineClock
from node.departments.importing import import_file
from tests.bench.homes import open_node
from tests.bench.importing import table_of
from tests.bench.mix import CaseMix
from tests.bench.origins import COUNTIES, bench_identities
from tests.bench.receiving import Rounds
from tests.support.adapter_openings import opening, outcome
from tests.support.sshd import ssh_server

if TYPE_CHECKING:
    from collections.abc import Mapping

    from adapters.contract import Adapter, AdapterKind
    from node.clock import Clock
    from node.departments.accept import Intake

SMALL_FILES = 500


class Table:
    """A folder into which tables are put, and the adapter that watches it."""

    def __init__(
        self, kind: AdapterKind, place: Path, settings: Mapping[str, Any], secrets: Mapping[str, str] | None = None
    ) -> None:
        self.folder = place / kind.name
        self.folder.mkdir()
        whole = {"folder": str(self.folder), "settle_s": 0.0, **settings}
        self.adapter: Adapter = kind.open(opening(kind, place / f"{kind.name}-kept", whole, secrets=secrets))
        self.adapter.check()

    def take_in(self, intake: Intake, rows: int) -> None:
        """Take in one table of so many rows, and answer at the source."""
        (delivery,) = self.adapter.fetch(1)
        assert delivery.file is not None
        report = import_file(intake, delivery.file, dialect="csv")
        assert report.accepted == rows, report.problems[:1]
        self.adapter.acknowledge(delivery, outcome(accepted=rows))


def small_files_rate(table: Table) -> float:
    """Return how many files of one record each come and are answered in a second, the node's own work left out."""
    for number in range(SMALL_FILES):
        (table.folder / f"small-{number:04}.csv").write_bytes(bytes(1_000))
    begun_s = perf_counter()
    came = 0
    while came < SMALL_FILES:
        for delivery in table.adapter.fetch(100):
            table.adapter.acknowledge(delivery, outcome())
            came += 1
    return came / (perf_counter() - begun_s)


def measure_folders(folder: Path, clock: Clock, *, rounds: int, rows: int) -> dict[str, tuple[Rounds, float]]:
    """Return, by kind, the seconds a record through the door (product) and by intake alone (floor); and files/s."""
    code = COUNTIES[0]
    mix = CaseMix(division=code, seed=2, open_cases=1_500)
    home = folder / code
    home.mkdir()
    measured = {kind.name: Rounds() for kind in (file_drop.KIND, sftp.KIND)}
    with ExitStack() as stack:
        server = stack.enter_context(ssh_server(folder / "sshd"))
        login = {"host": "127.0.0.1", "port": server.port, "user": server.user, "host_keys": [server.fingerprint]}
        tables = [
            Table(file_drop.KIND, folder, {}),
            Table(sftp.KIND, folder, login, {"private_key": server.private_key}),
        ]
        for table in tables:
            stack.callback(table.adapter.close)
        intake = stack.enter_context(open_node(home, bench_identities(clock)[code], clock)).intake
        for number in range(rounds):
            for table, one in zip(tables, measured.values(), strict=True):
                alone = home / f"alone-{number}.csv"
                alone.write_bytes(table_of(mix, rows, clock))
                (table.folder / f"cases-{number}.csv").write_bytes(table_of(mix, rows, clock))
                begun_s = perf_counter()
                import_file(intake, alone, dialect="csv")
                between_s = perf_counter()
                table.take_in(intake, rows)
                one.product_s.append((perf_counter() - between_s) / rows)
                one.floor_s.append((between_s - begun_s) / rows)
        return {
            name: (one, small_files_rate(table)) for table, (name, one) in zip(tables, measured.items(), strict=True)
        }


def main() -> None:
    """Print the table."""
    rounds, rows = (int(argument) for argument in [*sys.argv[1:], "8", "5000"][:2])
    with TemporaryDirectory(prefix="yizhan-bench-") as folder:
        measured = measure_folders(Path(folder), MachineClock(), rounds=rounds, rows=rows)
    for name, (one, files) in measured.items():
        share = f"{one.rate:8,.0f} records/s, intake alone {one.floor:8,.0f}: {one.ratio:.2f}"
        sys.stdout.write(f"{name:<12} {share}; {files:6,.0f} small files/s\n")


if __name__ == "__main__":
    main()
