"""What is written for the doors is what the doors read; what is planned is what they must answer."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from io import BytesIO
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from node.demo import feeding
from node.demo.catalogue import items_of
from node.demo.feeding import API, CSV, DIALECTS, DOORS, UP, XLSX, expected_doors, feed_all, offer, plan_feed
from node.demo.generator import GeneratedRecord, generate_month
from node.demo.raising import plan_nodes
from node.demo.writers import csv_files, csv_table, delivery, item_file, organisation_file
from node.departments.dialects import Dialects, read
from node.departments.prepare import prepare
from node.errors import DemonstrationError, UsageError
from node.randomness import SeededRandomness
from node.standard.families import PENALTY_HEADER, RECORD_TYPES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ITEMS = items_of("360102", "东湖区")
NEW_TYPES = {
    "Certificate",
    "Delivery",
    "Evaluation",
    *(name for name, kind in RECORD_TYPES.items() if kind.header == PENALTY_HEADER),
}


@pytest.fixture(scope="module")
def records() -> Sequence[GeneratedRecord]:
    return generate_month(ITEMS, cases=60, seed=3).records


def accepted(dialect: str, path: Path) -> list[tuple[str, str] | None]:
    """Type and case number of each record as intake reads it, None for a refused one."""
    with path.open("rb") as stream:
        prepared = prepare(read(dialect, stream), channel="IMPORT", randomness=SeededRandomness(1))
    return [
        None if one.entry is None or one.entry.facts is None else (one.entry.record_type, str(one.entry.facts.case_no))
        for one in prepared
    ]


def offered(records: Sequence[GeneratedRecord]) -> list[tuple[str, str] | None]:
    return [(one.record_type, str(one.content["CaseNo"])) if one.valid else None for one in records]


@pytest.mark.parametrize("chinese", [True, False])
def test_a_table_is_read_as_it_was_generated(
    records: Sequence[GeneratedRecord], tmp_path: Path, *, chinese: bool
) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(csv_table(records, chinese=chinese))
    assert accepted("csv", path) == offered(records)


def test_weekly_tables_hold_everything_in_order(records: Sequence[GeneratedRecord], tmp_path: Path) -> None:
    paths = csv_files(tmp_path, records)
    assert [path.name for path in paths] == [f"cases-2026-w{week}.csv" for week in (41, 42, 43, 44)]
    assert [one for path in paths for one in accepted("csv", path)] == offered(records)


@pytest.mark.parametrize("door", [API, UP, XLSX])
def test_what_goes_through_a_door_is_read_as_it_was_generated(door: str) -> None:
    for feed in plan_feed(cases=60, seed=3):
        records = feed.by_door[door]
        stream = BytesIO(delivery(DIALECTS[door], records))
        prepared = prepare(Dialects().read(DIALECTS[door], stream), channel="IMPORT", randomness=SeededRandomness(1))
        found = Counter(
            (one.entry.facts.record_type, str(one.entry.facts.case_no))
            for one in prepared
            if one.entry is not None and one.entry.facts is not None
        )
        assert found == Counter(one for one in offered(records) if one is not None)
        assert len(prepared) == len(records)


def test_tables_make_the_same_content_of_a_record_whatever_file_they_stand_in(
    records: Sequence[GeneratedRecord], tmp_path: Path
) -> None:
    valid = [one for one in records if one.valid]
    path = tmp_path / "table.csv"
    path.write_bytes(csv_table(valid, chinese=True))
    hashes = []
    for dialect, data in (("csv", path.read_bytes()), ("xlsx", delivery("xlsx", valid))):
        prepared = prepare(read(dialect, BytesIO(data)), channel="IMPORT", randomness=SeededRandomness(1))
        hashes.append(sorted(one.content_hash for one in prepared))
    assert hashes[0] == hashes[1]


def test_a_dialect_that_is_read_only_cannot_be_a_delivery(
    records: Sequence[GeneratedRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    read_only = replace(Dialects().find("json"), writes=None)
    monkeypatch.setattr(Dialects, "find", lambda _self, _name: read_only)
    with pytest.raises(UsageError, match="cannot be written"):
        delivery("json", records)


def test_items_and_departments_follow_the_standard(tmp_path: Path) -> None:
    for path, count in ((item_file(tmp_path, ITEMS), len(ITEMS)), (organisation_file(tmp_path, ITEMS), 9)):
        with path.open("rb") as stream:
            prepared = prepare(read("standard", stream), channel="IMPORT", randomness=SeededRandomness(1))
        assert [one.problems for one in prepared] == [()] * count


def test_cases_are_shared_out_and_each_goes_through_one_door() -> None:
    feeds = plan_feed(cases=61, seed=3)
    assert [feed.month.cases for feed in feeds] == [31, 30]
    for feed in feeds:
        doors = Counter(
            number for door in DOORS for number in {str(one.content["CaseNo"]) for one in feed.by_door[door]}
        )
        assert set(doors.values()) == {1}
        assert min(len(feed.by_door[door]) for door in DOORS) > 0
        assert sum(feed.expected(door)["refused"] for door in DOORS) == feed.month.invalid


def test_expected_figures_add_up_over_the_counties() -> None:
    feeds = plan_feed(cases=60, seed=3)
    total = expected_doors(feeds)
    # Beside the month there is what only new systems send: attached records and penalties.
    # Exchange tables list materials in a table of their own.
    further = [
        one
        for feed in feeds
        for door, types in ((XLSX, NEW_TYPES), (UP, {"Material"}))
        for one in feed.by_door[door]
        if one.record_type in types
    ]
    assert len({one.record_type for one in further}) > 5
    month = sum(len(feed.month.records) for feed in feeds)
    assert sum(door["offered"] for door in total.values()) == month + len(further)
    for door in total.values():
        assert door["offered"] == door["accepted"] + door["refused"]


def test_every_door_of_every_county_is_fed_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    feeds = plan_feed(cases=30, seed=3)
    nodes = plan_nodes(tmp_path)
    imports: list[tuple[str, ...]] = []

    def answer_import(_home: Path, *arguments: str, accepted: object) -> dict[str, Any]:  # noqa: ARG001 - as called.
        imports.append(arguments)
        return {"offered": 3, "accepted": 2, "refused": 1, "repeated": 0}

    def answer_api(_client: object, key: str, records: Sequence[object], *, idempotency_key: str) -> dict[str, Any]:
        assert key == f"key-{idempotency_key.split('-')[1]}"
        return {"offered": len(records), "accepted": len(records), "refused": 0, "repeated": 0}

    monkeypatch.setattr(feeding, "call", answer_import)
    monkeypatch.setattr(feeding, "offer", answer_api)
    tally = feed_all(feeds, nodes, {feed.county: f"key-{feed.county}" for feed in feeds})
    assert tally.doors[API]["offered"] == sum(len(feed.by_door[API]) for feed in feeds)
    tables = [one for one in imports if DIALECTS[CSV] in one]
    assert tally.doors[CSV] == {
        "offered": 3 * len(tables),
        "accepted": 2 * len(tables),
        "refused": len(tables),
        "repeated": 0,
    }
    for door in (UP, XLSX):
        assert tally.doors[door]["offered"] == 3 * len(feeds)


def test_an_api_that_answers_without_a_report_is_an_error() -> None:
    def refuse(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(401, json={"what": "no API key"})

    with (
        httpx.Client(base_url="http://node", transport=httpx.MockTransport(refuse)) as client,
        pytest.raises(DemonstrationError, match="answered 401"),
    ):
        offer(client, "wrong", [], idempotency_key="1")


def test_a_busy_api_is_asked_again_with_the_same_key() -> None:
    keys = []

    def answer(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["Idempotency-Key"])
        if len(keys) < 3:
            return httpx.Response(503, headers={"Retry-After": "0"}, json={"what": "busy"})
        return httpx.Response(200, json={"offered": 0, "accepted": 0, "refused": 0, "repeated": 0})

    with httpx.Client(base_url="http://node", transport=httpx.MockTransport(answer)) as client:
        assert offer(client, "key", [], idempotency_key="k1")["accepted"] == 0
    assert keys == ["k1", "k1", "k1"]


def test_an_api_that_stays_busy_is_given_up() -> None:
    busy = httpx.MockTransport(lambda _: httpx.Response(503, headers={"Retry-After": "0"}, json={"what": "busy"}))
    with (
        httpx.Client(base_url="http://node", transport=busy) as client,
        pytest.raises(DemonstrationError, match="answered 503"),
    ):
        offer(client, "key", [], idempotency_key="k1")


def test_a_row_that_fills_two_columns_of_one_element_is_refused(tmp_path: Path) -> None:
    # 审批人姓名 is what a review step calls the officer; an acceptance calls the same element 办理人姓名.
    records = [
        one
        for one in generate_month(ITEMS, cases=20, seed=3).records
        if one.record_type in {"Acceptance", "ReviewStep"}
    ]
    lines = csv_table(records, chinese=True).decode("gb18030").split("\r\n")
    headings = lines[0].split(",")
    row = next(line for line in lines[1:] if line.startswith("受理")).split(",")
    row[headings.index("审批人姓名")] = "测试"
    path = tmp_path / "table.csv"
    path.write_text("\n".join([lines[0], ",".join(row), ""]), encoding="utf-8")
    with path.open("rb") as stream:
        (one,) = read("csv", stream)
    assert [(problem.element, problem.text) for problem in one.problems] == [
        ("HandleUserName", "办理人姓名 HandleUserName: two columns of this row give a value")
    ]
