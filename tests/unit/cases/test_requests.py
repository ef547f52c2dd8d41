"""Consultations and complaints: the version in effect, with a case or without, from whichever node."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING, Any

from node.cases.view import show_case
from node.journal.entries import NO_AUTHORITY, read_entry
from tests.support.case_nodes import CaseNode
from tests.support.case_records import bodies
from tests.support.samples import CASE_NO, record
from tests.support.stores import new_memory_store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.journal.store import Store

COUNTY, CITY = "360102", "360100"


def complaint(version: int = 1, **changes: Any) -> bytes:
    return record("Complaint", **{"DataVersion": str(version), "Correction": None, **changes})


def titles(node: CaseNode) -> list[str]:
    with node.store.reading() as connection:
        case = show_case(connection, CASE_NO)
    assert case is not None
    return [(one.content or {})["Title"] for one in case.requests]


def test_a_complaint_is_shown_with_its_case_and_moves_nothing(any_store: Store) -> None:
    node = CaseNode(any_store, COUNTY)
    node.append(bodies("apply accept"))
    before = node.case(CASE_NO)
    node.append([complaint(Title="时间过长"), record("Consultation", Title="何时办结", RecordKey="ZX1")])
    assert node.case(CASE_NO) == before
    assert node.finding_codes(CASE_NO) == []
    assert titles(node) == ["时间过长", "何时办结"]


def test_a_hotline_of_another_node_may_complain_before_the_case_is_known(any_store: Store) -> None:
    node = CaseNode(any_store, CITY)
    node.append([complaint(Title="早到")])
    with any_store.reading() as connection:
        assert show_case(connection, CASE_NO) is None
    node.receive([read_entry(one) for one in bodies("apply")], COUNTY)
    assert titles(node) == ["早到"]


def test_a_request_about_no_case_belongs_to_none(any_store: Store) -> None:
    node = CaseNode(any_store, COUNTY)
    node.append([*bodies("apply"), record("Consultation", CaseNo=None, TaskCode=None)])
    assert titles(node) == []
    (request,) = node.tables()["requests"]
    assert request[4] is None


def test_the_newest_version_counts_whatever_the_order(any_store: Store) -> None:
    versions = [complaint(1, Title="一"), complaint(2, Title="二"), complaint(3, Title="三", RequestState="ANSWERED")]
    for order in permutations(versions):
        node = CaseNode(new_memory_store(), COUNTY)
        node.append(bodies("apply"))
        for one in order:
            node.append([one])
        assert titles(node) == ["三"]
    together = CaseNode(any_store, COUNTY)
    together.append([*bodies("apply"), *versions])
    assert titles(together) == ["三"]


def test_of_the_same_version_the_first_one_counts(any_store: Store) -> None:
    node = CaseNode(any_store, COUNTY)
    node.append([*bodies("apply"), complaint(Title="先"), complaint(Title="后")])
    node.append([complaint(Title="再后")])
    assert titles(node) == ["先"]


def test_a_quarantined_complaint_neither_counts_nor_holds_back_its_case(any_store: Store) -> None:
    node = CaseNode(any_store, CITY)
    entries = [read_entry(one) for one in [*bodies("apply"), complaint(Title="隔离"), *bodies("accept", start=1)]]
    entries[1].quarantine = NO_AUTHORITY
    node.receive(entries, COUNTY)
    assert titles(node) == []
    assert node.case(CASE_NO).state == 5
    node.store.write(lambda transaction: node.journal.requeue(transaction, [entries[1].key]))
    assert titles(node) == ["隔离"]
    check_rebuild([node])


def test_requests_stand_in_streams_to_ancestors_only(any_store: Store) -> None:
    node = CaseNode(any_store, CITY)
    node.receive([read_entry(complaint())], "360000", audience="descendants")
    assert node.tables()["requests"] == []


def check_rebuild(nodes: Sequence[CaseNode]) -> None:
    for node in nodes:
        before = node.tables()
        node.journal.rebuild()
        assert node.tables() == before
