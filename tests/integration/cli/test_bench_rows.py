"""The benchmark of a large table, on a small one: it is streamed, and imported by a process of its own."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest

from node.clock import MachineClock
from node.demo.plan import PROVINCE
from tests.bench.processes import new_node
from tests.bench.rows import run_import, write_table

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

ROWS = 2_500
"""More than one piece, so that the pieces have to agree about their columns."""


def test_a_streamed_table_is_imported_by_a_process_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "cases.csv"
    write_table(path, ROWS, MachineClock())
    with path.open(encoding="gb18030", newline="") as file:
        assert sum(1 for _ in csv.DictReader(file)) == ROWS
    done = run_import(new_node(tmp_path, PROVINCE).home, path)
    assert done.report["accepted"] == ROWS
    assert 0 < done.peak_mb < 300
    assert done.processor_s > 0
