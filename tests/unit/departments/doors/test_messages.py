"""Messages between a keeper and an adapter's process: read back as they were said, and refused when they are not so."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.contract import DeliveryRejectedError, Outcome, RowProblem, SourceNeedsPersonError, SourceUnavailableError
from node.departments.doors.messages import (
    MalformedMessageError,
    brought,
    error_message,
    error_of,
    findings_of,
    outcome_message,
    outcome_of,
    packed,
    unpacked,
)

SAID: dict[str, Any] = {
    "source_id": "hall",
    "delivery_key": "k",
    "media_type": "text/csv",
    "fetched_at": "2026-11-03T08:00:00+08:00",
    "name": "n",
    "cursor": "c\0d",
    "size": 3,
}


@given(st.dictionaries(st.text(), st.one_of(st.text(), st.integers(), st.none())), st.binary())
def test_a_message_is_read_as_it_was_said(said: dict[str, Any], content: bytes) -> None:
    try:
        written = packed(said, content)
    except UnicodeEncodeError:
        return
    assert unpacked(written)[1] == content


@given(st.binary(max_size=200))
def test_bytes_that_are_no_message_are_refused_and_nothing_else_happens(data: bytes) -> None:
    try:
        said, _ = unpacked(data)
    except MalformedMessageError:
        return
    assert isinstance(said, dict)


def test_a_message_that_is_no_object_says_nothing() -> None:
    with pytest.raises(MalformedMessageError, match="it says nothing"):
        unpacked(b"\x00\x00\x00\x02[]")


def test_a_delivery_is_read_with_what_the_contract_says_of_it() -> None:
    found = brought(SAID, b"abc", source_id="hall")
    assert (found.delivery_key, found.content, found.file, found.too_large) == ("k", b"abc", None, False)
    assert found.fetched_at == datetime(2026, 11, 3, tzinfo=UTC)
    # PostgreSQL takes no NUL.
    assert found.cursor == "cd"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"source_id": "other"}, "names another source"),
        ({"delivery_key": ""}, "no key of 1 to 200 characters"),
        ({"delivery_key": "k" * 201}, "no key of 1 to 200 characters"),
        ({"delivery_key": 5}, "no key of 1 to 200 characters"),
        ({"cursor": "c" * 4001}, "a cursor is no text of at most 4000 characters"),
        ({"cursor": 5}, "a cursor is no text"),
        ({"file": 5}, "neither content nor a file"),
        ({"size": None}, "neither content nor a file"),
        ({"fetched_at": "yesterday"}, "a delivery has no time"),
        ({"fetched_at": "2026-11-03T08:00:00"}, "has no offset"),
        ({"fetched_at": "0001-01-01T00:00:00+08:00"}, "a delivery has no time"),
    ],
)
def test_a_delivery_that_breaks_the_contract_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(MalformedMessageError, match=words):
        brought({**SAID, **change}, b"abc", source_id="hall")


def test_an_outcome_comes_through_whole() -> None:
    problem = RowProblem(rule="r", text="t", row=1, line=2, element="e")
    for rows in (None, b"", b"rows"):
        outcome = Outcome(
            offered=4, accepted=1, repeated=1, refused=2, problems=(problem,), problems_omitted=3, failed_rows=rows
        )
        assert outcome_of(*unpacked(packed(*outcome_message(outcome)))) == outcome


@pytest.mark.parametrize(
    ("error", "after_s"),
    [
        (SourceUnavailableError("a", retry_after_s=5.0), 5.0),
        (SourceUnavailableError("a"), None),
        (DeliveryRejectedError("a"), None),
        (SourceNeedsPersonError("a"), None),
    ],
)
def test_what_an_adapter_raises_is_raised_here(error: Exception, after_s: float | None) -> None:
    found = error_of(unpacked(packed(error_message(error)))[0], "masked")
    assert type(found) is type(error)
    assert str(found) == "masked"
    assert getattr(found, "retry_after_s", None) == after_s


@pytest.mark.parametrize("after", [float("nan"), float("inf"), 10**400, -1, "5"])
def test_a_pause_that_is_no_number_of_seconds_is_not_asked_for(after: object) -> None:
    found = error_of({"error": "unavailable", "retry_after_s": after}, "away")
    assert isinstance(found, SourceUnavailableError)
    assert found.retry_after_s is None


@pytest.mark.parametrize("passed", [[], {}, 1, "true"])
def test_a_report_that_is_none_is_malformed(passed: object) -> None:
    with pytest.raises(MalformedMessageError, match="neither that it passed nor that it did not"):
        findings_of({"findings": [{"rule": "r", "passed": passed, "text": ""}]}, str)


def test_names_that_are_no_unicode_come_through_as_texts_that_can_be_kept() -> None:
    said, _ = unpacked(packed({"name": b"\xff.csv".decode("utf-8", "surrogateescape")}))
    assert said["name"].encode() == b"?.csv"


def test_anything_else_is_a_defect() -> None:
    said = error_message(KeyError("x"))
    assert (error_of(said, "masked"), said["text"]) == (None, "KeyError: 'x'")
