"""``yizhan adapters pause|resume``: an adapter that is paused asks its source for nothing, whoever starts the node."""

from __future__ import annotations

import os

import click

from node.cli.frame import Frame, LazyCommand, pass_frame
from node.cli.home import home_of, is_running, node_of
from node.cli.output import say, write_json


@click.command(cls=LazyCommand)
@click.argument("name")
@pass_frame
def pause(frame: Frame, name: str) -> None:
    """Let the adapter NAME ask its source for nothing until it is resumed; a round under way is left within seconds."""
    _change(frame, name, paused=True)


@click.command(cls=LazyCommand)
@click.argument("name")
@pass_frame
def resume(frame: Frame, name: str) -> None:
    """Let the paused adapter NAME go on where it was."""
    _change(frame, name, paused=False)


def _change(frame: Frame, name: str, *, paused: bool) -> None:
    from node.departments.doors.book import set_paused
    from node.departments.doors.by_hand import find_adapter
    from node.departments.doors.overview import listed_status

    home = home_of(frame)
    with node_of(frame) as node:
        listed = find_adapter(home, name, os.environ)
        at = node.clock.now()
        changed = set_paused(
            node.store, name, kind=listed.kind, source=listed.source, paused_at=at if paused else None, at=at
        )
        with node.store.reading() as connection:
            (status,) = listed_status({name: listed}, connection, running=is_running(home))
    if frame.json:
        write_json({"schema": "yizhan.adapter/1", **status})
    if not changed:
        say(frame, "没有改动：它已经如此。", "Nothing was changed: it is so already.")
    elif paused:
        say(frame, f"适配器 {name} 已暂停。", f"The adapter {name} is paused.")
    else:
        say(frame, f"适配器 {name} 继续工作。", f"The adapter {name} goes on.")
