"""``yizhan import``: a file of records goes into this node's own stream, beside or without a running node."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from node.cli.arguments import READABLE_FILE, WRITABLE_FILE, DialectName
from node.cli.frame import Frame, LazyCommand, pass_frame
from node.cli.home import home_of, node_of
from node.cli.output import place_of, say, shown, write_json, write_table
from node.cli.progress import import_progress

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from node.cli.import_files import Wanted
    from node.departments.accept import Intake
    from node.departments.importing import DeliveredFile
    from node.departments.report import ImportReport, Verdict

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
@click.option("--preview", is_flag=True, help="Show what would become of each record; a terminal is asked then.")
@click.option("--results", type=WRITABLE_FILE, help="Write what became of each record to this file (.csv or .json).")
@click.option("--failed-rows", type=WRITABLE_FILE, help="Write only the refused records to this file, as they came.")
@pass_frame
def import_command(
    frame: Frame,
    /,
    file: Path,
    source_name: str,
    preview: bool,  # noqa: FBT001 - click gives options by name.
    results: Path | None,
    failed_rows: Path | None,
    **said: str,
) -> int:
    """Take in the records of FILE.

    Leaves with 0 when all were accepted or repeated, 9 when some were refused, 1 when nothing was usable. What is
    refused is kept: yizhan refused list.
    """
    from node.cli.import_files import Wanted
    from node.departments.dialects import AUTO, FOLDER, Dialects
    from node.departments.importing import opened_file
    from node.departments.sources import find_source

    wanted = Wanted(results=results, failed_rows=failed_rows)
    if said["dialect"] != AUTO:
        Dialects(folder=home_of(frame) / FOLDER).find(said["dialect"])
    with node_of(frame) as node:
        with node.store.reading() as connection:
            source = find_source(connection, source_name)
        with opened_file(file, source=source, **said) as delivered:
            wanted.check(node.intake.dialects, delivered, file)
            if preview:
                report = _previewed(frame, node.intake, delivered, wanted)
                if not report.accepted + report.received or not _wishes(frame):
                    return report.exit_code
            report = _taken_in(frame, node.intake, delivered, wanted, file)
    if frame.json:
        write_json(report.as_json())
    else:
        show_report(frame, report)
    return report.exit_code


def _taken_in(frame: Frame, intake: Intake, delivered: DeliveredFile, wanted: Wanted, file: Path) -> ImportReport:
    """Take the file in and write the files that are wanted."""
    from node.cli.import_files import ImportFiles

    try:
        with ImportFiles(frame, wanted) as files:
            with import_progress(frame, file) as progress:
                report = delivered.take_in(intake, progress=progress, told=files.add)
            files.finish(delivered)
    except KeyboardInterrupt:
        say(
            frame,
            f"已中断。已接收的记录不会丢失；再次运行即可继续：yizhan import {file}",
            f"Interrupted. What was accepted stays; the same command goes on: yizhan import {file}",
        )
        raise
    return report


def _previewed(frame: Frame, intake: Intake, delivered: DeliveredFile, wanted: Wanted) -> ImportReport:
    """Show what would become of each record, and write the files that are wanted."""
    from node.cli.import_files import ImportFiles
    from node.departments.preview import preview_json

    show = (lambda _: None) if frame.json else _teller()

    def told(verdict: Verdict) -> None:
        show(verdict)
        files.add(verdict)

    with ImportFiles(frame, wanted) as files:
        report = delivered.preview(intake, told=told)
        files.finish(delivered)
        delivered.stream.seek(0)
    if frame.json:
        write_json(preview_json(report))
    else:
        say(frame, "预览，未写入任何内容：", "A preview; nothing was written:")
        show_report(frame, report, problems=False)
    return report


def _wishes(frame: Frame) -> bool:
    """Ask whether to go on after a preview; without a terminal nothing is asked, and nothing taken in."""
    if frame.json or not frame.may_ask:
        return False
    return frame.yes or click.confirm("现在导入吗？" if frame.language == "zh" else "Import now?", err=True)


def _teller() -> Callable[[Verdict], None]:
    """Return what writes a line per record, or one per problem of it until PROBLEMS_MAX are written."""
    from node.departments.report import PROBLEMS_MAX

    written = 0

    def tell(verdict: Verdict) -> None:
        nonlocal written
        place = place_of(verdict.row, verdict.line)
        if not verdict.problems:
            click.echo(shown(f"{verdict.outcome}\t{place}\t{verdict.record_type}\t{verdict.key}"))
        for problem in verdict.problems[: PROBLEMS_MAX - written]:
            element = problem.element or verdict.record_type
            click.echo(shown(f"{verdict.outcome}\t{place}\t{element}\t{problem.rule}\t{problem.text}"))
            written += 1

    return tell


def show_report(frame: Frame, report: ImportReport, *, problems: bool = True) -> None:
    """Show people what became of a delivery; ``problems`` lists them, where they were not told one by one."""
    if report.problems and problems:
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
