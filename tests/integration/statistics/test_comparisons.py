"""Disputed figures narrowed down between a city and a county, over their records; the province watches. Both stores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, update

from node.cases.tables import case_fact, case_state
from node.errors import StoreUnavailableError
from node.journal.entries import NO_AUTHORITY, read_entry
from node.journal.records import record_at
from node.journal.tables import record
from node.standard.codec import parse_unvalidated
from node.standard.compose import compose
from node.standard.seals import StreamName
from node.statistics import comparing
from node.statistics.compared import ANSWER, QUESTION, Answer, NamedDifference, answer_content, read_question
from node.statistics.comparing import begin_comparison, compare_figures
from node.statistics.comparisons import comparisons
from node.statistics.indicators import FigureKey, contribution
from node.statistics.narrowing import PARTS, QUESTIONS_MAX, Told
from node.statistics.tables import counter
from tests.support.case_nodes import CaseNode
from tests.support.case_records import bodies, body, case_no
from tests.support.roll_up import DAY, KEY, publish, talk, verdicts
from tests.support.samples import CASE_NO

if TYPE_CHECKING:
    from node.journal.store import Store
    from node.standard.facts import Facts
    from node.statistics.comparisons import Comparison

    Nodes = dict[str, CaseNode]

FEES = FigureKey(*KEY, "fees")
APPLIED = FigureKey(*KEY, "applied")


@pytest.fixture
def nodes(tree: Nodes, any_store: Store) -> Nodes:
    """The tree, with the city on each kind of store."""
    return {**tree, "360100": CaseNode(any_store, "360100")}


def miscounting(node: CaseNode, *wrong: str) -> None:
    """Plant a fault in a node's projection: it counts no application of these cases, and any fee of theirs twice."""

    def miscount(facts: Facts) -> Any:
        amounts = contribution(facts)
        if facts.case_no not in wrong or facts.record_type not in {"Application", "Fee"}:
            return amounts
        return () if facts.record_type == "Application" else [(indicator, 2 * amount) for indicator, amount in amounts]

    node.cases._contribution = miscount


def held(node: CaseNode) -> list[Comparison]:
    with node.store.reading() as connection:
        return comparisons(connection)


def dispute(nodes: Nodes) -> tuple[CaseNode, CaseNode]:
    """Publish what the county counts, and let the city judge it."""
    county, city = nodes["360102"], nodes["360100"]
    publish(county)
    city.copy_from(county)
    nodes["360000"].copy_from(county)
    verdicts(city)
    return city, county


def stream_bytes(node: CaseNode, audience: str) -> int:
    stream = StreamName(node.code, audience)
    with node.store.reading() as connection:
        found = node.journal.held(connection, stream)
        return 0 if found is None else found.total_bytes


def test_a_county_that_counts_wrongly_is_narrowed_to_its_cases(nodes: Nodes) -> None:
    miscounting(nodes["360102"], case_no(777))
    paid = "apply accept paid"
    nodes["360102"].append(
        [
            one
            for number in range(1, 1_001)
            for one in bodies(paid if number == 777 else "apply", case_no=case_no(number))
        ]
    )
    city, county = dispute(nodes)
    (open_one,) = held(city)
    assert (open_one.asked_number, open_one.outcome) == (1, "")
    talk(city, county, nodes["360000"])
    for node in (city, county, nodes["360000"]):
        (one,) = held(node)
        assert (one.asker, one.origin, one.position, one.day, one.outcome) == ("360100", "360102", 1_003, DAY, "NAMED")
        # Positions: 776 applications, then apply, accept, paid; the county counts the fee of 100 yuan twice.
        assert one.found == (
            NamedDifference(
                case_no=case_no(777), key=APPLIED, stated=0, computed=1, counted=1, cause="ORIGIN", records=(777,)
            ),
            NamedDifference(
                case_no=case_no(777),
                key=FEES,
                stated=20_000,
                computed=10_000,
                counted=10_000,
                cause="ORIGIN",
                records=(779,),
            ),
        )
    assert stream_bytes(city, "360102") + stream_bytes(county, "360100") <= 64 * 1024
    assert talk(city, county) == 0


