"""``yizhan status``: links, streams, counts and lags of this node."""

from __future__ import annotations

from typing import Any

import click

from node.cli.frame import Frame, LazyCommand, pass_frame
from node.cli.home import node_of
from node.cli.output import say, write_json, write_table

DEGRADED = 3


@click.command(cls=LazyCommand)
@pass_frame
def status(frame: Frame) -> int:
    """Show links, streams, counts and lags. Leaves with 3 when something needs a look."""
    from node.status import is_degraded, node_status

    with node_of(frame) as node:
        document = node_status(node)
    if frame.json:
        write_json(document)
    else:
        _show(frame, document)
    return DEGRADED if is_degraded(document) else 0


def _show(frame: Frame, document: dict[str, Any]) -> None:
    from node.web.words import word

    def spoken(name: str) -> str:
        return word(name).spoken(frame.language)

    node = document["node"]
    say(frame, *(f"{node['level_label']} {node['name']} {node['code']}",) * 2)
    links = [
        (link["peer"], spoken(link["role"]), spoken(link["state"]), link["since"], link["lag_records"], link["lag_s"])
        for link in document["links"]
    ]
    write_table(frame, "链路 Links", ("peer", "role", "state", "since", "lag_records", "lag_s"), links)
    streams = [
        (
            one["origin"],
            spoken(one["audience"]),
            one["size"],
            one["sealed"],
            one["root"][:16],
            " ".join(f"{holder}:{size}" for holder, size in one["held_by"].items()),
        )
        for one in document["streams"]
    ]
    write_table(frame, "数据流 Streams", ("origin", "audience", "size", "sealed", "root", "held_by"), streams)
    names = ("cases", "findings", "quarantined", "refused", "alarms")
    counts = [(name, document[name]) for name in names]
    write_table(frame, "计数 Counts", ("name", "count"), [*counts, ("statistics", document["statistics"]["state"])])
