"""``yizhan dialects``: in which forms records can be handed in, what each makes of them, and empty tables to fill."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.cli.arguments import DialectName
from node.cli.frame import Frame, LazyGroup, pass_frame
from node.cli.output import say, write_json, write_table
from node.errors import ConfigurationError, UsageError

if TYPE_CHECKING:
    from node.departments.dialects import Dialect, Dialects
    from node.departments.dialects.dialect import DescribedTable

CODES_SHOWN = 12
"""Codes of one column that a table shows; --json has them all."""


@click.group(cls=LazyGroup)
def dialects() -> None:
    """List the dialects, show what one reads, or make an empty table to fill.

    With --home, the site's own in the folder mappings count too.
    """


@dialects.command("list")
@pass_frame
def list_command(frame: Frame) -> None:
    """List the dialects with kinds, file endings and variants."""
    known = _dialects(frame)
    entries = [_entry(known, name) for name in known.names()]
    if frame.json:
        write_json({"schema": "yizhan.dialects/1", "dialects": entries})
        return
    rows = [
        (
            one["name"],
            one["label"] if frame.language == "zh" else one["english"],
            one["kind"],
            " ".join(one["endings"]),
            " ".join(one["variants"]),
            one["problem"],
        )
        for one in entries
    ]
    write_table(frame, "方言 Dialects", ("name", "label", "kind", "endings", "variants", "problem"), rows)


@dialects.command()
@click.argument("name", type=DialectName())
@click.option("--type", "record_type", help="Only what becomes records of this type, by name or 中文 label.")
@pass_frame
def show(frame: Frame, name: str, record_type: str | None) -> None:
    """Show which column or expression of dialect NAME becomes which element, and what it cannot carry."""
    from node.departments.dialects.described import department_type

    found = _dialects(frame).find(name)
    wanted = None if record_type is None else department_type(record_type)
    tables = [one for one in (found.tables() if found.tables else ()) if wanted in {None, one.record_type}]
    if frame.json:
        shown = [_table(one) for one in tables]
        losses = [{"label": loss.chinese, "english": loss.english} for loss in found.cannot_carry]
        write_json({"schema": "yizhan.dialect/1", **_described(found), "cannot_carry": losses, "tables": shown})
        return
    for loss in found.cannot_carry:
        say(frame, f"不能承载：{loss.chinese}", f"Cannot carry: {loss.english}")
    if found.tables is None:
        _say_standard(frame, found)
        return
    rows = [
        (
            one.name,
            one.record_type,
            column.source,
            column.element,
            "*" if column.required else "",
            " ".join(f"{code}={label}" for code, label in column.codes[:CODES_SHOWN]),
        )
        for one in tables
        for column in one.columns
    ]
    write_table(frame, f"{found.label} {found.english}", _COLUMNS, rows)


@dialects.command()
@click.argument("name", type=DialectName())
@click.option("--type", "record_type", required=True, help="Record type of the rows, by name or 中文 label.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="The file; default: standard output."
)
@pass_frame
def template(frame: Frame, name: str, record_type: str, output: Path | None) -> None:
    """Make an empty table of dialect NAME (csv or xlsx) to be filled in and imported as it stands.

    A spreadsheet has drop-downs for codes, text and time formats, coloured headings for what has to be filled, and a
    note at each heading.
    """
    from node.departments.dialects.described import department_type

    found = _dialects(frame).find(name)
    if found.template is None:
        raise UsageError(
            f"The dialect {found.name} has no empty form",
            why="people fill tables, programs write the other dialects",
            action="Use csv or xlsx",
        )
    data = found.template(department_type(record_type))
    if output is None:
        sys.stdout.buffer.write(data)
        return
    if output.exists() and not frame.yes:
        raise UsageError(
            f"There is a file {output} already", why="it may have been filled in", action="Name another, or give --yes"
        )
    _write(output, data)
    say(frame, f"已生成 {output}", f"Made {output}.")


def _say_standard(frame: Frame, dialect: Dialect) -> None:
    """Say what stands in place of a table where names are those of the standard."""
    from node.departments.candidates import DEPARTMENT_TYPES

    say(
        frame,
        f"{dialect.label} {dialect.name}：承载部门报送的全部 {len(DEPARTMENT_TYPES)} 种记录，每条记录一个元素，"
        "名称与取值即标准的名称与取值。\n参考手册：yizhan standard build -o 文件夹，或节点的 /standard/。",
        f"{dialect.name}, {dialect.english}: carries all {len(DEPARTMENT_TYPES)} record types that departments send, "
        "one element a record, with the names and values of the standard.\n"
        "Their reference: yizhan standard build -o FOLDER, or /standard/ of a node.",
    )


_COLUMNS = ("table", "type", "column", "element", "required", "codes")


def _write(output: Path, data: bytes) -> None:
    try:
        output.write_bytes(data)
    except OSError as cause:
        raise UsageError(
            f"The file {output} cannot be written",
            why=cause.strerror or type(cause).__name__,
            action="Name a file in a folder that is there and may be written",
        ) from cause


def _dialects(frame: Frame) -> Dialects:
    from node.departments.dialects import FOLDER, Dialects

    return Dialects(folder=None if frame.home is None else frame.home / FOLDER)


def _entry(known: Dialects, name: str) -> dict[str, Any]:
    """Return what a list says of a dialect; a site's own that cannot be used is listed with the reason."""
    try:
        return {**_described(known.find(name)), "problem": ""}
    except ConfigurationError as error:
        nothing: dict[str, Any] = dict.fromkeys(("label", "english", "kind"), "")
        lists: dict[str, Any] = {key: [] for key in ("endings", "media_types", "variants")}
        return {"name": name, **nothing, **lists, "written": False, "site": True, "problem": error.why}


def _described(dialect: Dialect) -> dict[str, Any]:
    return {
        "name": dialect.name,
        "label": dialect.label,
        "english": dialect.english,
        "kind": dialect.kind,
        "endings": list(dialect.endings),
        "media_types": list(dialect.media_types),
        "variants": list(dialect.variants),
        "written": dialect.writes is not None,
        "site": dialect.site,
    }


def _table(table: DescribedTable) -> dict[str, Any]:
    return {
        "table": table.name,
        "record_type": table.record_type,
        "columns": [
            {
                "column": column.source,
                "element": column.element,
                "required": column.required,
                "codes": [{"code": code, "label": label} for code, label in column.codes],
            }
            for column in table.columns
        ],
    }
