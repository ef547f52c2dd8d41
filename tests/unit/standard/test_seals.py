from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from node.standard.seals import Checkpoint, Receipt, StreamName, parse_time_text, time_text

TREE = "ab" * 32
SIGNER = "cd" * 32
AT = datetime(2026, 1, 5, 9, 30, 59, 999_999, tzinfo=timezone(timedelta(hours=8)))


@pytest.mark.parametrize(
    "text",
    [
        "360102/ancestors",
        "360000/descendants",
        "360000/trust",
        "360102/360000",
        "360102001/360102",
        "360102001002/trust",
    ],
)
def test_a_stream_name_reads_what_it_writes(text: str) -> None:
    assert str(StreamName.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["360102", "360102/", "/ancestors", "3601/ancestors", "360102/others", "360102/ancestors/x", "x" * 99]
)
def test_what_is_not_a_stream_name_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a stream name"):
        StreamName.parse(text)


def test_only_a_directed_stream_has_an_addressee() -> None:
    assert StreamName("360102", "360000").directed_to == "360000"
    assert StreamName("360102", "ancestors").directed_to is None


def test_the_text_of_a_checkpoint_is_exactly_that_of_the_protocol() -> None:
    checkpoint = Checkpoint(
        stream=StreamName("360102", "ancestors"), size=7, root=b"\x01" * 32, sealed_at=AT, signer=SIGNER, signature=b"x"
    )
    assert checkpoint.text(TREE).decode() == (
        f"yizhan.checkpoint/1\ntree {TREE}\nstream 360102/ancestors\nsize 7\nroot {'01' * 32}\n"
        f"time 2026-01-05T01:30:59Z\nsigner {SIGNER}\n"
    )


def test_the_text_of_a_receipt_is_exactly_that_of_the_protocol() -> None:
    receipt = Receipt(
        holder="360100",
        stream=StreamName("360102", "ancestors"),
        size=7,
        root=b"\x01" * 32,
        received_at=AT,
        signer=SIGNER,
    )
    assert receipt.text(TREE).decode() == (
        f"yizhan.receipt/1\ntree {TREE}\nholder 360100\nstream 360102/ancestors\nsize 7\nroot {'01' * 32}\n"
        f"time 2026-01-05T01:30:59Z\nsigner {SIGNER}\n"
    )


def test_times_are_cut_to_seconds_in_utc_and_read_back() -> None:
    assert time_text(AT) == "2026-01-05T01:30:59Z"
    assert parse_time_text("2026-01-05T01:30:59Z") == datetime(2026, 1, 5, 1, 30, 59, tzinfo=UTC)


@pytest.mark.parametrize("text", ["2026-01-05T01:30:59+00:00", "2026-01-05", "2026-13-05T01:30:59Z"])
def test_another_form_of_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"a time is written as|must be in"):
        parse_time_text(text)
