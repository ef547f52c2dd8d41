"""The compressed stream: shorter than any record alone, never expanded further than the next message needs."""

from __future__ import annotations

import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.record_line.dictionary import DICTIONARY
from adapters.record_line.limits import MESSAGE_BYTES_MAX
from adapters.record_line.messages import Entry, LineProtocolError, Message, Part
from adapters.record_line.pressing import Reader, Writer


def written(messages: list[Message], *, compressed: bool = True, window_bits: int = 15) -> list[bytes]:
    """Each message as a burst of its own."""
    writer = Writer(compressed=compressed, window_bits=window_bits)
    return [writer.burst(iter([message, None]).__next__) for message in messages]


class Stream:
    """What has come so far."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def read(self, bytes_max: int) -> bytes:
        taken, self.data = self.data[:bytes_max], self.data[bytes_max:]
        return taken


def reader_of(data: bytes, *, compressed: bool = True) -> tuple[Reader, Stream]:
    stream = Stream(data)
    return Reader(stream.read, compressed=compressed, window_bits=15), stream


@given(st.lists(st.binary(max_size=30_000), max_size=4), st.booleans(), st.sampled_from([9, 12, 15]))
def test_what_was_written_is_read_whatever_window_and_compression(
    contents: list[bytes],
    compressed: bool,  # noqa: FBT001 - drawn by Hypothesis
    window_bits: int,
) -> None:
    messages: list[Message] = [Part(content) for content in contents]
    line = b"".join(written(messages, compressed=compressed, window_bits=window_bits))
    reader, _ = reader_of(line, compressed=compressed)
    assert [reader.message() for _ in messages] == messages
    assert reader.message() is None


def test_every_message_can_be_read_as_soon_as_its_burst_is_there() -> None:
    messages: list[Message] = [Entry(str(n), 3, b"abc", "text/csv") for n in range(5)]
    reader, stream = reader_of(b"")
    for message, burst in zip(messages, written(messages), strict=True):
        stream.data = burst
        assert reader.message() == message


def test_a_first_record_is_short_because_both_ends_know_the_forms() -> None:
    record = (
        '<Records xmlns="urn:yizhan:standard:1">\n  <Conclusion Version="1.0">\n    <CaseNo>X1</CaseNo>\n'
        "    <Sequence>1</Sequence>\n    <DataVersion>1</DataVersion>\n    <ResultCode>GRANT</ResultCode>\n"
        "    <ResultText>准予许可</ResultText>\n    <HandleUserName>样例丁</HandleUserName>\n"
        "  </Conclusion>\n</Records>\n"
    ).encode()
    (burst,) = written([Entry("1", len(record), record, "application/xml")])
    assert len(burst) < len(record) / 3 < len(zlib.compress(record, 9))


def test_what_waits_together_is_compressed_together() -> None:
    messages: list[Message] = [Part(f"<HandleUserName>人员{n}</HandleUserName>".encode()) for n in range(50)]
    together = Writer(compressed=True, window_bits=15).burst(iter([*messages, None]).__next__)
    assert len(together) < len(b"".join(written(messages))) / 2


def test_a_bomb_is_expanded_no_further_than_the_next_message() -> None:
    press = zlib.compressobj(9, zlib.DEFLATED, 15, 9, zlib.Z_DEFAULT_STRATEGY, DICTIONARY)
    # A part of the largest size, then 200 MB of zeros, in some 200 kB.
    bomb = press.compress(b"\x02" + MESSAGE_BYTES_MAX.to_bytes(4, "big") + bytes(200_000_000)) + press.flush()
    assert len(bomb) < 250_000
    tracemalloc.start()
    try:
        reader, stream = reader_of(bomb)
        assert reader.message() == Part(bytes(MESSAGE_BYTES_MAX))
        # The zeros are messages of kind 0: refused at the first one.
        with pytest.raises(LineProtocolError, match="unknown kind 0"):
            reader.message()
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
    assert len(stream.data) > 100_000


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"not deflate at all", "form"), (zlib.compress(b"whole, without the dictionary"), "end")],
)
def test_what_is_not_our_stream_is_refused(data: bytes, reason: str) -> None:
    reader, _ = reader_of(data)
    with pytest.raises(LineProtocolError, match=reason):
        reader.message()


def test_a_stream_that_ends_is_refused() -> None:
    press = zlib.compressobj(9, zlib.DEFLATED, 15, 9, zlib.Z_DEFAULT_STRATEGY, DICTIONARY)
    reader, _ = reader_of(press.compress(b"") + press.flush() + b"and more")
    with pytest.raises(LineProtocolError, match="end"):
        reader.message()
