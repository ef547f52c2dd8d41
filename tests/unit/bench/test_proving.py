from __future__ import annotations

from typing import TYPE_CHECKING

from node.clock import MachineClock
from tests.bench.proving import measure_proving

if TYPE_CHECKING:
    from pathlib import Path


def test_records_all_over_a_long_stream_are_proved_and_verified(tmp_path: Path) -> None:
    # 70,001 records: a tile of the second level, tiles of the first, and a rest of single leaves.
    assert measure_proving(tmp_path, MachineClock(), 70_001) > 0
