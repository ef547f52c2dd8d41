"""``yizhan forks``: streams of which an origin signed two versions, what differs, and the root's decision (02, R7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from node.cli.arguments import HashArgument, StreamArgument, Words
from node.cli.frame import Frame, LazyGroup, pass_frame
from node.cli.home import node_of
from node.cli.output import say, write_json, write_table
from node.errors import NotFoundError

if TYPE_CHECKING:
    from node.bootstrap import Node
    from node.journal.forks import Fork
    from node.standard.compose import Content
    from node.standard.seals import StreamName


@click.group(cls=LazyGroup)
def forks() -> None:
    """List or show streams with two signed versions; the root decides which one stands."""


@forks.command("list")
@pass_frame
def list_forks(frame: Frame) -> None:
    """List the forks that were met with here."""
    with node_of(frame) as node:
        found = _all(node)
    if frame.json:
        write_json({"schema": "yizhan.forks/1", "forks": [_document(one) for one in found]})
        return
    rows = [(str(one.stream), one.other.size, one.other.root.hex(), one.position or "", _state(one)) for one in found]
    write_table(frame, "分叉 Forks", ("stream", "size", "root", "position", "state"), rows)


@forks.command()
@click.argument("stream", type=StreamArgument())
@pass_frame
def show(frame: Frame, stream: StreamName) -> None:
    """Show the forks of STREAM (ORIGIN/AUDIENCE): both checkpoints, and both versions of the first record that differs.

    The records are shown as they are, personal data included.
    """
    with node_of(frame) as node:
        found = [one for one in _all(node) if one.stream == stream]
        if not found:
            raise NotFoundError(f"{stream} has no fork here", why="none was met with", action="See `yizhan forks list`")
        shown = [_both(node, one) for one in found]
    if frame.json:
        write_json({"schema": "yizhan.fork/1", "stream": str(stream), "forks": shown})
        return
    for one in shown:
        say(
            frame,
            f"{stream} 大小 {one['size']}：对方根 {one['root']}，本节点根 {one['held_root'] or '-'}（{one['state']}）",
            f"{stream} at {one['size']}: other root {one['root']}, ours {one['held_root'] or '-'} ({one['state']})",
        )
        for name in ("held", "other"):
            click.echo(f"{name} {one['position'] or ''}: {one[name] or '-'}")


@forks.command()
@click.argument("stream", type=StreamArgument())
@click.option("--size", type=click.IntRange(0), required=True, help="The size from which the stream goes on.")
@click.option("--root", "root_hash", type=HashArgument(), required=True, help="The Merkle root there: 64 hex digits.")
@click.option("--reason", type=Words(), required=True, help="Why this version stands.")
@click.option("--by", type=Words(), required=True, help="Name of the person who decides.")
@pass_frame
def resolve(frame: Frame, stream: StreamName, size: int, root_hash: str, reason: str, by: str) -> None:
    """Decide at the root which version of STREAM stands; every holder follows, and the stream goes on."""
    from node.standard.seals import DESCENDANTS, StreamName

    with node_of(frame) as node:
        content: Content = {
            "Stream": str(stream),
            "Size": str(size),
            "Root": root_hash,
            "Text": reason,
            "Actor": {"Name": by},
        }
        key = f"resolution:{stream}:{size}:{root_hash[:16]}"
        own = StreamName(node.code, DESCENDANTS)
        made = node.store.write(lambda one: node.produce(one, own, "ForkResolution", content, key))
    if frame.json:
        write_json({"schema": "yizhan.fork-resolution/1", "stream": str(stream), "size": size, "new": made})
    say(frame, f"已裁定 {stream} 自大小 {size} 起按该根继续", f"Decided: {stream} goes on from {size} under that root.")


def _all(node: Node) -> list[Fork]:
    from node.journal.forks import forks as kept

    with node.store.reading() as connection:
        return kept(connection)


def _state(one: Fork) -> str:
    return "stopped" if one.resolved_at is None else "resolved"


def _document(one: Fork) -> dict[str, Any]:
    return {
        "stream": str(one.stream),
        "size": one.other.size,
        "root": one.other.root.hex(),
        "sealed_at": one.other.sealed_at,
        "signer": one.other.signer,
        "position": one.position,
        "found_at": one.found_at,
        "state": _state(one),
    }


def _both(node: Node, one: Fork) -> dict[str, Any]:
    """Return a fork with both versions of the first record that differs, as far as they are known here."""
    with node.store.reading() as connection:
        held = node.journal.held(connection, one.stream)
        at = one.other.size
        root = node.journal.root_at(connection, one.stream, at).hex() if held and held.size >= at else None
        stored = node.journal.stored(connection, one.stream, one.position, one.position) if one.position else []
    mine = (stored[0].body or b"").decode(errors="replace") if stored else None
    other = None if one.body is None else one.body.decode(errors="replace")
    return {**_document(one), "held_root": root, "held": mine, "other": other}
