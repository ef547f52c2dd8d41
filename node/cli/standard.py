"""``yizhan standard``: the standard itself, as pages and files for those who send records."""

from __future__ import annotations

from pathlib import Path

import click

from node.cli.frame import Frame, LazyGroup, pass_frame
from node.cli.output import say, write_json

FOLDER = click.Path(path_type=Path, file_okay=False)


@click.group(cls=LazyGroup, short_help="The standard as pages and files.")
def standard() -> None:
    """The standard as pages and files for those who send records."""


@standard.command()
@click.option("-o", "--output", "folder", type=FOLDER, required=True, help="The folder to write; it has to be empty.")
@pass_frame
def build(frame: Frame, folder: Path) -> None:
    """Write the reference in 中文 and English, the schema files and the examples.

    Needs no node. The pages work from a disk: open index.html in FOLDER. The same version of the program always writes
    the same bytes.
    """
    from node.web.reference.contents import standard_files, write_files

    files = standard_files()
    write_files(files, folder)
    size = sum(map(len, files.values()))
    if frame.json:
        write_json({"schema": "yizhan.standard-build/1", "folder": folder, "files": len(files), "bytes": size})
    say(
        frame,
        f"已写入 {len(files)} 个文件（{size} 字节）：{folder / 'index.html'}",
        f"Wrote {len(files)} files ({size} bytes): {folder / 'index.html'}",
    )
