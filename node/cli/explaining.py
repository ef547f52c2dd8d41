"""``yizhan statistics explain``: a figure taken apart, level by level, down to the records that count."""

from __future__ import annotations

import dataclasses
from calendar import monthrange
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

import click

from node.cli.arguments import NodeCode, Words
from node.cli.comparing import comparison_document, write_comparisons
from node.cli.frame import Frame, LazyCommand, pass_frame
from node.cli.home import node_of
from node.cli.output import say, write_json, write_table
from node.errors import UsageError
from node.statistics.indicators import DERIVED_INDICATORS, INDICATORS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from node.statistics.explain import Level

NAMES: Final = (*(one.name for one in INDICATORS), *(one.name for one in DERIVED_INDICATORS))
SCHEMA: Final = "yizhan.statistics-explained/1"
LEVEL_COLUMNS: Final = ("node", "name", "position", "time", "verdict", "own", "subtree", "adds_up", "counted")
RECORD_COLUMNS: Final = ("record", "case_no", "type", "day", "division", "organisation", "indicator", "value")


@click.command(cls=LazyCommand, short_help="Explain a figure down to its records.")
@click.argument("indicator", type=click.Choice(NAMES), metavar="INDICATOR")
@click.option("--date", "day", type=click.DateTime(formats=["%Y-%m-%d"]), metavar="DATE", help="One day, YYYY-MM-DD.")
@click.option("--month", type=click.DateTime(formats=["%Y-%m"]), metavar="MONTH", help="All days of a month, YYYY-MM.")
@click.option("--node", "start", type=NodeCode(), help="Begin at this node; default: this one.")
@click.option("--division", type=Words(), default=None, help="Only figures of this division code, or its beginning.")
@click.option("--department", type=Words(), default=None, help="Only figures of the department with this code.")
@click.option(
    "--records",
    "records_max",
    type=click.IntRange(0, 500),
    default=20,
    show_default=True,
    help="Show so many records a node; 0: the nodes alone, and nothing is counted again.",
)
@click.option("--after", type=Words(), default=None, metavar="CASE_NO", help="Go on behind this case.")
@pass_frame
def explain(  # noqa: PLR0913 - one argument an option, as click gives them.
    frame: Frame,
    indicator: str,
    *,
    day: datetime | None,
    month: datetime | None,
    start: str | None,
    division: str | None,
    department: str | None,
    records_max: int,
    after: str | None,
) -> None:
    """Take the figure INDICATOR apart: what was published, what each child added, and the records that count.

    Each level names the summary that was added, whether it is agreed here, and whether the sum adds up. Prove a record
    with yizhan evidence, by its name in the first column. docs/reference/indicators.md lists the indicators.
    """
    from node.statistics.explain import Asked
    from node.statistics.explain import explain as explained

    asked = Asked(
        indicator=indicator,
        days=_days(day, month),
        division=division or "",
        organisation=department or "",
        records_max=records_max,
        after=after or "",
    )
    with node_of(frame) as node, node.store.reading() as connection:
        level = explained(connection, node.tree(connection), asked, node_code=node.code, start=start)
    if frame.json:
        days = {"first": asked.days[0], "last": asked.days[-1]}
        write_json({"schema": SCHEMA, "indicator": indicator, "days": days, "figure": document(level)})
        return
    _write_levels(frame, level)
    _write_records(frame, level)
    write_comparisons(frame, [one for _, below in level.walk() for one in below.comparisons])


def document(level: Level) -> dict[str, Any]:
    """Return a level and all below it as plain values for a JSON document."""
    plain = {one.name: getattr(level, one.name) for one in dataclasses.fields(level)}
    return {
        **plain,
        "versions": [dataclasses.asdict(one) for one in level.versions],
        "missing": [dataclasses.asdict(one) for one in level.missing],
        "comparisons": [comparison_document(one) for one in level.comparisons],
        "records": [
            {
                "record": f"{one.stream}/{one.position}",
                "type": one.record_type,
                "case_no": one.case_no,
                "day": one.day,
                **one.key._asdict(),
                "value": one.amount,
            }
            for one in level.records
        ],
        "children": [document(child) for child in level.children],
    }


