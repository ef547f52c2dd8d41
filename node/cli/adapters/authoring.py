"""``yizhan adapters new`` and ``scale``: for whoever writes a kind of door."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.cli.frame import Frame, LazyCommand, pass_frame
from node.cli.output import say, write_json, write_table

if TYPE_CHECKING:
    from node.departments.doors.standings import KindStanding

STEPS = ("none", "bronze", "silver", "gold")
BELOW = 1


@click.command(cls=LazyCommand)
@click.argument("name")
@click.option("--folder", type=click.Path(path_type=Path), help="Where to; default: a folder NAME here.")
@pass_frame
def new(frame: Frame, name: str, folder: Path | None) -> None:
    """Write a package with a kind of door named NAME that works, and its test, to begin with."""
    from node.departments.doors.skeleton import write_skeleton

    target = folder or Path(name)
    written = write_skeleton(name, target)
    if frame.json:
        write_json({"schema": "yizhan.adapter-new/1", "name": name, "files": [str(path) for path in written]})
        return
    for path in written:
        click.echo(path)
    say(
        frame,
        f"接下来：cd {target} && python -m pytest；说明见 docs/how-to/write-an-adapter.zh.md",
        f"Next: cd {target} && python -m pytest; docs/how-to/write-an-adapter.md tells how to go on.",
    )


@click.command(cls=LazyCommand)
@click.argument("kinds", nargs=-1, metavar="[KIND]...")
@click.option(
    "--at-least", type=click.Choice(STEPS[1:]), default="bronze", show_default=True, help="The step that is asked for."
)
@pass_frame
def scale(frame: Frame, kinds: tuple[str, ...], at_least: str) -> int:
    """Say how far kinds of doors have come on the scale, all that are installed unless some are named.

    Leaves with 1 when one of them is below the step asked for.
    """
    from node.departments.doors.standings import kind_standings

    found = kind_standings(kinds)
    if frame.json:
        write_json({"schema": "yizhan.adapter-scale/1", "kinds": [one.as_json() for one in found]})
    else:
        for one in found:
            _show(frame, one, all_rules=bool(kinds))
    return BELOW if any(STEPS.index(one.step) < STEPS.index(at_least) for one in found) else 0


def _show(frame: Frame, found: KindStanding, *, all_rules: bool) -> None:
    rows = [
        ("✓" if answer.counts else "✗", answer.rule, answer.step, answer.text)
        for answer in found.answers
        if all_rules or not answer.counts
    ]
    reason = f" · {found.reason}" if found.reason else ""
    say(frame, f"{found.name}：{found.step}{reason}", f"{found.name}: {found.step}{reason}")
    if rows:
        write_table(frame, found.name, ("outcome", "rule", "step", "text"), rows)
