"""An example of every record type, made from its shape: valid, canonical, and belonging to nobody.

The reference pages, the bundle for vendors and tests show the same examples. Nothing is listed by record type: a new
type has its examples as soon as its schema is there. The division 369902 does not exist, names say that they are
samples (样例), and every number has its right check character.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from datetime import date
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from node.standard.compose import SALT_BYTES, TEXT_KEY, compose, record_shape
from node.standard.identifiers import (
    case_number,
    citizen_number_check,
    credit_code_check,
    notice_number,
    organisation_code_check,
)
from node.standard.patterns import shortest_match

if TYPE_CHECKING:
    from collections.abc import Mapping

    from node.standard.shape import AttributeShape, ElementShape, SimpleShape

DIVISION: Final = "369902"
"""A code that GB/T 2260 does not have."""
DAY: Final = date(2026, 1, 5)
TIME: Final = "2026-01-05T09:30:00+08:00"
ITEM: Final = "XK0010100Y"
ORG_NAME: Final = "样例县样例局"
_NUMBERS_OF_NAMES: Final = "甲乙丙丁戊己庚辛壬癸"
_SET_BY_COMPOSE: Final = frozenset({"Salt", "Version"})
_VALUE_MIN: Final = 1
_DIGESTS_BYTES: Final = 256 * 16


def _credit_code() -> str:
    organisation = "YL000001"
    body = f"11{DIVISION}{organisation}{organisation_code_check(organisation)}"
    return body + credit_code_check(body)


def _citizen_number() -> str:
    body = f"{DIVISION}19900307001"
    return body + citizen_number_check(body)


CREDIT_CODE: Final = _credit_code()
CITIZEN_NUMBER: Final = _citizen_number()
CASE_NUMBER: Final = case_number(DIVISION, CREDIT_CODE, ITEM, DAY, 1)
_SIGNATURE: Final = b64encode(b"a sample, no signature").decode()
_HASH: Final = hashlib.sha256(b"sample").hexdigest()

_BY_TYPE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "CaseNumber": CASE_NUMBER,
        "DivisionCode": DIVISION,
        "NodeCode": DIVISION,
        "Audience": "ancestors",
        "StreamReference": f"{DIVISION}/ancestors",
        "OrgCode": CREDIT_CODE,
        "OldOrgCode": CREDIT_CODE[8:17],
        "TaskCode": f"{ITEM}{DIVISION}001",
        "CatalogCode": ITEM,
        "DocumentNumber": "样字〔2026〕1号",
        "NoticeNumber": notice_number(DIVISION, DAY, 1),
        "Token": "sample",
        "IdNumber": CITIZEN_NUMBER,
        "Time": TIME,
        "SealTime": "2026-01-05T01:30:00Z",
        "Date": DAY.isoformat(),
        "Year": str(DAY.year),
        "Amount": "120.50",
        "Limit": "5",
        "Hash": _HASH,
        "StartId": _HASH[:32],
        "Signature": _SIGNATURE,
        "CertificateBytes": _SIGNATURE,
        "DigestRange": "0a",
        "DigestSet": b64encode(bytes(_DIGESTS_BYTES)).decode(),
        "PostCode": "000000",
        "MediaTypeName": "application/pdf",
    }
)
"""Examples of simple types; a type that does not stand here gets its first code, or the least that it allows."""

_PREFERRED_CODES: Final[Mapping[str, str]] = MappingProxyType(
    {"IdType": "111", "TaskType": "01", "UseLevel": "4", "DivisionLevel": "4", "LimitUnit": "G", "ProjectType": "2"}
)
"""Codes that fit the other values of the examples better than the first of their table would."""

_BY_ENDING: Final = (
    ("OrgName", ORG_NAME),
    ("Unit", ORG_NAME),
    ("Phone", "0000-0000000"),
    ("Email", "sample@example.org"),
    ("NodeName", "样例县"),
    ("DivisionName", "样例县"),
    ("OrigSystem", "sample-system"),
    ("OrigCaseNo", "YL-2026-0001"),
    ("WaybillNo", "YL0000001"),
)
"""Texts by what an element's name ends with; any other text says that it is a sample of its label."""