def test_a_city_that_counts_wrongly_finds_itself(nodes: Nodes) -> None:
    miscounting(nodes["360100"], case_no(2))
    nodes["360102"].append([*bodies("apply"), *bodies("apply", case_no=case_no(2))])
    city, county = dispute(nodes)
    talk(city, county)
    (one,) = held(county)
    assert [(found.case_no, found.cause, found.stated, found.computed) for found in one.found] == [
        (case_no(2), "HOLDER", 1, 0)
    ]


def test_a_tampered_case_row_is_found_where_neither_side_counts_the_records(nodes: Nodes) -> None:
    miscounting(nodes["360100"], case_no(2))
    county = nodes["360102"]
    county.append([*bodies("apply"), *bodies("apply accept paid", case_no=case_no(2))])

    def tamper(transaction: Any) -> None:
        connection = transaction.connection
        rows = connection.execute(select(case_state.c.id, case_state.c.contribution).order_by(case_state.c.id)).all()
        # Twice what it was: the fee at the city is twice as well, so the applications differ.
        doubled = case_state.c.id == rows[-1].id
        connection.execute(update(case_state).where(doubled).values(contribution=bytes(rows[-1].contribution) * 2))
        connection.execute(update(counter).values(amount=counter.c.amount + 1))

    county.store.write(tamper)
    city, county = dispute(nodes)
    talk(city, county)
    (one,) = held(city)
    causes = {found.key.indicator: found.cause for found in one.found if found.case_no == case_no(2)}
    assert causes == {"applied": "UNCLEAR", "accepted": "ORIGIN"}


def test_counters_that_are_not_the_sum_of_their_cases_leave_no_case(nodes: Nodes) -> None:
    county = nodes["360102"]
    county.append(bodies("apply accept"))
    county.store.write(
        lambda transaction: transaction.connection.execute(update(counter).values(amount=counter.c.amount + 1))
    )
    city, county = dispute(nodes)
    talk(city, county)
    assert [(one.outcome, one.found) for one in held(city)] == [("EQUAL", ())]


def test_a_record_in_quarantine_at_the_asker_is_named_as_the_cause(nodes: Nodes) -> None:
    county, city = nodes["360102"], nodes["360100"]
    miscounting(county, CASE_NO)
    county.append([*bodies("apply"), *bodies("apply", case_no=case_no(2))])
    city, county = dispute(nodes)
    # A correction of the second case, which the city may not apply (yet).
    county.append([body("Application", case_no=case_no(2), data_version=2, hour=24)])
    with county.store.reading() as connection:
        (last,) = county.journal.stored(connection, StreamName("360102", "ancestors"), 4, 4)
    entry = read_entry(last.body or b"")
    entry.quarantine = NO_AUTHORITY
    city.receive([entry], "360102")
    talk(city, county)
    (one,) = held(city)
    assert {(found.case_no, found.cause, found.stated, found.computed) for found in one.found} == {
        (CASE_NO, "ORIGIN", 0, 1),
        (case_no(2), "QUARANTINED", 0, 1),
    }


def test_records_that_come_meanwhile_change_nothing(nodes: Nodes) -> None:
    miscounting(nodes["360102"], case_no(50))
    nodes["360102"].append([one for number in range(1, 101) for one in bodies("apply", case_no=case_no(number))])
    city, county = dispute(nodes)
    for number in range(200, 206):
        county.copy_from(city, audience="360102")
        compare_figures(county.store, node_code="360102", produce=county.produce)
        city.copy_from(county, audience="360100")
        # The city holds more of the county's stream than the county had when it counted.
        county.append(
            [
                *bodies("apply", case_no=case_no(number)),
                body("Application", case_no=case_no(number - 199), data_version=2, hour=24),
            ]
        )
        city.copy_from(county)
        compare_figures(city.store, node_code="360100", produce=city.produce)
    (one,) = held(city)
    assert (one.outcome, [found.case_no for found in one.found]) == ("NAMED", [case_no(50)])


