"""Administrative penalties (行政处罚) as cases: what the projection and the fold of cases need to know about them."""

from __future__ import annotations

from node.cases.history import LifeCycle
from node.cases.penalty_findings import check_penalty
from node.cases.penalty_states import PENALTY_MACHINE, PENALTY_RECORD_TYPES, penalty_event_of
from node.cases.projection import CaseProjection
from node.cases.tables import PENALTY_TABLES
from node.standard.families import PENALTY_HEADER

PENALTY = LifeCycle(
    name="penalties",
    header=PENALTY_HEADER,
    record_types=PENALTY_RECORD_TYPES,
    event_of=penalty_event_of,
    machine=lambda _: PENALTY_MACHINE,
    check=check_penalty,
    reads_content=True,
)
"""The life of a penalty."""


def penalty_projection() -> CaseProjection:
    """Return the projection of penalties; nothing of them goes into the counters, which are those of approvals."""
    return CaseProjection(life_cycle=PENALTY, tables=PENALTY_TABLES)
