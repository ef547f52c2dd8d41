"""``yizhan demo``: four nodes at three levels on this machine, fed and watched."""

from __future__ import annotations

import click

from node.cli.frame import Frame, LazyCommand, pass_frame


@click.command(cls=LazyCommand)
@click.option("--check", is_flag=True, help="Run to the end without people, verify everything, print one document.")
@click.option("--cases", type=click.IntRange(1, 1_000_000), help="Cases in all counties together.")
@click.option("--seed", type=int, help="The same seed makes the same cases.")
@pass_frame
def demo(frame: Frame, *, check: bool, cases: int | None, seed: int | None) -> int:
    """Start four nodes at three levels on loopback, join them by code, feed them and show what happens.

    The homes go into --home, or into a temporary folder.
    """
    from node.demo.demonstration import Settings, demonstrate

    given = {"cases": cases, "seed": seed, "home": frame.home}
    settings = {name: value for name, value in given.items() if value is not None}
    return demonstrate(Settings(check=check or frame.json, **settings))  # type: ignore[arg-type] # Only what is given.
