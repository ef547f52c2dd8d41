"""``yizhan adapters run``: a round now, by the running node or here; or a look at what would come."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import click

from node.cli.conformance import summarise, teller
from node.cli.frame import Frame, LazyCommand, pass_frame
from node.cli.home import is_running, node_of
from node.cli.output import place_of, say, shown, write_json

if TYPE_CHECKING:
    from node.bootstrap import Node
    from node.departments.doors.adapters_file import AdapterConfig
    from node.departments.doors.by_hand import Look

PARTLY = 9
EXITS = {"waiting": 0, "working": 0, "away": 6, "held": 8, "needs_person": 4, "outside_hours": 0}
"""Exit codes by the state in which a round left the adapter: those of the errors that mean the same."""


@click.command(cls=LazyCommand)
@click.argument("name")
@click.option("--dry-run", is_flag=True, help="Look at the first delivery that waits; answer nothing.")
@click.option(
    "--wait-s", type=click.IntRange(1, 3600), default=120, show_default=True, help="Wait so long for the running node."
)
@pass_frame
def run(frame: Frame, name: str, *, dry_run: bool, wait_s: int) -> int:
    """Have the adapter NAME take a round now, also outside its hours, and tell what came.

    Leaves with 0 when all went well, 9 when records were refused or a delivery could not be read, 6 when the system is
    away, 4 when a person must act, 8 when this node takes nothing in, 1 when the process of the adapter broke.
    """
    from node.departments.doors.by_hand import right_adapter

    with node_of(frame) as node:
        config = right_adapter(node.config.home, name, os.environ)
        if dry_run:
            return _look(frame, node, config)
        return _round(frame, node, config, wait_s)


def _round(frame: Frame, node: Node, config: AdapterConfig, wait_s: int) -> int:
    from node.departments.doors.by_hand import run_here, run_there

    home = node.config.home
    if is_running(home):
        text = run_there(node.intake, config, wait_s=wait_s)
    else:
        text = run_here(
            node.intake,
            config,
            home,
            zone=node.config.time_zone,
            environment=os.environ,
            delivering=node.delivering,
        )
    found: dict[str, Any] = json.loads(text)
    if frame.json:
        write_json({"schema": "yizhan.adapter-run/1", "name": config.name, **found})
    else:
        _tell(frame, found)
    exit_code = EXITS.get(found["state"], 1)
    return exit_code or (PARTLY if found["refused"] or found["rejected"] else 0)


def _tell(frame: Frame, found: dict[str, Any]) -> None:
    from node.web.words import word

    state = word(found["state"]).spoken(frame.language)
    say(
        frame,
        f"来件 {found['deliveries']}（无法读取 {found['rejected']}）；记录：接收 {found['accepted']}，"
        f"重复 {found['repeated']}，拒收 {found['refused']}",
        f"Deliveries {found['deliveries']} ({found['rejected']} not readable); records: accepted {found['accepted']}, "
        f"repeated {found['repeated']}, refused {found['refused']}.",
    )
    if found["refused"] or found["rejected"]:
        say(frame, "拒收的已保留：yizhan refused list", "What was refused is kept: yizhan refused list")
    say(frame, *(" · ".join(part for part in (state, found["text"], found["answer_error"]) if part),) * 2)


def _look(frame: Frame, node: Node, config: AdapterConfig) -> int:
    from node.departments.doors.by_hand import dry_run
    from node.departments.preview import preview_json

    told = (lambda _: None) if frame.json else teller()
    look = dry_run(node.intake, config, node.config.home, environment=os.environ, told=told)
    if frame.json:
        document: dict[str, Any] = {"schema": "yizhan.adapter-look/1", "name": config.name}
        parts: dict[str, Any] = {"delivery": None, "conformance": None, "preview": None}
        if look is not None:
            one = look.delivery
            parts = {
                "delivery": {"key": one.delivery_key, "name": one.name, "bytes": one.size},
                "conformance": look.conformance.as_json(),
                "preview": preview_json(look.preview),
            }
        write_json({**document, **parts})
    if look is None:
        say(frame, "没有等待的来件。", "Nothing waits.")
        return 0
    if not frame.json:
        name = look.delivery.name or look.delivery.delivery_key
        say(frame, f"来件 {name}，{look.delivery.size} 字节：", f"Delivery {name}, {look.delivery.size} bytes:")
        summarise(frame, look.conformance)
        _tell_preview(frame, look)
    return look.conformance.exit_code or (PARTLY if look.preview.refused else 0)


def _tell_preview(frame: Frame, look: Look) -> None:
    """Tell what this node would answer, and what it would refuse though the standard has nothing against it."""
    for problem in look.preview.problems:
        if problem.rule not in look.conformance.rules:
            place = place_of(problem.row, problem.line)
            click.echo(shown(f"refused\t{place}\t{problem.element or ''}\t{problem.rule}\t{problem.text}"))
    found = look.preview
    say(
        frame,
        f"如现在接收：接收 {found.accepted}，重复 {found.repeated}，拒收 {found.refused}"
        + (f"，待办 {found.received}" if found.received else ""),
        f"Taken in now, it would be: accepted {found.accepted}, repeated {found.repeated}, refused {found.refused}"
        + (f", waiting {found.received}" if found.received else ""),
    )
