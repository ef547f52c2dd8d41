"""Indicators: what each kind of record adds, by hand, and the figures of a hand-worked day."""

from __future__ import annotations

import pytest

from node.statistics.indicators import (
    DERIVED_INDICATORS,
    INDICATOR_NAMES,
    INDICATORS,
    FigureKey,
    add_figures,
    contribution,
    with_derived,
)
from tests.support.case_records import WORDS, facts

KEY = ("360102", "ORG", "TASK", "API")

ADDED = {
    "apply": ("applied", 1),
    "accept": ("accepted", 1),
    "deem": ("accepted", 1),
    "refuse": ("refused", 1),
    "notice": ("supplement_notices", 1),
    "special": ("special_procedures", 1),
    "extend": ("special_procedures", 1),
    # AmountPaid is 100 yuan: 10,000 fen.
    "paid": ("fees", 10_000),
    "grant": ("concluded.GRANT", 1),
    "deny": ("concluded.DENY", 1),
    "withdraw": ("concluded.WITHDRAW", 1),
    "conclude_refused": ("concluded.REFUSE", 1),
    "timeout": ("concluded.SUPP_TIMEOUT", 1),
}


@pytest.mark.parametrize(("word", "added"), ADDED.items())
def test_a_record_adds_what_the_table_says(word: str, added: tuple[str, int]) -> None:
    record_type, changes = WORDS[word]
    amounts = contribution(facts(record_type, **changes))
    assert [(INDICATOR_NAMES[number], amount) for number, amount in amounts] == [added]


@pytest.mark.parametrize(
    "word", ["handle", "receipt", "end", "collect", "material", "unpaid", "preaccept", "extension"]
)
def test_other_records_add_nothing(word: str) -> None:
    record_type, changes = WORDS[word]
    assert contribution(facts(record_type, **changes)) == ()


def test_a_record_without_a_day_or_an_amount_is_not_counted() -> None:
    undated = facts("Application")
    undated.event_day = None
    assert contribution(undated) == ()
    assert contribution(facts("Fee", AmountPaid="0")) == ()


def test_numbers_and_names_are_given_once() -> None:
    assert len({one.number for one in INDICATORS}) == len({one.name for one in INDICATORS}) == len(INDICATORS)
    assert all(1 <= one.number <= 255 for one in INDICATORS)
    names = {one.name for one in INDICATORS}
    assert all(set(derived.addends) <= names for derived in DERIVED_INDICATORS)


def test_the_derived_sum_of_conclusions() -> None:
    figures = {FigureKey(*KEY, "concluded.GRANT"): 3, FigureKey(*KEY, "concluded.VOID"): 2, FigureKey(*KEY, "fees"): 9}
    assert with_derived(figures)[FigureKey(*KEY, "concluded")] == 5
    assert with_derived({}) == {}


def test_sums_that_come_to_zero_go() -> None:
    total = {FigureKey(*KEY, "applied"): 2}
    add_figures(total, {FigureKey(*KEY, "applied"): -2, FigureKey(*KEY, "fees"): 5})
    assert total == {FigureKey(*KEY, "fees"): 5}
