"""A new author's package works as it is written: its own test passes, it installs, and the node finds its kind."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import distributions
from typing import TYPE_CHECKING

import pytest

from adapters.contract import GROUP
from node.departments.doors.skeleton import FILES, write_skeleton
from node.errors import StateConflictError, StoreUnavailableError, UsageError
from tests.tidy.tree import ROOT

if TYPE_CHECKING:
    from pathlib import Path

WAIT_S = 120


def run(*arguments: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_new_package_passes_its_own_test_and_installs(tmp_path: Path) -> None:
    package = tmp_path / "package"
    assert {path.name for path in write_skeleton("tax_box", package)} == {
        "README.md",
        "tax_box.py",
        "pyproject.toml",
        "test_tax_box.py",
    }
    assert "4 passed" in run("-m", "pytest", "-q", "-p", "no:cacheprovider", folder=package)
    site = tmp_path / "site"
    quiet = ("--quiet", "--disable-pip-version-check", "--no-input", "--no-deps", "--no-build-isolation")
    run("-m", "pip", "install", *quiet, "--target", str(site), str(package), folder=tmp_path)
    found = [entry for one in distributions(path=[str(site)]) for entry in one.entry_points if entry.group == GROUP]
    assert [(entry.name, entry.value) for entry in found] == [("tax_box", "tax_box:KIND")]


def test_no_file_speaks_of_the_example_any_more(tmp_path: Path) -> None:
    for path in write_skeleton("tax_box", tmp_path / "package"):
        text = path.read_text(encoding="utf-8")
        assert not {word for word in ("example", "Example") if word in text}, path
    assert "class TaxBox:" in (tmp_path / "package" / "tax_box.py").read_text(encoding="utf-8")


def test_every_file_of_the_example_is_written() -> None:
    shipped = {path.name for path in (ROOT / "adapters" / "skeleton").iterdir() if path.is_file()}
    assert shipped == {"__init__.py", *FILES}


@pytest.mark.parametrize("name", ["", "Tax", "1tax", "tax-box", "tax__box", "税", "x" * 41, "_tax"])
def test_a_name_that_is_none_of_a_module_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be the name"):
        write_skeleton(name, tmp_path / "package")
    assert not (tmp_path / "package").exists()


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    for folder in (tmp_path, tmp_path / "mine.txt"):
        with pytest.raises(StateConflictError, match="not an empty folder"):
            write_skeleton("tax_box", folder)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(StoreUnavailableError, match="cannot be written into"):
        write_skeleton("tax_box", tmp_path / "mine.txt" / "package")
