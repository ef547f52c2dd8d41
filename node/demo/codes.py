"""Codes of made-up departments and applicants: well formed, with right check characters, belonging to nobody."""

from __future__ import annotations

from typing import Final

from node.standard.identifiers import (
    CREDIT_ALPHABET,
    citizen_number_check,
    credit_code_check,
    organisation_code_check,
)

GOVERNMENT_BODY: Final = "11"
ENTERPRISE_BODY: Final = "91"
"""First two characters of a credit code: registering authority and kind of body (GB 32100, table 1)."""


def credit_code(division: str, number: int, *, registrar: str = GOVERNMENT_BODY) -> str:
    """Return an 18-character 统一社会信用代码 for ``division``; its organisation code begins with GE (generated).

    Args:
        division: six digits.
        number: 0 to 999999, tells bodies of one division apart.
        registrar: the first two characters.
    """
    organisation = f"GE{number:06d}"
    body = f"{registrar}{division}{organisation}{organisation_code_check(organisation)}"
    return body + credit_code_check(body)


def citizen_number(division: str, birth: str, order: int) -> str:
    """Return an 18-character citizen number; ``birth`` is YYYYMMDD, ``order`` 0 to 999."""
    body = f"{division}{birth}{order:03d}"
    return body + citizen_number_check(body)


def wrong_check_digit(number: str) -> str:
    """Return ``number`` with another last character from the digits of its alphabet, so that only the check fails."""
    digits = CREDIT_ALPHABET[:10]
    last = digits[(digits.index(number[-1]) + 1) % 10] if number[-1] in digits else "0"
    return number[:-1] + last
