"""``yizhan standard``: the standard itself, as pages and files for those who send records."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from node.cli.arguments import DialectName, NodeCode
from node.cli.frame import Frame, LazyGroup, pass_frame
from node.cli.output import say, write_json

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)


@click.group(cls=LazyGroup, short_help="The standard as pages and files.")
def standard() -> None:
    """The standard as pages and files for those who send records."""


@standard.command()
@click.option("-o", "--output", "folder", type=FOLDER, required=True, help="The folder to write; it has to be empty.")
@click.option("--bundle", type=FILE, help="Write all of it into this ZIP file as well.")
@pass_frame
def build(frame: Frame, folder: Path, bundle: Path | None) -> None:
    """Write the reference in 中文 and English, schema files, examples, samples, sender kit.

    Needs no node. The pages work from a disk: open index.html in the folder. The same version of the program always
    writes the same bytes.
    """
    from node.web.reference.contents import bundle_of, standard_files, write_file, write_files

    files = standard_files()
    write_files(files, folder)
    size = sum(map(len, files.values()))
    if bundle is not None:
        write_file(bundle_of(files), bundle)
    if frame.json:
        document = {"schema": "yizhan.standard-build/1", "folder": folder, "files": len(files), "bytes": size}
        write_json({**document, "bundle": bundle})
    say(
        frame,
        f"已写入 {len(files)} 个文件（{size} 字节）：{folder / 'index.html'}",
        f"Wrote {len(files)} files ({size} bytes): {folder / 'index.html'}",
    )


@standard.command()
@click.option("--dialect", type=DialectName(), default="standard", show_default=True, help="A built-in dialect.")
@click.option("--division", type=NodeCode(), default="369902", show_default=True, help="Division of the case.")
@click.option("-o", "--output", "file", type=FILE, help="The file to write; default: standard output.")
@pass_frame
def sample(frame: Frame, dialect: str, division: str, file: Path | None) -> None:
    """Write a made-up case, from application to collection, as a first delivery to try with.

    Names and numbers are made up; the division is one that does not exist, unless another is given. Records that the
    dialect has no place for are left out, and named on standard error.
    """
    from node.standard.families import RECORD_TYPES
    from node.web.reference.contents import write_file
    from node.web.reference.samples import first_case, left_out, sample_delivery

    records = first_case(division)
    data = sample_delivery(dialect, records)
    for record_type in left_out(dialect, records, data):
        say(
            frame,
            f"未写入 {RECORD_TYPES[record_type].label} {record_type}：方言 {dialect} 不能承载；"
            f"全部不能承载的内容见 yizhan dialects show {dialect.partition('@')[0]}",
            f"Left out {record_type}: the dialect {dialect} cannot carry it; "
            f"yizhan dialects show {dialect.partition('@')[0]} tells all that it cannot carry.",
        )
    if file is None:
        sys.stdout.buffer.write(data)
    else:
        write_file(data, file)
