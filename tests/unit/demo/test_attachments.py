"""What follows a granted case against an independent judge: the standard, and the node's own checks."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from node.cases.history import Recorded, replay
from node.cases.states import State
from node.demo.attachments import attach
from node.demo.catalogue import items_of
from node.demo.generator import generate_month
from node.demo.workdays import MONTH_END
from node.standard.codec import parse_record
from node.standard.compose import compose
from node.standard.facts import facts_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.demo.generator import GeneratedRecord

ITEMS = items_of("360102", "东湖区")


@pytest.fixture(scope="module")
def month() -> Sequence[GeneratedRecord]:
    return [record for record in generate_month(ITEMS, cases=200, seed=7).records if record.valid]


def test_the_same_seed_gives_the_same_records(month: Sequence[GeneratedRecord]) -> None:
    made = attach(month, ITEMS, seed=7)
    assert attach(month, ITEMS, seed=7) == made
    assert attach(month, ITEMS, seed=8) != made
    assert attach([], ITEMS, seed=7) == []


def test_they_come_in_order_within_the_month_and_of_every_kind(month: Sequence[GeneratedRecord]) -> None:
    made = attach(month, ITEMS, seed=7)
    times = [record.sent_at for record in made]
    assert times == sorted(times)
    assert times[-1] < MONTH_END
    assert set(Counter(record.record_type for record in made)) == {"Certificate", "Delivery", "Evaluation"}


def test_nothing_is_found_on_a_case_that_was_in_order_before(month: Sequence[GeneratedRecord]) -> None:
    further = attach(month, ITEMS, seed=7)
    ended: Counter[int] = Counter()
    for number in {str(record.content["CaseNo"]) for record in further}:
        of_case = [record for record in month if record.content["CaseNo"] == number]
        behind = [record for record in further if record.content["CaseNo"] == number]
        before, after = outcome(of_case), outcome([*of_case, *behind])
        # A case that claims wrong times claims them about its certificate as well.
        assert after[1] == [] if before[1] == [] else set(before[1]) <= set(after[1])
        ended[after[0]] += 1
    assert set(ended) == {State.CERTIFIED, State.DELIVERED}


def outcome(records: Sequence[GeneratedRecord]) -> tuple[int, list[str]]:
    """Return state and finding codes of a case's records."""
    ordered = sorted(records, key=lambda record: record.sent_at)
    bodies = [compose(one.record_type, {**one.content, "Channel": "API"}, salt=bytes(16)) for one in ordered]
    read = [Recorded(key, facts_of(parse_record(body)), quarantined=False) for key, body in enumerate(bodies)]
    found = replay(read, ())
    return found.memory.state, [code for code, _ in found.findings]
