"""Files of divisions, on their way to be published: what their codes say is filled in, what cannot be is refused.

Packages of divisions often hold codes and names only. Where a row says nothing about its parent or level, the structure
of its code does (``node.standard.division_codes``): from then on the record says it, and nobody reads digits again.
What a row says itself is never changed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from node.errors import Problem
from node.standard.division_codes import (
    TOWNSHIP_LEVEL,
    county_by_digits,
    is_summary_code,
    level_by_digits,
    parent_by_digits,
)
from node.standard.identifiers import DIVISION_LENGTH, DIVISION_LENGTHS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from node.departments.candidates import Candidate

RULE_DIVISION: Final = "division"
_OTHERS: Final = ("ParentCode", "ReplacedBy")


def filled_divisions(candidates: Iterable[Candidate]) -> Iterator[Candidate]:
    """Yield divisions with the parent and level that their codes say, where the file says none.

    A village whose township does not stand in the file before it is put below its county. Of what the file holds only
    the codes of townships are remembered.
    """
    townships: set[str] = set()
    for candidate in candidates:
        given = candidate.content
        code = str(given.get("DivisionCode") or "") if given is not None else ""
        if candidate.problems or given is None or not _is_code(code):
            yield candidate
            continue
        if level_by_digits(code) == TOWNSHIP_LEVEL:
            townships.add(code)
        yield replace(candidate, content=_filled(given, code, townships))


def division_problems(content: Mapping[str, Any]) -> tuple[Problem, ...]:
    """Return what keeps a division (content of a valid record) from being published."""
    code = content["DivisionCode"]
    problems = [
        Problem(rule=RULE_DIVISION, element=name, text=f"{code} cannot stand in its own {name}")
        for name in _OTHERS
        if content.get(name) == code
    ]
    if is_summary_code(code):
        text = f"{code} is a heading of statistics (市辖区), no place: leave it out"
        problems.append(Problem(rule=RULE_DIVISION, element="DivisionCode", text=text))
    begins, ends = content.get("ValidFrom"), content.get("ValidTo")
    if begins and ends and ends.strip() < begins.strip():
        text = f"{code} ends on {ends.strip()}, before it begins"
        problems.append(Problem(rule=RULE_DIVISION, element="ValidTo", text=text))
    return tuple(problems)


def _filled(given: Mapping[str, Any], code: str, townships: set[str]) -> dict[str, Any]:
    said = {name: value for name, value in given.items() if value}
    level = said.setdefault("DivisionLevel", str(level_by_digits(code)))
    parent = parent_by_digits(code)
    if parent is not None and len(parent) > DIVISION_LENGTH and parent not in townships:
        parent = county_by_digits(code)
    # A file that gives a code another level than its structure means something of its own: nothing is guessed.
    if parent is not None and level == str(level_by_digits(code)):
        said.setdefault("ParentCode", parent)
    return said


def _is_code(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) in DIVISION_LENGTHS
