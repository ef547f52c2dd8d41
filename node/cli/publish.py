"""``yizhan publish``: what this node says to the nodes below it — reference data, notices — and replies upward."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING

import click

from node.cli.arguments import READABLE_FILE, NodeCode, Words
from node.cli.frame import Frame, LazyGroup, pass_frame
from node.cli.home import config_of, node_of
from node.cli.output import say, write_json, write_table

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from node.departments.notices import SentRecord

SOME_REFUSED = 9
NOTHING_USABLE = 1

_files = click.argument("files", nargs=-1, type=READABLE_FILE)


@click.group(cls=LazyGroup)
def publish() -> None:
    """Publish reference data, notices and replies."""


@publish.command()
@_files
@pass_frame
def divisions(frame: Frame, files: tuple[Path, ...]) -> int:
    """Publish divisions from FILES; without any, those that ship with the program."""
    return _publish(frame, "divisions", files)


@publish.command()
@_files
@pass_frame
def items(frame: Frame, files: tuple[Path, ...]) -> int:
    """Publish items from FILES; without any, the shipped examples."""
    return _publish(frame, "items", files)


@publish.command()
@_files
@pass_frame
def organisations(frame: Frame, files: tuple[Path, ...]) -> int:
    """Publish departments from FILES; without any, the shipped examples."""
    return _publish(frame, "organisations", files)


@publish.command()
@_files
@pass_frame
def calendar(frame: Frame, files: tuple[Path, ...]) -> int:
    """Publish working-day calendars from FILES; without any, those that ship with the program."""
    return _publish(frame, "calendar", files)


@publish.command()
@click.option("--to", type=NodeCode(), required=True, help="Code of the node below that the notice is for.")
@click.option("--subject", type=Words(), required=True, help="What it is about, in one line.")
@click.option("--text", type=Words(), required=True, help="What it says.")
@click.option("--basis", default="", help="The rule that it rests on.")
@click.option("--case", "case_no", default="", help="Number of the case that it is about.")
@click.option("--rule", "rule_code", default="", help="Code of the supervision rule.")
@click.option("--organisation-code", default="", help="Code of the department that it is about.")
@click.option("--organisation-name", default="", help="Name of that department.")
@click.option(
    "--reply-due",
    type=click.DateTime(formats=["%Y-%m-%d"]),
    metavar="DATE",
    help="Last day for the reply, YYYY-MM-DD.",
)
@click.option("--key", default="", help="Your own word for this notice: with it, it is sent once however often asked.")
@click.option("--as", "actor", help="Who sends it; default: the account at this machine.")
@pass_frame
def notice(frame: Frame, /, *, to: str, reply_due: datetime | None, key: str, actor: str | None, **parts: str) -> None:
    """Send a supervision notice to one node below this one."""
    from node.departments.notices import NoticeText, publish_notice

    due = None if reply_due is None else reply_due.date()
    text = NoticeText(actor=actor or getpass.getuser(), reply_due=due, **parts)
    with node_of(frame) as node:
        _sent(frame, publish_notice(node.publisher, to, text, key=key))


@publish.command()
@click.option("--notice", "number", type=Words(), required=True, help="Number of the notice that is answered.")
@click.option("--text", type=Words(), required=True, help="What the reply says.")
@click.option("--organisation-name", help="Who answers; default: this node's name.")
@click.option("--as", "actor", help="Who writes it; default: the account at this machine.")
@pass_frame
def reply(frame: Frame, number: str, text: str, organisation_name: str | None, actor: str | None) -> None:
    """Answer a notice that was directed to this node."""
    from node.departments.notices import publish_reply

    name = organisation_name or config_of(frame).name
    with node_of(frame) as node:
        sent = publish_reply(
            node.publisher, number, text=text, actor=actor or getpass.getuser(), organisation_name=name
        )
        _sent(frame, sent)


def _publish(frame: Frame, kind: str, files: tuple[Path, ...]) -> int:
    from node.departments.reference_data import RECORD_TYPE_OF, read_reference, shipped_files

    with node_of(frame) as node:
        candidates = read_reference(kind, files or shipped_files(kind))
        report = node.publisher.publish(candidates, RECORD_TYPE_OF[kind])
    if frame.json:
        write_json(report.as_json())
    elif report.problems:
        rows = [(one.row or "", one.line or "", one.element or "", one.rule, one.text) for one in report.problems]
        write_table(frame, "问题 Problems", ("row", "line", "element", "rule", "text"), rows)
    say(
        frame,
        f"发布 {report.published}，未变 {report.unchanged}，拒收 {report.refused}",
        f"Published {report.published}, unchanged {report.unchanged}, refused {report.refused}.",
    )
    if not report.refused:
        return 0
    return SOME_REFUSED if report.published or report.unchanged else NOTHING_USABLE


def _sent(frame: Frame, sent: SentRecord) -> None:
    if frame.json:
        write_json(sent.as_json())
    else:
        click.echo(sent.number)
    say(
        frame,
        f"{sent.number} 已写入 {sent.stream}" if sent.new else f"{sent.number} 此前已发出",
        f"{sent.number} stands in {sent.stream}." if sent.new else f"{sent.number} was sent before.",
    )
