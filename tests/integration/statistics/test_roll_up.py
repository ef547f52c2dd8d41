"""Figures from counties to the province: published, restated, agreed, disputed, waiting, by hand and by recomputation.

Nodes stand in one process and copy each other's streams by hand; no exchange is involved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from node.journal.entries import NO_AUTHORITY
from node.journal.replay import read_entry
from node.journal.streams import Journal
from node.standard.compose import compose, content_of
from node.standard.seals import StreamName
from node.statistics import stated as stated_module
from node.statistics.indicators import FigureKey, Figures, add_figures
from node.statistics.recount import figures_from_records
from node.statistics.stated import Stated, compose_parts
from node.statistics.summaries import newest_summary, stated_by, stream_ids, summary_at
from node.statistics.summary import publish_statistics, state_day
from node.statistics.tables import summary
from node.statistics.verdict import own_figures, publish_verdicts, statistics_state, subtree_figures
from tests.support.case_nodes import CaseNode, counters
from tests.support.case_records import TASK, bodies, body, case_no
from tests.support.samples import CREDIT_CODE
from tests.support.stores import new_memory_store

if TYPE_CHECKING:
    from node.journal.entries import Entry
    from node.journal.store import Store

FULL = "apply accept handle review decide grant"
DAY = "2026-01-05"
KEY = ("360102", CREDIT_CODE, TASK, "FILE")
TREE = {"360000": ["360100"], "360100": ["360102", "360103"], "360102": [], "360103": []}


def figures(**amounts: int) -> Figures:
    return {
        FigureKey(*KEY, name.replace("_", ".", 1) if name.startswith("concluded") else name): amount
        for name, amount in amounts.items()
    }


def publish(node: CaseNode, days: list[str] | None = None) -> list[tuple[str, int]]:
    return publish_statistics(
        node.store, node_code=node.code, children=TREE[node.code], produce=node.produce, days=days
    )


def verdicts(node: CaseNode) -> int:
    return publish_verdicts(node.store, node_code=node.code, produce=node.produce)


def state(node: CaseNode) -> tuple[str, dict[str, str]]:
    with node.store.reading() as connection:
        found = statistics_state(connection)
    return found.overall, found.origins


def directed(node: CaseNode, to: str) -> list[dict[str, Any]]:
    """Return the verdicts that a node has written to another."""
    stream = StreamName(node.code, to)
    with node.store.reading() as connection:
        held = node.journal.held(connection, stream)
        if held is None:
            return []
        stored = node.journal.stored(connection, stream, 1, held.size)
    return [content_of(read_entry(one.body or b"").element) for one in stored]


@pytest.fixture
def tree() -> dict[str, CaseNode]:
    return {code: CaseNode(new_memory_store(), code) for code in TREE}


def carry_up(tree: dict[str, CaseNode]) -> None:
    for code in ("360102", "360103"):
        tree["360100"].copy_from(tree[code])
        tree["360000"].copy_from(tree[code])
    tree["360000"].copy_from(tree["360100"])


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


def select_day(connection: Any) -> int:
    return int(connection.scalar(select(summary.c.day).limit(1)))


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


def tampered(entries: list[Entry], **amounts: int) -> list[Entry]:
    """Replace the summary among the entries by one with other own and subtree figures."""
    made = []
    for one in entries:
        if one.record_type == "StatisticsSummary":
            stated = Stated(day=DAY, definition_version=1, own=figures(**amounts), subtree=figures(**amounts))
            (part,) = compose_parts(stated)
            header = {"RecordKey": "summary:x", "EventTime": "2026-01-06T00:00:00+08:00"}
            made.append(read_entry(compose("StatisticsSummary", {**header, **part}, salt=bytes(16))))
        else:
            made.append(one)
    return made


def entries_of(node: CaseNode) -> list[Entry]:
    with node.store.reading() as connection:
        stored = node.journal.stored(connection, StreamName(node.code, "ancestors"), 1, 10_000)
    return [read_entry(one.body or b"") for one in stored]


def test_a_tampered_figure_is_disputed_with_its_key(tree: dict[str, CaseNode]) -> None:
    tree["360102"].append(bodies("apply accept"))
    publish(tree["360102"])
    city = tree["360100"]
    city.receive(tampered(entries_of(tree["360102"]), applied=1, accepted=5), "360102")
    assert verdicts(city) == 1
    assert state(city) == ("disputed", {"360102": "disputed"})
    (verdict,) = directed(city, "360102")
    assert verdict["Verdict"] == "DISPUTED"
    assert verdict["Differing"] == [
        {
            "@Division": "360102",
            "@Org": CREDIT_CODE,
            "@Task": TASK,
            "@Channel": "FILE",
            "@Indicator": "accepted",
            "@Stated": "5",
            "@Computed": "1",
        }
    ]


def test_a_subtree_that_does_not_add_up_is_disputed(tree: dict[str, CaseNode]) -> None:
    city, province = tree["360100"], tree["360000"]
    tree["360102"].append(bodies("apply"))
    publish(tree["360102"])
    stated = Stated(
        day=DAY, definition_version=1, subtree=figures(applied=2), children={"360102": 2}, missing=["360103"]
    )
    (part,) = compose_parts(stated)
    province.copy_from(tree["360102"])
    city.store.write(
        lambda transaction: city.produce(
            transaction, StreamName("360100", "ancestors"), "StatisticsSummary", part, "summary:x"
        )
    )
    province.copy_from(city)
    verdicts(province)
    assert state(province) == ("disputed", {"360100": "disputed", "360102": "agreed"})


def test_a_summary_that_names_a_record_which_is_none_is_disputed(tree: dict[str, CaseNode]) -> None:
    province = tree["360000"]
    tree["360102"].append(bodies("apply"))
    publish(tree["360102"])
    province.copy_from(tree["360102"])
    with province.store.reading() as connection:
        assert summary_at(connection, stream_ids(connection)["360102"], 1) is None
    stated = Stated(day=DAY, definition_version=1, subtree=figures(applied=1), children={"360102": 1})
    city = tree["360100"]
    (part,) = compose_parts(stated)
    city.store.write(
        lambda transaction: city.produce(
            transaction, StreamName("360100", "ancestors"), "StatisticsSummary", part, "summary:x"
        )
    )
    province.copy_from(city)
    verdicts(province)
    assert state(province)[1]["360100"] == "disputed"


def test_a_subtree_waits_for_the_children_that_it_names(tree: dict[str, CaseNode]) -> None:
    city, province = tree["360100"], tree["360000"]
    tree["360102"].append(bodies(FULL))
    publish(tree["360102"])
    city.copy_from(tree["360102"])
    publish(city)
    province.copy_from(city)
    assert verdicts(province) == 0
    assert state(province) == ("pending", {"360100": "pending"})
    province.copy_from(tree["360102"])
    assert verdicts(province) == 2
    assert state(province)[0] == "agreed"


@pytest.mark.parametrize("slices", [[], [1, 1, 1, 1, 1, 1, 1, 1], [3, 5]])
def test_a_quarantined_record_below_defers_the_verdict_until_it_is_applied(
    tree: dict[str, CaseNode], slices: list[int]
) -> None:
    county, city = tree["360102"], tree["360100"]
    county.append(bodies(FULL))
    publish(county)
    county.append(bodies("apply", case_no=case_no(5)))
    entries = entries_of(county)
    entries[1].quarantine = NO_AUTHORITY
    at = 0
    for length in [*slices, len(entries)]:
        if entries[at : at + length]:
            city.receive(entries[at : at + length], "360102")
        at += length
    assert verdicts(city) == 0
    assert state(city)[0] == "pending"
    city.store.write(lambda transaction: city.journal.requeue(transaction, [entries[1].key]))
    assert verdicts(city) == 1
    assert state(city)[0] == "agreed"


def test_a_quarantined_summary_is_judged_when_it_is_requeued(tree: dict[str, CaseNode]) -> None:
    county, city = tree["360102"], tree["360100"]
    county.append(bodies(FULL))
    publish(county)
    county.append(bodies("apply", case_no=case_no(5)))
    entries = entries_of(county)
    entries[6].quarantine = NO_AUTHORITY
    city.receive(entries, "360102")
    assert (verdicts(city), state(city)[0]) == (0, "none")
    city.store.write(lambda transaction: city.journal.requeue(transaction, [entries[6].key]))
    assert (verdicts(city), state(city)[0]) == (1, "agreed")


def test_a_summary_with_unknown_definitions_is_not_judged(tree: dict[str, CaseNode]) -> None:
    county, city = tree["360102"], tree["360100"]
    (part,) = compose_parts(Stated(day=DAY, definition_version=99, own=figures(applied=7)))
    county.store.write(
        lambda transaction: county.produce(
            transaction, StreamName("360102", "ancestors"), "StatisticsSummary", part, "summary:x"
        )
    )
    city.copy_from(county)
    assert verdicts(city) == 0
    assert state(city)[0] == "pending"


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
