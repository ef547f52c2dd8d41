"""``yizhan status``: links, streams, counts and lags of this node."""

from __future__ import annotations

from typing import Any

import click

from node.cli.frame import Frame, LazyCommand, pass_frame
from node.cli.home import is_running, node_of
from node.cli.output import say, write_json, write_table
from node.cli.settle import tell_doubt

DEGRADED = 3


@click.command(cls=LazyCommand)
@pass_frame
def status(frame: Frame) -> int:
    """Show links, streams, counts and lags.

    Leaves with 3 when something needs a look: no process runs the node, it is in doubt about its database, a link is
    not up, an adapter brings nothing though it should, a neighbour's clock is minutes away, records are quarantined, a
    summary is disputed, there is an alarm, something stored is damaged, or the disk is nearly full.
    """
    from node.status import is_degraded, node_status

    with node_of(frame) as node:
        document = node_status(node, running=is_running(node.config.home))
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
    state = spoken("running" if document["running"] else "not running")
    say(frame, *(f"{node['level_label']} {node['name']} {node['code']} · {state}",) * 2)
    if not document["running"]:
        say(
            frame,
            "没有进程在运行本节点，以下是日志中的情形；启动：yizhan run",
            "No process runs this node; this is what its journal holds. Start it: yizhan run",
        )
    if document["doubt"] is not None:
        tell_doubt(frame, document["doubt"])
    links = [
        (
            link["peer"],
            spoken(link["role"]),
            spoken(link["state"]),
            link["since"],
            link["lag_records"],
            link["lag_s"],
            link["clock_offset_s"],
        )
        for link in document["links"]
    ]
    write_table(
        frame, "链路 Links", ("peer", "role", "state", "since", "lag_records", "lag_s", "clock_offset_s"), links
    )
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
    _show_adapters(frame, document)
    _show_counts(frame, document, spoken(document["statistics"]["state"]))


def _show_adapters(frame: Frame, document: dict[str, Any]) -> None:
    """Show the doors to departments' systems, if this node has any."""
    from node.web.words import word

    rows = [
        (
            one["name"],
            one["kind"],
            word(one["state"]).spoken(frame.language),
            one["since"],
            one["deliveries"],
            one["text"],
        )
        for one in document["adapters"]
    ]
    if rows:
        write_table(frame, "适配器 Adapters", ("name", "kind", "state", "since", "deliveries", "text"), rows)


def _show_counts(frame: Frame, document: dict[str, Any], agreement: str) -> None:
    """Show what is counted, whether the summaries below agree, and what the disk has left."""
    names = "cases findings penalties penalty_findings quarantined redacted awaited refused alarms"
    counts = [(name, document[name]) for name in names.split()]
    disk = document["disk"] or {}
    known = [(f"disk_{name}", value) for name, value in disk.items() if value is not None]
    scrub = [("damages_open", document["scrub"]["open"]), ("scrub_done_at", document["scrub"]["done_at"] or "-")]
    rows = [*counts, ("statistics", agreement), *scrub, *known]
    write_table(frame, "计数 Counts", ("name", "count"), rows)
    if disk.get("low"):
        say(
            frame,
            "磁盘将满：各入口暂停接收，交换照常进行。请释放空间。",
            "The disk is nearly full: the doors take nothing in, the exchange goes on. Free some space.",
        )
