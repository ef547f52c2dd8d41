"""Replaying in a workshop: every record again, and what a node does behind its appends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from node.cases.reference import REPAIRS_MAX, repair_in
from node.journal.replay import replay_arrivals
from node.journal.tables import stream
from node.statistics.verdict import judge_all

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.upkeep.projected import Derived
    from node.upkeep.workshop import Workshop

    Tell = Callable[[int, int], object]
    """Told (records done, records in all) as the work goes on."""


def fill(workshop: Workshop, derived: Derived, tell: Tell, *, after: int = 0) -> tuple[int, int]:
    """Replay what arrived in the workshop after the arrival ``after``; return how many records, and the last arrival.

    What a node does behind its appends is done too: late reference data are applied, summaries are judged.
    """
    transaction = workshop.transaction
    total = workshop.connection.scalar(select(func.sum(stream.c.size))) or 0
    if not after:
        for projection in derived.projections:
            projection.clear(transaction)
    done, reached = 0, after
    tell(done, total)
    for reached, count in replay_arrivals(transaction, derived.projections, after=after):  # noqa: B007 - the last one.
        done += count
        tell(done, total)
    while repair_in(transaction, derived.cases, REPAIRS_MAX):
        pass
    judge_all(transaction)
    return done, reached
