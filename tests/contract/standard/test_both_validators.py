"""libxml2 and xmlschema have to agree on every document: minimal ones, and ones broken in one place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from node.errors import RecordRefusedError
from node.standard.codec import RULE_SCHEMA, SHAPES, parse_record, parse_unvalidated, second_schema
from node.standard.compose import compose
from tests.support.golden import minimal
from tests.support.samples import SALT, SAMPLES, record

if TYPE_CHECKING:
    from node.standard.shape import ElementShape


def accepted_by_libxml2(body: bytes) -> bool:
    try:
        parse_record(body)
    except RecordRefusedError as refused:
        return refused.problems[0].rule != RULE_SCHEMA
    return True


def accepted_by_xmlschema(body: bytes) -> bool:
    return bool(second_schema().is_valid(parse_unvalidated(body)))


@pytest.mark.parametrize("record_type", sorted(SAMPLES))
def test_both_accept_the_record_without_optional_elements(record_type: str) -> None:
    body = compose(record_type, minimal(SHAPES[record_type], SAMPLES[record_type]), salt=SALT)
    assert accepted_by_libxml2(body)
    assert accepted_by_xmlschema(body)


def broken(record_type: str) -> list[tuple[str, bytes]]:
    """Return the sample broken in one place each: a child missing, doubled, empty, too long, of another form."""
    made = []
    for child in SHAPES[record_type].children:
        if child.required and child.name != "Salt":
            made.append((f"without {child.name}", record(record_type, **{child.name: None})))
        if child.simple is None:
            continue
        opening, closing = f"<{child.name}>".encode(), f"</{child.name}>".encode()
        body = record(record_type)
        start = body.index(opening)
        end = body.index(closing, start) + len(closing)
        if not child.repeated:
            made.append((f"two {child.name}", body[:end] + body[start:end] + body[end:]))
        made.append((f"empty {child.name}", body[:start] + opening + closing + body[end:]))
        for name, text in wrong_values(child):
            made.append((f"{name} {child.name}", body[:start] + opening + text.encode() + closing + body[end:]))
    return made


def wrong_values(child: ElementShape) -> list[tuple[str, str]]:
    simple = child.simple
    assert simple is not None
    if simple.base == "string" and simple.length_max is not None:
        return [("too long", "长" * (simple.length_max + 1))]
    if simple.base == "string":
        return [("blank before", " 1"), ("other form", "~"), ("foreign digit", "٣٦٠١٠٢")]
    return {
        "dateTime": [
            ("no offset", "2026-01-05T09:30:00"),
            ("hour 24", "2026-01-05T24:00:00Z"),
            ("31 April", "2026-04-31T09:30:00Z"),
            ("one-digit month", "2026-1-05T09:30:00Z"),
        ],
        "date": [("with zone", "2026-01-05Z"), ("30 February", "2026-02-30")],
        "decimal": [("negative", "-1"), ("three places", "1.005"), ("exponent", "1e3"), ("fifteen digits", "1" * 15)],
        "boolean": [("word", "yes")],
        "base64Binary": [("not base64", "*")],
    }.get(simple.base, [("fraction", "1.5"), ("word", "one"), ("negative", "-1"), ("huge", "9" * 20)])


@pytest.mark.parametrize("record_type", sorted(SAMPLES))
def test_both_refuse_every_broken_document(record_type: str) -> None:
    documents = broken(record_type)
    assert len(documents) > 5
    for name, body in documents:
        assert not accepted_by_libxml2(body), name
        assert not accepted_by_xmlschema(body), name
