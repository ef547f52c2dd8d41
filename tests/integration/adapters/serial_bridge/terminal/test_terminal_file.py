"""The terminal's single file: made of its modules, and at home on Python 3.8."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.terminal_file import TARGET, terminal_file

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration


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


def interpreters() -> list[str]:
    """Programs of Python from 3.8 on that this machine has, on the path or by pyenv; the first one runs these tests."""
    named = [shutil.which(f"python3.{minor}") for minor in range(8, 15)]
    if pyenv := shutil.which("pyenv"):
        versions = subprocess.run([pyenv, "versions", "--bare"], capture_output=True, text=True, check=False).stdout
        for version in versions.split():
            if version.startswith("3.") and int(version.split(".")[1]) >= 8:
                prefix = subprocess.run([pyenv, "prefix", version], capture_output=True, text=True, check=False).stdout
                named.append(f"{prefix.strip()}/bin/python")
    return [sys.executable, *(one for one in named if one and runs(one))]


def runs(python: str) -> bool:
    """Whether it is a program and not only a name that stands for one."""
    try:
        return subprocess.run([python, "-V"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@pytest.mark.parametrize("python", interpreters())
def test_the_file_runs_by_itself_with_the_standard_library_alone(python: str, tmp_path: Path) -> None:
    copied = tmp_path / "yizhan_terminal.py"
    copied.write_text(terminal_file(), encoding="utf-8")

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [python, "-I", "-S", "-W", "error", str(copied), "--folder", str(tmp_path / "t"), *arguments]
        return subprocess.run(command, capture_output=True, encoding="utf-8", check=False, cwd=tmp_path)

    assert call("send", str(copied)).stdout == "1：yizhan_terminal.py 已收入待发 / taken to be sent\n"
    status = call("status")
    assert (status.stdout, status.stderr) == ("待发 1 条 / 1 waiting\n", "")
    without = call("ports")
    assert without.returncode == 1
    assert "pip install pyserial" in without.stderr
