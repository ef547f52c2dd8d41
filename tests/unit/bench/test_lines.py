"""The bench of lines: what it says, and that both programs bring over what they are given."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from node.clock import MachineClock
from tests.bench import lines
from tests.bench.lines import (
    CASES,
    QUICK_LINES,
    kermit_s,
    measure_lines,
    record_contents,
    record_line_s,
    table,
    zmodem_s,
)
from tests.support.line_noise import Noise

if TYPE_CHECKING:
    from pathlib import Path

COLUMN = {
    "bits_per_s": 115_200,
    "line": "flips",
    "record_line": 83_700.0,
    "random": 7_900.0,
    "zmodem": 800.0,
    "kermit": 2_400.0,
}
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
    assert "115200 flips      83.7      0.8    104.6      2.4      7.9" in table(answer)
    assert "MISSED: flips" in table(answer)


def test_both_bring_over_what_they_are_given(tmp_path: Path) -> None:
    if shutil.which("sz") is None:
        pytest.skip("not installed: lrzsz")
    for name in ("line", "zmodem"):
        (tmp_path / name).mkdir()
    contents, clock = record_contents(10_000), MachineClock()
    assert 0 < record_line_s(tmp_path / "line", contents, clock=clock, case=FAST) < 60
    assert 0 < zmodem_s(tmp_path / "zmodem", contents, clock=clock, case=FAST) < 60


def test_kermit_brings_over_what_it_is_given(tmp_path: Path) -> None:
    if shutil.which("kermit") is None:
        pytest.skip("not installed: ckermit")
    assert 0 < kermit_s(tmp_path, record_contents(10_000), clock=MachineClock(), case=FAST) < 60


def test_every_round_has_other_damage() -> None:
    flips = CASES[1]
    assert [flips.damaged_anew(number).noise.seed for number in range(3)] == [11, 111, 211]
    assert flips.damaged_anew(1).noise.flips_per_bit == 1e-4


def test_a_file_that_zmodem_cannot_bring_over_counts_as_never(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("sz") is None:
        pytest.skip("not installed: lrzsz")
    monkeypatch.setattr(lines, "LIMIT_S", 0.5)
    hopeless = replace(FAST, noise=Noise(flips_per_bit=0.05, seed=1))
    assert zmodem_s(tmp_path, [bytes(1_000)], clock=MachineClock(), case=hopeless) == float("inf")


def test_without_lrzsz_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(RuntimeError, match="lrzsz"):
        measure_lines(tmp_path, MachineClock(), QUICK_LINES)
