"""``yizhan records``: the records of a stream, as held."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from node.cli.arguments import StreamArgument
from node.cli.frame import Frame, LazyGroup, pass_frame
from node.cli.home import node_of
from node.cli.output import say, write_json, write_table
from node.errors import NotFoundError
from node.journal.hash_only import among
from node.journal.redactions import redaction_of
from node.journal.tables import HELD_BACK, QUARANTINED, REDACTED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from node.journal.hash_only import HashOnly
    from node.journal.records import StoredRecord
    from node.journal.redactions import StandingRedaction
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
        missing = among(connection, held.stream_id, begin, held.size)
    if frame.json:
        write_json(
            {
                "schema": "yizhan.records/1",
                "stream": str(stream),
                "size": held.size,
                "records": [_document(r, missing) for r in found],
            }
        )
        return
    rows = [(r.position, r.record_type, r.length, " ".join(_flags(r, missing)), r.leaf.hex()[:16]) for r in found]
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
        missing = among(connection, held.stream_id, position, position) if held else {}
        by = redaction_of(connection, missing.get(position))
    if not found:
        raise NotFoundError(
            f"{stream} has no record at {position}",
            why=f"{held.size} of its records are held here" if held else "the stream is not held here",
            action="yizhan status names the streams that are held, and their sizes",
        )
    if frame.json:
        body = None if found[0].body is None else found[0].body.decode()
        write_json(
            {
                "schema": "yizhan.record/1",
                "stream": str(stream),
                **_document(found[0], missing),
                "body": body,
                **({} if by is None else {"redaction": by.as_json()}),
            }
        )
        return
    if found[0].body is None:
        _say_gone(frame, found[0], by)
        return
    sys.stdout.buffer.write(found[0].body + b"\n")


def _say_gone(frame: Frame, record: StoredRecord, by: StandingRedaction | None) -> None:
    """Say in words what has become of the bytes of a record that are not here."""
    leaf = record.leaf.hex()
    if by is None:
        say(frame, f"缺原文，擦除记录未到；叶摘要 {leaf}", f"Neither its bytes nor its Redaction is here; leaf {leaf}")
        return
    say(
        frame,
        f"已擦除：批准文号 {by.said.approval}，擦除记录在位置 {by.position}；叶摘要 {leaf}",
        f"Redacted by approval {by.said.approval}, the Redaction stands at {by.position}; leaf {leaf}",
    )


def _document(record: StoredRecord, missing: Mapping[int, HashOnly]) -> dict[str, object]:
    return {
        "position": record.position,
        "type": record.record_type,
        "bytes": record.length,
        "flags": _flags(record, missing),
        "leaf": record.leaf,
    }


def _flags(record: StoredRecord, missing: Mapping[int, HashOnly]) -> list[str]:
    gone = missing.get(record.position)
    if gone is not None and gone.redaction is None:
        return ["awaited"]
    return [name for bit, name in FLAGS.items() if record.flags & bit]
