"""What the structure of GB/T 2260 and GB/T 10114 says about codes; the codes are real ones."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.standard.division_codes import (
    county_by_digits,
    is_summary_code,
    level_by_digits,
    parent_by_digits,
    shortest_code,
)
from node.standard.resources import reference_folder

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.mark.parametrize(
    ("code", "parent", "level"),
    [
        ("360000", None, 2),  # 江西省
        ("360100", "360000", 3),  # 南昌市
        ("360102", "360100", 4),  # 东湖区
        ("360122001", "360122", 5),
        ("360122100", "360122", 5),
        ("360122100201", "360122100", 6),
        ("429004", "420000", 4),  # 仙桃市 stands below 湖北省
        ("469001", "460000", 4),  # 五指山市 below 海南省
        ("659001", "650000", 4),  # 石河子市 below 新疆
        ("110101", "110000", 4),  # 东城区 below 北京市
        ("500235", "500000", 4),  # 云阳县 below 重庆市
        ("222401", "222400", 4),  # 延吉市 below 延边州
        ("360102000000", "360100", 4),  # a county written with twelve digits
        ("360102001000", "360102", 5),
        ("360000000000", None, 2),
    ],
)
def test_the_structure_says_parent_and_level(code: str, parent: str | None, level: int) -> None:
    assert (parent_by_digits(code), level_by_digits(code)) == (parent, level)


def test_the_county_is_in_the_first_six_digits() -> None:
    assert [county_by_digits(code) for code in ("360102", "360102001", "360102001002")] == ["360102"] * 3


@pytest.mark.parametrize("code", ["360101", "330101", "460201", "110100", "500200", "360101000", "360101000000"])
def test_headings_of_statistics_are_no_places(code: str) -> None:
    assert is_summary_code(code)


@pytest.mark.parametrize(
    "code",
    ["360000", "360100", "360102", "110101", "500101", "222401", "469001", "659001", "360101001", "369901", "3601", ""],
)
def test_places_are_places(code: str) -> None:
    assert not is_summary_code(code)


@pytest.mark.parametrize("code", ["36010A", "３６０１０１", "36²101", "-36010"])
def test_what_is_no_code_is_no_heading(code: str) -> None:
    assert not is_summary_code(code)


def test_the_shipped_divisions_agree_with_the_structure() -> None:
    rows = list(shipped())
    assert len(rows) == 112
    for code, parent, level in rows:
        assert parent_by_digits(code) == (parent or None)
        assert level_by_digits(code) == {"省": 2, "市": 3, "县": 4}[level]
        assert not is_summary_code(code)


@given(st.from_regex(r"[1-8][0-9]{5}([0-9]{3}){0,2}", fullmatch=True, alphabet="0123456789"))
def test_every_chain_of_parents_ends_at_a_province_and_rises(code: str) -> None:
    levels = []
    at: str | None = code
    while at is not None:
        levels.append(level_by_digits(at))
        at = parent_by_digits(at)
    assert levels == sorted(set(levels), reverse=True)
    assert levels[-1] == 2


@given(st.from_regex(r"[0-9]{6}([0-9]{3}){0,2}", fullmatch=True, alphabet="0123456789"))
def test_zeros_behind_change_nothing(code: str) -> None:
    longer = code.ljust(12, "0")
    assert shortest_code(longer) == shortest_code(code)
    assert (parent_by_digits(longer), level_by_digits(longer)) == (parent_by_digits(code), level_by_digits(code))


def shipped() -> Iterator[tuple[str, str, str]]:
    with (reference_folder() / "jiangxi_divisions.csv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            yield row["DivisionCode"], row["ParentCode"], row["DivisionLevel"]
