"""The paths against an independent judge: the node's own checks of logic."""

from __future__ import annotations

import pytest

from node.cases.findings import ItemTerms
from node.cases.history import Recorded, replay
from node.demo.applicants import make_applicant
from node.demo.catalogue import items_of
from node.demo.chance import Chance
from node.demo.history import CaseFile
from node.demo.paths import PATHS
from node.demo.workdays import MONTH_START, later
from node.standard.codec import parse_record
from node.standard.compose import compose
from node.standard.facts import facts_of
from node.standard.identifiers import case_number

ITEMS = items_of("360102", "东湖区")
SALT = bytes(16)


def walked(path: str, serial: int) -> CaseFile:
    chance = Chance(f"{path}/{serial}")
    item = ITEMS[serial % len(ITEMS)]
    begun_at = later(MONTH_START, 1, chance)
    department = item.department
    number = case_number(
        department.division, department.credit_code, item.plan.catalogue_code, begun_at.date(), serial + 1
    )
    applicant = make_applicant(item.plan.applicant, chance)
    case = CaseFile(case_number=number, item=item, applicant=applicant, chance=chance, now=begun_at)
    PATHS[path].walk(case)
    return case


def findings_of(case: CaseFile) -> set[str]:
    plan = case.item.plan
    terms = ItemTerms(
        version=1,
        valid_from="2020-01-01",
        valid_to=None,
        charges=plan.fee_yuan is not None,
        required_materials=len(plan.materials),
    )
    bodies = [compose(act.record_type, {**act.content, "Channel": "API"}, salt=SALT) for act in case.acts]
    records = [Recorded(key, facts_of(parse_record(body)), quarantined=False) for key, body in enumerate(bodies)]
    return {finding.code for finding in replay(records, [terms]).findings}


@pytest.mark.parametrize("path", [name for name, path in PATHS.items() if not path.illogical])
def test_nothing_is_found_on_a_legal_path(path: str) -> None:
    found = {serial: findings_of(walked(path, serial)) for serial in range(2 * len(ITEMS))}
    assert found == {serial: set() for serial in found}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("accepted_after_conclusion", {"LOGIC-ACCEPT-AFTER-CONCLUSION"}),
        ("steps_backward", {"LOGIC-STEP-BEFORE-PREVIOUS"}),
        ("steps_missing", {"LOGIC-STEPS-INCOMPLETE"}),
        ("supplement_before_notice", {"LOGIC-SUPP-RECEIPT-BEFORE-NOTICE"}),
        ("fee_wrong", {"LOGIC-FREE-ITEM-CHARGED", "LOGIC-FEE-UNPAID"}),
        ("ended_without_reason", {"LOGIC-REASON-MISSING"}),
    ],
)
def test_an_illogical_path_is_found_every_time(path: str, expected: set[str]) -> None:
    for serial in range(len(ITEMS)):
        assert findings_of(walked(path, serial)) & expected, f"{path} {serial}"


def test_every_illogical_path_has_a_test() -> None:
    assert len([path for path in PATHS.values() if path.illogical]) == 6
