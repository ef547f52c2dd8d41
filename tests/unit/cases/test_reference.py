"""Reference data: versions by date, late arrival, bounded repair."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from node.cases import reference
from node.cases.findings import FREE_ITEM_CHARGED, MATERIALS_INCOMPLETE
from node.cases.reference import EVER, repair_cases
from node.cases.tables import calendar, case_repair, division, item, organisation
from node.journal.entries import NO_AUTHORITY, read_entry
from node.trust import notices
from tests.support.case_nodes import CaseNode
from tests.support.case_records import bodies, case_no, item_body
from tests.support.samples import CASE_NO, CREDIT_CODE, record
from tests.support.stores import new_memory_store

if TYPE_CHECKING:
    import pytest

    from node.journal.store import Store

MATERIAL = {"MaterialName": "材料", "Originals": "1", "Copies": "0", "Required": "true"}
FREE = item_body(IsFee="false", FeeBasis=None, FeeItem=None, MaterialItem=[MATERIAL] * 4)
LINE = "apply accept paid"


def test_an_item_that_arrives_late_gives_the_same_as_one_that_was_there(any_store: Store) -> None:
    late = CaseNode(any_store, "360100")
    late.receive([read_entry(one) for one in bodies(LINE)], "360102")
    assert late.finding_codes(CASE_NO) == []
    late.receive([read_entry(FREE)], "360000", "descendants")
    early = CaseNode(new_memory_store(), "360100")
    early.receive([read_entry(FREE)], "360000", "descendants")
    early.receive([read_entry(one) for one in bodies(LINE)], "360102")
    assert late.finding_codes(CASE_NO) == early.finding_codes(CASE_NO) == [FREE_ITEM_CHARGED, MATERIALS_INCOMPLETE]
    # Rows of records name streams by name, so arrival order does not show in them either.
    assert late.tables() == early.tables()


def test_a_division_has_the_admissions_that_wait_looked_at_again(memory: Store) -> None:
    root = CaseNode(memory, "360000")
    memory.write(lambda transaction: notices.note(transaction, 7))
    memory.write(lambda transaction: notices.wait(transaction, 7, "360100"))
    with memory.reading() as connection:
        assert list(notices.fresh(connection)) == []
    root.append([record("Division", DivisionCode="360102", RecordKey="360102")], "descendants")
    with memory.reading() as connection:
        assert list(notices.fresh(connection)) == [7]


def test_an_item_of_another_day_or_task_changes_nothing(memory: Store) -> None:
    node = CaseNode(memory, "360102")
    node.append(bodies(LINE))
    other_day = item_body(IsFee="false", FeeBasis=None, FeeItem=None, ValidFrom="2026-01-06", MaterialItem=None)
    other_task = item_body(IsFee="false", FeeBasis=None, FeeItem=None, TaskCode="X-1", MaterialItem=None)
    node.receive([read_entry(other_day), read_entry(other_task)], "360000", "descendants")
    assert node.finding_codes(CASE_NO) == []


def test_a_newer_version_counts_from_its_day_on(memory: Store) -> None:
    node = CaseNode(memory, "360102")
    node.append(bodies("apply accept"))
    asks_four = item_body(MaterialItem=[MATERIAL] * 4)
    asks_none = item_body(TaskVersion="2", MaterialItem=None)
    node.receive([read_entry(asks_four)], "360000", "descendants")
    assert node.finding_codes(CASE_NO) == [MATERIALS_INCOMPLETE]
    node.receive([read_entry(asks_none)], "360000", "descendants")
    assert node.finding_codes(CASE_NO) == []


def test_repair_is_bounded_and_goes_on(memory: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "REPAIRS_MAX", 2)
    node = CaseNode(memory, "360102")
    numbers = [case_no(number) for number in range(1, 6)]
    node.append([one for number in numbers for one in bodies("apply accept", case_no=number)])
    node.receive([read_entry(FREE)], "360000", "descendants")
    done = [number for number in numbers if node.finding_codes(number)]
    assert len(done) == 2
    assert [repair_cases(memory, node.cases) for _ in range(4)] == [2, 1, 0, 0]
    assert all(node.finding_codes(number) == [MATERIALS_INCOMPLETE] for number in numbers)


def test_an_item_in_the_stream_of_its_cases_is_repaired_by_the_job(memory: Store) -> None:
    node = CaseNode(memory, "360102")
    node.append([*bodies("apply accept"), FREE])
    assert node.finding_codes(CASE_NO) == []
    assert repair_cases(memory, node.cases) == 1
    assert node.finding_codes(CASE_NO) == [MATERIALS_INCOMPLETE]


def test_the_same_item_again_repairs_nothing(memory: Store) -> None:
    node = CaseNode(memory, "360102")
    node.append([*bodies("apply accept"), FREE])
    repair_cases(memory, node.cases)
    node.append([FREE])
    with memory.reading() as connection:
        assert connection.execute(select(case_repair)).all() == []


def test_two_origins_of_one_version_do_not_depend_on_who_came_first(memory: Store) -> None:
    node = CaseNode(memory, "360102")
    node.append(bodies("apply accept"))
    node.receive([read_entry(FREE)], "360100", "descendants")
    assert node.finding_codes(CASE_NO) == [MATERIALS_INCOMPLETE]
    node.receive([read_entry(item_body(MaterialItem=None))], "360000", "descendants")
    assert node.finding_codes(CASE_NO) == []


def test_an_item_in_two_streams_of_its_origin_does_not_depend_on_which_came_first(any_store: Store) -> None:
    node = CaseNode(any_store, "360100")
    asks_none = read_entry(item_body(MaterialItem=None))
    node.receive([read_entry(FREE)], "360102")
    node.receive([asks_none], "360102", "descendants")
    other = CaseNode(new_memory_store(), "360100")
    other.receive([asks_none], "360102", "descendants")
    other.receive([read_entry(FREE), read_entry(FREE)], "360102")
    for one in (node, other):
        one.receive([read_entry(made) for made in bodies("apply accept")], "360103")
        assert one.finding_codes(CASE_NO) == []
        with one.store.reading() as connection:
            assert connection.scalar(select(item.c.charges))
    # Within the stream that counts the later record counts.
    node.receive([read_entry(FREE)], "360102", "descendants")
    repair_cases(any_store, node.cases)
    assert node.finding_codes(CASE_NO) == [MATERIALS_INCOMPLETE]


def test_all_kinds_of_reference_data_are_kept_with_their_versions(any_store: Store) -> None:
    node = CaseNode(any_store, "360000")
    node.append(
        [
            record("Division", ValidFrom=None),
            record("Division", ValidFrom="2000-01-01", DivisionName="新区"),
            record("Organisation"),
            record("Calendar"),
            record("Calendar", CalendarVersion="2", Status="PROVISIONAL", OffDay=None, WorkDay=None),
            item_body(),
        ],
        "descendants",
    )
    with any_store.reading() as connection:
        divisions = connection.execute(select(division.c.valid_from, division.c.name).order_by("valid_from")).all()
        assert [tuple(row) for row in divisions] == [(EVER, "东湖区"), ("2000-01-01", "新区")]
        assert connection.scalar(select(organisation.c.code)) == CREDIT_CODE
        calendars = connection.execute(select(calendar).order_by(calendar.c.version)).all()
        assert [(row.official, row.off_days, row.work_days) for row in calendars] == [
            (True, "2026-01-01 2026-01-02", "2026-01-04"),
            (False, "", ""),
        ]
        held = connection.execute(select(item)).one()
        assert (held.charges, held.required_materials, held.valid_to) == (True, 1, "2030-12-31")
    before = dump(node)
    node.journal.rebuild()
    assert dump(node) == before


def dump(node: CaseNode) -> list[object]:
    with node.store.reading() as connection:
        return [connection.execute(select(table)).all() for table in (item, organisation, division, calendar)]


def test_a_quarantined_item_counts_from_its_requeue_on_and_never_beats_a_later_one(memory: Store) -> None:
    node = CaseNode(memory, "360102")
    node.append(bodies("apply accept"))
    early = read_entry(item_body(MaterialItem=[MATERIAL] * 9))
    early.quarantine = NO_AUTHORITY
    node.receive([early, read_entry(item_body(MaterialItem=None))], "360000", "descendants")
    assert node.finding_codes(CASE_NO) == []
    memory.write(lambda transaction: node.journal.requeue(transaction, [early.key]))
    assert node.finding_codes(CASE_NO) == []
    with memory.reading() as connection:
        assert connection.scalar(select(item.c.required_materials)) == 0
