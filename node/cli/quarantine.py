"""``yizhan quarantine``: records that hold a position but are not applied, why, and reading them again."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from node.cli.frame import Frame, LazyGroup, pass_frame
from node.cli.home import node_of
from node.cli.output import say, write_json, write_table
from node.cli.streams import stream_name
from node.errors import NotFoundError

if TYPE_CHECKING:
    from node.journal.quarantine import Quarantined


@click.group(cls=LazyGroup)
def quarantine() -> None:
    """List, show or read again the quarantined records."""


@quarantine.command("list")
@click.option("--stream", type=str, help="Only of this stream: ORIGIN/AUDIENCE.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True)
@pass_frame
def list_quarantined(frame: Frame, stream: str | None, limit: int) -> None:
    """List what is quarantined, with the reason."""
    chosen = stream_name(stream) if stream else None
    with node_of(frame) as node, node.store.reading() as connection:
        found = node.journal.quarantined(connection, stream=chosen, limit=limit)
    if frame.json:
        write_json({"schema": "yizhan.quarantine/1", "records": [_document(one) for one in found]})
        return
    rows = [(one.stream, one.position, one.record_type, one.reason, one.quarantined_at.isoformat()) for one in found]
    write_table(frame, "隔离 Quarantine", ("stream", "position", "type", "reason", "since"), rows)


@quarantine.command()
@click.argument("stream")
@click.argument("position", type=click.IntRange(1))
@pass_frame
def show(frame: Frame, stream: str, position: int) -> None:
    """Show one quarantined record: STREAM (ORIGIN/AUDIENCE) and POSITION."""
    name = stream_name(stream)
    with node_of(frame) as node, node.store.reading() as connection:
        found = [one for one in node.journal.quarantined(connection, stream=name) if one.position == position]
        if not found:
            raise NotFoundError(f"{stream} has no quarantined record at {position}", action="yizhan quarantine list")
        stored = node.journal.record_at(connection, found[0].key)
    if frame.json:
        document = _document(found[0])
        write_json(
            {"schema": "yizhan.quarantined/1", **document, "body": (stored.body or b"").decode(errors="replace")}
        )
        return
    say(frame, f"原因：{found[0].reason} {found[0].detail}", f"Reason: {found[0].reason} {found[0].detail}")
    sys.stdout.buffer.write((stored.body or b"") + b"\n")


@quarantine.command()
@click.option("--stream", type=str, help="Only of this stream: ORIGIN/AUDIENCE.")
@pass_frame
def requeue(frame: Frame, stream: str | None) -> None:
    """Read quarantined records again and apply those that can be applied now."""
    chosen = stream_name(stream) if stream else None
    with node_of(frame) as node:
        with node.store.reading() as connection:
            keys = [one.key for one in node.journal.quarantined(connection, stream=chosen)]
        applied = node.requeue(keys)
    if frame.json:
        write_json({"schema": "yizhan.requeue/1", "read": len(keys), "applied": len(applied)})
    say(frame, f"重读 {len(keys)} 条，应用 {len(applied)} 条", f"Read {len(keys)} again, applied {len(applied)}.")


def _document(one: Quarantined) -> dict[str, object]:
    return {
        "stream": str(one.stream),
        "position": one.position,
        "type": one.record_type,
        "reason": one.reason,
        "detail": one.detail,
        "since": one.quarantined_at,
    }
