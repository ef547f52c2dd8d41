"""``yizhan divisions``: what is known of a division on a day, and which nodes answer for it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from node.cli.arguments import NodeCode
from node.cli.frame import Frame, LazyGroup, pass_frame
from node.cli.home import node_of
from node.cli.output import say, write_json, write_table
from node.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from node.cases.division_view import DivisionView, NamedDivision
    from node.trust.tree import Tree


@click.group(cls=LazyGroup)
def divisions() -> None:
    """Look at divisions."""


@divisions.command()
@click.argument("code", type=NodeCode())
@click.option(
    "--on",
    "on",
    type=click.DateTime(formats=["%Y-%m-%d"]),
    metavar="DATE",
    help="The day that counts, YYYY-MM-DD; default: today.",
)
@pass_frame
def show(frame: Frame, code: str, on: datetime | None) -> None:
    """Show what division CODE is on a day: name, level, what stands above it, validity, what took its place, its node.

    A code that is no longer valid stays good for cases that began under it; new cases have the code named for them.
    """
    from node.cases.division_view import show_division

    with node_of(frame) as node, node.store.reading() as connection:
        today = node.clock.now().astimezone(ZoneInfo(node.config.time_zone)).date()
        day = (today if on is None else on.date()).isoformat()
        tree = node.tree(connection)
        found = show_division(connection, tree, code, day)
    if found is None:
        raise NotFoundError(
            f"Nothing is known here of the division {code}",
            why="no Division record of it is held, and no node was admitted with it",
            action="check the code; the root publishes divisions: yizhan publish divisions",
        )
    if frame.json:
        write_json(_document(found))
        return
    write_table(frame, f"行政区划 Division {code} · {found.day}", ("name", "value"), list(_rows(frame, found, tree)))
    versions = [(one.valid_from, one.valid_to or "", one.name, one.replaced_by or "") for one in found.versions]
    write_table(frame, "版本 Versions", ("since", "valid_to", "name", "replaced_by"), versions)
    for one in found.reporting:
        if found.served_by and one.nodes and not one.reached:
            say(
                frame,
                f"统计不到 {one.division.code}：{'、'.join(found.served_by)} 不在 {'、'.join(one.nodes)} 之下",
                f"Figures do not reach {one.division.code}: {', '.join(found.served_by)} does not stand below "
                f"{', '.join(one.nodes)}.",
            )


def _document(found: DivisionView) -> dict[str, Any]:
    document = dataclasses.asdict(found)
    version = document.pop("version")
    return {
        "schema": "yizhan.division/1",
        "published": version is not None,
        **{name: None if version is None else version._asdict()[name] for name in ("name", "level", "kind")},
        **document,
        "versions": [one._asdict() for one in found.versions],
    }


def _rows(frame: Frame, found: DivisionView, tree: Tree) -> Iterator[tuple[str, str]]:
    """Give the rows for a person: what is said, and its value; empty ones are left out."""
    chinese = frame.language == "zh"
    for zh, en, value in (
        ("名称", "name", "" if found.version is None else found.version.name),
        ("级别", "level", _code(frame, found, "DivisionLevel")),
        ("种类", "kind", _code(frame, found, "Kind")),
        ("效力", "validity", _standing(frame, found)),
        ("上级", "parents", _list(found.parents)),
        ("业务上级", "business parent", _list(filter(None, [found.business_parent]))),
        ("所在县", "lies in", _list([found.county])),
        ("新办件用", "new cases bear", found.new_cases),
        ("替代", "replaced by", _list(found.successors)),
        ("被替代", "replaces", _list(found.predecessors)),
        ("节点", "nodes", _nodes(found.served_by, tree)),
        ("统计汇入", "figures go to", _list(one.division for one in found.reporting)),
    ):
        if value:
            yield (zh if chinese else en), value


def _code(frame: Frame, found: DivisionView, name: str) -> str:
    """Return a value of a code table as people call it."""
    from node.standard.codec import SHAPES

    shape = SHAPES["Division"].child(name)
    if found.version is None or shape is None or shape.simple is None:
        return ""
    value = str(found.version.level if name == "DivisionLevel" else found.version.kind)
    places = [place for place, (code, _) in enumerate(shape.simple.codes) if code == value]
    if not places:
        return value
    return shape.simple.codes[places[0]][1] if frame.language == "zh" else shape.simple.codes_english[places[0]]


def _standing(frame: Frame, found: DivisionView) -> str:
    if found.version is None:
        words = ("未发布", "not published")
    elif found.lapsed:
        words = (f"已失效，至 {found.version.valid_to}", f"held until {found.version.valid_to}")
    elif found.in_force:
        words = ("有效", "holds")
    else:
        words = (f"未生效，自 {found.version.valid_from}", f"does not hold before {found.version.valid_from}")
    return words[0] if frame.language == "zh" else words[1]


def _list(named: Iterable[NamedDivision]) -> str:
    return ", ".join(f"{one.code} {one.name}".strip() for one in named)


def _nodes(codes: Iterable[str], tree: Tree) -> str:
    return ", ".join(f"{code} {tree.name(code)}" for code in codes)
