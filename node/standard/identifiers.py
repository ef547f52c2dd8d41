"""Identifiers of the standard: check characters of GB 32100, GB 11643, GB 11714 and ISO 7064, and new numbers.

Every function takes the identifier exactly as it stands in a record: upper case, no blanks, no hyphens. What is too
long, too short or holds a foreign character is simply not valid; nothing raises for it.
"""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache
from operator import mul

CREDIT_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
CREDIT_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
CITIZEN_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
CITIZEN_CHECKS = "10X98765432"
ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
ALPHANUMERIC = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

CASE_NUMBER_LENGTH = 48
CASE_SERIAL_MAX = 99_999
NOTICE_SERIAL_MAX = 999_999
ITEM_LENGTH = 10
DIVISION_LENGTH = 6
DIVISION_LENGTHS = (6, 9, 12)
"""Digits of a county or above (GB/T 2260), of a township (GB/T 10114), of a village or community."""

_CREDIT_VALUES = {character: value for value, character in enumerate(CREDIT_ALPHABET)}
_VALUES = {character: value for value, character in enumerate(ALPHANUMERIC)}
_CITIZEN = re.compile(r"[0-9]{17}[0-9X]\Z")
_ORGANISATION = re.compile(r"[0-9A-Z]{8}[0-9X]\Z")


def credit_code_check(body: str) -> str:
    """Return the check character of the first 17 characters of a 统一社会信用代码 (GB 32100—2015, annex A).

    Raises KeyError or ValueError when a character is not of the alphabet or there are not 17.
    """
    total = sum(_CREDIT_VALUES[character] * weight for character, weight in zip(body, CREDIT_WEIGHTS, strict=True))
    return CREDIT_ALPHABET[-total % 31]


@lru_cache(maxsize=4096)
def is_credit_code(text: str) -> bool:
    """Tell whether ``text`` is an 18-character 统一社会信用代码 with the right check character (GB 32100—2015)."""
    try:
        return len(text) == len(CREDIT_WEIGHTS) + 1 and credit_code_check(text[:-1]) == text[-1]
    except KeyError:
        return False


def citizen_number_check(body: str) -> str:
    """Return the check character of the first 17 digits of a citizen number (GB 11643—1999, ISO 7064 MOD 11-2)."""
    # The character code of a digit is the digit plus 48: one pass in C, and the surplus taken off once.
    surplus = ord("0") * sum(CITIZEN_WEIGHTS)
    return CITIZEN_CHECKS[(sum(map(mul, CITIZEN_WEIGHTS, body.encode("ascii"))) - surplus) % len(CITIZEN_CHECKS)]


def is_citizen_number(text: str) -> bool:
    """Tell whether ``text`` is an 18-character citizen number with a date of birth and check (GB 11643—1999).

    Whether the first six digits are a division is not asked: old cards keep codes that were given up. Answers are
    never cached, so that no number stays in memory.
    """
    if not _CITIZEN.match(text) or citizen_number_check(text[:-1]) != text[-1]:
        return False
    try:
        date(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    except ValueError:
        return False
    return True


def organisation_code_check(body: str) -> str:
    """Return the check character of the first 8 characters of a 组织机构代码 (GB 11714—1997)."""
    total = sum(_VALUES[character] * weight for character, weight in zip(body, ORGANISATION_WEIGHTS, strict=True))
    return "0123456789X0"[11 - total % 11]


def is_organisation_code(text: str) -> bool:
    """Tell whether ``text`` is a 9-character 组织机构代码 with the right check character (GB 11714—1997)."""
    return bool(_ORGANISATION.match(text)) and organisation_code_check(text[:-1]) == text[-1]


def mod_37_36_check(body: str) -> str:
    """Return the check character after ISO/IEC 7064 MOD 37,36 (hybrid system) for digits and capital letters.

    Raises KeyError when another character stands in ``body``.
    """
    product = 36
    for character in body:
        total = (product + _VALUES[character]) % 36 or 36
        product = total * 2 % 37
    return ALPHANUMERIC[(37 - product) % 36]


def is_case_number(text: str) -> bool:
    """Tell whether ``text`` is one of our own case numbers: 48 characters with the right check character."""
    try:
        return len(text) == CASE_NUMBER_LENGTH and mod_37_36_check(text[:-1]) == text[-1]
    except KeyError:
        return False


def case_number(division: str, credit_code: str, item: str, day: date, serial: int) -> str:
    """Return a case number of 48 characters: division 6, credit code 18, item 10, day 8, serial 5, check 1.

    A longer division code gives its first six digits. An item code gives its first ten letters and digits, filled with
    zeros on the left: the basic code (基本编码, an..10 of GB/T 39046), with which an implementing code begins.
    ``serial`` counts from 1 within division, department, item and day. The layout is ours; it fits the an..50 of
    GB/T 39046. Raises ValueError when a part does not fit.
    """
    if len(division) < DIVISION_LENGTH or not division.isdigit() or not 1 <= serial <= CASE_SERIAL_MAX:
        message = f"no case number from division {division!r} and serial {serial}"
        raise ValueError(message)
    if not is_credit_code(credit_code):
        message = f"no case number from credit code {credit_code!r}"
        raise ValueError(message)
    basic = "".join(character for character in item.upper() if character in _VALUES)[:ITEM_LENGTH].zfill(ITEM_LENGTH)
    body = f"{division[:DIVISION_LENGTH]}{credit_code}{basic}{day:%Y%m%d}{serial:05d}"
    return body + mod_37_36_check(body)


def notice_number(division: str, day: date, serial: int) -> str:
    """Return a 监察编号 of 20 digits: division 6, day 8, serial 6 (fits GB/T 39046 T11, an..20; the layout is ours).

    Raises ValueError when a part does not fit.
    """
    if len(division) < DIVISION_LENGTH or not division.isdigit() or not 1 <= serial <= NOTICE_SERIAL_MAX:
        message = f"no notice number from division {division!r} and serial {serial}"
        raise ValueError(message)
    return f"{division[:DIVISION_LENGTH]}{day:%Y%m%d}{serial:06d}"
