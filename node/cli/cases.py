"""``yizhan cases``: one case with its history and findings; personal data are masked."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import click

from node.cli.arguments import NodeCode
from node.cli.frame import Frame, LazyGroup, pass_frame
from node.cli.home import node_of
from node.cli.output import say, write_json, write_table
from node.errors import NotFoundError

if TYPE_CHECKING:
    from node.cases.life_cycle import Label
    from node.cases.view import CaseView


@click.group(cls=LazyGroup)
def cases() -> None:
    """Look at cases."""


@cases.command()
@click.argument("case_no")
@click.option("--origin", type=NodeCode(), help="Code of the node that wrote the case, where several used the number.")
@pass_frame
def show(frame: Frame, case_no: str, origin: str | None) -> None:
    """Show the case with number CASE_NO: its state, records and findings."""
    from node.cases.view import show_case

    with node_of(frame) as node, node.store.reading() as connection:
        found = show_case(connection, case_no, origin)
    if found is None:
        raise NotFoundError(
            f"No record of the case {case_no} is held here",
            why="the number is wrong, or its records have not arrived yet",
            action="yizhan status shows what has arrived",
        )
    if frame.json:
        write_json({"schema": "yizhan.case/1", **_document(found)})
    else:
        _show(frame, found)


def _document(case: CaseView) -> dict[str, Any]:
    document = dataclasses.asdict(case)
    document["state"] = case.state.name
    for record, view in zip(document["records"], case.records, strict=True):
        record["content"] = view.content
    return document


def _show(frame: Frame, case: CaseView) -> None:
    from node.web.words import word

    def spoken(label: Label | None) -> str:
        return "" if label is None else label.chinese if frame.language == "zh" else label.english

    say(frame, *(f"{case.case_no} · {case.origin} · {spoken(case.label)}",) * 2)
    if case.incomplete:
        say(
            frame,
            "办件不完整：有记录在隔离中，其后的记录暂缓",
            "Incomplete: a record is quarantined and holds back those behind it",
        )
    if case.also_at:
        others = ", ".join(case.also_at)
        say(frame, f"同号办件另见 {others}，用 --origin 指定", f"{others} used the number too: choose with --origin")
    records = [
        (
            one.position,
            (one.content or {}).get("EventTime", ""),
            one.label if frame.language == "zh" else one.record_type,
            spoken(one.state),
            word(one.standing).spoken(frame.language),
        )
        for one in case.records
    ]
    write_table(frame, "记录 Records", ("position", "time", "type", "state", "standing"), records)
    findings = [(one.position, one.code, spoken(one.label)) for one in case.findings]
    write_table(frame, "疑点 Findings", ("position", "code", "text"), findings)
