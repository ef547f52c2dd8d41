"""Publishing: the same again makes no record, other content makes the next version."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import pytest

from node.departments.dialects.csv_table import read_csv
from node.departments.dialects.standard import read_standard
from node.departments.reference_data import CALENDARS, DIVISIONS, RECORD_TYPE_OF, read_reference, shipped_files
from node.errors import AuthorityError, NotFoundError
from node.standard.codec import parse_record
from node.standard.compose import content_of
from node.standard.seals import StreamName
from node.trust.tree import Tree
from tests.support.intake import CITY, NODE, PROVINCE, publisher_on, tree_node, wrapped
from tests.support.samples import record

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from node.departments.publish import Publisher, PublishReport
    from node.journal.store import Store

DIVISION_TABLE = "DivisionCode,DivisionName,ParentCode,DivisionLevel,Kind\n369000,测试省,,省,法定区划\n"


@pytest.fixture
def publisher(memory: Store) -> Publisher:
    return publisher_on(memory)


def published(publisher: Publisher) -> list[dict[str, Any]]:
    stream = StreamName(publisher.node_code, "descendants")
    with publisher.store.reading() as connection:
        held = publisher.journal.held(connection, stream)
        stored = publisher.journal.stored(connection, stream, 1, held.size) if held else []
    return [content_of(parse_record(one.body or b"")) for one in stored]


def publish_table(publisher: Publisher, text: str) -> PublishReport:
    types = frozenset({"Division"})
    return publisher.publish(read_csv(BytesIO(text.encode()), record_type="Division", types=types), "Division")


@pytest.mark.parametrize(("kind", "count"), [("divisions", 112), ("items", 40), ("organisations", 18), ("calendar", 2)])
def test_everything_shipped_is_published_once(memory: Store, kind: str, count: int) -> None:
    # The shipped examples name a county that exists: a tree of province and that county.
    tree = Tree([tree_node("360000", None), tree_node("360102", "360000")], root="360000")
    publisher = publisher_on(memory, "360000", tree=tree)
    for figures in ((count, 0), (0, count)):
        report = publisher.publish(read_reference(kind, shipped_files(kind)), RECORD_TYPE_OF[kind])
        assert (report.published, report.unchanged, report.problems) == (*figures, [])
    assert len(published(publisher)) == count


def test_jiangxi_has_eleven_cities_and_a_hundred_counties_with_no_date(publisher: Publisher) -> None:
    publisher.publish(read_reference(DIVISIONS, shipped_files(DIVISIONS)), "Division")
    found = published(publisher)
    assert [sum(one["DivisionLevel"] == level for one in found) for level in "234"] == [1, 11, 100]
    assert not any("ValidFrom" in one for one in found)
    assert {one["Kind"] for one in found} == {"STATUTORY"}
    assert found[2]["RecordKey"] == "division:360102:1"
    codes = {one["DivisionCode"] for one in found}
    assert all(one.get("ParentCode") in codes for one in found[1:])


def test_the_calendar_of_2026_is_official_and_that_of_2027_provisional(publisher: Publisher) -> None:
    publisher.publish(read_reference(CALENDARS, shipped_files(CALENDARS)), "Calendar")
    official, provisional = published(publisher)
    assert (official["Year"], official["Status"]) == ("2026", "OFFICIAL")
    # 3 + 9 + 3 + 5 + 3 + 3 + 7 days, as in the State Council's arrangement.
    assert len(official["OffDay"]) == 33
    assert official["OffDay"][3:12] == [f"2026-02-{day}" for day in range(15, 24)]
    assert official["WorkDay"] == ["2026-01-04", "2026-02-14", "2026-02-28", "2026-05-09", "2026-09-20", "2026-10-10"]
    assert (provisional["Year"], provisional["Status"]) == ("2027", "PROVISIONAL")
    # 1 + 4 + 1 + 2 + 1 + 1 + 3 statutory days.
    assert len(provisional["OffDay"]) == 13
    assert "WorkDay" not in provisional


def test_other_content_under_the_same_name_is_the_next_version(publisher: Publisher) -> None:
    for text, figures in (
        (DIVISION_TABLE, (1, 0)),
        (DIVISION_TABLE, (0, 1)),
        (DIVISION_TABLE.replace("测试省", "试验省"), (1, 0)),
        (DIVISION_TABLE, (1, 0)),
    ):
        report = publish_table(publisher, text)
        assert (report.published, report.unchanged) == figures
    assert [one["RecordKey"] for one in published(publisher)] == [f"division:369000:{version}" for version in (1, 2, 3)]
    assert published(publisher)[0]["EventTime"] == "2026-11-03T09:00:00+08:00"


def test_parents_and_levels_that_a_file_leaves_out_come_from_its_codes(publisher: Publisher, tmp_path: Path) -> None:
    path = tmp_path / "divisions.csv"
    path.write_text(
        "DivisionCode,DivisionName,Kind,ParentCode,DivisionLevel\n369000,测试省,法定区划,,省\n369900,测试市,法定区划,369000,\n"
        "369902,测试县,法定区划,,\n369902100,甲镇,法定区划,,\n369902100201,一村,法定区划,,\n369902101201,二村,法定区划,,\n"
        "369972,测试开发区,管理区（开发区等）,369000,\n",
        encoding="utf-8",
    )
    report = publisher.publish(read_reference(DIVISIONS, [path]), "Division")
    assert (report.published, report.problems) == (7, [])
    found = {one["DivisionCode"]: (one.get("ParentCode"), one["DivisionLevel"]) for one in published(publisher)}
    assert found == {
        "369000": (None, "2"),
        "369900": ("369000", "3"),
        "369902": ("369900", "4"),
        "369902100": ("369902", "5"),
        "369902100201": ("369902100", "6"),
        # Its township is not in the file: the county stands above it.
        "369902101201": ("369902", "6"),
        # What the file says stays.
        "369972": ("369000", "4"),
    }


@pytest.mark.parametrize(
    ("row", "element"),
    [
        ("360101,市辖区,360100,县,法定区划,,,", "DivisionCode"),
        ("369902,测试县,369902,县,法定区划,,,", "ParentCode"),
        ("369902,测试县,369900,县,法定区划,,2025-12-31,369902", "ReplacedBy"),
        ("369902,测试县,369900,县,法定区划,2026-01-01,2025-12-31,", "ValidTo"),
    ],
)
def test_a_division_that_cannot_be_is_not_published(publisher: Publisher, row: str, element: str) -> None:
    heading = "DivisionCode,DivisionName,ParentCode,DivisionLevel,Kind,ValidFrom,ValidTo,ReplacedBy"
    report = publish_table(publisher, f"{heading}\n{row}\n369903,另县,369900,县,法定区划,,,\n")
    assert (report.published, report.refused) == (1, 1)
    assert (report.problems[0].rule, report.problems[0].element, report.problems[0].row) == ("division", element, 1)


def test_a_standard_file_is_published_under_our_own_keys(publisher: Publisher) -> None:
    data = wrapped([record("Item", DivisionCode=NODE), record("Item", DivisionCode=NODE, TaskVersion="2")])
    for figures in ((2, 0), (0, 2)):
        report = publisher.publish(read_standard(BytesIO(data)), "Item")
        assert (report.published, report.unchanged) == figures
    assert [one["RecordKey"] for one in published(publisher)] == [
        f"item:10131300500698857413440400:{version}:1" for version in (1, 2)
    ]


def test_what_is_wrong_costs_itself_and_is_reported_with_its_place(publisher: Publisher) -> None:
    report = publish_table(publisher, DIVISION_TABLE + "369100,测试市,369000,市,无\n369200,第二市,369000,市,法定区划\n")
    assert (report.published, report.refused) == (2, 1)
    assert (report.problems[0].row, report.problems[0].element) == (2, "Kind")
    assert report.as_json()["schema"] == "yizhan.publish/1"


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (record("Organisation", DivisionCode=NODE), "not-published"),
        (record("Item", DivisionCode=NODE, TaskState="9"), "schema"),
        (b"<Item>", "half-written"),
    ],
)
def test_a_record_that_cannot_be_published_is_reported(publisher: Publisher, body: bytes, rule: str) -> None:
    report = publisher.publish(read_standard(BytesIO(wrapped([body]))), "Item")
    assert (report.published, report.refused, report.problems[0].rule) == (0, 1, rule)


def test_who_may_not_publish_publishes_nothing(memory: Store) -> None:
    city = publisher_on(memory, CITY)
    with pytest.raises(AuthorityError, match="may not publish Division"):
        publish_table(city, DIVISION_TABLE)
    assert published(city) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "year = 2026",
        "year = ]",
        'year = 2026\nversion = 1\nstatus = "X"\noff_days = ["2026-01-05..2026-01-01"]\nwork_days = []',
    ],
)
def test_a_file_that_is_no_calendar_is_reported(publisher: Publisher, tmp_path: Path, text: str) -> None:
    path = tmp_path / "calendar.toml"
    path.write_text(text, encoding="utf-8")
    report = publisher.publish(read_reference(CALENDARS, [path]), "Calendar")
    assert [problem.rule for problem in report.problems] == ["calendar"]


@pytest.mark.parametrize("kind", [DIVISIONS, CALENDARS])
def test_a_missing_file_is_named(publisher: Publisher, tmp_path: Path, kind: str) -> None:
    with pytest.raises(NotFoundError, match="cannot be read"):
        publisher.publish(read_reference(kind, [tmp_path / "missing"]), RECORD_TYPE_OF[kind])


def test_a_standard_file_of_divisions_is_recognised(publisher: Publisher, tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(wrapped([record("Division", DivisionCode=PROVINCE)]))
    assert publisher.publish(read_reference(DIVISIONS, [path]), "Division").published == 1
