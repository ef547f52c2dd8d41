"""``yizhan penalties``: one administrative penalty with its history and findings; personal data are masked."""

from __future__ import annotations

import click

from node.cli.arguments import NodeCode, in_system
from node.cli.frame import Frame, LazyGroup, pass_frame
from node.cli.home import node_of
from node.errors import NotFoundError


@click.group(cls=LazyGroup)
def penalties() -> None:
    """Look at administrative penalties."""


@penalties.command()
@click.argument("case_no")
@click.option(
    "--origin", type=NodeCode(), help="Code of the node that wrote the penalty, where several used the number."
)
@in_system
@pass_frame
def show(frame: Frame, case_no: str, origin: str | None, system: str | None) -> None:
    """Show the penalty with number CASE_NO: its state, records, findings, party, content and execution."""
    from node.cases.view import show_penalty
    from node.cli.case_history import write_history
    from node.departments.numbering import case_of

    with node_of(frame) as node, node.store.reading() as connection:
        number = case_no if system is None else case_of(connection, system, case_no)
        found = show_penalty(connection, number, origin)
    if found is None:
        raise NotFoundError(
            f"No record of the penalty {number} is held here",
            why="the number is wrong, or its records have not arrived yet",
            action="yizhan status shows what has arrived",
        )
    write_history(frame, found, "yizhan.penalty/1")
