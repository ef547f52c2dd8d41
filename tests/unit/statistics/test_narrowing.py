"""Narrowing: any set of differences is found, one in a million with few bytes, and every question ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.standard.compose import compose
from node.statistics.compared import ANSWER, QUESTION, Answer, Question, answer_content, question_content
from node.statistics.indicators import FigureKey
from node.statistics.narrowing import (
    ASKED_MAX,
    FOUND_MAX,
    PARTS,
    QUESTIONS_MAX,
    TOLD_MAX,
    WAITING_MAX,
    WHOLE,
    Difference,
    Step,
    Told,
    UnfitAnswerError,
    next_step,
    place_of,
    tell,
)
from tests.support.samples import CREDIT_CODE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.statistics.narrowing import Contribution

KEY = FigureKey("360102", CREDIT_CODE, "10131300500698857413440400", "FILE", "applied")
FEES = KEY._replace(indicator="fees")

Amounts = dict[tuple[str, FigureKey], int]


def listed(amounts: Amounts) -> list[Contribution]:
    return [(case_no, key, amount) for (case_no, key), amount in amounts.items()]


def bytes_of(step: Step, told: Sequence[Told], number: int) -> int:
    """The bytes of the two records that carry a question and its answer."""
    header = {"RecordKey": f"FigureComparison:360102:1000001:{number}", "EventTime": "2026-01-06T00:00:00+08:00"}
    common: dict[str, Any] = {"position": 1_000_001, "day": "2026-01-05", "number": number}
    question = Question(origin="360102", asked=step.asked, waiting=step.waiting, more=step.more, **common)
    answer = Answer(size=1_000_001, told=tuple(told), **common)
    records = ((QUESTION, question_content(question)), (ANSWER, answer_content(answer)))
    return sum(len(compose(name, {**header, **content}, salt=bytes(16))) for name, content in records)


def compare(own: Amounts, other: Amounts) -> tuple[list[Difference], bool, int, int]:
    """Return differences, whether there are more, how many questions were asked, and the bytes of both ways."""
    step = Step(asked=(WHOLE,), waiting=(), found=())
    found: list[Difference] = []
    questions = size = 0
    while step.asked:
        questions += 1
        told = tell(listed(other), step.asked)
        size += bytes_of(step, told, questions)
        more = step.more
        step = next_step(told, step.asked, step.waiting, listed(own), found_before=len(found))
        found += step.found
        step = Step(asked=step.asked, waiting=step.waiting, found=(), more=step.more or more)
    return found, step.more, questions, size


def true_differences(own: Amounts, other: Amounts) -> set[Difference]:
    return {
        Difference(case_no=case_no, key=key, stated=other.get((case_no, key), 0), computed=own.get((case_no, key), 0))
        for case_no, key in {*own, *other}
        if own.get((case_no, key), 0) != other.get((case_no, key), 0)
    }


places = st.tuples(st.integers(0, 4_000).map(lambda number: f"C{number}"), st.sampled_from((KEY, FEES)))
amounts_of = st.dictionaries(places, st.integers(-5, 5).filter(bool), max_size=30)


@given(changed=amounts_of, removed=st.sets(places, max_size=9), common=st.integers(0, 2_000))
def test_any_differences_are_found_and_nothing_else(
    changed: Amounts, removed: set[tuple[str, FigureKey]], common: int
) -> None:
    own: Amounts = {(f"C{number}", KEY): 1 for number in range(common)}
    other = {place: amount for place, amount in (own | changed).items() if place not in removed}
    expected = true_differences(own, other)
    for mine, theirs, wanted in ((own, other, expected), (other, own, true_differences(other, own))):
        found, more, questions, _ = compare(mine, theirs)
        assert (set(found), more) == (wanted, False)
        assert len(found) == len(wanted)
        assert questions <= QUESTIONS_MAX


@pytest.mark.nightly
def test_one_difference_in_a_million_is_found_with_64_kilobytes() -> None:
    find_one_difference(1_000_000)


def test_one_difference_among_many_is_found_with_64_kilobytes() -> None:
    find_one_difference(100_000)


def find_one_difference(count: int) -> None:
    """Compare two sides of ``count`` cases that differ in one, and count what is exchanged."""
    own: Amounts = {(f"36010220260105{number:08}", KEY): 1 for number in range(count)}
    other = dict(own)
    planted = ("3601022026010500054321", KEY)
    other[planted] = 2
    found, more, questions, size = compare(own, other)
    assert found == [Difference(case_no=planted[0], key=KEY, stated=2, computed=1)]
    assert not more
    # A million in 256 parts of 3,900, one of these in 256 parts of 15, which are told: three questions.
    assert questions == 3
    assert size <= 64 * 1024


def test_equal_contributions_cost_one_question() -> None:
    own: Amounts = {(f"C{number}", KEY): number for number in range(1, 1_000)}
    assert compare(own, dict(own))[:3] == ([], False, 1)
    assert compare({}, {})[:3] == ([], False, 1)


def test_many_differences_end_with_the_first_fifty_and_say_that_there_are_more() -> None:
    own: Amounts = {(f"C{number}", KEY): 1 for number in range(20_000)}
    for other in ({}, dict.fromkeys(own, 2), {place: 1 for place in own if place_of(*place) > "8"}):
        for mine, theirs in ((own, other), (other, own)):
            found, more, questions, _ = compare(mine, theirs)
            assert (len(found), more) == (FOUND_MAX, True)
            assert set(found) <= true_differences(mine, theirs)
            assert questions <= QUESTIONS_MAX


def test_what_one_side_tells_whole_is_compared_with_the_many_of_the_other() -> None:
    theirs: Amounts = {("C7", KEY): 1}
    own: Amounts = {(f"C{number}", KEY): 1 for number in range(10_000)}
    found, more, questions, _ = compare(own, theirs)
    assert more
    assert questions == 1
    assert all(one.stated == 0 and one.case_no != "C7" for one in found)


def test_sums_do_not_depend_on_order() -> None:
    own: Amounts = {(f"C{number}", KEY): number for number in range(1, 500)}
    assert tell(listed(own), [WHOLE]) == tell(reversed(listed(own)), [WHOLE])
    assert [len(one.digests) for one in tell(listed(own), [WHOLE])] == [PARTS]


def unfit() -> list[tuple[str, Sequence[Told]]]:
    digests = tuple(bytes(16) for _ in range(PARTS))
    inside = next(f"C{number}" for number in range(10_000) if place_of(f"C{number}", KEY).startswith("00"))
    outside = next(f"C{number}" for number in range(10_000) if not place_of(f"C{number}", KEY).startswith("00"))
    many = tuple((f"C{number}", KEY, 1) for number in range(TOLD_MAX + 1))
    return [
        ("00", []),
        ("00", [Told(range="01")]),
        ("00", [Told(range="00"), Told(range="00")]),
        ("00", [Told(range="00", digests=digests[1:])]),
        ("00", [Told(range="00", digests=digests, contributions=((inside, KEY, 1),))]),
        ("00" * 8, [Told(range="00" * 8, digests=digests)]),
        ("00", [Told(range="00", contributions=((outside, KEY, 1),))]),
        ("00", [Told(range="00", contributions=((inside, KEY, 1), (inside, KEY, 2)))]),
        (WHOLE, [Told(range=WHOLE, contributions=many)]),
    ]


@pytest.mark.parametrize(("asked", "told"), unfit())
def test_an_answer_that_does_not_fit_its_question_is_refused(asked: str, told: Sequence[Told]) -> None:
    with pytest.raises(UnfitAnswerError):
        next_step(told, [asked], (), [], found_before=0)


@given(st.integers(0, 2**32))
def test_whatever_a_liar_digests_the_ranges_are_bounded(seed: int) -> None:
    """A liar that calls every part different: ranges get deeper at each step, so it ends at the deepest or earlier."""
    step = Step(asked=(WHOLE,), waiting=(), found=())
    for number in range(QUESTIONS_MAX):
        if any(len(one) == 16 for one in step.asked):
            break
        lie = tuple((seed + number + part + 1).to_bytes(16) for part in range(PARTS))
        told = [Told(range=one, digests=lie) for one in step.asked]
        step = next_step(told, step.asked, step.waiting, [], found_before=0)
        assert len(step.asked) <= ASKED_MAX
        assert len(step.waiting) <= WAITING_MAX
    assert all(len(one) <= 16 for one in (*step.asked, *step.waiting))
    assert step.more
