"""Making a department known to its node: a source, and an adapter where the node asks; by the command line.

Also what is set before a node starts: the features that its level switches off, and the kind that only tests have.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from node.config import LEVELS_FOLDER
from node.demo.program import call
from node.standard.resources import level_folder
from tests.doors_demonstration.department import Access

if TYPE_CHECKING:
    from collections.abc import Iterator

    from node.demo.raising import DemoNode
    from tests.doors_demonstration.department import AdapterPlan
    from tests.doors_demonstration.doors import Door

ROOT: Final = Path(__file__).resolve().parents[2]
FEATURES: Final = ("entry", "soap")
"""Switched on at the counties: pages for second entry, and the service for those who can only call a WSDL."""
TEST_KINDS: Final = {"bluetooth_bumble": "tests.doors_demonstration.bluetooth_department:KIND"}
"""Kinds that no shipped package has: the Bluetooth bridge on a stack without radio."""


def switch_on(node: DemoNode) -> None:
    """Give a node a level file of its own in which the features of the doors are on."""
    name = f"{node.plan.level}.toml"
    text = (level_folder() / name).read_text(encoding="utf-8")
    for feature in FEATURES:
        text = re.sub(rf"(?m)^{feature} = .*\n", "", text)
    lines = "".join(f"{feature} = true\n" for feature in FEATURES)
    text = text.replace("[features]\n", f"[features]\n{lines}")
    folder = node.home / LEVELS_FOLDER
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")


@contextmanager
def test_kinds(site: Path) -> Iterator[None]:
    """Let programs that are started find the kinds of tests, as if somebody had installed a package with them."""
    metadata = site / "yizhan_test_kinds-1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: yizhan-test-kinds\nVersion: 1\n")
    lines = "".join(f"{name} = {place}\n" for name, place in TEST_KINDS.items())
    (metadata / "entry_points.txt").write_text(f"[yizhan.adapters]\n{lines}")
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(site), str(ROOT), *([before] if before else [])])
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def add_door(door: Door, plan: AdapterPlan | None, node: DemoNode, folder: Path) -> Access:
    """Add a door's source, and its adapter once the department's system has answered; return how it gets in itself.

    Raises DemonstrationError when a command fails.
    """
    modes = [word for mode in door.modes for word in ("--mode", mode)]
    about = ("--label", door.organisation_name, "--organisation", door.organisation)
    made = call(node.home, "sources", "add", door.name, *about, *modes)
    if plan is not None:
        call(node.home, "adapters", "add", door.name, *_options(door, plan, folder))
    return Access(face=node.face, key=made.get("key", ""), key_id=made.get("key_id", ""), secret=made.get("secret", ""))


def _options(door: Door, plan: AdapterPlan, folder: Path) -> list[str]:
    options = ["--kind", plan.kind, "--source", door.name, "--dialect", plan.dialect, "--every-s", str(plan.every_s)]
    options += ["--deliver-organisation", door.organisation]
    for name, value in plan.settings.items():
        for text in _texts(value):
            options += ["--set", f"{name}={text}"]
    for name, secret in plan.secrets.items():
        path = folder / f"{name}.secret"
        path.touch(mode=0o600)
        path.write_text(secret)
        options += ["--secret-file", f"{name}={path}"]
    return options


def _texts(value: Any) -> list[str]:
    """Return what stands behind ``--set NAME=``, once for each part of a list or table."""
    if isinstance(value, dict):
        return [f"{name}={text}" for name, text in value.items()]
    if isinstance(value, list):
        return [str(one) for one in value]
    return [str(value).lower() if isinstance(value, bool) else str(value)]
