"""Generated penalties against an independent judge: the standard, and the node's own checks."""

from __future__ import annotations

import pytest

from node.cases import penalty_codes as codes
from node.cases.history import Recorded, replay
from node.cases.penalties import PENALTY
from node.cases.penalty_states import PenaltyState
from node.demo import penalties
from node.demo.applicants import make_applicant
from node.demo.catalogue import items_of
from node.demo.chance import Chance
from node.demo.penalties import PENALTY_PATHS, PenaltyFile, generate_penalties
from node.demo.workdays import MONTH_END, is_working_day
from node.standard.codec import parse_record
from node.standard.compose import compose, content_of
from node.standard.facts import facts_of

ITEMS = items_of("360102", "东湖区")


def test_the_same_seed_gives_the_same_penalties() -> None:
    made = generate_penalties(ITEMS, count=20, seed=7)
    assert generate_penalties(ITEMS, count=20, seed=7) == made
    assert generate_penalties(ITEMS, count=20, seed=8) != made
    assert generate_penalties(ITEMS, count=0, seed=7) == []
    assert len({record.content["CaseNo"] for record in made}) == 20


def test_they_come_in_order_on_working_days_of_the_month() -> None:
    made = generate_penalties(ITEMS, count=20, seed=7)
    times = [record.sent_at for record in made]
    assert times == sorted(times)
    assert times[-1] < MONTH_END
    assert all(is_working_day(moment.date()) for moment in times)
    for record in made:
        parse_record(compose(record.record_type, {**record.content, "Channel": "API"}, salt=bytes(16)))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (penalties.ordinary, []),
        (penalties.on_the_spot, []),
        (penalties.heavier_after_defence, [codes.HEAVIER_AFTER_DEFENCE]),
        (penalties.without_legal_review, [codes.LEGAL_REVIEW_MISSING, codes.TOO_FEW_OFFICERS]),
    ],
)
@pytest.mark.parametrize("kind", ["1", "2"])
def test_each_way_is_found_to_be_what_it_says(path: object, expected: list[str], kind: str) -> None:
    chance = Chance(f"{path}/{kind}")
    penalty = PenaltyFile("CF1", ITEMS[0].department, make_applicant(kind, chance), chance)
    assert callable(path)
    path(penalty)
    read = []
    for key, record in enumerate(penalty.records):
        body = compose(record.record_type, {**record.content, "Channel": "API"}, salt=bytes(16))
        element = parse_record(body)
        read.append(Recorded(key, facts_of(element), quarantined=False, content=content_of(element)))
    found = replay(read, (), PENALTY)
    assert found.memory.state == PenaltyState.CLOSED
    assert sorted(code for code, _ in found.findings) == expected


def test_every_way_is_taken_by_ten_penalties() -> None:
    assert set(PENALTY_PATHS) == {
        penalties.ordinary,
        penalties.on_the_spot,
        penalties.heavier_after_defence,
        penalties.without_legal_review,
    }
