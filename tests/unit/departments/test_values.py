"""What a value means: days and hours that do not exist, digits that only look like digits, formulas."""

from __future__ import annotations

import re

import pytest

from node.departments.dialects.csv_mapping import columns_of, date_of, time_of
from node.departments.dialects.values import CellError, half_width, read_date, read_time, value_of
from node.standard.facts import TREE_ZONE


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("2026-11-03 24:00", "24:00 is no time of a day"),
        ("2026-11-03T24:00:00+08:00", "24:00 is no time of a day"),
        ("2026年11月3日24时00分", "24:00 is no time of a day"),
        ("2026-11-03 25:00", "25 is no hour of a day"),
        ("2026-02-30 09:12", "there is no day 02-30 in 2026"),
        ("2026年2月30日 9时12分", "there is no day 02-30 in 2026"),
        ("2026-02-30T09:12:00Z", "there is no day 02-30 in 2026"),
        ("2026-13-01 09:12", "there is no day 13-01 in 2026"),
        ("2025-02-29 09:12", "there is no day 02-29 in 2025"),
        ("２０２６-11-03 09:12", "full-width digits"),
        ("soon", "this is not a time"),
    ],
)
def test_a_time_that_cannot_be_is_refused_by_name(cell: str, said: str) -> None:
    with pytest.raises(CellError, match=said):
        time_of(cell, TREE_ZONE)


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("2026年2月30日", "there is no day 02-30 in 2026"),
        ("20261301", "there is no day 13-01 in 2026"),
        ("2026/0/3", "there is no day 00-03 in 2026"),
        ("２０２６年１１月３日", "full-width digits"),
        ("tomorrow", "this is not a date"),
    ],
)
def test_a_date_that_cannot_be_is_refused_by_name(cell: str, said: str) -> None:
    with pytest.raises(CellError, match=said):
        date_of(cell)


def test_the_last_days_of_months_exist() -> None:
    assert [date_of(day) for day in ("2026/1/31", "2024/2/29", "2026/12/31")] == [
        "2026-01-31",
        "2024-02-29",
        "2026-12-31",
    ]
    assert time_of("2026-12-31 23:59", TREE_ZONE) == "2026-12-31T23:59:00+08:00"


@pytest.mark.parametrize("name", ["Sequence", "DivisionCode", "CaseNo", "ResultCode", "FeeAmount", "TaskCode"])
def test_full_width_digits_are_told_where_only_digits_and_letters_stand(name: str) -> None:
    with pytest.raises(CellError, match="full-width digits"):
        columns_of("Conclusion", TREE_ZONE)[name].meaning("１２３")


@pytest.mark.parametrize("name", ["ResultText", "OrgName", "DocumentNo", "Reason"])
def test_full_width_digits_are_text_where_text_stands(name: str) -> None:
    assert columns_of("Conclusion", TREE_ZONE)[name].meaning("第１号") == "第１号"


def test_a_formula_is_no_value() -> None:
    assert value_of("1+1") == "1+1"
    with pytest.raises(CellError, match="formula"):
        value_of("=1+1")


def test_half_width_digits_pass() -> None:
    assert half_width("360102") == "360102"
    assert half_width("测试") == "测试"


def test_no_form_means_no_loose_value() -> None:
    with pytest.raises(CellError):
        read_time("2026-11-03 09:12", (), TREE_ZONE)
    with pytest.raises(CellError):
        read_date("2026-11-03", [re.compile("never")])
