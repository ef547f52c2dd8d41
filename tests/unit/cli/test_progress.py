"""The bar of an import: bytes and rows on a terminal, nothing elsewhere."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stderr
from typing import TYPE_CHECKING

import pytest

from node.cli.frame import Frame
from node.cli.progress import import_progress
from tests.support.homes import applications

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.homes import Home

CONTROL = re.compile("\x1b\\[[0-9;?]*[A-Za-z]")


class Terminal(io.StringIO):
    """Standard error as a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "[bold]cases.csv"
    path.write_bytes(applications(6))
    return path


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    return Terminal()


@pytest.mark.parametrize(("language", "rows"), [("zh", "6 行"), ("en", "6 rows")])
def test_a_terminal_shows_bytes_and_rows(table: Path, terminal: Terminal, language: str, rows: str) -> None:
    size = table.stat().st_size
    with redirect_stderr(terminal), import_progress(Frame(lang=language), table) as progress:
        progress(size, 6)
    drawn = CONTROL.sub("", terminal.getvalue())
    # A file's name is no markup.
    assert "[bold]cases.csv" in drawn
    assert rows in drawn
    assert f"{size / 1000:.1f}/{size / 1000:.1f} kB" in drawn


@pytest.mark.parametrize("frame", [Frame(json=True), Frame(verbosity=-1)], ids=["json", "quiet"])
def test_nothing_is_drawn_for_programs(table: Path, terminal: Terminal, frame: Frame) -> None:
    with redirect_stderr(terminal), import_progress(frame, table) as progress:
        progress(1, 1)
    assert terminal.getvalue() == ""


def test_nothing_is_drawn_without_a_terminal(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with import_progress(Frame(), table) as progress:
        progress(1, 1)
    assert capsys.readouterr() == ("", "")


def test_an_import_tells_how_far_it_is(county: Home, table: Path) -> None:
    answer = county.call("import", str(table), "--lang", "en", json_wanted=False)
    assert answer.err == "Offered 6, accepted 6, repeated 0, refused 0.\n"
