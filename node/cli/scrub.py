"""``yizhan scrub``: what is stored is read again and compared with its seals, beside or without a running node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from node.cli.frame import Frame, LazyCommand, pass_frame
from node.cli.home import node_of
from node.cli.output import say, write_json, write_table
from node.cli.progress import record_progress

if TYPE_CHECKING:
    from node.upkeep.scrubbing import Scrubbed

MENDED: Final = 3
"""Exit code when something was damaged and all of it is mended: a person should know."""
DAMAGED: Final = 7
"""Exit code when something is damaged still."""


@click.command(cls=LazyCommand)
@click.option("--all", "everything", is_flag=True, help="Read everything now, not only the next part.")
@pass_frame
def scrub(frame: Frame, everything: bool) -> int:  # noqa: FBT001 - an option.
    """Read what is stored again, compare it with its seals, and mend what is damaged; lost bytes come from the parent.

    A running node does it by itself, a part every hour. Leaves with 0 when nothing was found, 3 when all that was found
    is mended, 7 when something is damaged still.
    """
    from node.cli.serving import fetch_lost
    from node.errors import PackageRefusedError, PeerUnavailableError
    from node.upkeep.damages import open_damages

    restored = 0
    with node_of(frame) as node, record_progress(frame, "scrub") as tell:
        found = node.scrub().all(tell) if everything else node.scrub().slice()
        try:
            restored = fetch_lost(node)
        except (PeerUnavailableError, PackageRefusedError) as error:
            say(frame, f"未能从上级取回：{error}", f"Nothing was fetched from the parent: {error}")
        with node.store.reading() as connection:
            still = open_damages(connection)
    if frame.json:
        write_json({**found.as_json(), "restored": restored, "open": [one.as_json() for one in still]})
    else:
        _show(frame, found)
        write_table(frame, "待修复 Open", ("kind", "key", "text"), [(one.kind, one.subject, one.text) for one in still])
    if still:
        return DAMAGED
    return MENDED if found.found else 0


def _show(frame: Frame, found: Scrubbed) -> None:
    rows = [(one.kind, one.subject, one.text) for one in found.found]
    write_table(frame, "发现 Found", ("kind", "key", "text"), rows)
    say(
        frame,
        f"读取 {found.records} 条记录，发现 {len(found.found)} 处损坏，修复 {found.mended} 处",
        f"Read {found.records} records; {len(found.found)} damages found, {found.mended} mended.",
    )
