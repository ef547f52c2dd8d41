"""``yizhan redact``: take the bytes of one record away at every holder, with the approval of the province."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from node.cli.arguments import RecordArgument, Words
from node.cli.frame import Frame, LazyCommand, pass_frame
from node.cli.home import node_of
from node.cli.output import say, write_json
from node.errors import UsageError

if TYPE_CHECKING:
    from node.standard.seals import StreamName


@click.command(cls=LazyCommand, short_help="Erase one record at every holder; needs the province's approval.")
@click.argument("record", type=RecordArgument())
@click.option("--approval", type=Words(), required=True, help="Number of the province's approval.")
@click.option("--reason", type=Words(), required=True, help="Why; it stays in the stream, so name nobody in it.")
@pass_frame
def redact(frame: Frame, record: tuple[StreamName, int], approval: str, reason: str) -> None:
    """Erase RECORD (ORIGIN/AUDIENCE/POSITION): every holder keeps its leaf hash alone. This cannot be undone.

    At the origin of the record it is erased at once, and at the other holders when the Redaction arrives there. At a
    node above it asks the origin, which erases. Scripts say --yes.
    """
    from node.bootstrap.redacting import check_redactable
    from node.bootstrap.redacting import redact as write_redaction

    stream, position = record
    with node_of(frame) as node:
        check_redactable(node, stream, position)
        _confirm(frame, f"{stream}/{position}")
        done = write_redaction(node, stream, position, approval=approval, reason=reason)
    if frame.json:
        write_json(done.as_json())
    name = f"{stream}/{position}"
    if done.ordered:
        say(frame, f"已请 {stream.origin} 擦除 {name}", f"{stream.origin} is asked to redact {name}.")
    else:
        say(frame, f"{name} 已擦除，其他持有者收到后擦除", f"{name} is redacted, elsewhere when this arrives.")
    if done.refused:
        numbers = ", ".join(map(str, done.refused))
        say(
            frame,
            f"拒收件 {numbers} 提到同一办件，不会自动删除：yizhan refused discard",
            f"The refused deliveries {numbers} name the same case and stay: yizhan refused discard",
        )


def _confirm(frame: Frame, name: str) -> None:
    """Ask whether it is meant; without a terminal only --yes says so."""
    if frame.yes:
        return
    if not frame.may_ask:
        raise UsageError(
            f"{name} is not redacted without a confirmation",
            why="it cannot be undone, and nobody is here to be asked",
            action="say --yes if it is meant",
        )
    click.confirm(f"擦除 {name}？不可撤销 Redact {name}? It cannot be undone.", abort=True, err=True)
