"""The measurement over Bluetooth works, and misses its bar out loud."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.clock import MachineClock
from tests.bench.bluetooth import BluetoothPlan, measure_bluetooth, table

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

SMALL = BluetoothPlan(raw_bytes=20_000, record_bytes=20_000, random_bytes=8_000)


def test_every_figure_is_measured_and_shown(tmp_path: Path) -> None:
    answer = measure_bluetooth(tmp_path, MachineClock(), SMALL)
    assert answer["schema"] == "yizhan.bench-bluetooth/1"
    assert [row["mtu"] for row in answer["rows"]] == [517, 185, 23]
    assert all(row[name] > 0 for row in answer["rows"] for name in ("notified", "written", "records", "random"))
    shown = table(answer).splitlines()
    assert shown[0].split() == ["MTU", "notified", "written", "records", "random", "kB/s"]
    assert len(shown) == 4 + len(answer["faults"])


def test_a_bar_that_is_missed_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.bench.bluetooth.NOTIFIED_MIN", 1e12)
    answer = measure_bluetooth(tmp_path, MachineClock(), SMALL)
    assert len(answer["faults"]) == 1
    assert f"MISSED: {answer['faults'][0]}" in table(answer)