@cache
def example(record_type: str, *, full: bool = True) -> bytes:
    """Return the canonical bytes of the example of a record type: with every optional element, or with none.

    Raises RecordRefusedError for a type that the standard does not have.
    """
    salt = hashlib.sha256(record_type.encode()).digest()[:SALT_BYTES]
    return compose(record_type, example_content(record_type, full=full), salt=salt)


def example_content(record_type: str, *, full: bool = True) -> dict[str, Any]:
    """Return the content of the example of a record type, as ``compose`` takes it.

    Raises RecordRefusedError for a type that the standard does not have.
    """
    content = _Filling(record_type, full=full).content(record_shape(record_type))
    if "Correction" in content:
        # A record that corrects another is a later version of it.
        content["DataVersion"] = "2"
    return content


class _Filling:
    """Fills one record: names of persons differ within it, so that it shows who is who."""

    def __init__(self, record_type: str, *, full: bool) -> None:
        self._record_type = record_type
        self._full = full
        self._persons: dict[str, str] = {}

    def content(self, shape: ElementShape) -> dict[str, Any]:
        filled: dict[str, Any] = {
            f"@{part.name}": self._attribute(part)
            for part in shape.attributes
            if part.name not in _SET_BY_COMPOSE and (part.required or self._full)
        }
        for child in shape.children:
            if child.name not in _SET_BY_COMPOSE and (child.required or self._full):
                value = self._element(child)
                filled[child.name] = [value] * max(child.occurs_min, 1) if child.repeated else value
        return filled

    def _element(self, shape: ElementShape) -> Any:
        if shape.simple is None:
            return self.content(shape)
        text = self._text(shape)
        return {**self.content(shape), TEXT_KEY: text} if shape.attributes else text

    def _attribute(self, part: AttributeShape) -> str:
        return value_of(part.simple, part.label)

    def _text(self, shape: ElementShape) -> str:
        assert shape.simple is not None  # noqa: S101 - the caller asked.
        if shape.simple.name == "RecordKey":
            return f"{self._record_type}:{DIVISION}:1"
        if shape.simple.plain or shape.simple.name in _BY_TYPE:
            return value_of(shape.simple, shape.label)
        if shape.privacy == "name":
            return self._person(shape.name)
        for ending, text in _BY_ENDING:
            if shape.name.endswith(ending) and _fits(shape.simple, text):
                return text
        return value_of(shape.simple, shape.label)

    def _person(self, name: str) -> str:
        number = len(self._persons)
        return self._persons.setdefault(name, f"样例{_NUMBERS_OF_NAMES[number % len(_NUMBERS_OF_NAMES)]}")


def value_of(simple: SimpleShape, label: str) -> str:
    """Return an example of a simple type; a free text says that it is a sample of ``label``."""
    if simple.codes:
        codes = [code for code, _ in simple.codes]
        preferred = _PREFERRED_CODES.get(simple.name, "")
        return preferred if preferred in codes else codes[0]
    candidates = (_BY_TYPE.get(simple.name, ""), *_by_base(simple), f"样例{label or simple.label}"[: simple.length_max])
    fitting = (text for text in candidates if text and _fits(simple, text))
    return next(fitting, "") or shortest_match(simple.pattern or "")


def _by_base(simple: SimpleShape) -> tuple[str, ...]:
    if simple.value_min is not None and simple.value_max is not None:
        return (str(min(max(simple.value_min, _VALUE_MIN), simple.value_max)),)
    values = {
        "boolean": ("true",),
        "dateTime": (TIME,),
        "date": (DAY.isoformat(),),
        "int": (str(max(simple.value_min or 0, _VALUE_MIN)),),
        "long": (str(max(simple.value_min or 0, _VALUE_MIN)),),
        "decimal": ("1", "0.5"),
        "base64Binary": (_SIGNATURE,),
    }
    return values.get(simple.base, ())


def _fits(simple: SimpleShape, text: str) -> bool:
    if simple.base == "string" and not (simple.length_min or 0) <= len(text) <= (simple.length_max or len(text)):
        return False
    return simple.pattern is None or re.fullmatch(simple.pattern, text) is not None
