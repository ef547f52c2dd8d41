"""A figure explained from the province to the records: sums, versions, verdicts, what is missing; both stores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from node.errors import NotFoundError
from node.journal.entries import NO_AUTHORITY
from node.standard.seals import StreamName
from node.statistics import contributions as contributions_module
from node.statistics import explain as explain_module
from node.statistics.explain import Asked, Level, Missing, explain
from node.statistics.stated import Stated, compose_parts
from tests.support.case_nodes import CaseNode
from tests.support.case_records import bodies, body, case_no
from tests.support.roll_up import (
    DAY,
    FULL,
    carry_up,
    entries_of,
    figures,
    known_tree,
    publish,
    tampered,
    verdicts,
)
from tests.support.samples import CASE_NO, CREDIT_CODE

if TYPE_CHECKING:
    from node.journal.store import Store

    Nodes = dict[str, CaseNode]


@pytest.fixture
def nodes(tree: Nodes, any_store: Store) -> Nodes:
    """The tree, with the province on each kind of store."""
    return {**tree, "360000": CaseNode(any_store, "360000")}


def explained(node: CaseNode, indicator: str = "applied", start: str | None = None, **asked: Any) -> Level:
    question = Asked(indicator=indicator, **{"days": (DAY,), **asked})
    with node.store.reading() as connection:
        return explain(connection, known_tree(), question, node_code=node.code, start=start)


def roll_up(nodes: Nodes) -> None:
    """East: two cases applied for, one paid 100 yuan = 10,000 fen. West: one applied for. All reported and agreed."""
    nodes["360102"].append([*bodies(FULL), *bodies("apply accept paid handle review decide deny", case_no=case_no(2))])
    nodes["360103"].append(bodies("apply", case_no=case_no(9)))
    for code in ("360102", "360103"):
        publish(nodes[code])
    carry_up(nodes)
    publish(nodes["360100"])
    carry_up(nodes)
    publish(nodes["360000"])
    verdicts(nodes["360000"])


def records_of(level: Level) -> list[tuple[str, str, str, int]]:
    return [
        (f"{one.stream}/{one.position}", one.case_no, one.record_type, one.amount)
        for _, found in level.walk()
        for one in found.records
    ]


def test_a_provincial_figure_is_explained_down_to_its_records(nodes: Nodes) -> None:
    roll_up(nodes)
    level = explained(nodes["360000"])
    # Positions: East 6 + 7 records and the summary, West 1 and the summary, the city and the province only summaries.
    assert [
        (depth, one.node, one.own, one.subtree, one.verdict, one.adds_up, one.counted, one.versions[0].position)
        for depth, one in level.walk()
    ] == [
        (0, "360000", 0, 3, "own", True, 0, 1),
        (1, "360100", 0, 3, "agreed", True, 0, 1),
        (2, "360102", 2, 2, "agreed", True, 2, 14),
        (2, "360103", 1, 1, "agreed", True, 1, 2),
    ]
    assert all(one.versions[0].stated_at is not None and not one.missing for _, one in level.walk())
    assert sorted(records_of(level)) == sorted(
        [
            ("360102/ancestors/1", CASE_NO, "Application", 1),
            ("360102/ancestors/7", case_no(2), "Application", 1),
            ("360103/ancestors/1", case_no(9), "Application", 1),
        ]
    )


def test_amounts_and_derived_indicators_are_explained(nodes: Nodes) -> None:
    roll_up(nodes)
    fees = explained(nodes["360000"], "fees")
    assert (fees.subtree, [one[2:] for one in records_of(fees)]) == (10_000, [("Fee", 10_000)])
    concluded = explained(nodes["360000"], "concluded")
    assert (concluded.subtree, len(records_of(concluded))) == (2, 2)
    assert {one.key.indicator for _, found in concluded.walk() for one in found.records} == {
        "concluded.GRANT",
        "concluded.DENY",
    }


def test_a_figure_is_narrowed_to_a_node_a_division_and_a_department(nodes: Nodes) -> None:
    roll_up(nodes)
    west = explained(nodes["360000"], start="360103")
    assert [(one.node, one.subtree) for _, one in west.walk()] == [("360103", 1)]
    assert explained(nodes["360000"], division="3601").subtree == 3
    assert explained(nodes["360000"], division="3602").subtree == 0
    assert explained(nodes["360000"], organisation=CREDIT_CODE).subtree == 3
    nobody = explained(nodes["360000"], organisation="nobody")
    assert (nobody.subtree, records_of(nobody)) == (0, [])
    with pytest.raises(NotFoundError):
        explained(nodes["360000"], start="999999")


def test_records_are_paged_by_their_cases(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contributions_module, "PAGE_CASES", 2)
    county = nodes["360102"]
    county.append([one for number in range(1, 6) for one in bodies("apply accept", case_no=case_no(number))])
    after, seen = "", []
    while True:
        level = explained(county, records_max=2, after=after)
        assert (level.counted, level.record_count, level.subtree) == (5, 5, 5)
        seen += [one.case_no for one in level.records]
        after = level.after
        if not after:
            break
        assert len(level.records) == 2
    assert seen == sorted(case_no(number) for number in range(1, 6))
    bare = explained(county, records_max=0)
    assert (bare.counted, bare.records, bare.subtree) == (None, (), 5)


def test_what_a_node_has_not_published_is_counted_now(nodes: Nodes) -> None:
    county = nodes["360102"]
    county.append(bodies("apply"))
    level = explained(county)
    assert (level.verdict, level.subtree, level.versions[0].position) == ("unpublished", 1, None)
    nothing = explained(nodes["360000"], start="360102")
    assert (nothing.subtree, nothing.missing) == (0, (Missing(node="360102", day=DAY, why="not reported"),))
    city = explained(nodes["360100"])
    assert {(one.node, one.why) for one in city.missing} == {("360102", "not reported"), ("360103", "not reported")}


def test_a_summary_that_did_not_arrive_is_named_and_the_sum_does_not_add_up(nodes: Nodes) -> None:
    nodes["360102"].append(bodies("apply"))
    publish(nodes["360102"])
    nodes["360100"].copy_from(nodes["360102"])
    publish(nodes["360100"])
    province = nodes["360000"]
    province.copy_from(nodes["360100"])
    level = explained(province, start="360100")
    assert (level.subtree, level.adds_up, level.verdict) == (1, False, "pending")
    assert ("360102", "not held") in {(one.node, one.why) for one in level.missing}
    # The stream is there, but not as far as its summary.
    province.receive(entries_of(nodes["360102"])[:1], "360102")
    level = explained(province, start="360100")
    assert [(one.node, one.why) for one in level.children[0].missing] == [("360102", "not held")]
    assert not level.adds_up


def test_a_child_that_is_none_is_named_and_adds_nothing(nodes: Nodes) -> None:
    city, province = nodes["360100"], nodes["360000"]
    children = {"360100": 1, "360103": 1, "360000": 1, "999999": 1}
    nodes["360103"].append(bodies("apply", case_no=case_no(9)))
    province.copy_from(nodes["360103"])
    stranger = CaseNode(nodes["360102"].store, "999999")
    stranger.append(bodies("apply"))
    province.copy_from(stranger)
    (part,) = compose_parts(Stated(day=DAY, definition_version=1, subtree=figures(applied=3), children=children))
    stream = StreamName("360100", "ancestors")
    city.store.write(lambda transaction: city.produce(transaction, stream, "StatisticsSummary", part, "x"))
    province.copy_from(city)
    level = explained(province, start="360100")
    assert not level.adds_up
    assert {(one.node, one.why) for one in level.missing} == {
        ("360100", "no child"),
        ("360000", "no child"),
        ("999999", "no child"),
    }
    assert [(one.node, one.missing[0].why) for one in level.children] == [("360103", "not held")]


def test_a_disputed_figure_shows_where_it_does_not_fit(nodes: Nodes) -> None:
    nodes["360102"].append(bodies("apply accept"))
    publish(nodes["360102"])
    city = nodes["360100"]
    city.receive(tampered(entries_of(nodes["360102"]), applied=7, accepted=1), "360102")
    verdicts(city)
    level = explained(city)
    (county,) = level.children
    assert (county.verdict, county.own, county.counted, county.adds_up) == ("disputed", 7, 1, True)
    assert [one.position for one in county.records] == [1]


def test_quarantined_records_are_named_because_they_do_not_count(nodes: Nodes) -> None:
    nodes["360102"].append([*bodies("apply"), *bodies("apply", case_no=case_no(2))])
    publish(nodes["360102"])
    entries = entries_of(nodes["360102"])
    entries[1].quarantine = NO_AUTHORITY
    city = nodes["360100"]
    city.receive(entries, "360102")
    county = explained(city).children[0]
    assert (county.verdict, county.own, county.counted) == ("pending", 2, 1)
    assert (county.waiting, county.waiting_count) == ((2,), 1)


def test_records_behind_a_summary_are_left_out_where_they_would_change_it(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    county, province = nodes["360102"], nodes["360000"]
    county.append([*bodies("apply accept"), *bodies("apply", case_no=case_no(2))])
    publish(county)
    # Behind the summary: a new case of that day, and a correction that moves an acceptance to the next day.
    county.append([*bodies("apply", case_no=case_no(3)), body("Acceptance", data_version=2, hour=24)])
    province.copy_from(county)
    applied = explained(province, start="360102")
    assert (applied.own, applied.counted, len(applied.records)) == (2, 2, 2)
    accepted = explained(province, "accepted", start="360102")
    assert (accepted.own, accepted.counted, [one.position for one in accepted.records]) == (1, 1, [2])
    assert explained(province, "accepted", start="360102", days=(DAY, "2026-01-06")).counted == 1
    monkeypatch.setattr(explain_module, "TOUCHED_MAX", 1)
    assert explained(province, start="360102").counted == 3
    publish(county)
    province.copy_from(county)
    nodes["360100"].copy_from(county)
    assert explained(province, start="360102").versions[0].own == 3


def test_a_version_that_was_replaced_says_so(nodes: Nodes) -> None:
    county, city = nodes["360102"], nodes["360100"]
    county.append(bodies("apply"))
    publish(county)
    city.copy_from(county)
    publish(city)
    county.append(bodies("apply", case_no=case_no(2)))
    publish(county)
    city.copy_from(county)
    (below,) = explained(city).children
    assert (below.versions[0].position, below.versions[0].newest, below.subtree) == (2, 4, 1)
    assert below.counted == 1


def test_the_days_of_a_month_are_added(nodes: Nodes) -> None:
    county, city = nodes["360102"], nodes["360100"]
    county.append(bodies("apply"))
    county.append([body("Application", case_no=case_no(2), hour=24)])
    publish(county)
    city.copy_from(county)
    publish(city)
    level = explained(city, days=tuple(f"2026-01-{day:02}" for day in range(1, 32)))
    assert (level.subtree, level.children[0].own, level.children[0].counted) == (2, 2, 2)
    assert [one.day for one in level.children[0].versions] == [DAY, "2026-01-06"]
