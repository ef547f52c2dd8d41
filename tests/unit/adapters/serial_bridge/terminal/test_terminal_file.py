"""The terminal's single file: made of its modules, and at home on Python 3.8."""

from __future__ import annotations

import ast
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.support.terminal_file import TARGET, terminal_file

if TYPE_CHECKING:
    from pathlib import Path


def test_the_file_is_what_its_modules_make() -> None:
    assert TARGET.read_text(encoding="utf-8") == terminal_file(), "run python -m tests.support.terminal_file"


def test_the_file_is_python_3_8_and_evaluates_nothing_newer() -> None:
    tree = ast.parse(terminal_file(), feature_version=(3, 8))
    # What a newer library only has would be found when it is first used, on the machine of a department.
    newer = {
        "removeprefix",
        "removesuffix",
        "bit_count",
        "pairwise",
        "is_relative_to",
        "StrEnum",
        "zoneinfo",
        "tomllib",
    }
    used = {one.attr for one in ast.walk(tree) if isinstance(one, ast.Attribute)}
    used |= {one.id for one in ast.walk(tree) if isinstance(one, ast.Name)}
    assert used & newer == set()
    keywords = {word.arg for one in ast.walk(tree) if isinstance(one, ast.Call) for word in one.keywords}
    assert keywords & {"slots", "kw_only", "strict"} == set()


def test_aliases_of_types_are_written_for_python_3_8() -> None:
    # Annotations are never evaluated; what stands outside of them is, and there list[int] and A | B did not exist.
    tree = ast.parse(terminal_file())
    evaluated = [
        ast.unparse(one.value)
        for one in tree.body
        if isinstance(one, ast.Assign) and isinstance(one.value, ast.Subscript | ast.BinOp)
    ]
    assert evaluated, "there are aliases to look at"
    assert [text for text in evaluated if text.startswith(("list[", "dict[", "tuple[", "set[")) or " | " in text] == []


def test_the_file_runs_by_itself_with_the_standard_library_alone(tmp_path: Path) -> None:
    copied = tmp_path / "yizhan_terminal.py"
    copied.write_text(terminal_file(), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-W", "error", str(copied), "--folder", str(tmp_path / "t"), "status"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert done.stdout == "待发 0 条 / 0 waiting\n"
    without = subprocess.run(
        [sys.executable, "-I", "-S", str(copied), "ports"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert without.returncode == 1
    assert "pip install pyserial" in without.stderr
