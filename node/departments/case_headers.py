"""What the header of a candidate says of its case, read before anything was checked: which case, whose, of what day.

Called while numbers are given out (``node.departments.numbering``) and while records are prepared.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from node.errors import Problem, RecordRefusedError
from node.standard.codec import TAG_PREFIX, parse_unvalidated
from node.standard.families import CASE_HEADER, PENALTY_HEADER, RECORD_TYPES

if TYPE_CHECKING:
    from node.departments.candidates import Candidate

RULE_NUMBER: Final = "case-number"
SYSTEM_LENGTH_MAX: Final = 50
NUMBER_LENGTH_MAX: Final = 100
"""Characters of OrigSystem and OrigCaseNo, as in the schema (a test compares)."""
HEADER_BYTES: Final = 16_384
"""Bytes of markup in which the header of a record stands, whatever its formatting. Our own choice."""
_NUMBERED_HEADERS: Final = frozenset({CASE_HEADER, PENALTY_HEADER})
_PARTS: Final = ("CaseNo", "OrigSystem", "OrigCaseNo", "DivisionCode", "OrgCode", "TaskCode", "EventTime")
_HAS_NUMBER: Final = re.compile(rb"<CaseNo[\s/>]")
_NAMELESS: Final = "the record names no case: CaseNo is missing, and so is OrigCaseNo, the number in its own system"


def names_a_case(record_type: str) -> bool:
    """Tell whether records of a type carry the number of a case."""
    known = RECORD_TYPES.get(record_type)
    return known is not None and known.header in _NUMBERED_HEADERS


def has_number(candidate: Candidate) -> bool:
    """Tell whether a candidate brings a case number of its own."""
    if candidate.content is not None:
        return bool(candidate.content.get("CaseNo"))
    return _HAS_NUMBER.search(candidate.markup or b"", 0, HEADER_BYTES) is not None


def parts_of(candidate: Candidate) -> dict[str, str] | None:
    """Return what the header says, "" for what it does not; None when the markup cannot be parsed."""
    if candidate.content is not None:
        given: Any = candidate.content
        return {name: value if isinstance(value := given.get(name), str) else "" for name in _PARTS}
    try:
        element = parse_unvalidated(candidate.markup or b"")
    except RecordRefusedError:
        return None
    return {name: element.findtext(TAG_PREFIX + name) or "" for name in _PARTS}


def nameless(candidate: Candidate) -> Problem | None:
    """Return the problem of a candidate that names no case in either way, None when it names one or need not."""
    if not names_a_case(candidate.record_type) or has_number(candidate):
        return None
    parts = parts_of(candidate)
    if parts is None or parts["OrigCaseNo"]:
        return None
    return Problem(rule=RULE_NUMBER, element="CaseNo", line=1, text=_NAMELESS)
