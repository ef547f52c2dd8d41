"""The form on the screen makes a table that the node reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from adapters.serial_bridge.terminal.form import FORMS, NAMES, fill_in, remembered, table_of
from tests.support.csv_candidates import candidates

if TYPE_CHECKING:
    from collections.abc import Callable

SHARED = ["369902", "11369902YL0000012Q", "样例县样例局", "XK0010100Y369902001", "2026-0001", ""]
ANSWERS = {
    "申办": [*SHARED, "样例,事项", "1", "个人", "样例甲", "1", "369902199003070016"],
    "办结": [*SHARED, "1", '准予"许可"', "样例乙"],
}
NOW = "2026-01-05 09:30"


def person(answers: list[str]) -> Callable[[str], str]:
    remaining = iter(answers)
    return lambda _question: next(remaining)


def never_said(zh: str, en: str) -> None:
    raise AssertionError(zh + en)


@pytest.mark.parametrize("form", FORMS)
def test_what_was_filled_in_is_a_record_of_the_standard(form: str) -> None:
    values = fill_in(form, person(ANSWERS[form]), never_said, {}, NOW)
    assert values["业务发生时间"] == NOW
    (candidate,) = candidates(table_of(form, values))
    assert candidate.problems == ()
    assert candidate.content is not None
    assert candidate.record_type == {"申办": "Application", "办结": "Conclusion"}[form]
    assert candidate.content["OrigCaseNo"] == "2026-0001"


def test_what_is_the_same_every_time_is_offered_again() -> None:
    first = fill_in("申办", person(ANSWERS["申办"]), never_said, {}, NOW)
    known = remembered("申办", first)
    assert known["办理机构名称"] == "样例县样例局"
    assert "申请人名称" not in known
    again = fill_in(
        "办结", person(["", "", "", "", "2026-0002", "", "2", "不符合条件", "样例乙"]), never_said, known, NOW
    )
    assert again["行政区划代码"] == "369902"
    assert again["办结结果代码"] == "不予许可"


def test_an_answer_that_cannot_be_is_asked_for_again() -> None:
    said: list[str] = []
    answers = ["36990", "369902", "x", *SHARED[1:5], "yesterday", "2026-01-05 9:30", "7", "准予", "可", "样例乙"]
    values = fill_in("办结", person(answers), lambda zh, en: said.append(zh + en), {}, NOW)
    assert len(said) == 4
    assert values["业务发生时间"] == "2026-01-05 9:30"


def test_every_name_of_a_form_is_a_form() -> None:
    assert set(NAMES.values()) == set(FORMS)
