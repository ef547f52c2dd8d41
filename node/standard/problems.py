"""Turn what the two validators say into problems that people can act on, without a single personal value.

A value is quoted only when it looks like a code, a number or a time and stands in an element of such a kind without a
privacy mark: in a table whose columns are shifted a person's name or number stands where a code belongs. Free text and
marked elements are described by what was expected. Names of elements are quoted always.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from node.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from node.standard.shape import ElementShape, Shape

RULE = "schema"
DIGITS_SHOWN_MAX = 6
TEXT_LENGTH_MAX = 300

_TIME = re.compile(r"[12][0-9]{3}[-/.年][0-9]{1,2}[-/.月][0-9T:+\-/. Z日时分秒]{1,30}\Z")
_SHORT = re.compile(r"[0-9A-Za-z_.,\-]{1,12}\Z")
_NAMESPACE = re.compile(r"\{[^}]*\}")
_ATTRIBUTE = re.compile(r"attribute '([^']{1,64})'")
_ATTRIBUTE_VALUE = re.compile(r"attribute ([\w.\-]{1,64})=")
_ATTRIBUTE_MISSING = re.compile(r"missing required attribute '([^']{1,64})'")
_ATTRIBUTE_UNKNOWN = re.compile(r"'([^']{1,64})' attribute not allowed")
_ELEMENT_HEAD = re.compile(r"^Element '[^']*'(?:, attribute '[^']*')?: ")
# Errors of libxml2 about structure: their texts hold names of elements and attributes, never values.
_STRUCTURE = frozenset(
    {
        "SCHEMAV_ELEMENT_CONTENT",
        "SCHEMAV_CVC_ELT_1",
        "SCHEMAV_CVC_COMPLEX_TYPE_2_1",
        "SCHEMAV_CVC_COMPLEX_TYPE_2_2",
        "SCHEMAV_CVC_COMPLEX_TYPE_2_3",
        "SCHEMAV_CVC_COMPLEX_TYPE_2_4",
        "SCHEMAV_CVC_COMPLEX_TYPE_3_1",
        "SCHEMAV_CVC_COMPLEX_TYPE_3_2_1",
        "SCHEMAV_CVC_COMPLEX_TYPE_3_2_2",
        "SCHEMAV_CVC_COMPLEX_TYPE_4",
        "SCHEMAV_CVC_TYPE_3_1_1",
        "SCHEMAV_CVC_TYPE_3_1_2",
    }
)


def problem_of_libxml2(entry: Any, root: Any, shapes: Mapping[str, Shape]) -> Problem:
    """Return the problem that one entry of lxml's error log states about the record ``root``."""
    node = _node_at(entry.path, root)
    if entry.type_name in _STRUCTURE:
        text = _NAMESPACE.sub("", _ELEMENT_HEAD.sub("", entry.message)).strip()
    else:
        found = _ATTRIBUTE.search(entry.message)
        text = _unaccepted(node, _shape_of(node, root, shapes), found[1] if found else None)
    return _problem(node, root, shapes, text)


def problem_of_xmlschema(error: Any, root: Any, shapes: Mapping[str, Shape]) -> Problem:
    """Return the problem that one validation error of xmlschema states about the record ``root``."""
    node = error.elem if error.elem is not None else root
    shape = _shape_of(node, root, shapes)
    text = _structure_text(error, shape) or _unaccepted(node, shape, None)
    return _problem(node, root, shapes, text)


def _structure_text(error: Any, shape: ElementShape | None) -> str | None:
    """Return what xmlschema says about children and attributes, without any value; None when it is about a value."""
    reason = error.reason or ""
    if hasattr(error, "expected"):
        names = ", ".join(item.local_name or "" for item in error.expected or () if hasattr(item, "local_name"))
        expected = f"; expected {names}" if names else ""
        if error.invalid_tag is None:
            return f"the content is not complete{expected}"
        return f"{error.invalid_tag} does not stand in this place{expected}"
    if found := _ATTRIBUTE_VALUE.match(reason):
        return _attribute_text(shape, found[1])
    if found := _ATTRIBUTE_MISSING.match(reason):
        return f"the attribute {found[1]} is missing"
    if found := _ATTRIBUTE_UNKNOWN.match(reason):
        return f"the attribute {found[1]} is not allowed"
    return "text between elements is not allowed" if reason.startswith("character data between") else None


def is_harmless(value: str) -> bool:
    """Tell whether a value that stands where a code, number or time belongs can be shown: no name, no person's number.

    A time begins with its year and month; anything else is short and has at most six digits, fewer than a telephone
    number.
    """
    if _TIME.match(value):
        return True
    return bool(_SHORT.match(value)) and sum(map(str.isdigit, value)) <= DIGITS_SHOWN_MAX


def _unaccepted(node: Any, shape: ElementShape | None, attribute: str | None) -> str:
    if attribute is not None:
        return _attribute_text(shape, attribute)
    if shape is None or shape.simple is None:
        return "the content is not accepted"
    value = node.text or ""
    quoted = f" {value!r}" if shape.privacy is None and shape.simple.plain and is_harmless(value) else ""
    state = "the value is empty" if not value else f"the value{quoted} is not accepted"
    return f"{state}; expected {shape.simple.expectation()}"


def _attribute_text(shape: ElementShape | None, name: str) -> str:
    simple = next((part.simple for part in shape.attributes if part.name == name), None) if shape else None
    expected = f"; expected {simple.expectation()}" if simple else ""
    return f"the value of attribute {name} is not accepted{expected}"


def _problem(node: Any, root: Any, shapes: Mapping[str, Shape], text: str) -> Problem:
    shape = _shape_of(node, root, shapes)
    label = f"{shape.label} " if shape is not None and shape.label else ""
    path = "/".join(_path(node, root))
    return Problem(rule=RULE, element=path, line=node.sourceline, text=f"{label}{path}: {text}"[:TEXT_LENGTH_MAX])


def _path(node: Any, root: Any) -> list[str]:
    """Return the names from the root's child down to ``node``; the root's own name when it is the root."""
    names = []
    while node is not None and node is not root:
        names.append(_name(node))
        node = node.getparent()
    return names[::-1] or [_name(root)]


def _shape_of(node: Any, root: Any, shapes: Mapping[str, Shape]) -> ElementShape | None:
    shape: ElementShape | None = shapes.get(_name(root))
    if node is root:
        return shape
    for name in _path(node, root):
        shape = shape.child(name) if shape is not None else None
    return shape


def _node_at(path: str | None, root: Any) -> Any:
    found = root.getroottree().xpath(path) if path else []
    return found[0] if found else root


def _name(node: Any) -> str:
    tag: str = node.tag
    return tag.rpartition("}")[2][:64]
