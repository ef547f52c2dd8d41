"""What a schema cannot say about a record: check digits. Asked after the schema, element by element.

The text of a problem never holds the number itself: it may be a person's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from node.errors import Problem
from node.standard.families import RECORD_HEADER, RECORD_TYPES
from node.standard.identifiers import is_citizen_number, is_credit_code, is_organisation_code

if TYPE_CHECKING:
    from collections.abc import Callable

ID_TYPE_CITIZEN = "111"
ID_TYPE_CREDIT_CODE = "001"
PARTY_CITIZEN_CARD = "CITIZEN_CARD"
PARTY_CREDIT_CODE = "CREDIT_CODE"

_PREFIX = "{urn:yizhan:standard:1}"
_ORG_CODE = f"{_PREFIX}OrgCode"
_GB_32100 = "the check character of the unified social credit code (GB 32100) is wrong"
_GB_11643 = "the check character or date of birth of the citizen number (GB 11643) is wrong"
_GB_11714 = "the check character of the organisation code (GB 11714) is wrong"

_BY_ID_TYPE: dict[str, tuple[Callable[[str], bool], str]] = {
    ID_TYPE_CITIZEN: (is_citizen_number, _GB_11643),
    ID_TYPE_CREDIT_CODE: (is_credit_code, _GB_32100),
    PARTY_CITIZEN_CARD: (is_citizen_number, _GB_11643),
    PARTY_CREDIT_CODE: (is_credit_code, _GB_32100),
}
# Pairs of (type of document, number of document), and further codes, by record type.
_DOCUMENTS = {
    "Application": (("ApplicantIdType", "ApplicantIdNo"), ("AgentIdType", "AgentIdNo")),
    "Collection": (("CollectorIdType", "CollectorIdNo"),),
    "Certificate": (("HolderIdType", "HolderIdNo"),),
    "PenaltyFiling": (("PartyIdType", "PartyIdNo"),),
    "PenaltySummary": (("PartyIdType", "PartyIdNo"),),
    "PenaltyDecision": (("PartyIdType", "PartyIdNo"),),
}
_CODES: dict[str, tuple[tuple[str, Callable[[str], bool], str], ...]] = {
    "Organisation": (
        ("ParentOrgCode", is_credit_code, _GB_32100),
        ("OldOrgCode", is_organisation_code, _GB_11714),
    ),
    "Certificate": (("IssueOrgCode", is_credit_code, _GB_32100),),
    "Complaint": (("AccusedOrgCode", is_credit_code, _GB_32100),),
}
_WITH_ORG_CODE = frozenset(
    {name for name, entry in RECORD_TYPES.items() if entry.header != RECORD_HEADER}
    | {"Item", "Organisation", "SupervisionNotice", "Card", "LedgerEntry", "Score"}
)
_FURTHER = frozenset({*_DOCUMENTS, *_CODES})


def check_digit_problems(record_type: str, element: Any) -> tuple[Problem, ...]:
    """Return a problem of rule ``check-digit`` for each wrong check digit of a schema-valid record."""
    problems: tuple[Problem, ...] = ()
    if record_type in _WITH_ORG_CODE:
        for node in element.iterchildren(_ORG_CODE):
            if not is_credit_code(node.text):
                problems = (_problem("OrgCode", node, _GB_32100),)
    if record_type in _FURTHER:
        problems += _further(record_type, element)
    return problems


def checked_elements(record_type: str) -> tuple[tuple[str, str], ...]:
    """Return the elements of a record type whose check digits are verified, each with what is said when they are wrong.

    A number of a document is checked by the kind of document beside it: its element stands once for each kind that is.
    """
    always = (("OrgCode", _GB_32100),) if record_type in _WITH_ORG_CODE else ()
    codes = tuple((name, text) for name, _, text in _CODES.get(record_type, ()))
    numbers = (number for _, number in _DOCUMENTS.get(record_type, ()))
    return always + codes + tuple((number, text) for number in numbers for _, text in _BY_ID_TYPE.values())


def _further(record_type: str, element: Any) -> tuple[Problem, ...]:
    problems = []
    for name, valid, text in _CODES.get(record_type, ()):
        node = _child(element, name)
        if node is not None and not valid(node.text):
            problems.append(_problem(name, node, text))
    for type_name, number_name in _DOCUMENTS.get(record_type, ()):
        id_type = _child(element, type_name)
        rule = _BY_ID_TYPE.get(id_type.text) if id_type is not None else None
        node = _child(element, number_name) if rule is not None else None
        if rule is not None and node is not None and not rule[0](node.text):
            problems.append(_problem(number_name, node, rule[1]))
    return tuple(problems)


def _child(element: Any, name: str) -> Any:
    return next(element.iterchildren(_PREFIX + name), None)


def _problem(name: str, node: Any, text: str) -> Problem:
    return Problem(rule="check-digit", element=name, line=node.sourceline, text=text)
