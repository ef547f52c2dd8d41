"""Messages in the stream: what was packed comes back, and lengths that lie are found out."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.record_line.entries import Assembly, entry_messages
from adapters.record_line.limits import ENTRY_BYTES_MAX, MESSAGE_BYTES_MAX, NAME_BYTES_MAX
from adapters.record_line.messages import (
    Confirm,
    Entry,
    LineProtocolError,
    Message,
    Part,
    Refuse,
    clipped,
    packed,
    take_message,
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
keys = st.text("abc/:0123456789", min_size=1, max_size=40)
counts = st.integers(0, 2**32 - 1)
messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(
        lambda key, data, name, text: Entry(key, len(data), data, "text/csv", name, text),
        keys,
        st.binary(),
        texts,
        texts,
    ),
    st.builds(Part, st.binary(max_size=2000)),
    st.builds(Confirm, keys, counts, counts, counts, counts, counts, texts),
    st.builds(Refuse, keys, texts),
)


@given(st.lists(messages, max_size=5))
def test_messages_come_back_in_order(sent: list[Message]) -> None:
    raw = bytearray(b"".join(map(packed, sent)))
    assert [take_message(raw) for _ in sent] == sent
    assert take_message(raw) is None


@given(messages, st.data())
def test_a_message_that_is_not_whole_waits(message: Message, data: st.DataObject) -> None:
    whole = packed(message)
    cut = bytearray(whole[: data.draw(st.integers(0, len(whole) - 1))])
    before = bytes(cut)
    assert take_message(cut) is None
    assert cut == before


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_refused(body: bytes) -> None:
    for kind in range(6):
        raw = bytearray(struct.pack(">BI", kind, len(body)) + body)
        try:
            assert take_message(raw) is not None
        except LineProtocolError:
            continue


def test_a_message_that_says_to_be_longer_than_allowed_is_refused_before_it_is_gathered() -> None:
    with pytest.raises(LineProtocolError, match="36865"):
        take_message(bytearray(struct.pack(">BI", 2, MESSAGE_BYTES_MAX + 1)))


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (Entry("1", ENTRY_BYTES_MAX + 1, b"a", "text/csv", digest=bytes(32)), "numbers"),
        (Entry("1", 2, b"abc", "text/csv"), "numbers"),
        (Entry("1", 4, b"abc", "text/csv", offset=2, digest=bytes(32)), "numbers"),
        (Entry("1", 4, b"abc", "text/csv"), "digest"),
        (Entry("1", 3, b"c", "text/csv", offset=2), "digest"),
        (Entry("1", 3, b"abc", "text/csv", digest=b"short"), "numbers"),
        (Entry("", 3, b"abc", "text/csv"), "numbers"),
        (Entry("1" * 201, 3, b"abc", "text/csv"), "too long"),
        (Entry("1", 3, b"abc", "t" * 101), "too long"),
        (Entry("1", 3, b"abc", "text/csv", "n" * 256), "too long"),
        (Entry("1", 3, b"abc", "text/csv", "", "t" * 2001), "too long"),
    ],
)
def test_entries_whose_numbers_lie_are_refused(entry: Entry, reason: str) -> None:
    with pytest.raises(LineProtocolError, match=reason):
        take_message(bytearray(packed(entry)))


def test_text_that_is_not_utf8_is_refused() -> None:
    body = struct.pack(">H", 2) + b"\xff\xfe" + struct.pack(">H", 0)
    with pytest.raises(LineProtocolError, match="form"):
        take_message(bytearray(struct.pack(">BI", 4, len(body)) + body))


@given(texts, st.integers(0, 60))
def test_text_is_clipped_between_characters(text: str, size: int) -> None:
    short = clipped(text, size)
    assert text.startswith(short)
    assert len(short.encode()) <= size
    assert len(text.encode()) - len(short.encode()) < 4 or len(text.encode()) > size


@given(st.integers(0, 140_000), st.data())
def test_a_long_entry_is_put_together_again_from_any_byte_on(size: int, data: st.DataObject) -> None:
    content = bytes(place * 7 % 251 for place in range(size))
    offset = data.draw(st.integers(0, size))
    first, *rest = entry_messages("9", content, media_type="text/csv", name="长" * 200, offset=offset)
    assert isinstance(first, Entry)
    assert len(first.name.encode()) <= NAME_BYTES_MAX
    assembly = Assembly(first, content[:offset])
    for part in rest:
        assert not assembly.is_whole
        assert isinstance(part, Part)
        assembly.add(part.data)
    assert assembly.is_whole
    assert assembly.content == content


def test_parts_that_are_too_many_or_another_whole_are_refused() -> None:
    first, part, *_ = entry_messages("9", bytes(50_000), media_type="text/csv")
    assert isinstance(first, Entry)
    assert isinstance(part, Part)
    with pytest.raises(LineProtocolError, match="longer"):
        Assembly(first).add(bytes(20_000))
    with pytest.raises(LineProtocolError, match="not what was begun"):
        Assembly(first).add(b"\x01" + part.data[1:])
    with pytest.raises(LineProtocolError, match="nothing was held"):
        Assembly(first._replace(offset=5, data=b""))
