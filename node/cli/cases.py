"""``yizhan cases``: one case with its history, findings and attachments; personal data are masked."""

from __future__ import annotations

import click

from node.cli.arguments import NodeCode, in_system
from node.cli.frame import Frame, LazyGroup, pass_frame
from node.cli.home import node_of
from node.errors import NotFoundError


@click.group(cls=LazyGroup)
def cases() -> None:
    """Look at cases."""


@cases.command()
@click.argument("case_no")
@click.option("--origin", type=NodeCode(), help="Code of the node that wrote the case, where several used the number.")
@in_system
@pass_frame
def show(frame: Frame, case_no: str, origin: str | None, system: str | None) -> None:
    """Show the case with number CASE_NO: its state, records, findings and whatever is attached to it."""
    from node.cases.view import show_case
    from node.cli.case_history import write_history
    from node.departments.numbering import case_of

    with node_of(frame) as node, node.store.reading() as connection:
        number = case_no if system is None else case_of(connection, system, case_no)
        found = show_case(connection, number, origin)
    if found is None:
        raise NotFoundError(
            f"No record of the case {number} is held here",
            why="the number is wrong, or its records have not arrived yet",
            action="yizhan status shows what has arrived",
        )
    write_history(frame, found, "yizhan.case/1")
