"""A package of others put on the path for a test, so that its kind is found by its entry point, here and in processes.

``tests/support/scripted_adapter`` is a project of its own; what pip would write beside it when it is installed (its
metadata) is written here.
"""

from __future__ import annotations

import os
import shutil
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

PROJECT = Path(__file__).parent / "scripted_adapter"


def install_scripted(site: Path, monkeypatch: pytest.MonkeyPatch, *, name: str = "scripted-adapter") -> Path:
    """Put the package into a folder as an installer does, and that folder on the path."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    shutil.copytree(PROJECT / "scripted_adapter", site / "scripted_adapter", dirs_exist_ok=True)
    metadata = site / f"{name.replace('-', '_')}-{project['version']}.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {project['version']}\n")
    points = project["entry-points"]["yizhan.adapters"]
    lines = "\n".join(f"{key} = {value}" for key, value in points.items())
    (metadata / "entry_points.txt").write_text(f"[yizhan.adapters]\n{lines}\n")
    monkeypatch.syspath_prepend(str(site))
    before = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(part for part in (str(site), before) if part))
    sys.modules.pop("scripted_adapter", None)
    return site
