"""What a summary states survives composing, splitting into parts, and reading."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from node.standard.codec import RECORD_BYTES_MAX, parse_record
from node.standard.compose import compose
from node.statistics.indicators import FigureKey, Figures
from node.statistics.stated import PART_BYTES_MAX, Stated, compose_parts, differing_keys, part_of, read_parts
from tests.support.samples import CREDIT_CODE

SALT = bytes(16)
HEADER = {"RecordKey": "summary:1", "EventTime": "2026-01-06T00:10:00+08:00"}

keys = st.builds(
    lambda task, channel, indicator: FigureKey("360102", CREDIT_CODE, f"T{task}", channel, indicator),
    st.integers(1, 5),
    st.sampled_from(["API", "FILE"]),
    st.sampled_from(["applied", "fees", "concluded.GRANT"]),
)
figures = st.dictionaries(keys, st.integers(-(10**12), 10**15).filter(bool), max_size=12)


def elements(stated: Stated) -> list[object]:
    made = [compose("StatisticsSummary", {**HEADER, **part}, salt=SALT) for part in compose_parts(stated)]
    assert all(len(one) <= RECORD_BYTES_MAX for one in made)
    return [parse_record(one) for one in made]


@settings(deadline=None, max_examples=50)
@given(figures, figures, st.dictionaries(st.sampled_from(["360102", "360103"]), st.integers(1, 10**9)))
def test_stated_figures_come_back(own: Figures, subtree: Figures, children: dict[str, int]) -> None:
    stated = Stated(day="2026-01-05", definition_version=1, own=own, subtree=subtree, children=children)
    stated.missing = ["360104"]
    read = read_parts(elements(stated))
    assert read == stated
    assert read.content_hash() == stated.content_hash()


def many(count: int) -> Figures:
    return {FigureKey("360102", CREDIT_CODE, f"T{number}", "API", "applied"): number + 1 for number in range(count)}


def test_a_large_summary_is_split_into_parts_that_fit() -> None:
    stated = Stated(day="2026-01-05", definition_version=1, own=many(1500), subtree=many(1500), children={"360102": 7})
    parts = elements(stated)
    assert len(parts) > 1
    assert [part_of(part) for part in parts] == [(index + 1, len(parts)) for index in range(len(parts))]
    assert read_parts(parts) == stated
    made = [compose("StatisticsSummary", {**HEADER, **part}, salt=SALT) for part in compose_parts(stated)]
    assert max(map(len, made)) <= PART_BYTES_MAX


def test_parts_that_do_not_belong_together_are_no_summary() -> None:
    large = elements(Stated(day="2026-01-05", definition_version=1, own=many(1500), subtree=many(1500)))
    other_day = elements(Stated(day="2026-01-06", definition_version=1, own=many(1500), subtree=many(1500)))
    other_version = elements(Stated(day="2026-01-05", definition_version=2, own=many(1500), subtree=many(1500)))
    assert read_parts([]) is None
    assert read_parts(large[1:]) is None
    assert read_parts(large[::-1]) is None
    assert read_parts([other_day[0], *large[1:]]) is None
    assert read_parts([other_version[0], *large[1:]]) is None


def test_equal_content_has_one_hash_whatever_the_order_it_was_found_in() -> None:
    first = Stated(day="2026-01-05", definition_version=1, own=many(3), missing=["2", "1"], children={"1": 1, "2": 2})
    second = Stated(
        day="2026-01-05",
        definition_version=1,
        own=dict(reversed(many(3).items())),
        missing=["1", "2"],
        children={"2": 2, "1": 1},
    )
    assert first.content_hash() == second.content_hash()
    second.own = {}
    assert first.content_hash() != second.content_hash()


def test_missing_figures_differ_from_any_but_zero() -> None:
    one, two = many(2)
    assert differing_keys({one: 1}, {one: 1, two: 2}) == [two]
    assert differing_keys({one: 1, two: 0}, {one: 1}) == []


def test_parts_are_taken_no_further_than_the_first_that_does_not_fit() -> None:
    large = elements(Stated(day="2026-01-05", definition_version=1, own=many(2500)))
    assert len(large) > 2
    taken = iter([large[0], large[2], large[1]])
    assert read_parts(taken) is None
    assert list(taken) == [large[1]]
    assert read_parts(large[:-1]) is None
