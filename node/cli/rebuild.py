"""``yizhan rebuild``: everything derived made anew from the records, beside or without a running node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from node.cli.frame import Frame, LazyCommand, pass_frame
from node.cli.home import is_running, node_of
from node.cli.output import say, write_json, write_table
from node.cli.progress import record_progress

if TYPE_CHECKING:
    from node.upkeep.rebuilding import Rebuilt

DIFFERENT: Final = 3
"""Exit code of a check that found a difference: a person should look."""


@click.command(cls=LazyCommand)
@click.option("--check", is_flag=True, help="Only compare; leave with 3 when something differs.")
@pass_frame
def rebuild(frame: Frame, check: bool) -> int:  # noqa: FBT001 - an option.
    """Make everything that is derived (cases, findings, figures) anew from the records; put right what differs.

    The work happens in a copy beside the database, so the node serves all the time; the copy needs as much disk as the
    database. With --check nothing is changed.
    """
    with node_of(frame) as node, record_progress(frame, "rebuild") as tell:
        found = node.rebuild(tell, check=check, alone=not is_running(node.config.home))
    if frame.json:
        write_json(found.as_json())
    else:
        _show(frame, found, check=check)
    return DIFFERENT if check and not found.identical else 0


def _show(frame: Frame, found: Rebuilt, *, check: bool) -> None:
    rows = [(one.name, one.rows, one.differing, "; ".join(one.first)) for one in found.tables]
    write_table(frame, "比对 Compared", ("table", "rows", "differing", "first"), rows)
    rate = round(found.records / found.seconds) if found.seconds else 0
    say(
        frame,
        f"重算 {found.records} 条记录，{found.seconds:.1f} 秒，每秒 {rate} 条",
        f"Replayed {found.records} records in {found.seconds:.1f} s, {rate} a second.",
    )
    if found.identical:
        say(frame, "完全一致", "Identical: what stands is what the records say.")
    elif check:
        say(frame, "存在差异。修正：yizhan rebuild", "Something differs. Put it right: yizhan rebuild")
    else:
        say(frame, f"已修正 {found.put_right} 行", f"{found.put_right} rows were put right.")
