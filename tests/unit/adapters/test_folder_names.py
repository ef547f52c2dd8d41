"""Names of files, and the keys and names that are made of them."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.contract import KEY_LENGTH_MAX
from adapters.folders.names import (
    NAME_BYTES_MAX,
    delivery_key,
    document_name,
    media_type,
    readable_name,
    shown_name,
    with_mark,
)

DIGEST = sha256(b"a\n").hexdigest()


@pytest.mark.parametrize(
    ("raw", "encoding", "name"),
    [
        (b"cases.csv", "utf-8", "cases.csv"),
        ("受理 2026.xlsx".encode(), "utf-8", "受理 2026.xlsx"),
        ("受理.csv".encode("gb18030"), "gb18030", "受理.csv"),
        ("受理.csv".encode("gb18030"), "utf-8", None),
        (b"two\nlines.csv", "utf-8", None),
        (b"bell\x07.csv", "utf-8", None),
        ("right\u202eto-left.csv".encode(), "utf-8", None),
        (b"n" * NAME_BYTES_MAX, "utf-8", "n" * NAME_BYTES_MAX),
        (b"n" * (NAME_BYTES_MAX + 1), "utf-8", None),
    ],
)
def test_a_name_is_taken_when_it_can_be_shown(raw: bytes, encoding: str, name: str | None) -> None:
    assert readable_name(raw, encoding) == name


def test_any_other_name_is_shown_by_letters_that_every_system_stores() -> None:
    assert shown_name(b"two\nlines/\xff.csv") == "two%0Alines%2F%FF.csv"


@given(st.binary(min_size=1, max_size=255))
def test_a_shown_name_is_short_and_printable(raw: bytes) -> None:
    shown = shown_name(raw)
    assert shown.isprintable()
    assert shown.isascii()
    assert len(shown) <= NAME_BYTES_MAX


def test_long_names_that_begin_alike_are_shown_apart() -> None:
    assert shown_name(b"\xff" * 250) != shown_name(b"\xff" * 251)


def test_a_key_is_the_name_and_the_digest_of_the_content() -> None:
    # sha256sum of "a\n", computed with coreutils.
    assert delivery_key("cases.csv", DIGEST) == (
        "cases.csv:87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7"
    )


@given(st.text(min_size=1, max_size=200))
def test_a_key_is_never_too_long(name: str) -> None:
    assert len(delivery_key(name, DIGEST)) <= KEY_LENGTH_MAX


def test_long_names_that_begin_alike_have_keys_of_their_own() -> None:
    assert delivery_key("n" * 199 + "1", DIGEST) != delivery_key("n" * 199 + "2", DIGEST)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.XML", "application/xml"),
        ("a.b.csv", "text/csv"),
        ("a.json", "application/json"),
        ("a.jsonl", "application/x-ndjson"),
        ("a.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        ("a.dat", "application/octet-stream"),
        ("csv", "application/octet-stream"),
    ],
)
def test_the_ending_tells_the_media_type(name: str, expected: str) -> None:
    assert media_type(name) == expected


@pytest.mark.parametrize(
    ("name", "expected"), [("cases.csv", "cases.failed.csv"), ("a.b.csv", "a.b.failed.csv"), ("cases", "cases.failed")]
)
def test_a_mark_stands_before_the_ending(name: str, expected: str) -> None:
    assert with_mark(name, "failed") == expected


def test_a_documents_name_holds_its_key() -> None:
    assert document_name("SupervisionNotice", "310000/3-1/7") == "SupervisionNotice.310000%2F3-1%2F7.xml"
    assert document_name("Acceptance", "..") == "Acceptance....xml"


@given(st.text(min_size=1, max_size=300), st.text(min_size=1, max_size=300))
def test_documents_of_two_keys_have_two_names_that_every_system_stores(one: str, other: str) -> None:
    names = {document_name("SupervisionNotice", key) for key in (one, other)}
    assert len(names) == len({one, other})
    assert all(len(name) <= NAME_BYTES_MAX and name.isascii() and "/" not in name for name in names)
