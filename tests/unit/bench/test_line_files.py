"""The bench of files over lines: what it says, and that it measures what arrived."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from node.clock import MachineClock
from tests.bench.line_files import QUICK, file_s, measure_files, table, text_s
from tests.bench.lines import CASES, record_contents

if TYPE_CHECKING:
    from pathlib import Path

FAST = CASES[3]


@pytest.mark.parametrize("protocol", ["zmodem", "kermit"])
def test_a_file_is_timed_until_it_is_handed_over(tmp_path: Path, protocol: str) -> None:
    assert 0 < file_s(tmp_path, MachineClock(), FAST, protocol, b"".join(record_contents(5_000))) < 60


def test_lines_of_text_are_timed_until_all_are_acknowledged(tmp_path: Path) -> None:
    assert 0 < text_s(tmp_path, MachineClock(), FAST, 20) < 60


def test_the_answer_is_a_table() -> None:
    clean: dict[str, Any] = {"bits_per_s": 115_200, "line": "clean", "zmodem": 10_600.0, "kermit": 8_900.0}
    answer = {"columns": [{**clean, "text_lines_per_s": 190.0}, {**clean, "line": "flips"}]}
    assert "115200 clean      10.6      8.9           190.0" in table(answer)


def test_without_the_programs_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(RuntimeError, match="apt-get install lrzsz ckermit"):
        measure_files(tmp_path, MachineClock(), QUICK)
