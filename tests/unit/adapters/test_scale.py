"""The scale: every rule must count, from the lowest step upward, and the page says what the program asks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from adapters.contract import AdapterKind, Setting
from adapters.scale import DONE, RULES, Step, standing
from tests.tidy.tree import ROOT

if TYPE_CHECKING:
    from adapters.contract import Adapter, Opening


def never(opening: Opening) -> Adapter:
    raise AssertionError(opening)


GOLD = AdapterKind(
    name="door",
    zh="门",
    en="Door",
    settings=(Setting(name="host", zh="主机", en="Host"),),
    open=never,
    delivers=True,
    scale={rule.name: DONE for rule in RULES},
)


def test_all_rules_done_is_gold() -> None:
    found = standing(GOLD)
    assert found.step is Step.GOLD
    assert [one.rule.name for one in found.answers] == [rule.name for rule in RULES]
    assert all(one.counts and not one.text for one in found.answers)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_one_rule_that_is_not_answered_keeps_a_kind_below_its_step(rule: object) -> None:
    lacking = {one.name: DONE for one in RULES if one is not rule}
    (step,) = [one.step for one in RULES if one is rule]
    assert standing(replace(GOLD, scale=lacking)).step == step - 1


def test_an_exemption_counts_with_its_reason_and_not_without() -> None:
    exempt = {**GOLD.scale, "needs_person": "exempt: a folder needs no credentials"}
    assert standing(replace(GOLD, scale=exempt)).step is Step.GOLD
    for answer in ("exempt: ", "exempt", "yes"):
        found = standing(replace(GOLD, scale={**GOLD.scale, "needs_person": answer}))
        assert found.step is Step.BRONZE


def test_what_a_program_can_tell_is_not_taken_on_trust() -> None:
    secret = Setting(name="password", zh="口令", en="Password")
    assert standing(replace(GOLD, settings=(secret,))).step is Step.NONE
    assert standing(replace(GOLD, delivers=False)).step is Step.SILVER


def test_the_page_has_each_rule_with_its_step_and_words_in_order() -> None:
    page = (ROOT / "docs" / "reference" / "adapter-scale.md").read_text(encoding="utf-8")
    rows = [f"| `{rule.name}` | {rule.step.name.lower()} | {rule.en} | {rule.zh} |" for rule in RULES]
    assert [line for line in page.splitlines() if line.startswith("| `")] == rows
