"""Typed content to canonical bytes and back; the order of elements is taken from the schema.

The origin makes a record's bytes once, here; nobody ever re-serialises them (rule R1). The result is exclusive C14N 1.0
by construction: no parser and no serialiser is asked, and ``check_canonical`` proves it at the origin.

Content is a mapping of element names. A value is text, a mapping for an element with children, or a sequence of either
for an element that is repeated. ``@Name`` keys are attributes, and ``#text`` is the text of an element that has
attributes as well. Empty text, None, and empty sequences are left out; an empty mapping stands for an empty element
where the schema requires it and is left out where it does not.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from node.errors import Problem, RecordRefusedError
from node.standard.codec import (
    NAMESPACE,
    RULE_NOT_UTF8,
    RULE_SCHEMA,
    RULE_UNKNOWN_TYPE,
    SHAPES,
    VERSION,
)
from node.standard.codec import (
    record_type as type_of,
)
from node.standard.families import RECORD_TYPES

if TYPE_CHECKING:
    from node.standard.shape import ElementShape, Shape

Value = str | Mapping[str, "Value"] | Sequence["Value"] | None
Content = Mapping[str, Value]
Writer = Callable[[Any, list[str]], None]

SALT_BYTES = 16
TEXT_KEY = "#text"
ATTRIBUTE_MARK = "@"

_TEXT_SPECIAL = re.compile(r"[&<>\r]")
_TEXT_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#xD;"})
_ATTRIBUTE_ESCAPES = str.maketrans(
    {"&": "&amp;", "<": "&lt;", '"': "&quot;", "\t": "&#x9;", "\n": "&#xA;", "\r": "&#xD;"}
)


def record_shape(record_type: str) -> Shape:
    """Return the ordered elements of a record type with names, 中文 labels, facets and marks.

    Raises RecordRefusedError (rule ``unknown-type``) for a type that this version does not have.
    """
    if record_type not in RECORD_TYPES:
        text = f"{record_type[:64]} is not a record type of {VERSION}"
        raise _refused(Problem(rule=RULE_UNKNOWN_TYPE, element=record_type[:64], text=text))
    return SHAPES[record_type]


def compose(record_type: str, content: Content, *, salt: bytes) -> bytes:
    """Return the canonical bytes of a record; ``salt`` is 16 random bytes.

    Version and Salt are set here and must not stand in ``content``. Values are not validated: ``parse_record`` does
    that. Raises RecordRefusedError for a type, element or attribute that the standard does not have, for a sequence
    where one value is meant, and for text that is not Unicode.
    """
    if len(salt) != SALT_BYTES:
        message = f"a salt has {SALT_BYTES} bytes, not {len(salt)}"
        raise ValueError(message)
    record_shape(record_type)
    full = {**content, "@Version": VERSION, "Salt": b64encode(salt).decode()}
    return _compose(record_type, full)


def compose_element(name: str, content: Content) -> bytes:
    """Return the canonical bytes of a package-level element: ``Head``, ``Checkpoint`` or ``Receipt``.

    Raises RecordRefusedError as ``compose`` does.
    """
    if name not in SHAPES:
        raise _refused(Problem(rule=RULE_UNKNOWN_TYPE, element=name[:64], text=f"{name[:64]} is not an element"))
    return _compose(name, content)


def content_of(element: Any) -> dict[str, Any]:
    """Return the content of a valid record, as ``compose`` takes it: without Version and Salt.

    Elements that may be repeated are always lists. Raises RecordRefusedError for a type that is not known.
    """
    shape = SHAPES.get(type_of(element))
    if shape is None:
        text = f"{type_of(element)[:64]} is not a record type of {VERSION}"
        raise _refused(Problem(rule=RULE_UNKNOWN_TYPE, text=text))
    content = _read(element, shape)
    content.pop("@Version", None)
    content.pop("Salt", None)
    return content


def salt_of(element: Any) -> bytes:
    """Return the 16 bytes of a valid record's salt."""
    return b64decode(element[0].text)


def _compose(name: str, content: Content) -> bytes:
    parts: list[str] = []
    _writer(name)(content, parts)
    try:
        return "".join(parts).encode()
    except UnicodeEncodeError:
        raise _refused(Problem(rule=RULE_NOT_UTF8, element=name, text="a text is not Unicode")) from None


@cache
def _writer(name: str) -> Writer:
    """Return the writer of a global element, compiled from its shape once."""
    return _element_writer(SHAPES[name], name, f' xmlns="{NAMESPACE}"')


