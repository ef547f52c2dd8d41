"""The golden documents: ``python -m tests.support.golden`` writes tests/golden/<RecordType>/*.xml anew.

``valid-*.xml`` follow the standard, ``invalid-*.xml`` break it in one place that any XSD validator sees, and
``refused-*.xml`` are valid for a schema and wrong all the same (a check digit). Made from the samples and the shapes,
the same bytes every time; a test compares them with what is committed, so that a change of the standard is seen.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from node.standard.checks import checked_elements
from node.standard.codec import NAMESPACE, SHAPES
from node.standard.compose import compose
from node.standard.examples import example
from tests.support.samples import SALT, SAMPLES, record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from node.standard.shape import ElementShape

FOLDER: Final = Path(__file__).parents[1] / "golden"
_OTHER_NAMESPACE: Final = "urn:example:other"
_TIME: Final = "EventTime"


def documents(record_type: str) -> dict[str, bytes]:
    """Return the golden documents of a record type by file name."""
    found = {
        "valid-full.xml": record(record_type),
        "valid-minimal.xml": compose(record_type, minimal(SHAPES[record_type], SAMPLES[record_type]), salt=SALT),
        "valid-example.xml": example(record_type),
    }
    found |= {f"invalid-{name}.xml": body for name, body in _invalid(record_type)}
    return found | {f"refused-{name}.xml": body for name, body in _refused(record_type)}


def minimal(shape: ElementShape, content: dict[str, Any]) -> dict[str, Any]:
    """Return content without anything that may be left out."""
    kept = {name: value for name, value in content.items() if name.startswith(("@", "#"))}
    for child in shape.children:
        if child.required and child.name in content:
            value = content[child.name]
            if isinstance(value, list):
                value = value[0]
            kept[child.name] = minimal(child, value) if isinstance(value, dict) else value
    return kept


def _invalid(record_type: str) -> Iterator[tuple[str, bytes]]:
    body = record(record_type)
    shape = SHAPES[record_type]
    first, second = _tag(body, "Salt"), _tag(body, shape.children[1].name)
    last = _required(shape)[-1].name
    closing = f"</{record_type}>".encode()
    yield "missing-element", _without(body, last)
    yield "missing-version", body.replace(b' Version="1.0"', b"", 1)
    yield "wrong-type", _with(body, _TIME, "yesterday")
    yield "out-of-range", _with(body, _TIME, "2026-04-31T09:30:00+08:00")
    yield "no-offset", _with(body, _TIME, "2026-01-05T09:30:00")
    yield "wrong-order", body.replace(first + second, second + first, 1)
    yield "foreign-element", body.replace(closing, b"<Foreign>1</Foreign>" + closing)
    yield "foreign-attribute", body.replace(b' Version="1.0"', b' Other="1" Version="1.0"', 1)
    yield "foreign-namespace", body.replace(NAMESPACE.encode(), _OTHER_NAMESPACE.encode(), 1)
    yield "repeated-element", body.replace(first, first + first, 1)
    yield "empty-element", _with(body, _TIME, "")
    yield "text-between", body.replace(first, first + b"text", 1)
    code = _first(shape, lambda child: child.simple is not None and bool(child.simple.codes))
    if code is not None:
        yield "unknown-code", _with(body, code.name, "NO_SUCH_CODE")
    bounded = _first(shape, lambda child: child.simple is not None and child.simple.length_max is not None)
    if bounded is not None and bounded.simple is not None:
        yield "too-long", _with(body, bounded.name, "长" * ((bounded.simple.length_max or 0) + 1))
    number = _first(shape, lambda child: child.simple is not None and child.simple.value_max is not None)
    if number is not None and number.simple is not None:
        yield "too-large", _with(body, number.name, str((number.simple.value_max or 0) + 1))


def _refused(record_type: str) -> Iterator[tuple[str, bytes]]:
    """Yield documents with a wrong check digit: one for each kind of number that the type has."""
    body = record(record_type)
    for name in dict.fromkeys(name for name, _ in checked_elements(record_type)):
        opening = f"<{name}>".encode()
        if opening not in body:
            continue
        value = _tag(body, name)[len(opening) : -len(opening) - 1].decode()
        wrong = value[:-1] + ("1" if value[-1] == "0" else "0")
        yield f"check-digit-{name}", _with(body, name, wrong)


def _required(shape: ElementShape) -> list[ElementShape]:
    return [child for child in shape.children if child.required]


def _first(shape: ElementShape, fits: Callable[[ElementShape], bool]) -> ElementShape | None:
    return next((child for child in shape.children if fits(child)), None)


def _tag(body: bytes, name: str) -> bytes:
    """Return the first element of a name, with both tags."""
    begin = body.index(f"<{name}>".encode())
    closing = f"</{name}>".encode()
    return body[begin : body.index(closing, begin) + len(closing)]


def _with(body: bytes, name: str, text: str) -> bytes:
    return body.replace(_tag(body, name), f"<{name}>{text}</{name}>".encode(), 1)


def _without(body: bytes, name: str) -> bytes:
    """Take out every child of this name; an element of the same name elsewhere would be a different one."""
    while f"<{name}>".encode() in body:
        body = body.replace(_tag(body, name), b"", 1)
    return body


def write_all(folder: Path) -> None:
    """Write every golden document, and nothing else, into ``folder``."""
    shutil.rmtree(folder, ignore_errors=True)
    for record_type in SAMPLES:
        below = folder / record_type
        below.mkdir(parents=True)
        for name, body in documents(record_type).items():
            (below / name).write_bytes(body)


if __name__ == "__main__":
    write_all(FOLDER)
