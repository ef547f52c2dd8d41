"""``yizhan records``: the records of a stream, as held."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from node.cli.arguments import StreamArgument
from node.cli.frame import Frame, LazyGroup, pass_frame
from node.cli.home import node_of
from node.cli.output import write_json, write_table
from node.errors import NotFoundError
from node.journal.tables import HELD_BACK, QUARANTINED, REDACTED

if TYPE_CHECKING:
    from node.journal.records import StoredRecord
    from node.standard.seals import StreamName

FLAGS = {QUARANTINED: "quarantined", HELD_BACK: "held back", REDACTED: "redacted"}


@click.group(cls=LazyGroup)
def records() -> None:
    """List or show the records of a stream."""


@records.command("list")
@click.argument("stream", type=StreamArgument())
@click.option("--first", type=click.IntRange(1), help="First position; default: the newest ones.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="At most so many.")
@pass_frame
def list_records(frame: Frame, stream: StreamName, first: int | None, limit: int) -> None:
    """List records of STREAM (ORIGIN/AUDIENCE): position, type, length, leaf hash."""
    with node_of(frame) as node, node.store.reading() as connection:
        held = node.journal.held(connection, stream)
        if held is None:
            raise NotFoundError(
                f"{stream} is not held here",
                why="this node may not hold it, or nothing of it has arrived yet",
                action="yizhan status names the streams that are held",
            )
        begin = first or max(1, held.size - limit + 1)
        found = node.journal.stored(connection, stream, begin, min(held.size, begin + limit - 1))
    if frame.json:
        write_json(
            {
                "schema": "yizhan.records/1",
                "stream": str(stream),
                "size": held.size,
                "records": [_document(r) for r in found],
            }
        )
        return
    rows = [(r.position, r.record_type, r.length, " ".join(_flags(r)), r.leaf.hex()[:16]) for r in found]
    write_table(frame, str(stream), ("position", "type", "bytes", "flags", "leaf"), rows)


@records.command()
@click.argument("stream", type=StreamArgument())
@click.argument("position", type=click.IntRange(1))
@pass_frame
def show(frame: Frame, stream: StreamName, position: int) -> None:
    """Write the exact bytes of one record to standard output."""
    with node_of(frame) as node, node.store.reading() as connection:
        held = node.journal.held(connection, stream)
        found = node.journal.stored(connection, stream, position, position) if held else []
    if not found:
        raise NotFoundError(
            f"{stream} has no record at {position}",
            why=f"{held.size} of its records are held here" if held else "the stream is not held here",
            action="yizhan status names the streams that are held, and their sizes",
        )
    if frame.json:
        body = None if found[0].body is None else found[0].body.decode()
        write_json({"schema": "yizhan.record/1", "stream": str(stream), **_document(found[0]), "body": body})
        return
    sys.stdout.buffer.write((found[0].body or b"") + b"\n")


def _document(record: StoredRecord) -> dict[str, object]:
    return {
        "position": record.position,
        "type": record.record_type,
        "bytes": record.length,
        "flags": _flags(record),
        "leaf": record.leaf,
    }


def _flags(record: StoredRecord) -> list[str]:
    return [name for bit, name in FLAGS.items() if record.flags & bit]