def test_an_answer_waits_until_the_stream_is_held_as_far_as_it_counted(nodes: Nodes) -> None:
    miscounting(nodes["360102"], CASE_NO)
    nodes["360102"].append(bodies("apply accept"))
    city, county = dispute(nodes)
    county.append(bodies("apply", case_no=case_no(9)))
    talk(city, county)
    assert [(one.answer_number, one.outcome) for one in held(city)] == [(1, "")]
    city.copy_from(county)
    talk(city, county)
    assert [one.outcome for one in held(city)] == ["NAMED"]


def test_a_comparison_is_rebuilt_from_its_records(nodes: Nodes) -> None:
    miscounting(nodes["360102"], case_no(2))
    nodes["360102"].append([one for number in range(1, 61) for one in bodies("apply", case_no=case_no(number))])
    city, county = dispute(nodes)
    talk(city, county)
    before = held(city)
    city.journal.rebuild()
    assert held(city) == before
    assert before[0].outcome == "NAMED"


def test_only_the_newest_summary_of_a_child_begins_a_comparison(nodes: Nodes) -> None:
    county, city = nodes["360102"], nodes["360100"]
    miscounting(county, CASE_NO)
    county.append(bodies("apply accept"))
    publish(county)
    county.append(bodies("apply", case_no=case_no(2)))
    publish(county)
    city.copy_from(county)
    nodes["360000"].copy_from(county)
    assert verdicts(city) == 2
    assert [one.position for one in held(city)] == [5]
    # The county is not the province's child: it asks nothing itself.
    verdicts(nodes["360000"])
    assert held(nodes["360000"]) == []


def test_comparisons_with_one_child_that_go_on_are_bounded(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "OPEN_MAX", 1)
    county = nodes["360102"]
    miscounting(county, CASE_NO, case_no(2))
    county.append(
        [
            *bodies("apply accept"),
            body("Application", case_no=case_no(2), hour=24),
            *bodies("apply", case_no=case_no(3)),
        ]
    )
    county.append([body("Acceptance", case_no=case_no(2), hour=24)])
    city, _ = dispute(nodes)
    assert len(held(city)) == 1


def tell_the_city(city: CaseNode, county: CaseNode, *, number: int, size: int, told: tuple[Told, ...]) -> None:
    """Write an answer that the county's program would never write."""
    answer = Answer(position=3, day=DAY, number=number, size=size, told=told)
    county.store.write(
        lambda transaction: county.produce(
            transaction, StreamName("360102", "360100"), ANSWER, answer_content(answer), f"lie:{number}"
        )
    )
    city.copy_from(county, audience="360100")


@pytest.fixture
def disputed(nodes: Nodes) -> tuple[CaseNode, CaseNode]:
    """A city that has asked about the county's summary at position 3."""
    miscounting(nodes["360102"], CASE_NO)
    nodes["360102"].append(bodies("apply accept"))
    return dispute(nodes)


@pytest.mark.parametrize(
    ("size", "told"),
    [
        (2, (Told(range=""),)),
        (3, ()),
        (3, (Told(range="00"),)),
        (3, (Told(range="", contributions=((CASE_NO, APPLIED, 1), (CASE_NO, APPLIED, 2))),)),
    ],
)
def test_an_answer_that_does_not_fit_ends_the_comparison(
    disputed: tuple[CaseNode, CaseNode], size: int, told: tuple[Told, ...]
) -> None:
    city, county = disputed
    tell_the_city(city, county, number=1, size=size, told=told)
    assert compare_figures(city.store, node_code="360100", produce=city.produce) == 1
    assert [one.outcome for one in held(city)] == ["UNFIT"]
    assert compare_figures(city.store, node_code="360100", produce=city.produce) == 0


