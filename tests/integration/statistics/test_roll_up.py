"""Figures from counties to the province: published, restated, added up, by hand and by recomputation.

Nodes stand in one process and copy each other's streams by hand; no exchange is involved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.journal.entries import read_entry
from node.journal.streams import Journal
from node.statistics import stated as stated_module
from node.statistics.indicators import FigureKey, Figures, add_figures
from node.statistics.recount import figures_from_records
from node.statistics.summaries import newest_summary, stated_by, stream_ids
from node.statistics.summary import state_day
from node.statistics.verdict import own_figures, statistics_state, subtree_figures
from tests.support.case_nodes import CaseNode, counters
from tests.support.case_records import bodies, body, case_no
from tests.support.samples import record
from tests.support.stores import new_memory_store

if TYPE_CHECKING:
    import pytest

    from node.journal.store import Store
from tests.support.roll_up import DAY, FULL, TREE, carry_up, directed, figures, publish, select_day, state, verdicts


def test_figures_travel_up_and_are_agreed(tree: dict[str, CaseNode]) -> None:
    # East: two cases concluded, one of them paid 100 yuan = 10,000 fen. West: one applied. All on one day.
    tree["360102"].append([*bodies(FULL), *bodies("apply accept paid handle review decide deny", case_no=case_no(2))])
    tree["360103"].append(bodies("apply", case_no=case_no(9)))
    # Positions: 6 + 7 records, then the summary.
    assert publish(tree["360102"]) == [(DAY, 14)]
    assert publish(tree["360103"]) == [(DAY, 2)]
    carry_up(tree)
    assert publish(tree["360100"]) == [(DAY, 1)]
    carry_up(tree)
    assert publish(tree["360000"]) == [(DAY, 1)]
    expected = figures(applied=3, accepted=2, concluded_GRANT=1, concluded_DENY=1, fees=10_000)
    for code in ("360100", "360000"):
        with tree[code].store.reading() as connection:
            assert subtree_figures(connection, code, "2026-01-01", "2026-01-31") == {DAY: expected}
            assert own_figures(connection, code, "2026-01-01", "2026-01-31") == {}
    with tree["360102"].store.reading() as connection:
        own = own_figures(connection, "360102", DAY, DAY)
    assert own == {DAY: figures(applied=2, accepted=2, concluded_GRANT=1, concluded_DENY=1, fees=10_000)}
    assert state(tree["360100"]) == ("pending", {"360102": "pending", "360103": "pending"})
    assert (verdicts(tree["360100"]), verdicts(tree["360000"])) == (2, 3)
    assert state(tree["360100"]) == ("agreed", {"360102": "agreed", "360103": "agreed"})
    assert state(tree["360000"])[0] == "agreed"
    assert state(tree["360102"]) == ("none", {})
    (verdict,) = directed(tree["360000"], "360102")
    assert (verdict["Origin"], verdict["Position"], verdict["Day"], verdict["Verdict"]) == (
        "360102",
        "14",
        DAY,
        "AGREED",
    )


def test_a_county_that_the_province_manages_counts_at_city_and_province_once_each(tree: dict[str, CaseNode]) -> None:
    """省直管县: its record names the province beside the city; its node stands below the city, so both hold it."""
    managed = record("Division", BusinessParentCode="360000", ValidFrom=None, ValidTo=None, ReplacedBy=None)
    for code, node in tree.items():
        if code == "360000":
            node.append([managed], "descendants")
        else:
            node.receive([read_entry(managed)], "360000", "descendants")
    tree["360102"].append(bodies("apply accept"))
    publish(tree["360102"])
    carry_up(tree)
    publish(tree["360100"])
    carry_up(tree)
    publish(tree["360000"])
    for code in ("360100", "360000"):
        with tree[code].store.reading() as connection:
            assert subtree_figures(connection, code, DAY, DAY) == {DAY: figures(applied=1, accepted=1)}


def test_nothing_is_made_twice(tree: dict[str, CaseNode]) -> None:
    tree["360102"].append(bodies(FULL))
    publish(tree["360102"])
    carry_up(tree)
    assert publish(tree["360102"]) == []
    assert publish(tree["360102"], [DAY]) == []
    assert publish(tree["360100"]) == [(DAY, 1)]
    assert publish(tree["360100"]) == []
    assert verdicts(tree["360100"]) == 1
    assert verdicts(tree["360100"]) == 0
    tree["360100"].journal.rebuild()
    assert publish(tree["360100"]) == []
    assert verdicts(tree["360100"]) == 0
    assert state(tree["360100"])[0] == "agreed"


def test_late_records_restate_the_day_all_the_way_up(tree: dict[str, CaseNode]) -> None:
    tree["360102"].append(bodies("apply"))
    publish(tree["360102"])
    carry_up(tree)
    publish(tree["360100"])
    carry_up(tree)
    verdicts(tree["360000"])
    # The acceptance comes late: position 3 is the record, 4 the new version of the day.
    tree["360102"].append([body("Acceptance", hour=1)])
    assert publish(tree["360102"]) == [(DAY, 4)]
    carry_up(tree)
    assert publish(tree["360100"]) == [(DAY, 2)]
    carry_up(tree)
    with tree["360000"].store.reading() as connection:
        assert subtree_figures(connection, "360100", DAY, DAY) == {DAY: figures(applied=1, accepted=1)}
        ids = stream_ids(connection)
        newest = newest_summary(connection, ids["360100"], select_day(connection))
        assert newest is not None
        assert stated_by(connection, newest).children == {"360102": 4}
        assert stated_by(connection, newest).missing == ["360103"]
    assert verdicts(tree["360000"]) == 2
    assert state(tree["360000"])[0] == "agreed"


def test_a_day_that_states_again_what_it_once_stated_is_a_new_version(tree: dict[str, CaseNode]) -> None:
    node = tree["360102"]
    node.append([body("Application")])
    assert publish(node) == [(DAY, 2)]
    # The application is corrected to another day, and corrected back.
    node.append([body("Application", data_version=2, hour=48)])
    assert publish(node) == [("2026-01-05", 4), ("2026-01-07", 5)]
    node.append([body("Application", data_version=3)])
    assert publish(node) == [("2026-01-05", 7), ("2026-01-07", 8)]
    with node.store.reading() as connection:
        assert subtree_figures(connection, "360102", "2026-01-05", "2026-01-07") == {
            "2026-01-05": figures(applied=1),
            "2026-01-07": {},
        }


def test_an_empty_day_is_published_when_it_is_asked_for(tree: dict[str, CaseNode]) -> None:
    assert publish(tree["360103"]) == []
    assert publish(tree["360103"], [DAY]) == [(DAY, 1)]
    carry_up(tree)
    assert publish(tree["360100"]) == [(DAY, 1)]
    with tree["360100"].store.reading() as connection:
        stated = state_day(connection, DAY, node_code="360100", children=TREE["360100"])
    assert (stated.children, stated.missing, stated.subtree) == ({"360103": 1}, ["360102"], {})


def test_a_summary_in_several_parts_is_published_and_agreed(
    tree: dict[str, CaseNode], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stated_module, "PART_BYTES_MAX", 2 * 1024 + 600)
    county, city = tree["360102"], tree["360100"]
    county.append(
        [one for number in range(1, 6) for one in bodies("apply", case_no=case_no(number), TaskCode=f"T-{number}")]
    )
    # 5 own keys and 5 subtree keys of 190 bytes, 3 to a part: 4 parts, positions 6 to 9.
    assert publish(county) == [(DAY, 9)]
    assert publish(county) == []
    for cuts in ([], [1] * 9):
        city = CaseNode(new_memory_store(), "360100")
        city.copy_from(county, cuts)
        assert verdicts(city) == 1
        assert state(city)[0] == "agreed"


def test_every_roll_up_equals_a_recomputation_from_records(tree: dict[str, CaseNode]) -> None:
    county = tree["360102"]
    county.append([*bodies(FULL), *bodies("apply notice receipt accept paid", case_no=case_no(2), start=20)])
    county.append([body("Conclusion", hour=30, data_version=2, ResultCode="DENY")])
    publish(county)
    county.append(bodies("apply refuse", case_no=case_no(3)))
    carry_up(tree)
    province = tree["360000"]
    with province.store.reading() as connection:
        number = stream_ids(connection)["360102"]
        recounted = figures_from_records(connection, number, 10_000)
        counted: dict[str, Figures] = {}
        for (_, day, *key), amount in counters(connection).items():
            add_figures(counted.setdefault(day, {}), {FigureKey(*key): amount})
        assert recounted == counted
        assert figures_from_records(connection, number, 1, "2026-01-05") == {"2026-01-05": {}}
        assert figures_from_records(connection, number, 1) == {}


def test_the_same_on_every_store(any_store: Store) -> None:
    county = CaseNode(any_store, "360102")
    county.append(bodies(FULL))
    assert publish(county) == [(DAY, 7)]
    assert publish(county) == []
    city = CaseNode(new_memory_store(), "360100")
    city.copy_from(county)
    assert verdicts(city) == 1
    with any_store.reading() as connection:
        assert statistics_state(connection).overall == "none"
        assert own_figures(connection, "360199", DAY, DAY) == subtree_figures(connection, "360199", DAY, DAY) == {}
    assert isinstance(county.journal, Journal)
