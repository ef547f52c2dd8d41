"""Both ends of one direction: every byte arrives once and in order, whatever is lost, late, repeated or cut anew."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from adapters.record_line.limits import RECEIVE_BUFFER_BYTES
from adapters.record_line.receiving import ReceivingStream
from adapters.record_line.sending import OFFSET, Ack, SendingStream, ack_of


def sending(limit: int = RECEIVE_BUFFER_BYTES) -> SendingStream:
    return SendingStream(fragment_bytes_max=100, limit=limit, round_trip_s=0.1)


@given(st.binary(min_size=1, max_size=6_000), st.lists(st.sampled_from("dDaAtr"), max_size=400), st.integers(100, 700))
def test_every_byte_arrives_once_and_in_order(content: bytes, events: list[str], buffer_bytes: int) -> None:
    """d: a fragment arrives, D: one is lost, a: an acknowledgement arrives, A: one is lost, t: time-out, r: read."""
    sender, receiver = sending(buffer_bytes), ReceivingStream(buffer_bytes=buffer_bytes)
    sender.write(content)
    number, now_s, read = 0, 0.0, b""

    def send(*, arrives: bool, asking: bool = False) -> None:
        nonlocal number
        payload = sender.fragment(number + 1, now_s, asking=asking)
        if payload is not None:
            number += 1
            if arrives:
                assert receiver.is_new(number)
                receiver.came(number)
                assert receiver.fragment(payload)

    for event in [*events, *"darat" * 2_000]:
        now_s += 0.05
        if event in "dD":
            send(arrives=event == "d")
        elif event == "t":
            sender.timed_out(now_s)
            send(arrives=True, asking=True)
        elif event in "aA":
            ack = receiver.ack()
            if event == "a":
                assert sender.acknowledged(ack, now_s)
        else:
            read += receiver.read(97)
        if read == content:
            break
    assert read == content
    assert sender.acknowledged(receiver.ack(), now_s)
    assert sender.is_through


@given(st.lists(st.integers(1, 600), min_size=1, max_size=60))
def test_a_number_is_new_once(numbers: list[int]) -> None:
    receiver = ReceivingStream(buffer_bytes=1_000)
    seen: set[int] = set()
    for number in numbers:
        if number in seen or number <= max(seen, default=0) - 256 - 1:
            assert not receiver.is_new(number)
        elif receiver.is_new(number):
            receiver.came(number)
            seen.add(number)
    ack = receiver.ack()
    for behind in range(256):
        number = ack.newest - 1 - behind
        if number >= 1:
            assert bool(ack.missing >> behind & 1) is (number not in seen)


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**256 - 1))
def test_an_acknowledgement_comes_back(newest: int, through: int, limit: int, missing: int) -> None:
    ack = Ack(newest, through, limit, missing)
    assert ack_of(ack.packed()) == ack


def test_an_acknowledgement_without_losses_is_twelve_bytes() -> None:
    assert len(Ack(1_000_000, 5, 9).packed()) == 12
    assert ack_of(bytes(11)) is None
    assert ack_of(bytes(45)) is None


def test_what_was_lost_is_sent_again_at_once_and_joined() -> None:
    sender = sending()
    sender.write(bytes(300))
    # 100 bytes of fragment: three frames, the first two get lost.
    payloads = [sender.fragment(number, 0.0) for number in (1, 2, 3)]
    assert all(payloads)
    assert sender.fragment(4, 0.0) is None
    assert sender.acknowledged(Ack(3, 0, RECEIVE_BUFFER_BYTES, 0b11), 0.1)
    assert sender.lost_frames == 2
    again = sender.fragment(4, 0.1)
    assert again is not None
    assert OFFSET.unpack_from(again) == (0,)


def test_nothing_is_sent_beyond_what_the_other_end_can_hold() -> None:
    sender = sending(limit=150)
    sender.write(bytes(1_000))
    sent = [payload for number in range(1, 9) if (payload := sender.fragment(number, 0.0)) is not None]
    assert sum(len(payload) - OFFSET.size for payload in sent) == 150
    assert sender.acknowledged(Ack(2, 150, 150), 0.1)
    assert sender.fragment(9, 0.1) is None
    # Nothing is on its way, but room is awaited: the other end will be asked.
    assert sender.due_at_s() is not None
    assert sender.acknowledged(Ack(2, 150, 220), 0.2)
    assert sender.fragment(9, 0.2) == OFFSET.pack(150) + bytes(70)


def test_claims_of_what_was_never_sent_are_refused() -> None:
    sender = sending()
    sender.write(bytes(10))
    assert not sender.acknowledged(Ack(1, 1, 100), 0.0)
    assert sender.fragment(1, 0.0) is not None
    assert not sender.acknowledged(Ack(1, 11, 100), 0.0)
    assert not sender.acknowledged(Ack(1, 10, 9), 0.0)


def test_fragments_beyond_the_promised_room_are_refused() -> None:
    receiver = ReceivingStream(buffer_bytes=256)
    assert receiver.fragment(OFFSET.pack(0) + bytes(256))
    assert not receiver.fragment(OFFSET.pack(256) + b"x")
    assert not receiver.fragment(OFFSET.pack(2**32 - 1) + b"x")
    assert not receiver.fragment(OFFSET.pack(0))
    assert not receiver.fragment(b"")
    assert len(receiver.read(1_000)) == 256
    assert receiver.fragment(OFFSET.pack(256) + b"x")


def test_pieces_out_of_order_are_held_only_within_bounds() -> None:
    receiver = ReceivingStream(buffer_bytes=256)
    taken = [receiver.fragment(OFFSET.pack(1) + bytes(200)) for _ in range(5)]
    # Three hold 600 bytes, more than twice what was promised; the sender has gone mad.
    assert taken == [True, True, True, False, False]


def test_room_that_was_made_is_told_without_being_asked() -> None:
    receiver = ReceivingStream(buffer_bytes=256)
    receiver.fragment(OFFSET.pack(0) + bytes(256))
    receiver.ack()
    receiver.read(100)
    assert receiver.answer_due_at_s() is None
    receiver.read(100)
    assert receiver.answer_due_at_s() == float("-inf")
    assert receiver.ack().limit == 456
