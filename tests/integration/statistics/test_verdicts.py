"""Verdicts: disputed with the differing figures, waiting for what is not there yet, the same after a rebuild."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import insert, select

from node.errors import StoreUnavailableError
from node.journal import records
from node.journal.entries import NO_AUTHORITY
from node.standard.seals import StreamName
from node.statistics import recount as recount_module
from node.statistics import stated as stated_module
from node.statistics import summaries as summaries_module
from node.statistics import verdict as verdict_module
from node.statistics.recount import figures_at, figures_from_records
from node.statistics.stated import Stated, compose_parts
from node.statistics.summaries import stream_ids, summary_at
from node.statistics.tables import summary
from node.statistics.verdict import publish_verdicts
from node.trust.tables import node_tree
from tests.support.case_records import TASK, bodies, body, case_no
from tests.support.roll_up import DAY, FULL, directed, entries_of, figures, publish, state, tampered, verdicts
from tests.support.samples import CREDIT_CODE

if TYPE_CHECKING:
    from node.journal.store import Transaction
    from tests.support.case_nodes import CaseNode


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


def test_a_rebuild_says_the_same_of_every_summary(tree: dict[str, CaseNode]) -> None:
    county, city = tree["360102"], tree["360100"]
    county.append(bodies(FULL))
    publish(county)
    county.append(bodies("apply", case_no=case_no(5)))
    publish(county)
    entries = entries_of(county)
    entries[1].quarantine = NO_AUTHORITY
    city.receive(entries, "360102")
    city.store.write(lambda transaction: city.journal.requeue(transaction, [entries[1].key]))
    assert verdicts(city) == 2

    def said() -> list[tuple[Any, ...]]:
        columns = (summary.c.last_key, summary.c.day, summary.c.verdict, summary.c.differing, summary.c.content_hash)
        with city.store.reading() as connection:
            return [tuple(row) for row in connection.execute(select(*columns).order_by(summary.c.last_key))]

    before = said()
    city.journal.rebuild()
    assert verdicts(city) == 0
    assert said() == before


def test_parts_without_their_first_one_are_no_summary(
    tree: dict[str, CaseNode], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stated_module, "PART_BYTES_MAX", 2 * 1024 + 600)
    county, city = tree["360102"], tree["360100"]
    county.append(bodies("apply", TaskCode="T-1"))
    county.append(
        [one for number in range(2, 5) for one in bodies("apply", case_no=case_no(number), TaskCode=f"T-{number}")]
    )
    publish(county)
    entries = [one for one in entries_of(county) if one.record_type == "StatisticsSummary"]
    assert len(entries) > 1
    city.receive(entries[1:], "360102")
    assert (verdicts(city), state(city)[0]) == (0, "none")
    forbidden = entries_of(county)[4:]
    forbidden[0].quarantine = NO_AUTHORITY
    province = tree["360000"]
    province.receive(forbidden, "360102")
    assert state(province)[0] == "none"
    province.store.write(lambda transaction: province.journal.requeue(transaction, [forbidden[0].key]))
    assert state(province)[0] == "pending"


def test_parts_that_are_requeued_together_are_read_once(
    tree: dict[str, CaseNode], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stated_module, "PART_BYTES_MAX", 2 * 1024 + 600)
    county, city = tree["360102"], tree["360100"]
    county.append(
        [one for number in range(1, 21) for one in bodies("apply", case_no=case_no(number), TaskCode=f"T-{number}")]
    )
    publish(county)
    entries = entries_of(county)
    parts = [one for one in entries if one.record_type == "StatisticsSummary"]
    assert len(parts) > summaries_module.PARTS_READ
    for one in parts:
        one.quarantine = NO_AUTHORITY
    city.receive(entries, "360102")
    read: list[int] = []
    stored = records.stored

    def counting(connection: Any, stream_id: int, first: int, last: int) -> Any:
        read.extend(range(first, last + 1))
        return stored(connection, stream_id, first, last)

    monkeypatch.setattr(summaries_module, "stored", counting)
    city.store.write(lambda transaction: city.journal.requeue(transaction, [one.key for one in parts]))
    assert read == [one.position for one in parts]
    monkeypatch.setattr(summaries_module, "stored", stored)
    assert (verdicts(city), state(city)[0]) == (1, "agreed")


def test_summaries_count_in_streams_to_ancestors_only(tree: dict[str, CaseNode]) -> None:
    county, city = tree["360102"], tree["360100"]
    county.append(bodies("apply"))
    publish(county)
    misplaced = entries_of(county)[1:]
    city.receive(misplaced, "360102", "360100")
    misplaced[0].quarantine = NO_AUTHORITY
    county.receive(misplaced, "360103", "360102")
    county.store.write(lambda transaction: county.journal.requeue(transaction, [misplaced[0].key]))
    assert state(city) == state(county) == ("none", {})


def test_a_recount_stops_at_a_quarantined_record_and_skips_other_records(tree: dict[str, CaseNode]) -> None:
    county, city = tree["360102"], tree["360100"]
    county.append([*bodies("apply accept"), *bodies("apply", case_no=case_no(5))])
    publish(county)
    entries = entries_of(county)
    entries[1].quarantine = NO_AUTHORITY
    city.receive(entries, "360102")
    with city.store.reading() as connection:
        number = stream_ids(connection)["360102"]
        assert figures_from_records(connection, number, 10_000) == {DAY: figures(applied=2)}
        assert figures_from_records(connection, number, 10_000, "2026-01-06") == {"2026-01-06": {}}


HUGE = 2**63 - 1


def state_below(node: CaseNode, stated: Stated) -> None:
    (part,) = compose_parts(stated)
    stream = StreamName(node.code, "ancestors")
    node.store.write(
        lambda transaction: node.produce(transaction, stream, "StatisticsSummary", part, f"summary:{node.code}")
    )


def huge_counties(tree: dict[str, CaseNode]) -> None:
    """Two counties that state what nobody can count, and their city, which adds them up."""
    city = tree["360100"]
    for code in ("360102", "360103"):
        state_below(tree[code], Stated(day=DAY, definition_version=1, subtree=figures(fees=HUGE)))
        city.copy_from(tree[code])
        tree["360000"].copy_from(tree[code])


def test_figures_whose_sum_no_record_can_carry_are_disputed(tree: dict[str, CaseNode]) -> None:
    city, province = tree["360100"], tree["360000"]
    huge_counties(tree)
    publish(city)
    province.copy_from(city)
    assert verdicts(province) == 3
    assert state(province)[1]["360100"] == "disputed"
    (verdict,) = directed(province, "360100")
    (differing,) = verdict["Differing"]
    assert (differing["@Stated"], differing["@Computed"]) == (str(HUGE), str(HUGE))


def test_only_direct_children_count_in_a_subtree(tree: dict[str, CaseNode]) -> None:
    province = tree["360000"]
    huge_counties(tree)
    stated = Stated(day=DAY, definition_version=1, subtree=figures(fees=HUGE), children={"360103": 1, "360102": 1})
    state_below(tree["360100"], stated)
    row = {"name": "x", "level": "county", "divisions": "", "certificate": "0"}

    def stand(transaction: Transaction) -> None:
        for code, parent in (("360102", "360100"), ("360103", "360000")):
            transaction.connection.execute(insert(node_tree).values(code=code, parent=parent, **row))

    province.store.write(stand)
    province.copy_from(tree["360100"])
    verdicts(province)
    # 360103 stands directly below the province here: what the city adds of it does not count.
    assert state(province)[1]["360100"] == "agreed"


def test_a_summary_that_fails_does_not_stop_the_others(
    tree: dict[str, CaseNode], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    city = tree["360100"]
    for code in ("360102", "360103"):
        state_below(tree[code], Stated(day=DAY, definition_version=1))
        city.copy_from(tree[code])
    judge = verdict_module._judge

    def judge_or_fail(connection: Any, held: Any, origin: str) -> Any:
        if origin == "360102":
            raise LookupError
        return judge(connection, held, origin)

    with monkeypatch.context() as patched:
        patched.setattr(verdict_module, "_judge", judge_or_fail)
        assert verdicts(city) == 1
    assert "summary cannot be judged" in caplog.text
    with pytest.raises(StoreUnavailableError):
        publish_verdicts(city.store, node_code="360100", produce=failing(StoreUnavailableError("gone")))
    assert publish_verdicts(city.store, node_code="360100", produce=failing(ValueError())) == 0
    assert "verdict failed" in caplog.text
    assert publish_verdicts(city.store, node_code="360100", produce=city.produce) == 1


def failing(error: Exception) -> Any:
    def produce(*_: Any) -> bool:
        raise error

    return produce


def test_summaries_that_waited_are_recounted_in_one_reading_of_their_stream(
    tree: dict[str, CaseNode], monkeypatch: pytest.MonkeyPatch
) -> None:
    county, city = tree["360102"], tree["360100"]
    for number in range(1, 6):
        county.append(bodies("apply accept", case_no=case_no(number)))
        publish(county)
    entries = entries_of(county)
    entries[1].quarantine = NO_AUTHORITY
    city.receive(entries, "360102")
    read: list[int] = []
    stored = records.stored

    def counting(connection: Any, stream_id: int, first: int, last: int) -> Any:
        read.extend(range(first, last + 1))
        return stored(connection, stream_id, first, last)

    monkeypatch.setattr(recount_module, "stored", counting)
    assert (verdicts(city), read) == (0, [])
    city.store.write(lambda transaction: city.journal.requeue(transaction, [entries[1].key]))
    assert verdicts(city) == 5
    # The last summary stands at position 15: each record before it is read once.
    assert read == list(range(1, 15))
    assert state(city)[0] == "agreed"


def test_a_summary_recounted_once_waits_for_its_children_without_another_recount(
    tree: dict[str, CaseNode], monkeypatch: pytest.MonkeyPatch
) -> None:
    city, province = tree["360100"], tree["360000"]
    tree["360102"].append(bodies("apply"))
    publish(tree["360102"])
    city.append(bodies("apply", case_no=case_no(2)))
    city.copy_from(tree["360102"])
    publish(city)
    entries = entries_of(city)
    entries[0].quarantine = NO_AUTHORITY
    province.receive(entries, "360100")
    province.store.write(lambda transaction: province.journal.requeue(transaction, [entries[0].key]))
    assert verdicts(province) == 0
    monkeypatch.setattr(recount_module, "stored", failing(AssertionError("recounted again")))
    assert verdicts(province) == 0
    province.copy_from(tree["360102"])
    assert verdicts(province) == 2
    assert state(province)[0] == "agreed"


def test_a_recount_takes_corrections_and_their_days_into_account(tree: dict[str, CaseNode]) -> None:
    county = tree["360102"]
    county.append(bodies("apply accept"))
    county.append([body("Acceptance", data_version=2, hour=24), body("Acceptance", data_version=1, hour=48)])
    with county.store.reading() as connection:
        number = stream_ids(connection)["360102"]
        # Position 3 is the correction: up to it the acceptance counts on its first day, from it on a day later.
        wanted = [(3, DAY), (3, "2026-01-06"), (4, DAY), (5, "2026-01-06"), (5, "2026-01-07")]
        assert list(figures_at(connection, number, wanted)) == [
            figures(applied=1, accepted=1),
            {},
            figures(applied=1),
            figures(accepted=1),
            {},
        ]
