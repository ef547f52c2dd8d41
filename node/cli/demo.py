"""``yizhan demo``: four nodes at three levels on this machine, fed and watched."""

from __future__ import annotations

import click

from node.cli.frame import Frame, LazyCommand, pass_frame
from node.cli.output import say_error, write_json
from node.errors import DemonstrationError


@click.command(cls=LazyCommand, short_help="Four nodes at three levels, fed and watched.")
@click.option("--check", is_flag=True, help="Run to the end without people, verify everything, print one document.")
@click.option("--cases", type=click.IntRange(1, 1_000_000), help="Cases in all counties together.")
@click.option("--seed", type=int, help="The same seed makes the same cases.")
@pass_frame
def demo(frame: Frame, *, check: bool, cases: int | None, seed: int | None) -> int:
    """Start four nodes at three levels on loopback, join them by code, feed them and show what happens.

    The homes go into --home, or into a temporary folder.
    """
    from node.demo.demonstration import SCHEMA, Settings, demonstrate

    given = {"cases": cases, "seed": seed, "home": frame.home}
    settings = {name: value for name, value in given.items() if value is not None}
    check = check or frame.json
    try:
        return demonstrate(Settings(check=check, **settings))  # type: ignore[arg-type] # Only what is given.
    except DemonstrationError as error:
        if not check:
            raise
        # A program that checks gets one document whatever happens, and people the reason on standard error.
        say_error(error)
        write_json({"schema": SCHEMA, "ok": False, "problems": [str(error)], "nodes": {}})
        return error.exit_code