def _days(day: datetime | None, month: datetime | None) -> tuple[str, ...]:
    chosen = day or month
    if chosen is None or (day is not None and month is not None):
        raise UsageError(
            "Give --date or --month",
            why="both are given" if chosen is not None else "a figure belongs to a day, or to the days of a month",
            action="for example --date 2026-11-01, or --month 2026-11",
        )
    first = chosen.date()
    count = 1 if day is not None else monthrange(first.year, first.month)[1]
    return tuple(date.isoformat(first + timedelta(days=number)) for number in range(count))


def _write_levels(frame: Frame, level: Level) -> None:
    rows = [_level_row(frame, depth, one) for depth, one in level.walk()]
    write_table(frame, "数据构成 Levels", LEVEL_COLUMNS, rows)
    for _, one in level.walk():
        _say_gaps(frame, one)


def _level_row(frame: Frame, depth: int, level: Level) -> tuple[object, ...]:
    places = [f"{level.node}/ancestors/{one.position}" for one in level.versions if one.position is not None]
    times = [one.stated_at for one in level.versions if one.stated_at is not None]
    place = places[0] if len(places) == 1 else f"{len(places)} × {level.node}/ancestors" if places else ""
    return (
        "  " * depth + level.node,
        level.name,
        place,
        max(times).isoformat(timespec="minutes") if times else "",
        _word(frame, level.verdict),
        level.own,
        level.subtree,
        _yes(frame, yes=level.adds_up),
        "" if level.counted is None else level.counted,
    )


def _say_gaps(frame: Frame, level: Level) -> None:
    """Say on standard error what is missing, waiting, restated or does not fit at one level."""
    for one in level.missing:
        say(frame, *(f"{level.node}: {one.day} {one.node} {_word(frame, one.why)}",) * 2)
    if level.waiting_count:
        some = ", ".join(map(str, level.waiting))
        say(
            frame,
            f"{level.node}：有 {level.waiting_count} 条记录在隔离中，未计入（位置 {some}）",
            f"{level.node}: {level.waiting_count} records are quarantined and not counted (positions {some})",
        )
    if level.counted is not None and level.counted != level.own:
        say(
            frame,
            f"{level.node}：公布本级 {level.own}，按此处记录为 {level.counted}",
            f"{level.node}: {level.own} is stated as its own, the records held here give {level.counted}",
        )
    for version in level.versions:
        if version.newest != version.position:
            say(
                frame,
                f"{level.node}：{version.day} 已重新公布（位置 {version.newest}），上级尚未采用",
                f"{level.node}: {version.day} was restated (position {version.newest}); not added above yet",
            )
    if level.after:
        say(
            frame,
            f"{level.node}：共 {level.record_count} 条，续看用 --node {level.node} --after {level.after}",
            f"{level.node}: {level.record_count} records; go on with --node {level.node} --after {level.after}",
        )


def _write_records(frame: Frame, level: Level) -> None:
    rows = [row for _, one in level.walk() for row in _record_rows(frame, one)]
    write_table(frame, "记录 Records", RECORD_COLUMNS, rows)


def _record_rows(frame: Frame, level: Level) -> Iterable[tuple[object, ...]]:
    from node.standard.families import RECORD_TYPES

    for one in level.records:
        kind = RECORD_TYPES[one.record_type].label if frame.language == "zh" else one.record_type
        key = one.key
        place = f"{one.stream}/{one.position}"
        yield (place, one.case_no, kind, one.day, key.division, key.organisation, key.indicator, one.amount)


def _word(frame: Frame, name: str) -> str:
    from node.web.words import word

    return word(name).spoken(frame.language) if name else ""


def _yes(frame: Frame, *, yes: bool) -> str:
    if frame.language == "zh":
        return "是" if yes else "否"
    return "yes" if yes else "no"
