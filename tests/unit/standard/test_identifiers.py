from __future__ import annotations

from datetime import date
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.cn import ric, uscc
from stdnum.iso7064 import mod_37_36

from node.standard.identifiers import (
    ALPHANUMERIC,
    CREDIT_ALPHABET,
    case_number,
    citizen_number_check,
    credit_code_check,
    is_case_number,
    is_citizen_number,
    is_credit_code,
    is_organisation_code,
    mod_37_36_check,
    notice_number,
)

CREDIT_CODE = "91350100M000100Y43"


def test_the_example_of_gb_32100_passes() -> None:
    assert is_credit_code(CREDIT_CODE)


@pytest.mark.parametrize("text", ["91350100M000100Y44", "91350100M000100Y4", "91350100I000100Y43", "", "9" * 19])
def test_a_wrong_credit_code_is_seen(text: str) -> None:
    assert not is_credit_code(text)


@pytest.mark.parametrize("text", ["11010519491231002X", "440524188001010014"])
def test_the_examples_of_gb_11643_pass(text: str) -> None:
    assert is_citizen_number(text)


@pytest.mark.parametrize(
    "text",
    [
        "110105194912310021",
        "11010519491231002x",
        "1101051949123100",
        "X10105194912310021",
    ],
)
def test_a_wrong_citizen_number_is_seen(text: str) -> None:
    assert not is_citizen_number(text)


def test_a_date_of_birth_that_does_not_exist_fails_even_with_its_right_check() -> None:
    body = "11010519491331002"
    digits = zip(body, (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2), strict=True)
    check = "10X98765432"[sum(int(digit) * weight for digit, weight in digits) % 11]
    assert not is_citizen_number(body + check)


@pytest.mark.parametrize("text", ["006988574", "006994552"])
def test_organisation_codes_of_the_field_pass_gb_11714(text: str) -> None:
    assert is_organisation_code(text)


@pytest.mark.parametrize("text", ["006988575", "00698857", "00698857-4", "00698857A"])
def test_a_wrong_organisation_code_is_seen(text: str) -> None:
    assert not is_organisation_code(text)


def test_remainders_one_and_zero_of_gb_11714_give_x_and_0() -> None:
    # By hand: 6 x 2 = 12, 12 mod 11 = 1, 11 - 1 = 10 → X; 1 x 4 + 9 x 2 = 22, 22 mod 11 = 0, 11 - 0 = 11 → 0.
    assert is_organisation_code("00000006X")
    assert is_organisation_code("000000190")


def test_mod_37_36_agrees_with_the_published_grid_example() -> None:
    # The Global Release Identifier standard prints A1-2425G-ABC1234002-M.
    assert mod_37_36_check("A12425GABC1234002") == "M"


@given(st.text(ALPHANUMERIC, min_size=1, max_size=47), st.integers(0, 46), st.sampled_from(ALPHANUMERIC))
def test_mod_37_36_sees_every_single_wrong_character(body: str, place: int, other: str) -> None:
    place %= len(body)
    changed = body[:place] + other + body[place + 1 :]
    assert (mod_37_36_check(changed) == mod_37_36_check(body)) == (changed == body)


def test_mod_37_36_sees_all_but_one_in_630_exchanges_of_neighbours() -> None:
    """ISO 7064 promises nearly all. Which are missed depends on the product before and the two characters: count all.

    Of every product before there is a body that leads to it, so each case is tried on whole texts, the check character
    as the second neighbour among them.
    """
    before = {mod_37_36_check(first + second): first + second for first in ALPHANUMERIC for second in ALPHANUMERIC}
    assert len(before) == 36
    inside = unseen = at_the_end = unseen_at_the_end = 0
    for body in before.values():
        checks = {a: {b: mod_37_36_check(body + a + b) for b in ALPHANUMERIC} for a in ALPHANUMERIC}
        for a, b in combinations(ALPHANUMERIC, 2):
            inside += 2
            unseen += 2 * (checks[a][b] == checks[b][a])
        for a in ALPHANUMERIC:
            check = mod_37_36_check(body + a)
            if check != a:
                at_the_end += 1
                unseen_at_the_end += mod_37_36_check(body + check) == a
    assert (inside, unseen) == (45_360, 72)
    assert (at_the_end, unseen_at_the_end) == (1_260, 2)


def test_characters_9_to_17_of_a_credit_code_are_an_organisation_code() -> None:
    """The standard's own example says so: a second source for the rule of GB 11714."""
    assert is_organisation_code(CREDIT_CODE[8:17])


def test_a_case_number_has_48_characters_and_its_check() -> None:
    number = case_number("360102001", CREDIT_CODE, "XK0010100Y", date(2026, 1, 5), 17)
    assert number[:-1] == "360102" + CREDIT_CODE + "XK0010100Y" + "20260105" + "00017"
    assert len(number) == 48
    assert is_case_number(number)
    assert not is_case_number(number[:-1] + ("0" if number[-1] != "0" else "1"))
    assert not is_case_number("short")
    assert not is_case_number(number[:-2] + "-" + number[-1])


def test_a_long_or_short_item_code_still_gives_48_characters() -> None:
    assert len(case_number("360102", CREDIT_CODE, "a-1", date(2026, 1, 5), 1)) == 48
    implementing = case_number("360102", CREDIT_CODE, "XK0010100Y" + CREDIT_CODE + "001", date(2026, 1, 5), 1)
    assert len(implementing) == 48
    assert implementing[24:34] == "XK0010100Y", "the basic code, with which an implementing code begins"


@pytest.mark.parametrize(
    ("division", "credit_code", "serial"),
    [("3601", CREDIT_CODE, 1), ("36010A", CREDIT_CODE, 1), ("360102", "x", 1), ("360102", CREDIT_CODE, 100_000)],
)
def test_a_case_number_from_wrong_parts_is_refused(division: str, credit_code: str, serial: int) -> None:
    with pytest.raises(ValueError, match="no case number"):
        case_number(division, credit_code, "X", date(2026, 1, 5), serial)


def test_a_notice_number_has_20_digits() -> None:
    assert notice_number("360000", date(2026, 1, 5), 42) == "36000020260105000042"


@pytest.mark.parametrize(("division", "serial"), [("36", 1), ("360000", 0), ("360000", 1_000_000)])
def test_a_notice_number_from_wrong_parts_is_refused(division: str, serial: int) -> None:
    with pytest.raises(ValueError, match="no notice number"):
        notice_number(division, date(2026, 1, 5), serial)


@given(st.text("0123456789ABCDEFGHJKLMNPQRTUWXY", min_size=17, max_size=17))
def test_every_computed_credit_code_passes(body: str) -> None:
    assert is_credit_code(body + credit_code_check(body))


@given(st.text(alphabet=ALPHANUMERIC, min_size=1, max_size=60))
def test_mod_37_36_agrees_with_an_independent_program(body: str) -> None:
    assert mod_37_36_check(body) == mod_37_36.calc_check_digit(body)


@given(st.text(alphabet=CREDIT_ALPHABET, min_size=15, max_size=15))
def test_credit_codes_agree_with_an_independent_program(tail: str) -> None:
    # The other program knows which registers and kinds of bodies exist; ours takes what the check character allows.
    body = f"91{tail}"
    assert credit_code_check(body) == uscc.calc_check_digit(body)


@given(st.integers(min_value=0, max_value=10**17 - 1))
def test_citizen_numbers_agree_with_an_independent_program(number: int) -> None:
    body = f"{number:017d}"
    assert citizen_number_check(body) == ric.calc_check_digit(f"{body}0")
