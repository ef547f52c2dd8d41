"""Making a department known to its node: a source, and an adapter where the node asks; by the command line.

Also what is set before a node starts: the features that its level switches off.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from node.config import LEVELS_FOLDER
from node.demo.program import call
from node.standard.resources import level_folder
from tests.doors_demonstration.department import Access
from tests.support.adding_adapters import options_of

if TYPE_CHECKING:
    from pathlib import Path

    from node.demo.raising import DemoNode
    from tests.doors_demonstration.department import AdapterPlan
    from tests.doors_demonstration.doors import Door

FEATURES: Final = ("entry", "soap")
"""Switched on at the counties: pages for second entry, and the service for those who can only call a WSDL."""


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
    return options + options_of(plan.settings, plan.secrets, folder)
