"""Any content that a record type can hold, drawn from its shape: for properties that hold for every record.

Texts are drawn short and from the whole of Unicode that XML allows; numbers with check digits get right ones.
"""

from __future__ import annotations

import re
from base64 import b64encode
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

from node.standard.checks import checked_elements
from node.standard.codec import SHAPES
from node.standard.compose import TEXT_KEY
from node.standard.identifiers import (
    ALPHANUMERIC,
    CREDIT_ALPHABET,
    citizen_number_check,
    credit_code_check,
    organisation_code_check,
)

if TYPE_CHECKING:
    from node.standard.shape import ElementShape, SimpleShape

ITEMS_MAX: Final = 2
TEXT_MAX: Final = 12
_CHARACTERS: Final = st.characters(exclude_categories=("Cs", "Cc", "Cn"), exclude_characters="\ufffe\uffff")
_DIGITS: Final = "0123456789"
_SET_BY_COMPOSE: Final = frozenset({"Salt", "Version"})
_CITIZEN_TYPES: Final = frozenset({"111", "CITIZEN_CARD"})
_CREDIT_TYPES: Final = frozenset({"001", "CREDIT_CODE"})


@cache
def contents(record_type: str) -> st.SearchStrategy[dict[str, Any]]:
    """Return any content of a record type, without Salt and Version."""
    checked = {name for name, _ in checked_elements(record_type)}
    return _element(SHAPES[record_type], checked).map(_with_right_numbers)


def credit_codes() -> st.SearchStrategy[str]:
    """Return any credit code with its check character."""
    return st.text(CREDIT_ALPHABET, min_size=17, max_size=17).map(lambda body: body + credit_code_check(body))


def _element(shape: ElementShape, checked: set[str]) -> st.SearchStrategy[dict[str, Any]]:
    required: dict[str, st.SearchStrategy[Any]] = {}
    optional: dict[str, st.SearchStrategy[Any]] = {}
    for attribute in shape.attributes:
        if attribute.name not in _SET_BY_COMPOSE:
            chosen = required if attribute.required else optional
            chosen[f"@{attribute.name}"] = _value(attribute.simple)
    if shape.simple is not None:
        required[TEXT_KEY] = _value(shape.simple)
    for child in shape.children:
        if child.name not in _SET_BY_COMPOSE:
            chosen = required if child.required else optional
            chosen[child.name] = _child(child, checked)
    return st.fixed_dictionaries(required, optional=optional)


def _child(shape: ElementShape, checked: set[str]) -> st.SearchStrategy[Any]:
    plain = shape.simple is not None and not shape.attributes
    if shape.name == "OldOrgCode":
        one: st.SearchStrategy[Any] = _organisation_codes()
    elif shape.name in checked and shape.name.endswith("OrgCode"):
        one = credit_codes()
    elif plain and shape.simple is not None:
        one = _value(shape.simple)
    else:
        one = _element(shape, checked)
    if not shape.repeated:
        return one
    return st.lists(one, min_size=1, max_size=min(ITEMS_MAX, shape.occurs_max or ITEMS_MAX))


def _value(simple: SimpleShape) -> st.SearchStrategy[str]:
    if simple.listed:
        single = st.sampled_from([code for code, _ in simple.codes]) if simple.codes else _pattern(simple)
        return st.lists(single, min_size=1, max_size=ITEMS_MAX).map(" ".join)
    if simple.codes:
        return st.sampled_from([code for code, _ in simple.codes])
    if simple.base in {"int", "long"}:
        bound = 2**31 if simple.base == "int" else 2**63
        low = -bound if simple.value_min is None else simple.value_min
        high = bound - 1 if simple.value_max is None else simple.value_max
        return st.integers(low, high).map(str)
    if simple.base == "boolean":
        return st.sampled_from(["true", "false", "1", "0"])
    if simple.base == "base64Binary":
        exact = simple.length_min == simple.length_max
        size = (simple.length_max if exact else None) or 16
        return st.binary(min_size=size, max_size=size).map(lambda data: b64encode(data).decode())
    if simple.base in {"dateTime", "date"}:
        return _moment(simple)
    if simple.length_max is not None and (simple.pattern in {None, r"\S.*"}):
        return _text(simple)
    return _pattern(simple)


def _text(simple: SimpleShape) -> st.SearchStrategy[str]:
    lines = "\n\t\r" if simple.pattern is None else ""
    longest = min(simple.length_max or TEXT_MAX, TEXT_MAX)
    alphabet = _CHARACTERS | st.sampled_from("<>&\"' 测试" + lines)
    return st.text(alphabet, min_size=max(1, simple.length_min or 1), max_size=longest).filter(
        lambda text: _fits(simple, text)
    )


def _pattern(simple: SimpleShape) -> st.SearchStrategy[str]:
    return st.from_regex(re.compile(simple.pattern or ".+", re.ASCII), fullmatch=True).filter(
        lambda text: _fits(simple, text)
    )


def _fits(simple: SimpleShape, text: str) -> bool:
    """Leave out what a regular expression of Python lets through and the schema's does not: blanks at odd places."""
    if simple.length_max is not None and len(text) > simple.length_max:
        return False
    if simple.pattern is None:
        return bool(text.strip())
    # White space of XML Schema is four characters; Python knows more, which we do not draw at the beginning.
    return not text[:1].isspace() and "\n" not in text and "\r" not in text


def _moment(simple: SimpleShape) -> st.SearchStrategy[str]:
    days = st.dates().filter(lambda day: 1990 <= day.year <= 2199).map(lambda day: day.isoformat())
    if simple.base == "date":
        return days
    times = st.times().map(lambda time: time.replace(tzinfo=None).isoformat("seconds"))
    sealed = simple.pattern is not None and "Z" in simple.pattern and "+" not in simple.pattern.replace("]+", "")
    offsets = st.just("Z") if sealed else st.sampled_from(["Z", "+08:00", "-03:30"])
    return st.tuples(days, times, offsets).map(lambda parts: f"{parts[0]}T{parts[1]}{parts[2]}")


def _organisation_codes() -> st.SearchStrategy[str]:
    return st.text(ALPHANUMERIC, min_size=8, max_size=8).map(lambda body: body + organisation_code_check(body))


def _with_right_numbers(content: dict[str, Any]) -> dict[str, Any]:
    """Give numbers of documents the check digit that the kind of document beside them asks for."""
    for name in [name for name in content if name.endswith("IdNo")]:
        kind = content.get(f"{name.removesuffix('No')}Type")
        if kind in _CITIZEN_TYPES:
            body = f"36990219900307{sum(map(ord, content[name])) % 1000:03d}"
            content[name] = body + citizen_number_check(body)
        elif kind in _CREDIT_TYPES:
            body = "91369902YL00000" + "".join(_DIGITS[ord(mark) % 10] for mark in f"{content[name]}00"[:2])
            content[name] = body + credit_code_check(body)
    return content
