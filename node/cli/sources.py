"""``yizhan sources``: the systems of departments that may hand in records, and their API keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from node.cli.arguments import NodeCode, Words
from node.cli.frame import Frame, LazyGroup, pass_frame
from node.cli.home import node_of
from node.cli.output import say, write_json, write_table

if TYPE_CHECKING:
    from datetime import datetime


@click.group(cls=LazyGroup)
def sources() -> None:
    """Add, list or disable the sources of records."""


@sources.command()
@click.argument("name")
@click.option("--label", default="", help="What people call it.")
@click.option("--channel", help="Code of the channel that its records come through; default: API.")
@click.option(
    "--division",
    "divisions",
    type=NodeCode(),
    multiple=True,
    help="Only records of this division and those within it. Repeatable.",
)
@click.option("--organisation", "organisations", multiple=True, help="Only records of this department. Repeatable.")
@click.option(
    "--system",
    "systems",
    type=Words(),
    multiple=True,
    help="A system whose own numbers it brings (OrigSystem), beside its name; no other source may then. Repeatable.",
)
@pass_frame
def add(
    frame: Frame,
    name: str,
    label: str,
    channel: str | None,
    divisions: tuple[str, ...],
    organisations: tuple[str, ...],
    systems: tuple[str, ...],
) -> None:
    """Add a source NAME and make its API key, which is shown this once."""
    from node.departments.sources import API_CHANNEL, add_source

    with node_of(frame) as node:
        made = add_source(
            node.store,
            name,
            clock=node.clock,
            randomness=node.randomness,
            label=label,
            channel=channel or API_CHANNEL,
            divisions=divisions,
            organisations=organisations,
            systems=systems,
        )
    if frame.json:
        write_json({"schema": "yizhan.source/1", **made.source.as_json(), "key": made.key})
    else:
        click.echo(made.key)
    say(frame, "密钥只显示这一次，请妥善保存。", "The key is shown only now; keep it safe.")


@sources.command("list")
@pass_frame
def list_command(frame: Frame) -> None:
    """List the sources; keys are never shown."""
    from node.departments.sources import list_sources

    with node_of(frame) as node, node.store.reading() as connection:
        found = list_sources(connection)
    if frame.json:
        write_json({"schema": "yizhan.sources/1", "sources": [one.as_json() for one in found]})
        return
    rows = [
        (one.name, one.label, one.channel, ", ".join(one.systems), _moment(one.created_at), _moment(one.disabled_at))
        for one in found
    ]
    write_table(frame, "来源 Sources", ("name", "label", "channel", "systems", "created", "disabled"), rows)


def _moment(moment: datetime | None) -> str:
    return "" if moment is None else moment.isoformat(timespec="seconds")


@sources.command()
@click.argument("name")
@pass_frame
def disable(frame: Frame, name: str) -> None:
    """Close the source NAME for good; its key takes nothing any more."""
    from node.departments.sources import disable_source

    with node_of(frame) as node:
        closed = disable_source(node.store, name, clock=node.clock)
    if frame.json:
        write_json({"schema": "yizhan.source/1", **closed.as_json()})
    say(frame, f"来源 {name} 已停用。", f"The source {name} is closed.")
