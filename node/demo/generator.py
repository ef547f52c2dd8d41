"""A month of case histories of one division, from a seed.

``generate_month`` gives the records of October 2026 in the order in which a department's systems would send them: most
cases in order, a share late, refused or illogical (all of these are accepted by a node), and a few rows that no node
may accept, marked as such. Everybody in them is made up and says so (node.demo.applicants).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from node.demo.applicants import CITIZEN, make_applicant
from node.demo.chance import Chance
from node.demo.codes import wrong_check_digit
from node.demo.history import Act, CaseFile
from node.demo.paths import PATHS
from node.demo.workdays import MONTH_END, in_office_hours, working_days
from node.standard.identifiers import case_number

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from node.demo.catalogue import Item
    from node.standard.compose import Value

INVALID_SHARE: Final = 100
"""One row in about this many cases must be refused; at least two in any month. Our own choice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedRecord:
    """One record to offer: ``content`` has neither Salt nor Channel; not ``valid`` means a node must refuse it."""

    record_type: str
    sent_at: datetime
    content: dict[str, Value]
    valid: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """What was generated: all records in the order of sending, and what is known about them.

    ``cases`` counts those with at least one valid record, ``illogical`` and ``late`` how many of them were made so,
    ``invalid`` the records that must be refused.
    """

    records: tuple[GeneratedRecord, ...]
    cases: int
    illogical: int
    late: int
    invalid: int


def generate_month(items: Sequence[Item], *, cases: int, seed: int | str, first_serial: int = 1) -> Month:
    """Return a month of one division's cases.

    Args:
        items: the services of one division; not empty.
        cases: how many cases, 0 or more. Those begun late in the month are still open at its end.
        seed: the same seed, items and number give the same month, to the byte.
        first_serial: where the serials of the case numbers begin, so that two calls have no case in common.
    """
    records: list[GeneratedRecord] = []
    kinds: list[str] = []
    for serial in range(first_serial, first_serial + cases):
        kind, acts = _one_case(items, serial, Chance(f"{seed}/{items[0].department.division}/{serial}"))
        kinds.append(kind)
        records += [
            GeneratedRecord(record_type=act.record_type, sent_at=act.sent_at, content=dict(act.content)) for act in acts
        ]
    invalid = _invalid_records(
        items, cases, first_serial + cases, Chance(f"{seed}/{items[0].department.division}/invalid")
    )
    # Sorting is stable: acts of a case that were sent in the same second keep their order.
    ordered = sorted([*records, *invalid], key=lambda record: record.sent_at)
    return Month(
        records=tuple(ordered),
        cases=cases,
        illogical=sum(PATHS[kind].illogical for kind in kinds),
        late=sum(PATHS[kind].late for kind in kinds),
        invalid=len(invalid),
    )


def _one_case(items: Sequence[Item], serial: int, chance: Chance) -> tuple[str, list[Act]]:
    """Return the path that one case takes and what of it falls into the month (the application always does)."""
    item = chance.pick(items)
    case = _case_file(item, serial, chance)
    kind = chance.weighted({name: path.weight for name, path in PATHS.items()})
    PATHS[kind].walk(case)
    acts = [act for act in case.acts if act.sent_at < MONTH_END]
    if len(acts) < len(case.acts) and (PATHS[kind].illogical or PATHS[kind].late):
        kind = "granted"  # What would have been wrong with it lies beyond the month.
    return kind, acts


def _case_file(item: Item, serial: int, chance: Chance) -> CaseFile:
    applied_at = in_office_hours(chance.pick(working_days()), chance)
    number = case_number(
        item.department.division, item.department.credit_code, item.plan.catalogue_code, applied_at.date(), serial
    )
    applicant = make_applicant(item.plan.applicant, chance)
    return CaseFile(case_number=number, item=item, applicant=applicant, chance=chance, now=applied_at)


def _invalid_records(items: Sequence[Item], cases: int, first_serial: int, chance: Chance) -> list[GeneratedRecord]:
    """Return rows that must be refused, by turns: a code that does not exist, a wrong check digit."""
    if cases == 0:
        return []
    count = max(2, cases // INVALID_SHARE)
    return [_invalid_record(items, first_serial + index, index % 2 == 0, chance) for index in range(count)]


def _invalid_record(items: Sequence[Item], serial: int, wrong_code: bool, chance: Chance) -> GeneratedRecord:  # noqa: FBT001 - private, two kinds.
    citizens = [item for item in items if item.plan.applicant == CITIZEN] or list(items)
    case = _case_file(chance.pick(citizens), serial, chance)
    if wrong_code:
        case.accept()
        broken = {"AcceptanceState": "7"}
    else:
        case.apply()
        broken = {"ApplicantIdNo": wrong_check_digit(case.applicant.id_number)}
    act = case.acts[0]
    content = {**act.content, **broken}
    return GeneratedRecord(record_type=act.record_type, sent_at=act.sent_at, content=content, valid=False)
