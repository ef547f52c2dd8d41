"""``yizhan refused``: deliveries that were not accepted, kept until somebody settles them."""

from __future__ import annotations

import getpass
import sys
from typing import TYPE_CHECKING

import click

from node.cli.arguments import READABLE_FILE, Words
from node.cli.frame import Frame, LazyGroup, pass_frame
from node.cli.home import node_of
from node.cli.importing import show_report
from node.cli.output import say, write_json, write_table

if TYPE_CHECKING:
    from pathlib import Path

STATES = ("open", "settled", "discarded", "all")


@click.group(cls=LazyGroup)
def refused() -> None:
    """List, show, offer again or discard refused deliveries."""


@refused.command("list")
@click.option("--state", type=click.Choice(STATES), default="open", show_default=True, help="Only in this state.")
@click.option("--after", type=click.IntRange(0), default=0, help="Only behind this number.")
@click.option("--limit", type=click.IntRange(1, 500), default=100, show_default=True, help="At most so many.")
@pass_frame
def list_command(frame: Frame, state: str, after: int, limit: int) -> None:
    """List refused deliveries with their problems."""
    from node.departments.refused import list_refused

    with node_of(frame) as node, node.store.reading() as connection:
        found = list_refused(connection, state=None if state == "all" else state, after=after, limit=limit)
    if frame.json:
        write_json({"schema": "yizhan.refused/1", "deliveries": [one.as_json() for one in found]})
        return
    rows = [
        (one.id, one.source, one.record_type, one.state, one.times, one.problems[0].text if one.problems else "")
        for one in found
    ]
    write_table(frame, "拒收件 Refused", ("number", "source", "type", "state", "times", "problem"), rows)


@refused.command()
@click.argument("number", type=int)
@pass_frame
def show(frame: Frame, number: int) -> None:
    """Show one refused delivery: its problems on standard error, its content on standard output."""
    from node.departments.refused import show_refused

    with node_of(frame) as node, node.store.reading() as connection:
        found = show_refused(connection, number)
    if frame.json:
        content = None if found.content is None else found.content.decode(errors="backslashreplace")
        write_json({"schema": "yizhan.refused-delivery/1", **found.as_json(), "content": content})
        return
    for problem in found.problems:
        say(frame, *(f"{problem.rule} {problem.element or ''}: {problem.text}",) * 2)
    sys.stdout.buffer.write((found.content or b"") + b"\n")


@refused.command()
@click.argument("number", type=int)
@click.option("--file", type=READABLE_FILE, help="A corrected form of it.")
@click.option("--as", "by", help="Who does it; default: the account at this machine.")
@pass_frame
def offer(frame: Frame, number: int, file: Path | None, by: str | None) -> int:
    """Offer a refused delivery again, as it is or corrected."""
    from node.departments.refused import offer_refused

    corrected = None if file is None else file.read_bytes()
    with node_of(frame) as node:
        report = offer_refused(node.intake, number, by=by or getpass.getuser(), corrected=corrected)
    if frame.json:
        write_json(report.as_json())
    else:
        show_report(frame, report)
    return report.exit_code


@refused.command()
@click.argument("number", type=int)
@click.option("--reason", type=Words(), required=True, help="Why it is given up.")
@click.option("--as", "by", help="Who does it; default: the account at this machine.")
@pass_frame
def discard(frame: Frame, number: int, reason: str, by: str | None) -> None:
    """Give a refused delivery up; its content is dropped, who did it and why stay."""
    from node.departments.refused import discard_refused

    if frame.may_ask and not frame.yes:
        click.confirm(f"Discard the refused delivery {number}?", abort=True, err=True)
    with node_of(frame) as node:
        found = discard_refused(node.store, number, reason=reason, by=by or getpass.getuser(), clock=node.clock)
    if frame.json:
        write_json({"schema": "yizhan.refused-delivery/1", **found.as_json()})
    say(frame, f"拒收件 {number} 已作废。", f"The refused delivery {number} is discarded.")
