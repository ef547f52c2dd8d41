"""``yizhan conformance``: what a node would say of a delivery, for those who send records."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from node.cli.arguments import DialectName
from node.cli.frame import Frame, LazyCommand, pass_frame
from node.cli.home import home_of
from node.cli.importing import DIALECTS
from node.cli.output import say, write_json, write_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from node.departments.conformance import Conformance

_HEAD_BYTES = 4096


@click.command("conformance", cls=LazyCommand)
@click.argument("delivery", metavar="FILE|URL")
@click.option(
    "--dialect",
    type=DialectName(),
    default="auto",
    show_default=True,
    help=f"One of {', '.join(DIALECTS)} or of the site's own; auto tells it by the content.",
)
@click.option("--type", "record_type", default="", help="Record type of every row, when the file does not say it.")
@click.option("--table", default="", help="The source's table of every row, when the file does not say it.")
@pass_frame
def conformance_command(frame: Frame, delivery: str, dialect: str, record_type: str, table: str) -> int:
    """Tell, record by record, what a node would say of a delivery; nothing is taken in.

    Needs no node. Leaves with 0 when all records conform, 9 when some do, 1 when none does.
    """
    from node.departments.conformance import judge_delivery
    from node.departments.dialects import AUTO, FOLDER, DialectOptions, Dialects, recognise
    from node.departments.event_order import in_event_order
    from node.randomness import SystemRandomness

    dialects = Dialects(folder=home_of(frame) / FOLDER)
    if dialect != AUTO:
        dialects.find(dialect)
    with _opened(delivery) as stream:
        if dialect == AUTO:
            dialect = recognise(delivery, stream.read(_HEAD_BYTES))
            stream.seek(0)
        candidates = dialects.read(dialect, stream, DialectOptions(record_type=record_type, table=table))
        if dialects.find(dialect).grouped:
            candidates = in_event_order(candidates)
        found = judge_delivery(candidates, randomness=SystemRandomness())
    if frame.json:
        write_json({**found.as_json(), "dialect": dialect})
    else:
        _show(frame, found, dialect)
    return found.exit_code


@contextmanager
def _opened(delivery: str) -> Iterator[BinaryIO]:
    from node.departments.fetching import fetched, is_address
    from node.errors import NotFoundError

    if is_address(delivery):
        with fetched(delivery) as stream:
            yield stream
        return
    try:
        stream = Path(delivery).open("rb")  # noqa: SIM115 - closed below; what the reader raises is no error of the file.
    except OSError as error:
        raise NotFoundError(
            f"The file {delivery} cannot be read",
            why=error.strerror or type(error).__name__,
            action="check its name and who may read it",
        ) from error
    with stream:
        yield stream


def _show(frame: Frame, found: Conformance, dialect: str) -> None:
    from node.cases.findings import FINDING_LABELS

    problems = [(one.row or "", one.line or "", one.element or "", one.rule, one.text) for one in found.problems]
    write_table(frame, "不符合标准之处 Problems", ("row", "line", "element", "rule", "text"), problems)
    if found.problems_omitted:
        say(frame, f"另有 {found.problems_omitted} 处未列出", f"and {found.problems_omitted} more problems")
    findings = [
        (
            one.case_no,
            one.row or "",
            one.code,
            FINDING_LABELS[one.code].chinese if frame.language == "zh" else FINDING_LABELS[one.code].english,
        )
        for one in found.findings
    ]
    if findings:
        write_table(
            frame, "疑点（记录会被接收）Findings (records are accepted)", ("case", "row", "code", "text"), findings
        )
    if not found.complete:
        say(frame, "文件过大，未检查办件环节的先后", "Too large to look at the order within cases")
    say(
        frame,
        f"方言 {dialect}：共 {found.records} 条，符合标准 {found.conforming} 条",
        f"Dialect {dialect}: {found.conforming} of {found.records} records conform",
    )
