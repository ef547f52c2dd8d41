"""How far long work is, for a person who waits: a bar on a terminal, nothing anywhere else."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from node.cli.frame import Frame
    from node.departments.importing import Progress
    from node.upkeep.replaying import Tell


@contextmanager
def import_progress(frame: Frame, path: Path) -> Iterator[Progress]:
    """Give what ``import_file`` tells its progress to.

    On a terminal (standard error) that is a bar with bytes, rows and the time left, gone when the import ends; with
    --json, with --quiet and without a terminal nothing is drawn.
    """
    if _is_silent(frame):
        yield lambda _bytes, _rows: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    rows = "行" if frame.language == "zh" else "rows"
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TextColumn(f"{{task.fields[rows]}} {rows}"),
        TimeRemainingColumn(),
    )
    console = Console(file=sys.stderr, no_color=not frame.color or None)
    with Bar(*columns, console=console, transient=True) as bar:
        # The size of a pipe is not known: its bar only moves.
        task = bar.add_task(path.name, total=path.stat().st_size or None, rows=0)
        yield lambda read, taken: bar.update(task, completed=read, rows=taken)


@contextmanager
def record_progress(frame: Frame, name: str) -> Iterator[Tell]:
    """Give what a rebuild or a scrub tells how many records are done: a bar with them and the time left, as above."""
    if _is_silent(frame):
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(file=sys.stderr, no_color=not frame.color or None)
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _is_silent(frame: Frame) -> bool:
    return frame.json or frame.verbosity < 0 or not sys.stderr.isatty()
