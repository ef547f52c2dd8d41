"""The bench of lines: what it says, and that both programs bring over what they are given."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from node.clock import MachineClock
from tests.bench import lines
from tests.bench.lines import CASES, QUICK_LINES, measure_lines, record_contents, record_line_s, table, zmodem_s
from tests.support.line_noise import Noise

if TYPE_CHECKING:
    from pathlib import Path

COLUMN = {"bits_per_s": 115_200, "line": "flips", "record_line": 83_700.0, "random": 7_900.0, "zmodem": 800.0}
FAST = CASES[3]


def test_the_lines_are_two_speeds_clean_and_with_damage_of_each_kind() -> None:
    assert [(case.bits_per_s, case.name) for case in CASES] == [
        (speed, name) for speed in (115_200, 921_600) for name in ("clean", "flips", "drops")
    ]
    assert [(case.noise.flips_per_bit, case.noise.drops_per_byte) for case in CASES[:3]] == [
        (0, 0),
        (1e-4, 0),
        (0, 1e-4),
    ]


def test_contents_are_files_of_records() -> None:
    contents = record_contents(100_000)
    assert sum(map(len, contents)) >= 100_000
    assert all(content.count(b"<CaseNo>") == 50 for content in contents)


def test_the_answer_is_a_table_that_names_what_was_missed() -> None:
    answer: dict[str, Any] = {
        "columns": [{**COLUMN, "ratio": 104.6}],
        "faults": ["flips at 115200 bit/s: 0.9 of ZMODEM"],
    }
    assert "115200 flips       83.7      0.8   104.6      7.9" in table(answer)
    assert "MISSED: flips" in table(answer)


def test_both_bring_over_what_they_are_given(tmp_path: Path) -> None:
    if shutil.which("sz") is None:
        pytest.skip("not installed: lrzsz")
    for name in ("line", "zmodem"):
        (tmp_path / name).mkdir()
    assert 0 < record_line_s(tmp_path / "line", MachineClock(), FAST, record_contents(10_000)) < 60
    assert 0 < zmodem_s(tmp_path / "zmodem", MachineClock(), FAST, b"".join(record_contents(10_000))) < 60


def test_a_file_that_zmodem_cannot_bring_over_counts_as_never(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("sz") is None:
        pytest.skip("not installed: lrzsz")
    monkeypatch.setattr(lines, "LIMIT_S", 0.5)
    hopeless = replace(FAST, noise=Noise(flips_per_bit=0.05, seed=1))
    assert zmodem_s(tmp_path, MachineClock(), hopeless, bytes(1_000)) == float("inf")


def test_without_lrzsz_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(RuntimeError, match="lrzsz"):
        measure_lines(tmp_path, MachineClock(), QUICK_LINES)
