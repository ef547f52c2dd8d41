"""``yizhan quarantine``: records that hold a position but are not applied, why, and reading them again."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from node.cli.arguments import StreamArgument
from node.cli.frame import Frame, LazyGroup, pass_frame
from node.cli.home import node_of
from node.cli.output import say, write_json, write_table
from node.errors import NotFoundError
from node.journal.quarantine import LISTED_MAX, each

if TYPE_CHECKING:
    from node.journal.quarantine import Quarantined
    from node.standard.seals import StreamName


@click.group(cls=LazyGroup)
def quarantine() -> None:
    """List, show or read again the quarantined records."""


@quarantine.command("list")
@click.option("--stream", type=StreamArgument(), help="Only of this stream: ORIGIN/AUDIENCE.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="At most so many.")
@pass_frame
def list_quarantined(frame: Frame, stream: StreamName | None, limit: int) -> None:
    """List what is quarantined, with the reason."""
    with node_of(frame) as node, node.store.reading() as connection:
        found = node.journal.quarantined(connection, stream=stream, limit=limit)
    if frame.json:
        write_json({"schema": "yizhan.quarantine/1", "records": [_document(one) for one in found]})
        return
    rows = [(one.stream, one.position, one.record_type, one.reason, one.quarantined_at.isoformat()) for one in found]
    write_table(frame, "隔离 Quarantine", ("stream", "position", "type", "reason", "since"), rows)


@quarantine.command()
@click.argument("stream", type=StreamArgument())
@click.argument("position", type=click.IntRange(1))
@pass_frame
def show(frame: Frame, stream: StreamName, position: int) -> None:
    """Show one quarantined record: STREAM (ORIGIN/AUDIENCE) and POSITION."""
    with node_of(frame) as node, node.store.reading() as connection:
        found = next((one for one in each(connection, stream=stream) if one.position == position), None)
        if found is None:
            raise NotFoundError(
                f"{stream} has no quarantined record at {position}",
                why="it was applied meanwhile, or never was in quarantine",
                action="yizhan quarantine list names those that are",
            )
        stored = node.journal.record_at(connection, found.key)
    if frame.json:
        body = (stored.body or b"").decode(errors="replace")
        write_json({"schema": "yizhan.quarantined/1", **_document(found), "body": body})
        return
    say(frame, f"原因：{found.reason} {found.detail}", f"Reason: {found.reason} {found.detail}")
    sys.stdout.buffer.write((stored.body or b"") + b"\n")


@quarantine.command()
@click.option("--stream", type=StreamArgument(), help="Only of this stream: ORIGIN/AUDIENCE.")
@pass_frame
def requeue(frame: Frame, stream: StreamName | None) -> None:
    """Read quarantined records again and apply those that can be applied now."""
    with node_of(frame) as node:
        with node.store.reading() as connection:
            keys = [one.key for one in each(connection, stream=stream)]
        pages = [keys[first : first + LISTED_MAX] for first in range(0, len(keys), LISTED_MAX)]
        applied = sum(len(node.requeue(page)) for page in pages)
    if frame.json:
        write_json({"schema": "yizhan.requeue/1", "read": len(keys), "applied": applied})
    say(frame, f"重读 {len(keys)} 条，应用 {applied} 条", f"Read {len(keys)} again, applied {applied}.")


def _document(one: Quarantined) -> dict[str, object]:
    return {
        "stream": str(one.stream),
        "position": one.position,
        "type": one.record_type,
        "reason": one.reason,
        "detail": one.detail,
        "since": one.quarantined_at,
    }
