"""Every example of docs/reference/identifiers.md, computed."""

from __future__ import annotations

import csv
import re
from datetime import UTC, date, datetime
from io import BytesIO, StringIO
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from node.departments.dialects.csv_table import read_csv
from node.departments.division_files import division_problems
from node.departments.prepare import content_of_candidate
from node.standard.division_codes import is_summary_code, parent_by_digits
from node.standard.identifiers import (
    ALPHANUMERIC,
    CREDIT_ALPHABET,
    CREDIT_WEIGHTS,
    case_number,
    citizen_number_check,
    credit_code_check,
    is_case_number,
    is_citizen_number,
    is_credit_code,
    is_organisation_code,
    organisation_code_check,
)

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "identifiers.md").read_text(encoding="utf-8")
CREDIT_BODY, CITIZEN_BODY, ORGANISATION_BODY = "91350100M000100Y4", "11010519491231002", "00698857"


def row(begin: str) -> str:
    """Return the one line of the page that begins so."""
    (line,) = [line for line in PAGE.splitlines() if line.startswith(f"| {begin}")]
    return line


def codes(text: str) -> list[str]:
    return re.findall(r"`([0-9A-Z]+)`", text)


def test_the_standards_own_examples_pass() -> None:
    assert [is_credit_code(code) for code in codes(row("统一社会信用代码"))] == [True]
    assert [is_organisation_code(code) for code in codes(row("组织机构代码"))] == [True] * 2
    assert [is_citizen_number(code) for code in codes(row("公民身份号码"))] == [True] * 2


def test_the_alphabet_and_weights_stand_as_the_program_has_them() -> None:
    line = row("GB 32100")
    assert codes(line) == [CREDIT_ALPHABET]
    assert " ".join(str(weight) for weight in CREDIT_WEIGHTS) in line


@pytest.mark.parametrize(
    ("check", "body", "alphabet"),
    [(credit_code_check, CREDIT_BODY, CREDIT_ALPHABET), (citizen_number_check, CITIZEN_BODY, "0123456789")],
)
def test_every_single_wrong_character_is_found(check: Callable[[str], str], body: str, alphabet: str) -> None:
    for place, right in enumerate(body):
        for wrong in alphabet.replace(right, ""):
            assert check(body[:place] + wrong + body[place + 1 :]) != check(body)


def test_every_exchange_of_neighbours_in_a_citizen_number_is_found() -> None:
    """Neighbouring weights differ by no multiple of 11, and digits by less than 11: whatever the body."""
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    for place, (weight, following) in enumerate(pairwise(weights)):
        assert (weight - following) % 11
        for first, second in pairwise("0123456789"):
            body = CITIZEN_BODY[:place] + first + second + CITIZEN_BODY[place + 2 :]
            other = CITIZEN_BODY[:place] + second + first + CITIZEN_BODY[place + 2 :]
            assert citizen_number_check(body) != citizen_number_check(other)


def test_what_gb_11714_does_not_find_are_values_eleven_apart() -> None:
    for place, right in enumerate(ORGANISATION_BODY):
        for wrong in ALPHANUMERIC.replace(right, ""):
            body = ORGANISATION_BODY[:place] + wrong + ORGANISATION_BODY[place + 1 :]
            unseen = organisation_code_check(body) == organisation_code_check(ORGANISATION_BODY)
            assert unseen == ((ALPHANUMERIC.index(wrong) - ALPHANUMERIC.index(right)) % 11 == 0)


def test_the_29_digits_of_guangdong_hold_an_organisation_code_and_a_day() -> None:
    found = codes(row("Guangdong 申办流水号"))
    assert [len(number) for number in found] == [29, 29]
    assert [is_organisation_code(number[9:18]) for number in found] == [True, True]
    days = [datetime.strptime(number[19:25], "%y%m%d").replace(tzinfo=UTC).date() for number in found]
    assert days == [date(2014, 9, 16), date(2014, 2, 12)]


def test_the_26_digits_of_guangdong_hold_an_organisation_code_and_a_division() -> None:
    found = codes(row("Guangdong 事项编码"))
    assert [len(number) for number in found] == [26, 26]
    assert [is_organisation_code(number[9:18]) for number in found] == [True, True]
    # 珠海市 and its district 斗门区.
    assert [number[20:] for number in found] == ["440400", "440403"]
    assert parent_by_digits(found[1][20:]) == found[0][20:]


def test_the_example_of_a_case_number_is_made_of_its_parts() -> None:
    (number,) = [code for code in codes(PAGE) if len(code) == 48]
    assert is_case_number(number)
    assert number == case_number("369902100", "91350100M000100Y43", "XK0010100Y", date(2026, 1, 5), 17)


def test_the_digits_say_what_the_table_says() -> None:
    table = PAGE.partition("| code | stands below | by |")[2].partition("\n\n")[0]
    rows = [codes(line) for line in table.splitlines()[2:]]
    assert len(rows) == 7
    for code, parent, *otherwise in rows:
        assert parent_by_digits(code) == parent
        assert otherwise in ([], [code[:6]])


def test_headings_and_places_are_those_of_the_page() -> None:
    paragraph = PAGE.partition("`360101` (市辖区")[2].partition("\n\n")[0]
    headings, _, places = paragraph.partition("no node stands for them.")
    assert [is_summary_code(code) for code in ["360101", *codes(headings)]] == [True, True]
    assert [is_summary_code(code) for code in codes(places)] == [False] * 3


def test_the_table_of_divisions_can_be_published() -> None:
    text = PAGE.partition("```csv\n")[2].partition("```")[0]
    candidates = list(read_csv(BytesIO(text.encode()), record_type="Division", types=frozenset({"Division"})))
    assert len(candidates) == len(list(csv.DictReader(StringIO(text)))) == 3
    contents = [content_of_candidate(candidate) for candidate in candidates]
    assert [division_problems(content) for content in contents] == [()] * 3
    assert contents[0]["BusinessParentCode"] == "369000"
