"""``yizhan adapters documents``: what goes down to a department through its adapter, and what became of it."""

from __future__ import annotations

import os

import click

from node.cli.frame import Frame, LazyCommand, pass_frame
from node.cli.home import node_of
from node.cli.output import say, write_json, write_table

STATES = ("waiting", "held", "delivered", "refused", "gone")


@click.command(cls=LazyCommand)
@click.argument("name")
@click.option("--state", "states", type=click.Choice(STATES), multiple=True, help="Only documents in it. Repeatable.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="List so many at most.")
@click.option("--again", type=int, metavar="NUMBER", help="Have this document delivered once more, under the same key.")
@pass_frame
def documents(frame: Frame, name: str, states: tuple[str, ...], limit: int, again: int | None) -> None:
    """List the documents for the department behind the adapter NAME, oldest first."""
    from node.departments.delivering.queue import deliver_again, queued
    from node.departments.doors.by_hand import find_adapter

    with node_of(frame) as node:
        config = find_adapter(node.config.home, name, os.environ).config
        if again is not None:
            deliver_again(node.store, name, again, node.clock)
        with node.store.reading() as connection:
            found = queued(connection, name, states=states, limit=limit)
    if frame.json:
        rows = [one.as_json() for one in found]
        write_json({"schema": "yizhan.adapter-documents/1", "name": name, "documents": rows})
        return
    if again is not None:
        say(frame, f"文书 {again} 将再次送达。", f"The document {again} will be delivered once more.")
        return
    table = [
        (
            one.number,
            f"{one.stream}/{one.position}",
            one.organisation,
            one.state,
            one.since.isoformat("T", "seconds"),
            one.reason,
        )
        for one in found
    ]
    columns = ("number", "record", "organisation", "state", "since", "reason")
    write_table(frame, f"下达文书 {name} Documents", columns, table)
    if config is not None and config.route is None:
        say(
            frame,
            "adapters.toml 中没有设置 deliver_organisations，因此不会下达任何文书。",
            "Nothing goes down through it: adapters.toml names no deliver_organisations.",
        )
