"""A case that begins under a division code which holds no more has a finding, whenever the division's end arrives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from node.cases import reference
from node.cases.findings import DIVISION_LAPSED, NO_APPLICATION, STEPS_INCOMPLETE
from node.cases.reference import repair_cases
from node.cases.tables import division_repair
from node.journal.entries import read_entry
from tests.support.case_nodes import CaseNode
from tests.support.case_records import bodies, case_no
from tests.support.penalty_records import PENALTY_NO
from tests.support.penalty_records import bodies as penalty_bodies
from tests.support.samples import CASE_NO, record
from tests.support.stores import new_memory_store

if TYPE_CHECKING:
    from node.journal.store import Store

LINE = "apply accept"
"""Both on 2026-01-05, the day on which the generated cases begin, under 360102."""


def division(**changes: str | None) -> bytes:
    return record("Division", **{"ValidFrom": None, "ValidTo": None, "ReplacedBy": None, **changes})


ENDED = division(ValidTo="2025-12-31", ReplacedBy="360112")


def node_with(store: Store, *divisions: bytes) -> CaseNode:
    node = CaseNode(store, "360100")
    if divisions:
        node.receive([read_entry(one) for one in divisions], "360000", "descendants")
    return node


@pytest.mark.parametrize(
    ("divisions", "expected"),
    [
        ((), []),
        ((division(),), []),
        ((ENDED,), [DIVISION_LAPSED]),
        ((division(ValidTo="2026-01-05"),), []),
        ((division(ValidTo="2026-01-04"),), [DIVISION_LAPSED]),
        ((ENDED, division(ValidFrom="2026-01-01", RecordKey="again")), []),
        ((division(ValidFrom="2027-01-01"),), []),
    ],
)
def test_the_validity_on_the_day_of_the_first_record_decides(
    memory: Store, divisions: tuple[bytes, ...], expected: list[str]
) -> None:
    node = node_with(memory, *divisions)
    node.receive([read_entry(body) for body in bodies(LINE)], "360102")
    assert node.finding_codes(CASE_NO) == expected


def test_an_open_case_goes_on_under_the_old_code(memory: Store) -> None:
    """It began on 2026-01-05, the code's last day; what follows is weeks later."""
    node = node_with(memory, division(ValidTo="2026-01-05", ReplacedBy="360112"))
    node.receive([read_entry(body) for body in bodies("apply")], "360102")
    node.receive([read_entry(body) for body in bodies("accept", start=700)], "360102")
    assert node.finding_codes(CASE_NO) == []


def test_a_case_that_begins_with_a_later_step_is_new_too(memory: Store) -> None:
    node = node_with(memory, ENDED)
    node.receive([read_entry(body) for body in bodies("accept")], "360102")
    assert node.finding_codes(CASE_NO) == [DIVISION_LAPSED, NO_APPLICATION, STEPS_INCOMPLETE]


def test_penalties_are_not_judged_by_it(memory: Store) -> None:
    """A penalty lasts for years and names the division of the authority; reference data say nothing of it."""
    node = node_with(memory, ENDED)
    node.receive([read_entry(body) for body in penalty_bodies("clue")], "360102")
    assert node.tables()["penalty findings"] == []
    assert PENALTY_NO in str(node.tables()["penalties"])


def test_an_end_that_arrives_late_gives_the_same_as_one_that_was_there(any_store: Store) -> None:
    late = node_with(any_store, division())
    late.receive([read_entry(body) for body in bodies(LINE)], "360102")
    assert late.finding_codes(CASE_NO) == []
    late.receive([read_entry(ENDED)], "360000", "descendants")
    early = node_with(new_memory_store(), ENDED)
    early.receive([read_entry(body) for body in bodies(LINE)], "360102")
    assert late.finding_codes(CASE_NO) == early.finding_codes(CASE_NO) == [DIVISION_LAPSED]
    assert late.tables()["findings"] == early.tables()["findings"]


def test_an_end_that_is_taken_back_takes_the_finding_back(memory: Store) -> None:
    node = node_with(memory, ENDED)
    node.receive([read_entry(body) for body in bodies(LINE)], "360102")
    node.receive([read_entry(division(RecordKey="taken-back"))], "360000", "descendants")
    assert node.finding_codes(CASE_NO) == []
    with memory.reading() as connection:
        assert connection.execute(select(division_repair)).all() == []


def test_cases_of_other_divisions_are_left_alone(memory: Store) -> None:
    node = node_with(memory)
    node.receive([read_entry(body) for body in bodies(LINE, DivisionCode="360103")], "360103")
    node.receive([read_entry(ENDED)], "360000", "descendants")
    assert node.finding_codes(CASE_NO) == []


def test_the_repair_goes_on_in_bounded_steps_and_comes_to_an_end(
    memory: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seven cases, the third of another division; three cases looked through at a time, at most two re-projected."""
    node = node_with(memory)
    for number in range(1, 8):
        where = "360103" if number == 3 else "360102"
        made = bodies(LINE, case_no=case_no(number), DivisionCode=where)
        node.receive([read_entry(body) for body in made], "360102")
    monkeypatch.setattr(reference, "WINDOW", 3)
    monkeypatch.setattr(reference, "REPAIRS_MAX", 2)
    node.receive([read_entry(ENDED)], "360000", "descendants")
    steps = []
    while done := repair_cases(memory, node.cases):
        steps.append(done)
    # At once: 1, 2. Then 4, 5 (3 is looked over), and 6, 7.
    assert steps == [2, 2]
    found = [node.finding_codes(case_no(number)) for number in range(1, 8)]
    assert found == [[] if number == 3 else [DIVISION_LAPSED] for number in range(1, 8)]


def test_a_rebuild_finds_the_same(any_store: Store) -> None:
    node = node_with(any_store, ENDED)
    node.receive([read_entry(body) for body in bodies(LINE)], "360102")
    before = node.tables()
    node.journal.rebuild()
    assert node.tables() == before
