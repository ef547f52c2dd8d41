"""A node in which every table derived from records has rows: cases of two counties, the catalogue, summaries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from node.cases.penalties import penalty_projection
from node.cases.projection import CaseProjection
from node.cases.reference import ReferenceProjection, repair_cases
from node.cases.requests import RequestProjection
from node.journal.entries import NO_AUTHORITY, read_entry
from node.statistics.counters import Counters
from node.statistics.indicators import contribution
from node.statistics.summaries import SummaryProjection
from node.upkeep.projected import Derived
from tests.support.case_nodes import CaseNode
from tests.support.case_records import bodies, case_no, item_body
from tests.support.penalty_records import bodies as penalty_bodies
from tests.support.roll_up import entries_of, publish, verdicts
from tests.support.samples import record
from tests.support.stores import new_memory_store

if TYPE_CHECKING:
    from node.journal.store import Store

CITY = "360100"
COUNTY = "360102"
FULL = "apply accept handle review decide grant"


def derive() -> Derived:
    """Projections like those of a ``CaseNode``, which remember nothing."""
    cases = CaseProjection(contribution=contribution, counters=Counters())
    others: tuple[Any, ...] = (penalty_projection(), RequestProjection(), ReferenceProjection(cases))
    return Derived(cases=cases, projections=(cases, *others, SummaryProjection()))


def fill_node(store: Store, *, cases: int = 6) -> CaseNode:
    """Fill a city: a county's cases with odd ones, a penalty, requests, summaries, late items, a quarantined record."""
    county = CaseNode(new_memory_store(), COUNTY)
    for number in range(1, cases + 1):
        county.append(bodies(FULL if number % 3 else "accept apply grant", case_no=case_no(number)))
    county.append(penalty_bodies("clue file close"))
    county.append([record("Complaint"), record("Consultation")])
    publish(county)
    city = CaseNode(store, CITY)
    city.copy_from(county, cuts=[3, 5, 9])
    later = [read_entry(one) for one in bodies("apply accept", case_no=case_no(90))]
    later[0].quarantine = NO_AUTHORITY
    other = [read_entry(one) for one in bodies("apply accept handle", case_no=case_no(91))]
    other[1].quarantine = NO_AUTHORITY
    city.receive(later, "360103")
    city.receive(other, "360103")
    city.receive([read_entry(one) for one in catalogue()], "360000", "descendants")
    city.store.write(lambda transaction: city.journal.requeue(transaction, [other[1].key]))
    city.append(bodies("apply accept", case_no=case_no(92)))
    publish(city)
    while repair_cases(city.store, city.cases):
        pass
    verdicts(city)
    assert entries_of(city)
    return city


def catalogue() -> list[bytes]:
    """Reference data of the root: an item that asks for more than the cases brought, a calendar, an office, a place."""
    material = {"MaterialName": "材料", "Originals": "1", "Copies": "0", "Required": "true"}
    return [item_body(MaterialItem=[material] * 4), record("Calendar"), record("Organisation"), record("Division")]