def test_a_size_that_never_comes_asks_nothing_more(disputed: tuple[CaseNode, CaseNode]) -> None:
    city, county = disputed
    tell_the_city(city, county, number=1, size=10**9, told=(Told(range=""),))
    assert compare_figures(city.store, node_code="360100", produce=city.produce) == 0
    assert [one.outcome for one in held(city)] == [""]


def test_a_liar_that_lets_everything_differ_is_asked_a_bounded_number_of_times(
    disputed: tuple[CaseNode, CaseNode],
) -> None:
    city, county = disputed
    for number in range(1, QUESTIONS_MAX + 2):
        (one,) = held(city)
        if one.outcome:
            break
        with city.store.reading() as connection:
            question = read_question(parse_unvalidated(record_at(connection, one.asked_key).body or b""))
        lie = tuple((number * PARTS + part + 1).to_bytes(16) for part in range(PARTS))
        deepest = 16
        told = tuple(
            Told(range=name) if len(name) == deepest else Told(range=name, digests=lie) for name in question.asked
        )
        tell_the_city(city, county, number=number, size=3, told=told)
        compare_figures(city.store, node_code="360100", produce=city.produce)
    assert [one.outcome for one in held(city)] == ["MORE"]
    assert held(city)[0].asked_number <= QUESTIONS_MAX + 1


def test_a_question_about_somebody_else_is_none(nodes: Nodes) -> None:
    city, county = nodes["360100"], nodes["360102"]
    content = {"Origin": "360103", "Position": "3", "Day": DAY, "Number": "1", "Asked": ["-"]}
    header = {"RecordKey": "x", "EventTime": "2026-01-06T00:00:00+08:00"}
    county.receive([read_entry(compose(QUESTION, {**header, **content}, salt=bytes(16)))], "360100", "360102")
    assert held(county) == []
    assert compare_figures(county.store, node_code="360102", produce=county.produce) == 0
    # Asked before it has any record at all, a node tells that it counts nothing.
    city.store.write(
        lambda transaction: begin_comparison(
            transaction, node_code="360100", origin="360102", position=3, day=DAY, produce=city.produce
        )
    )
    county = CaseNode(nodes["360103"].store, "360102")
    county.copy_from(city, audience="360102")
    assert compare_figures(county.store, node_code="360102", produce=county.produce) == 1


def test_a_comparison_that_fails_does_not_stop_the_others(
    disputed: tuple[CaseNode, CaseNode], caplog: pytest.LogCaptureFixture
) -> None:
    city, county = disputed
    county.copy_from(city, audience="360102")

    def failing(error: Exception) -> Any:
        def produce(*_: Any) -> bool:
            raise error

        return produce

    assert compare_figures(county.store, node_code="360102", produce=failing(ValueError())) == 0
    assert "comparison failed" in caplog.text
    with pytest.raises(StoreUnavailableError):
        compare_figures(county.store, node_code="360102", produce=failing(StoreUnavailableError("gone")))
    assert compare_figures(county.store, node_code="360102", produce=county.produce) == 1


def test_a_case_that_only_the_origin_counts_is_named(nodes: Nodes) -> None:
    """A row written into the county's database by hand: a case that has no record."""
    county = nodes["360102"]
    county.append(bodies("apply"))

    def invent(transaction: Any) -> None:
        connection = transaction.connection
        fact = connection.execute(select(case_fact)).one()._asdict()
        state = connection.execute(select(case_state)).one()._asdict()
        connection.execute(case_fact.insert().values({**fact, "id": 99, "case_no": case_no(99)}))
        connection.execute(case_state.insert().values({**state, "id": 99}))
        connection.execute(update(counter).values(amount=counter.c.amount * 2))
        assert connection.scalar(select(record.c.key).limit(1))

    county.store.write(invent)
    city, county = dispute(nodes)
    talk(city, county)
    assert held(city)[0].found == (
        NamedDifference(case_no=case_no(99), key=APPLIED, stated=1, computed=0, counted=0, cause="ORIGIN", records=()),
    )
