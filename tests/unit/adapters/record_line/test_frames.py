"""Frames of a session: numbers that are told by half, and tags that nobody else can make."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.record_line.frames import FrameType, is_genuine, seal, session_frame, whole_number

KEY = bytes(32)


@given(st.integers(1, 2**31), st.binary(max_size=300), st.sampled_from([FrameType.DATA, FrameType.ACK]))
def test_a_sealed_frame_is_genuine_under_its_own_number_only(number: int, payload: bytes, kind: FrameType) -> None:
    frame = session_frame(seal(KEY, number, kind, payload))
    assert frame is not None
    assert (frame.type, frame.payload, frame.low) == (kind, payload, number % 65_536)
    assert is_genuine(KEY, number, frame)
    assert not is_genuine(KEY, number + 65_536, frame)
    assert not is_genuine(b"\x01" + KEY[1:], number, frame)


def test_the_tag_is_the_beginning_of_an_hmac_over_number_type_and_payload() -> None:
    body = seal(KEY, 0x1_0002, FrameType.DATA, b"abc")
    expected = hmac.new(KEY, bytes.fromhex("0000000000010002 10") + b"abc", hashlib.sha256).digest()[:8]
    assert body == bytes.fromhex("10 0002") + b"abc" + expected


@given(st.integers(0, 2**31), st.integers(-32_767, 32_767))
def test_the_lower_half_of_a_number_near_the_expected_one_tells_the_whole(expected: int, apart: int) -> None:
    number = expected + apart
    if number >= 0:
        assert whole_number(number % 65_536, expected) == number


def test_the_whole_number_is_told_across_the_turn_of_its_lower_half() -> None:
    assert whole_number(0xFFFE, 0x2_0003) == 0x1_FFFE
    assert whole_number(0x0003, 0x1_FFFE) == 0x2_0003
    assert whole_number(0xFFFE, 3) == 0xFFFE, "there is none below the first"


@pytest.mark.parametrize("body", [b"\x10", b"\x10" + bytes(9), b"\x01" + bytes(40), b"\x0f" + bytes(40)])
def test_what_is_too_short_or_of_the_opening_is_no_frame_of_a_session(body: bytes) -> None:
    assert session_frame(body) is None
