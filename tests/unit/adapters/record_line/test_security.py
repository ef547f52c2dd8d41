"""Who has not the key says nothing that counts, and hears nothing that helps; what was said once never counts again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from adapters.record_line.answering import NodeLink
from adapters.record_line.cobs import Deframer, framed
from adapters.record_line.frames import FrameType
from adapters.record_line.limits import CALLS_AT_ONCE
from adapters.record_line.opening import (
    PROOF_BYTES,
    Abilities,
    Challenge,
    Hello,
    challenge_of,
    expand,
    hello_of,
    session_keys,
    turned_away_of,
)
from tests.support.record_lines import KEY, NAME, SPOOL, ScriptedNode, SimulatedLine

if TYPE_CHECKING:
    from adapters.record_line.link import Link

CAN = Abilities(2_048, 65_536)
HELLO = Hello(NAME, bytes(16), SPOOL, CAN)


class Tapped(SimulatedLine):
    """A line on which somebody writes down every frame, by direction."""

    def __init__(self, **settings: object) -> None:
        super().__init__(**settings)  # type: ignore[arg-type]
        self.taped: dict[str, list[bytes]] = {"up": [], "down": []}
        self._tapes = {"up": Deframer(), "down": Deframer()}

    def deliver(self, link: Link, data: bytes) -> None:
        direction = "up" if link is self.node_link else "down"
        self.taped[direction] += self._tapes[direction].feed(data)
        super().deliver(link, data)


def node_alone() -> tuple[NodeLink, ScriptedNode]:
    node = ScriptedNode()
    return NodeLink(node, terminals={NAME: KEY}, token=lambda size: b"\x05" * size), node


def said(link: Link, now_s: float) -> list[bytes]:
    return Deframer().feed(link.poll(now_s, 10_000))


def call(link: Link, hello: Hello, now_s: float = 0.0) -> list[bytes]:
    link.receive(framed(bytes((FrameType.HELLO,)) + hello.packed()), now_s)
    return said(link, now_s)


def test_a_terminal_with_another_key_is_not_let_in_and_both_ends_say_so() -> None:
    line = SimulatedLine(entries=[b"secret"], key=bytes(32))
    line.run_for(20)
    assert line.node.terminals == []
    assert line.node.contents == []
    assert line.terminal.openings == 0
    assert set(line.terminal.troubles) == {"other-key"}
    assert set(line.node.troubles) == {f"unproven {NAME}"}
    assert line.terminal_link.forged > 0


def test_a_caller_whose_name_has_no_key_is_turned_away_by_name() -> None:
    link, node = node_alone()
    (answer,) = call(link, HELLO._replace(name="stranger"))
    assert answer[0] == FrameType.TURNED_AWAY
    assert turned_away_of(answer[1:]) == (1, HELLO.nonce)
    assert node.troubles == ["unknown-terminal stranger"]


@pytest.mark.parametrize("hello", [HELLO._replace(version=2), HELLO._replace(suites=2)])
def test_a_caller_of_another_version_or_suite_is_told_so(hello: Hello) -> None:
    link, node = node_alone()
    (answer,) = call(link, hello)
    assert turned_away_of(answer[1:]) == (2, HELLO.nonce)
    assert node.troubles == [f"nothing-in-common {NAME}"]


def test_who_calls_again_and_again_without_a_proof_is_named() -> None:
    link, node = node_alone()
    for place in range(3):
        call(link, HELLO._replace(nonce=bytes([place] * 16)), now_s=place * 10.0)
    assert node.troubles == [f"unproven {NAME}"]
    link.receive(framed(bytes((FrameType.PROOF,)) + bytes(PROOF_BYTES)), 31.0)
    assert node.troubles == [f"unproven {NAME}", f"false-proof {NAME}"]
    assert link.forged == 1
    assert link.session is None


def test_a_flood_of_calls_is_answered_a_few_times_a_second() -> None:
    link, _ = node_alone()
    answered = sum(
        len(call(link, HELLO._replace(nonce=place.to_bytes(16, "big")), now_s=place / 1_000)) for place in range(2_000)
    )
    # Two seconds, two a second, and those at once.
    assert answered <= CALLS_AT_ONCE + 4


def test_a_call_in_progress_is_not_disturbed_by_a_session_of_somebody_else() -> None:
    line = SimulatedLine(entries=[b"1"])
    line.run_until(lambda: line.terminal.confirmed == ["1"])
    for place in range(5):
        call(line.node_link, HELLO._replace(nonce=bytes([place] * 16)), now_s=line.now_s)
        call(line.node_link, HELLO._replace(name="x"), now_s=line.now_s)
        line.node_link.receive(framed(bytes((FrameType.PROOF,)) + bytes(PROOF_BYTES)), line.now_s)
    line.run_for(30)
    assert line.node.closed_for == line.terminal.closed_for == []


def test_a_taped_session_played_again_changes_nothing() -> None:
    line = Tapped(entries=[b"first", b"second"])
    line.run_until(lambda: len(line.terminal.confirmed) == 2)
    line.terminal_link.close()
    line.run_for(1)
    assert line.node.closed_for == ["bye"]
    before = list(line.node.heard_messages)
    for frame in line.taped["up"] * 3:
        line.run_for(0.6)
        line.node_link.receive(framed(frame), line.now_s)
        line.node_link.poll(line.now_s, 10_000)
    assert line.node.heard_messages == before
    assert line.node.terminals == [NAME]
    assert line.node_link.session is None


def test_frames_played_again_within_their_session_are_not_taken_twice() -> None:
    line = Tapped(entries=[b"first", b"second"])
    line.run_until(lambda: len(line.terminal.confirmed) == 2)
    before = list(line.node.heard_messages)
    for _ in range(2):
        for frame in line.taped["up"]:
            line.node_link.receive(framed(frame), line.now_s)
        for frame in line.taped["down"]:
            line.terminal_link.receive(framed(frame), line.now_s)
    line.run_for(30)
    assert line.node.heard_messages == before
    assert line.node.closed_for == line.terminal.closed_for == []


def test_frames_sent_back_to_their_sender_are_not_genuine() -> None:
    line = Tapped(entries=[b"first"])
    line.run_until(lambda: len(line.terminal.confirmed) == 1)
    session = line.terminal_link.session
    assert session is not None
    own = [frame for frame in line.taped["up"] if frame[0] >= FrameType.DATA]
    for frame in own:
        line.terminal_link.receive(framed(frame), line.now_s)
    assert session.forged == len(own) > 0


def test_every_changed_byte_of_a_genuine_frame_makes_it_a_forgery() -> None:
    line = Tapped(entries=[b"first"])
    line.run_until(lambda: len(line.terminal.confirmed) == 1)
    session = line.node_link.session
    assert session is not None
    genuine = next(frame for frame in line.taped["up"] if frame[0] == FrameType.DATA)
    for place in range(len(genuine)):
        changed = bytearray(genuine)
        changed[place] ^= 0x80
        line.node_link.receive(framed(bytes(changed)), line.now_s)
    # A changed first byte may leave the range of session types; all others are told by the tag.
    assert session.forged >= len(genuine) - 1
    assert line.node.closed_for == []


def test_an_old_challenge_is_of_no_use_against_a_new_call() -> None:
    line = Tapped()
    line.run_until(lambda: line.terminal.openings == 1)
    challenge = next(frame for frame in line.taped["down"] if frame[0] == FrameType.CHALLENGE)
    line.restart_terminal()
    line.terminal_link.poll(line.now_s, 10_000)
    line.terminal_link.receive(framed(challenge), line.now_s)
    assert line.terminal.troubles == ["other-key"]


def test_a_changed_negotiation_is_noticed() -> None:
    # Somebody between the ends takes the compression out of the call, and puts it back into what the node answers.
    weakened = HELLO._replace(abilities=CAN._replace(compression=0))
    link, _ = node_alone()
    (answer,) = call(link, weakened)
    parsed = challenge_of(answer[1:])
    assert parsed is not None
    challenge, proof = parsed
    assert proof == session_keys(KEY, weakened, challenge).node_proof
    assert proof != session_keys(KEY, HELLO, challenge).node_proof


def test_a_false_who_does_not_end_a_session() -> None:
    line = SimulatedLine()
    line.run_until(lambda: line.terminal.openings == 1)
    for _ in range(10):
        line.run_for(2.5)
        line.terminal_link.receive(framed(bytes((FrameType.WHO,))), line.now_s)
    line.run_for(5)
    assert line.terminal.closed_for == []


def test_a_false_refusal_is_a_hint_and_does_not_stop_the_call() -> None:
    line = SimulatedLine()
    line.terminal_link.poll(0.0, 10_000)
    line.terminal_link.receive(framed(bytes((FrameType.TURNED_AWAY, 1)) + bytes(16)), 0.0)
    assert line.terminal.troubles == []
    line.run_until(lambda: line.terminal.openings == 1)


@pytest.mark.parametrize("size", range(0, 60, 7))
def test_openings_that_do_not_follow_the_form_are_passed_over(size: int) -> None:
    link, node = node_alone()
    for kind in range(0x20):
        link.receive(framed(bytes((kind,)) + bytes(size)), 0.0)
    assert link.session is None
    assert node.terminals == []
    assert hello_of(HELLO.packed()[:-1]) is None
    assert hello_of(HELLO._replace(name="UPPER").packed()) is None
    assert hello_of(HELLO._replace(abilities=CAN._replace(fragment_bytes_max=23)).packed()) is None
    assert hello_of(HELLO._replace(abilities=CAN._replace(buffer_bytes=255)).packed()) is None
    assert hello_of(HELLO._replace(abilities=CAN._replace(window_bits=8)).packed()) is None
    assert challenge_of(bytes(size)) is None
    assert turned_away_of(bytes(size)) is None


def test_call_and_challenge_come_back() -> None:
    assert hello_of(HELLO.packed()) == HELLO
    challenge = Challenge(bytes(16), CAN, "17", 65_536)
    assert challenge_of(challenge.packed() + bytes(16)) == (challenge, bytes(16))
    assert challenge_of(challenge.packed() + bytes(15)) is None


def test_keys_are_expanded_as_rfc_5869_says() -> None:
    # RFC 5869, appendix A.1: PRK, info, and the first 32 of its 42 bytes.
    prk = bytes.fromhex("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5")
    info = bytes.fromhex("f0f1f2f3f4f5f6f7f8f9")
    expected = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
    assert expand(prk, info, 32).hex() == expected


def test_keys_of_two_sessions_and_of_both_directions_differ() -> None:
    challenges = [Challenge(bytes([place] * 16), CAN) for place in range(2)]
    values = [value for challenge in challenges for value in session_keys(KEY, HELLO, challenge)]
    assert len(set(values)) == 8
