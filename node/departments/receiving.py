"""Receiving while in doubt (02, R12): a delivery is kept whole and answered ``received``, not ``accepted``.

A node that may have lost its newest records cannot tell which position, number or key is free. So nothing is decided:
what came waits in ``refused_delivery`` in a state of its own, bounded like everything there, and is offered by itself
when the doubt has ended (``node.departments.returned``). A source that offers it again meanwhile changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.departments.refused import keep_refused
from node.departments.report import RECEIVED, REFUSED, Verdict
from node.departments.tables import OPEN, WAITING
from node.journal.doubt import in_doubt

if TYPE_CHECKING:
    from datetime import datetime

    from node.departments.accept import Job
    from node.departments.prepare import Prepared
    from node.journal.doubt import Doubt
    from node.journal.store import Transaction


def receive(transaction: Transaction, job: Job, doubt: Doubt, at: datetime) -> tuple[Verdict, ...]:
    """Keep every candidate of a job until the doubt ends; return a verdict for each.

    What could not be read at all is refused as ever. Raises InDoubtError, with nothing kept, when there is no room.
    """
    waiting = [one for one in job.prepared if one.candidate.complete]
    broken = [one for one in job.prepared if not one.candidate.complete]
    kept = keep_refused(transaction, waiting, source=job.source, dialect=job.dialect, at=at, state=WAITING)
    if None in kept:
        raise in_doubt(f"{doubt.reason}; no more deliveries can wait")
    refused = keep_refused(transaction, broken, source=job.source, dialect=job.dialect, at=at, state=OPEN)
    numbers = dict(zip(map(id, broken), refused, strict=True))
    return tuple(_verdict(one, numbers) for one in job.prepared)


def _verdict(one: Prepared, refused: dict[int, int | None]) -> Verdict:
    candidate = one.candidate
    is_refused = id(one) in refused
    return Verdict(
        outcome=REFUSED if is_refused else RECEIVED,
        record_type=candidate.record_type[:64],
        key=one.source_key,
        row=candidate.row,
        line=candidate.line,
        refused_id=refused.get(id(one)),
        problems=one.problems if is_refused else (),
    )
