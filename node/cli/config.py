"""``yizhan config``: what settings are in force, and whether they are allowed."""

from __future__ import annotations

from dataclasses import asdict

import click

from node.cli.frame import Frame, LazyGroup, pass_frame
from node.cli.home import config_of
from node.cli.output import say, write_json, write_table
from node.cli.runnable import check_runnable
from node.config.database import masked_url


@click.group(cls=LazyGroup)
def config() -> None:
    """Show or check the settings of this node."""


@config.command()
@pass_frame
def show(frame: Frame) -> None:
    """Print every setting that is in force, defaults included."""
    settings = _flat(asdict(config_of(frame)))
    settings["database_url"] = masked_url(settings["database_url"])
    if frame.json:
        write_json({"schema": "yizhan.config/1", "settings": settings})
    else:
        write_table(frame, "配置" if frame.language == "zh" else "Settings", ("key", "value"), list(settings.items()))


@config.command(short_help="Check node.toml and the level file.")
@pass_frame
def check(frame: Frame) -> None:
    """Check node.toml, the level file and the files that they name, as run does; exit 4 names the first wrong key."""
    found = config_of(frame)
    check_runnable(found)
    if frame.json:
        write_json({"schema": "yizhan.config-check/1", "ok": True, "code": found.code, "level": found.level.name})
    say(frame, f"配置正确：{found.name} {found.code}", f"The settings of {found.code} {found.name} are in order.")


def _flat(values: dict[str, object], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = "" if value is None else str(value)
    return flat