def _element_writer(shape: ElementShape, path: str, declaration: str = "") -> Writer:
    if shape.children:
        return _parent_writer(shape, path, declaration)
    if shape.attributes:
        return _marked_writer(shape, path)
    return _leaf_writer(shape, path)


def _leaf_writer(shape: ElementShape, path: str) -> Writer:
    opening, closing, special = f"<{shape.name}>", f"</{shape.name}>", _TEXT_SPECIAL.search

    def write(value: Any, parts: list[str]) -> None:
        if not isinstance(value, str):
            raise _refused(_misplaced(path, "text is expected"))
        if special(value):
            value = value.translate(_TEXT_ESCAPES)
        parts.append(f"{opening}{value}{closing}")

    return write


def _marked_writer(shape: ElementShape, path: str) -> Writer:
    """Write an element with attributes and perhaps text, but no children."""
    known = _known_names(shape)

    def write(value: Any, parts: list[str]) -> None:
        _check_names(value, known, path)
        text = value.get(TEXT_KEY) or ""
        parts.append(f"<{shape.name}{_attributes(shape, value)}>{text.translate(_TEXT_ESCAPES)}</{shape.name}>")

    return write


def _parent_writer(shape: ElementShape, path: str, declaration: str) -> Writer:
    known = _known_names(shape)
    special = _TEXT_SPECIAL.search
    children = [
        (child.name, child, _tags(child), _element_writer(child, f"{path}/{child.name}")) for child in shape.children
    ]

    def write(value: Any, parts: list[str]) -> None:
        _check_names(value, known, path)
        parts.append(f"<{shape.name}{declaration}{_attributes(shape, value)}>")
        for name, child, tags, write_child in children:
            given = value.get(name)
            if tags is not None and given.__class__ is str:
                # Most elements are one text: written here, without a call.
                if given:
                    text = given.translate(_TEXT_ESCAPES) if special(given) else given
                    parts.append(f"{tags[0]}{text}{tags[1]}")
            elif given or (given is not None and child.required and isinstance(given, Mapping)):
                _write_items(child, f"{path}/{name}", given, write_child, parts)
        parts.append(f"</{shape.name}>")

    return write


def _tags(shape: ElementShape) -> tuple[str, str] | None:
    """Return both tags of an element that holds one text and nothing else, None for any other."""
    return None if shape.children or shape.attributes else (f"<{shape.name}>", f"</{shape.name}>")


def _write_items(shape: ElementShape, path: str, given: Any, write: Writer, parts: list[str]) -> None:
    if not isinstance(given, list | tuple):
        write(given, parts)
        return
    if not shape.repeated:
        raise _refused(_misplaced(path, "only one value is allowed"))
    for item in given:
        write(item, parts)


def _known_names(shape: ElementShape) -> frozenset[str]:
    names = {child.name for child in shape.children} | {f"{ATTRIBUTE_MARK}{part.name}" for part in shape.attributes}
    return frozenset(names | ({TEXT_KEY} if shape.simple is not None else set()))


def _check_names(value: Any, known: frozenset[str], path: str) -> None:
    if not isinstance(value, Mapping):
        raise _refused(_misplaced(path, "elements are expected"))
    if not known.issuperset(value):
        unknown = sorted(set(value) - known)
        raise _refused(*(_misplaced(f"{path}/{name[:64]}", "the standard does not have this name") for name in unknown))


def _attributes(shape: ElementShape, value: Mapping[str, Any]) -> str:
    """Return the attributes in the order of C14N: by name."""
    if not shape.attributes:
        return ""
    given = sorted((part.name, value.get(f"{ATTRIBUTE_MARK}{part.name}")) for part in shape.attributes)
    return "".join(f' {name}="{text.translate(_ATTRIBUTE_ESCAPES)}"' for name, text in given if text)


def _read(element: Any, shape: ElementShape) -> dict[str, Any]:
    content: dict[str, Any] = {f"{ATTRIBUTE_MARK}{name}": text for name, text in element.items()}
    if shape.simple is not None:
        content[TEXT_KEY] = element.text or ""
        return content
    shapes = {child.name: child for child in shape.children}
    for node in element:
        child = shapes[node.tag.rpartition("}")[2]]
        value = _read(node, child) if child.children or child.attributes else node.text or ""
        if child.repeated:
            content.setdefault(child.name, []).append(value)
        else:
            content[child.name] = value
    return content


def _misplaced(path: str, text: str) -> Problem:
    element = path.partition("/")[2] or path
    return Problem(rule=RULE_SCHEMA, element=element, text=f"{element}: {text}")


def _refused(*problems: Problem) -> RecordRefusedError:
    return RecordRefusedError(
        "no record can be made of this", problems, action="correct the content or the mapping that made it"
    )
