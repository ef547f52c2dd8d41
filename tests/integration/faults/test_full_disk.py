"""A disk that fills up, for real: a home on a small file system of its own (root only).

The doors close while the exchange still has room; filled to its last byte the disk costs the transaction at hand and
nothing else; with room again the same file goes in to its end, and every record stands once.
"""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from node.clock import MachineClock
from node.demo.plan import PROVINCE
from node.journal.merkle import root_of
from node.standard.resources import level_folder
from node.standard.seals import ANCESTORS, StreamName
from tests.bench.importing import table_of
from tests.bench.mix import CaseMix
from tests.support.homes import Home

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

ROWS = 40_000
DISK_MB = 40
"""The rows take some 30 MB, beside up to 16 of the database's log."""
KEPT_MB = 20
"""Of the disk, for the exchange: more than the log, which has to be folded into the database."""
OWN = StreamName(PROVINCE.code, ANCESTORS)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of ``DISK_MB``; skips where none may be mounted."""
    if os.geteuid() != 0:
        pytest.skip("mounting a file system needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=0700", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"no file system may be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def home(disk: Path) -> Home:
    made = Home(disk / "home")
    made.init("province", PROVINCE.code, PROVINCE.name)
    keep(made, KEPT_MB)
    return made


def keep(home: Home, megabytes: int) -> None:
    """Let the level of this home keep so much of its disk for the exchange."""
    text = (level_folder() / "province.toml").read_text(encoding="utf-8")
    folder = home.folder / "levels"
    folder.mkdir(exist_ok=True)
    changed = re.sub(r"disk_free_bytes_min = \d+", f"disk_free_bytes_min = {megabytes * 1_000_000}", text)
    (folder / "province.toml").write_text(changed, encoding="utf-8")


def held(home: Home) -> int:
    """Return how many records the stream holds, once its tree was computed again from every record and found right."""
    node = home.node()
    try:
        node.work()
        with node.store.reading() as connection:
            found = node.journal.held(connection, OWN)
            if found is None:
                return 0
            leaves = node.journal.leaves(connection, OWN, 1, found.size)
            assert len(leaves) == found.size
            assert root_of(leaves) == found.root
            assert found.sealed == found.size, "what is held is sealed, whatever the disk"
            return found.size
    finally:
        node.close()


def test_a_disk_that_fills_up_costs_nothing_that_was_accepted(home: Home, tmp_path: Path) -> None:
    table = tmp_path / "cases.csv"
    table.write_bytes(table_of(CaseMix(division=PROVINCE.code, seed=9, open_cases=500), ROWS, MachineClock()))
    command = ("import", str(table), "--dialect", "csv")

    closed = home.call(*command, code=6)
    assert closed.document["code"] == "YZ-STORE-004"
    taken = held(home)
    assert 0 < taken < ROWS
    # The log was folded into the database when the process ended, so there is more room again; ask for all of it.
    keep(home, DISK_MB)
    assert home.call("status", code=None).document["disk"]["low"]
    assert home.call(*command, code=6).document["code"] == "YZ-STORE-004"
    assert held(home) == taken, "closed doors take nothing in"

    keep(home, 0)
    full = home.call(*command, code=6)
    assert full.document["code"] == "YZ-STORE-002"
    subprocess.run(["mount", "-o", f"remount,size={4 * DISK_MB}m", str(home.folder.parent)], check=True)
    more = held(home)
    assert taken <= more < ROWS

    report = home.call(*command).document
    assert (report["repeated"], report["accepted"], report["refused"]) == (more, ROWS - more, 0)
    assert held(home) == ROWS
