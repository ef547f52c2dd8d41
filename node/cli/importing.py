"""``yizhan import``: a file of records goes into this node's own stream, beside or without a running node."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from node.cli.arguments import READABLE_FILE, DialectName
from node.cli.frame import Frame, LazyCommand, pass_frame
from node.cli.home import home_of, node_of
from node.cli.output import say, write_json, write_table
from node.cli.progress import import_progress

if TYPE_CHECKING:
    from pathlib import Path

    from node.departments.report import ImportReport

DIALECTS = ("auto", "standard", "csv", "xlsx", "json", "cooperation", "exinfo", "up")
"""The built-in dialects, written out so that ``--help`` need not load them; a site has its own beside them."""


@click.command("import", cls=LazyCommand)
@click.argument("file", type=READABLE_FILE)
@click.option(
    "--dialect",
    type=DialectName(),
    default="auto",
    show_default=True,
    help=f"One of {', '.join(DIALECTS)} or of the site's own; auto tells it by the content.",
)
@click.option("--type", "record_type", default="", help="Record type of every row, when the file does not say it.")
@click.option("--table", default="", help="The source's table of every row, when the file does not say it.")
@click.option("--source", "source_name", default="import", show_default=True, help="The source that delivers.")
@pass_frame
def import_command(frame: Frame, file: Path, dialect: str, record_type: str, table: str, source_name: str) -> int:
    """Take in the records of FILE.

    Leaves with 0 when all were accepted or repeated, 9 when some were refused, 1 when nothing was usable. What is
    refused is kept: yizhan refused list.
    """
    from node.departments.dialects import AUTO, FOLDER, Dialects
    from node.departments.importing import import_file
    from node.departments.sources import find_source

    if dialect != AUTO:
        Dialects(folder=home_of(frame) / FOLDER).find(dialect)
    with node_of(frame) as node:
        with node.store.reading() as connection:
            source = find_source(connection, source_name)
        try:
            with import_progress(frame, file) as progress:
                report = import_file(
                    node.intake,
                    file,
                    dialect=dialect,
                    source=source,
                    record_type=record_type,
                    table=table,
                    progress=progress,
                )
        except KeyboardInterrupt:
            say(
                frame,
                f"已中断。已接收的记录不会丢失；再次运行即可继续：yizhan import {file}",
                f"Interrupted. What was accepted stays; the same command goes on: yizhan import {file}",
            )
            raise
    if frame.json:
        write_json(report.as_json())
    else:
        show_report(frame, report)
    return report.exit_code


def show_report(frame: Frame, report: ImportReport) -> None:
    """Show people what became of a delivery."""
    if report.problems:
        rows = [(one.row or "", one.line or "", one.element or "", one.rule, one.text) for one in report.problems]
        write_table(frame, "问题 Problems", ("row", "line", "element", "rule", "text"), rows)
    if report.problems_omitted:
        more = report.problems_omitted
        say(frame, f"另有 {more} 个问题未列出", f"{more} more problems are not listed.")
    say(
        frame,
        f"提交 {report.offered}，接收 {report.accepted}，重复 {report.repeated}，拒收 {report.refused}",
        f"Offered {report.offered}, accepted {report.accepted}, repeated {report.repeated}, refused {report.refused}.",
    )
    if report.received:
        say(
            frame,
            f"已收待办 {report.received}：本节点正在核实自己的数据库，核实后自动办理",
            f"{report.received} wait: this node settles a doubt about its own database and takes them in after it.",
        )
