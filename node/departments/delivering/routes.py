"""Routes: which records go down through which adapter. Pure, but for looking up what a record is about.

A record is for the organisation that it names (``OrgCode``); one that names none is for that of its case, or of the
notice that it speaks of. A record that came in through the adapter's own source does not go back to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from node.cases.tables import case_fact, penalty_fact
from node.departments.delivering.tables import downward_delivery
from node.journal.source_keys import lookup_many
from node.journal.tables import stream
from node.standard.codec import TAG_PREFIX
from node.standard.families import DIRECTED, RECORD_TYPES
from node.standard.seals import ANCESTORS

if TYPE_CHECKING:
    from datetime import date

    from sqlalchemy.engine import Connection

    from node.standard.facts import Facts

NOT_DELIVERED: Final = frozenset(
    {"Acknowledgement", "Rejection", "Alarm", "StreamReturn", "Redaction", "SummaryVerdict", "FigureComparison"}
)
"""What nodes tell each other about their own doings; no department's system has a use for it."""
USUAL_TYPES: Final = frozenset(
    name for name, kind in RECORD_TYPES.items() if DIRECTED in kind.audiences and name not in NOT_DELIVERED
)
"""What goes down unless a route names its types: everything that is directed to a node for one of its departments."""
DELIVERABLE_TYPES: Final = frozenset(
    name
    for name, kind in RECORD_TYPES.items()
    if name not in NOT_DELIVERED and (name in USUAL_TYPES or kind.family in {"case", "penalty"})
)
"""What a route may name: the usual types, and records of cases that another door took in for the department."""
_REPORTING: Final = select(stream.c.id).where(stream.c.audience == ANCESTORS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What goes down through one adapter: records of ``record_types`` for ``organisations`` (codes, at least one).

    ``source`` is the adapter's own; ``since`` the first day of the records, None for all that this node holds.
    """

    adapter: str
    source: str
    organisations: frozenset[str]
    record_types: frozenset[str] = USUAL_TYPES
    since: date | None = None


def organisation_of(connection: Connection, facts: Facts, subject: str) -> str | None:
    """Return the code of the organisation that a record is for, None when nothing says it.

    ``subject`` is what ``subject_of`` found.
    """
    if facts.organisation:
        return facts.organisation
    if subject:
        found = connection.scalar(
            select(downward_delivery.c.organisation)
            .where(downward_delivery.c.subject == subject, downward_delivery.c.organisation != "")
            .limit(1)
        )
        if found:
            return str(found)
    return None if facts.case_no is None else _organisation_of_case(connection, facts.case_no)


def subject_of(element: Any) -> str:
    """Return the number of the notice that a record is, or speaks of; "" for none."""
    return element.findtext(f"{TAG_PREFIX}NoticeNo") or ""


def is_wanted(route: Route, facts: Facts) -> bool:
    """Tell whether a route wants a record with these facts, whichever organisation it is for."""
    if facts.record_type not in route.record_types:
        return False
    return route.since is None or (facts.event_day or "") >= route.since.isoformat()


def is_own(connection: Connection, route: Route, facts: Facts, record_key: int) -> bool:
    """Tell whether the record came in through the route's own source."""
    known = lookup_many(connection, route.source, (facts.source_key,))
    return any(one.record_key == record_key for one in known.values())


def _organisation_of_case(connection: Connection, case_no: str) -> str | None:
    for table in (case_fact, penalty_fact):
        # By stream and number, which is how cases are indexed: a number alone would read them all.
        found: str | None = connection.scalar(
            select(table.c.organisation)
            .where(table.c.stream_id.in_(_REPORTING), table.c.case_no == case_no, table.c.organisation.is_not(None))
            .limit(1)
        )
        if found is not None:
            return found
    return None
