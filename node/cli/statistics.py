"""``yizhan statistics``: the figures of this node and its subtree, explaining and publishing them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from node.cli.frame import Frame, LazyGroup, pass_frame
from node.cli.home import node_of
from node.cli.output import say, write_json, write_table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from node.statistics.indicators import FigureKey

DAY = click.DateTime(formats=["%Y-%m-%d"])
COLUMNS = ("day", "scope", "division", "organisation", "task", "channel", "indicator", "value")


@click.group(
    cls=LazyGroup,
    commands={"explain": "node.cli.explaining:explain"},
    short_help="Show, explain or publish figures.",
)
def statistics() -> None:
    """Show, explain or publish figures, its own and those of the nodes below."""


@statistics.command()
@click.option("--from", "first", type=DAY, metavar="DATE", required=True, help="First day, YYYY-MM-DD.")
@click.option("--to", "last", type=DAY, metavar="DATE", help="Last day, YYYY-MM-DD; default: the first.")
@pass_frame
def show(frame: Frame, first: datetime, last: datetime | None) -> None:
    """Show own figures (as counted now) and subtree figures (as published last) of the days given.

    Where a figure of those days was disputed, what the comparison found is shown too.
    """
    from node.cli.comparing import comparison_document, write_comparisons
    from node.statistics.comparisons import comparisons
    from node.statistics.verdict import own_figures, statistics_state, subtree_figures

    begin, end = first.date().isoformat(), (last or first).date().isoformat()
    with node_of(frame) as node, node.store.reading() as connection:
        own = own_figures(connection, node.config.code, begin, end)
        subtree = subtree_figures(connection, node.config.code, begin, end)
        state = statistics_state(connection)
        compared = comparisons(connection, days=(begin, end))
    rows = [row for scope, days in (("own", own), ("subtree", subtree)) for row in _rows(scope, days)]
    if frame.json:
        figures = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
        write_json(
            {
                "schema": "yizhan.statistics/1",
                "state": state.overall,
                "origins": state.origins,
                "figures": figures,
                "comparisons": [comparison_document(one) for one in compared],
            }
        )
    else:
        write_table(frame, "统计 Statistics", COLUMNS, rows)
        write_comparisons(frame, compared)


@statistics.command()
@click.option(
    "--day",
    "days",
    type=DAY,
    metavar="DATE",
    multiple=True,
    help="Publish this day even when nothing changed. Repeatable.",
)
@pass_frame
def publish(frame: Frame, days: tuple[datetime, ...]) -> None:
    """Publish the summaries of every day whose figures may have changed."""
    with node_of(frame) as node:
        published = node.publish_statistics([day.date().isoformat() for day in days] or None)
    if frame.json:
        listed = [{"day": day, "position": position} for day, position in published]
        write_json({"schema": "yizhan.statistics-published/1", "published": listed})
    say(frame, f"发布 {len(published)} 日汇总", f"Published summaries of {len(published)} days.")


def _rows(scope: str, days: Mapping[str, Mapping[FigureKey, int]]) -> list[tuple[Any, ...]]:
    return [(day, scope, *key, value) for day, figures in days.items() for key, value in sorted(figures.items())]
