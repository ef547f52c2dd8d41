"""What a wheel holds: everything that a checkout has and a node needs."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import venv
from typing import TYPE_CHECKING

import pytest

from node.web.reference.contents import CHECKSUMS, standard_files
from tests.tidy.tree import ROOT, tracked_files

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

SHOW = """
from node.standard.resources import level_folder, schema_folder
print(schema_folder())
print(level_folder())
import node
print(node.__file__)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the built wheel in it; what it depends on is lent by the running environment."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for path in tracked_files():
        if path.parts[0] not in {"tests", "docs"}:
            (source / path.parent).mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, source / path)
    pip = [sys.executable, "-m", "pip", "-qq", "--disable-pip-version-check", "--no-input"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(folder), str(source)]
    subprocess.run([*pip, *build], check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    environment = folder / "environment"
    venv.create(environment, with_pip=False)
    target = ["--python", str(environment / "bin" / "python")]
    subprocess.run([*pip, *target, "install", "--no-deps", "--no-index", str(wheel)], check=True, capture_output=True)
    return environment


def run_in(installed: Path, *command: str) -> str:
    lent = sysconfig.get_paths()["purelib"]
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        cwd=installed,
        env={"PYTHONPATH": lent, "PATH": f"{installed / 'bin'}:/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_installed_wheel_finds_its_schemas_and_level_files(installed: Path) -> None:
    schemas, levels, package = run_in(installed, str(installed / "bin/python"), "-c", SHOW).splitlines()
    assert package.startswith(str(installed))
    for shown, folder in ((schemas, ROOT / "schemas/xsd/1.0"), (levels, ROOT / "config/levels")):
        assert shown.startswith(str(installed))
        here = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
        there = {name: (installed / shown / name).read_bytes() for name in here}
        assert there == here


def test_a_wheel_holds_every_file_of_the_package(installed: Path) -> None:
    (site,) = installed.glob("lib/python3*/site-packages")
    missing = [
        str(path)
        for path in tracked_files()
        if path.parts[0] in {"node", "adapters"} and path.suffix != ".md" and not (site / path).is_file()
    ]
    assert missing == []


def test_the_installed_program_answers(installed: Path) -> None:
    assert "yizhan" in run_in(installed, "yizhan", "--help")


def test_the_installed_program_builds_the_same_reference(installed: Path, tmp_path: Path) -> None:
    run_in(installed, "yizhan", "standard", "build", "-o", str(tmp_path / "out"))
    assert (tmp_path / "out" / CHECKSUMS).read_bytes() == standard_files()[CHECKSUMS]
