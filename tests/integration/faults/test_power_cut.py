"""Power cuts: the image of a loop-mounted disk, copied in one instant while a node writes to it (root only).

Every copy opens: the database is whole, every stream's tree can be computed again from its records, and nothing is
missing that was committed, or answered ``accepted``, before that instant. A node goes on from such a copy.
"""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from node.clock import MachineClock
from node.demo.chance import Chance
from node.demo.plan import PROVINCE
from node.demo.program import PROGRAM, RunningNode
from node.journal.merkle import root_of
from node.standard.seals import ANCESTORS, StreamName
from tests.bench.importing import table_of
from tests.bench.mix import CaseMix
from tests.support.disks import Disk, disk
from tests.support.fault_trees import CITY, COUNTY, FaultTree, fault_tree
from tests.support.homes import Home

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from node.demo.raising import DemoNode

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

ROWS = 16_000
COPIES = 5
COPIES_MIN = 2
"""A fast machine may be done with the rows before the last copy is made."""
DISK_MB = 7_000
"""More than a province keeps free; only what is written takes room."""
DATABASE = "yizhan.sqlite"
OWN = StreamName(PROVINCE.code, ANCESTORS)


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[Disk]:
    with disk(tmp_path / "power", megabytes=DISK_MB) as found:
        yield found


def committed(home: Path) -> int:
    """How many records any reader sees in the home's database now."""
    with closing(sqlite3.connect(home / DATABASE)) as connection:
        return int(connection.execute("SELECT coalesce(sum(size), 0) FROM stream WHERE own").fetchone()[0])


def read_whole(home: Path) -> int:
    """Open a home whose process died, seal what is committed, and compute every stream's tree from its records."""
    with closing(sqlite3.connect(home / DATABASE)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    node = Home(home).node()
    try:
        node.work()
        with node.store.reading() as connection:
            for held in node.journal.streams(connection):
                leaves = node.journal.leaves(connection, held.stream, 1, held.size)
                assert len(leaves) == held.size == held.sealed
                assert root_of(leaves) == held.root
            return sum(held.size for held in node.journal.own_streams(connection))
    finally:
        node.close()


def test_every_copy_made_in_mid_write_is_whole(ours: Disk, tmp_path: Path) -> None:
    chance = Chance("power cut")
    home = Home(ours.place / "home")
    home.init("province", PROVINCE.code, PROVINCE.name)
    table = tmp_path / "cases.csv"
    table.write_bytes(table_of(CaseMix(division=PROVINCE.code, seed=4, open_cases=500), ROWS, MachineClock()))
    command = [*PROGRAM, "import", str(table), "--dialect", "csv", "--home", str(home.folder), "--json", "--no-input"]
    begun = committed(home.folder)
    copies: list[tuple[Path, int]] = []
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as writing:
        while committed(home.folder) == begun and writing.poll() is None:
            threading.Event().wait(0.05)
        while len(copies) < COPIES and writing.poll() is None:
            threading.Event().wait(chance.number(20, 300) / 1000)
            seen = committed(home.folder)
            copy = ours.copy(f"copy-{len(copies)}")
            if writing.poll() is None:
                copies.append((copy, seen))
    assert writing.returncode == 0
    assert len(copies) >= COPIES_MIN, "too few copies were made in mid-write: take more rows"
    for copy, seen in copies:
        with ours.opened(copy, tmp_path / "copy") as place:
            found = read_whole(place / "home")
            assert found >= seen > begun
    assert [seen for _, seen in copies] == sorted(seen for _, seen in copies)


@pytest.fixture
def tree(ours: Disk, tmp_path: Path) -> Iterator[FaultTree]:
    def prepare(nodes: dict[str, DemoNode]) -> None:
        county = nodes[COUNTY]
        county.home = ours.place / "home"
        county.process = RunningNode(county.home)

    with fault_tree(tmp_path / "tree", seed="power", prepare=prepare) as found:
        yield found


def test_a_node_goes_on_after_a_power_cut_under_load(ours: Disk, tree: FaultTree) -> None:
    feeder = tree.feeders[0]
    with tree.feeding():
        for number in range(2):
            threading.Event().wait(1.5)
            # The city hears no more from the county, and nobody hears the county's answers.
            tree.nodes[CITY].process.tell(signal.SIGSTOP)
            threading.Event().wait(0.3)
            feeder.deaf.set()
            copy = ours.copy(f"cut-{number}")
            for code in (COUNTY, CITY):
                tree.kill(code)
            ours.replace(copy)
            feeder.deaf.clear()
            for code in (CITY, COUNTY):
                tree.start(code)
        threading.Event().wait(1)
    tree.verify()
