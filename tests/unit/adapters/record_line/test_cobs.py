"""Frames on a bad line: whole or not at all, and found again after any noise."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from adapters.record_line.cobs import Deframer, framed, stuff, unstuff
from adapters.record_line.limits import FRAME_BYTES_MAX

bodies = st.binary(min_size=1, max_size=600)


def test_examples_of_the_paper_are_stuffed_as_it_says() -> None:
    # Cheshire and Baker, Consistent Overhead Byte Stuffing, and the usual examples made from it.
    assert stuff(b"\x00") == b"\x01\x01"
    assert stuff(b"\x00\x00") == b"\x01\x01\x01"
    assert stuff(b"\x11\x22\x00\x33") == b"\x03\x11\x22\x02\x33"
    assert stuff(b"\x11\x22\x33\x44") == b"\x05\x11\x22\x33\x44"
    run = bytes(range(1, 255))
    assert unstuff(b"\xff" + run) == run


@given(st.binary(max_size=1200))
def test_what_was_stuffed_comes_back_and_holds_no_zero(data: bytes) -> None:
    stuffed = stuff(data)
    assert 0 not in stuffed
    assert len(stuffed) <= len(data) + len(data) // 254 + 1
    assert unstuff(stuffed) == data


@given(st.binary(max_size=300))
def test_anything_can_be_unstuffed_or_is_refused(data: bytes) -> None:
    result = unstuff(data)
    assert result is None or len(result) <= len(data)


@given(st.lists(bodies, max_size=8), st.integers(1, 97))
def test_frames_are_found_however_the_bytes_come(frames: list[bytes], piece: int) -> None:
    line = b"".join(map(framed, frames))
    deframer = Deframer()
    found = [body for start in range(0, len(line), piece) for body in deframer.feed(line[start : start + piece])]
    assert found == frames
    assert deframer.spoilt == 0


@given(bodies, st.data())
def test_a_flipped_bit_or_a_lost_byte_spoils_a_frame_and_the_next_one_is_found(
    body: bytes, data: st.DataObject
) -> None:
    line = bytearray(framed(body))
    place = data.draw(st.integers(0, len(line) - 2))
    if data.draw(st.booleans()):
        line[place] ^= 1 << data.draw(st.integers(0, 7))
    else:
        del line[place]
    deframer = Deframer()
    after = b"the next one"
    assert deframer.feed(bytes(line) + framed(after)) == [after]
    assert deframer.spoilt >= 1 or not bytes(line).strip(b"\x00")


def test_a_frame_without_an_end_is_not_gathered_for_ever() -> None:
    deframer = Deframer()
    for _ in range(1_000):
        assert deframer.feed(b"\x7f" * 1_000) == []
    assert len(deframer._gathered) <= FRAME_BYTES_MAX + 16
    assert deframer.feed(b"\x00" + framed(b"after it")) == [b"after it"]
    assert deframer.spoilt == 1


def test_empty_frames_between_delimiters_are_nothing() -> None:
    deframer = Deframer()
    assert deframer.feed(b"\x00\x00\x00") == []
    assert deframer.spoilt == 0
    assert deframer.feed(stuff(b"\x01\x02\x03") + b"\x00") == []
    assert deframer.spoilt == 1
