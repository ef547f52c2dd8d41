"""``yizhan settle``: a doubt about the own database, and whom it waits for (02, R12)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from node.cli.arguments import NodeCode
from node.cli.frame import Frame, LazyCommand, pass_frame
from node.cli.home import node_of
from node.cli.output import say, write_json
from node.errors import NotFoundError

if TYPE_CHECKING:
    from node.journal.doubt import Doubt

DEGRADED = 3


@click.command(cls=LazyCommand, short_help="Show a doubt about the database, or give up waiting for a neighbour.")
@click.option("--without", metavar="CODE", type=NodeCode(), help="Wait for this neighbour no longer.")
@pass_frame
def settle(frame: Frame, without: str | None) -> int:
    """Show whether this node is in doubt about its own database, and whose statements it waits for.

    A node that comes back with an older database settles by itself once its links are up. Give a neighbour up only when
    it will not come back: records of this node that nobody else holds are lost then. Leaves with 3 while in doubt.
    """
    with node_of(frame) as node:
        settling = node.exchange.settling
        doubt = settling.doubt()
        if without is not None:
            if doubt is None or (doubt.unheard is not None and without not in doubt.unheard):
                raise NotFoundError(
                    f"This node does not wait for {without}",
                    why="it is in no doubt" if doubt is None else f"it waits for: {', '.join(doubt.unheard or ())}",
                    action="See `yizhan settle`",
                )
            doubt = settling.give_up(without)
    found = None if doubt is None else document_of(doubt)
    if frame.json:
        write_json({"schema": "yizhan.settle/1", "doubt": found})
    elif found is None:
        say(frame, "本节点对自己的数据库没有疑问。", "This node is in no doubt about its database.")
    else:
        tell_doubt(frame, found)
    return 0 if doubt is None else DEGRADED


def document_of(doubt: Doubt) -> dict[str, Any]:
    """Return a doubt for programs."""
    return {"reason": doubt.reason, "since": doubt.since.isoformat(), "unheard": list(doubt.unheard or ())}


def tell_doubt(frame: Frame, doubt: dict[str, Any]) -> None:
    """Tell people of a doubt (``node.status``)."""
    unheard = " ".join(doubt["unheard"]) or "-"
    say(
        frame,
        f"本节点正在核实自己的数据库（{doubt['reason']}）；等待：{unheard}。其间收到的记录先存后办，不发回执。",
        f"This node is in doubt about its database ({doubt['reason']}); it waits for: {unheard}. Meanwhile what comes "
        "in waits, and nothing is receipted.",
    )
