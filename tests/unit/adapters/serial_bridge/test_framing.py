"""Records are cut out of whatever comes, and nothing that came is unaccounted for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.serial_bridge.framing import CHECKS, Flaw, Found, Frame, Framer, ParityMarks, check_of

LINES = Frame(end=b"\n")
MARKED = Frame(start=b"\x02", end=b"\x03", bytes_max=20)


def records(found: list[Found]) -> list[bytes]:
    return [one.content for one in found if one.flaw is None]


def flaws(found: list[Found]) -> list[tuple[Flaw | None, bytes]]:
    return [(one.flaw, one.content) for one in found if one.flaw is not None]


def test_one_record_to_a_line() -> None:
    framer = Framer(LINES)
    found = framer.feed(b"one\r\ntwo\n\r\n\nthr")
    assert records(found) == [b"one\r", b"two"]
    assert flaws(found) == []
    assert framer.holds
    assert records(framer.feed(b"ee\n")) == [b"three"]
    assert not framer.holds


def test_what_stands_between_marks_is_a_record_and_what_stands_outside_is_junk() -> None:
    framer = Framer(MARKED)
    found = framer.feed(b"boot v1.2\r\n\x02one\x03\r\n\x02two\x03noise\x02thr")
    assert records(found) == [b"one", b"two"]
    assert flaws(found) == [(Flaw.JUNK, b"boot v1.2\r\n"), (Flaw.JUNK, b"noise")]
    assert records(framer.feed(b"ee\x03")) == [b"three"]


def test_a_record_that_begins_anew_has_broken_off() -> None:
    found = Framer(MARKED).feed(b"\x02one\x02two\x03")
    assert records(found) == [b"two"]
    assert flaws(found) == [(Flaw.BROKEN_OFF, b"one")]


def test_silence_ends_a_record_without_end_mark_and_breaks_off_one_with() -> None:
    timed = Framer(Frame())
    assert timed.feed(b"weight 12") == []
    assert records(timed.silence()) == [b"weight 12"]
    assert timed.silence() == []
    lines = Framer(LINES)
    lines.feed(b"half")
    assert flaws(lines.silence()) == [(Flaw.BROKEN_OFF, b"half")]
    assert records(lines.feed(b"next\n")) == [b"next"]
    marked = Framer(MARKED)
    marked.feed(b"noise")
    assert flaws(marked.silence()) == [(Flaw.JUNK, b"noise")]
    marked.feed(b"\x02half")
    assert flaws(marked.silence()) == [(Flaw.BROKEN_OFF, b"half")]
    assert records(marked.feed(b"\x02whole\x03")) == [b"whole"]


def test_a_record_that_is_too_long_is_refused_whole_and_the_next_one_taken() -> None:
    framer = Framer(Frame(end=b"\n", bytes_max=10))
    found = framer.feed(b"x" * 25 + b"tail\nnext\n")
    assert records(found) == [b"next"]
    assert {flaw for flaw, _ in flaws(found)} == {Flaw.TOO_LONG}
    assert b"".join(content for _, content in flaws(found)) == b"x" * 25 + b"tail"
    marked = Framer(MARKED)
    found = marked.feed(b"\x02" + b"y" * 30 + b"\x03\x02next\x03")
    assert records(found) == [b"next"]
    assert flaws(found) == [(Flaw.TOO_LONG, b"y" * 20), (Flaw.JUNK, b"y" * 10 + b"\x03")]


def test_silence_ends_a_record_that_was_too_long_and_none_is_made_of_its_rest() -> None:
    timed = Framer(Frame(bytes_max=10))
    found = timed.feed(b"x" * 15)
    assert timed.holds
    found += timed.silence()
    assert flaws(found) == [(Flaw.TOO_LONG, b"x" * 10), (Flaw.TOO_LONG, b"x" * 5)]
    assert records(found) == []
    assert timed.feed(b"weight 12") == []
    assert records(timed.silence()) == [b"weight 12"]
    lines = Framer(Frame(end=b"\n", bytes_max=10))
    # Nothing more comes of it: what comes after the silence is another record.
    assert flaws(lines.feed(b"x" * 11)) == [(Flaw.TOO_LONG, b"x" * 10)]
    lines.silence()
    assert flaws(lines.feed(b"y" * 20)) != []
    assert lines.holds
    lines.silence()
    assert records(lines.feed(b"next\n")) == [b"next"]


def test_a_start_mark_is_forgotten_when_nothing_follows_it() -> None:
    framer = Framer(MARKED)
    framer.feed(b"\x02")
    assert framer.holds
    assert framer.silence() == []
    assert flaws(framer.feed(b"noise\x02one\x03")) == [(Flaw.JUNK, b"noise")]


def test_line_ends_behind_an_end_mark_are_no_record_that_broke_off() -> None:
    framer = Framer(Frame(end=b"\r"))
    assert records(framer.feed(b"one\r\n")) == [b"one"]
    assert framer.silence() == []
    assert records(framer.feed(b"\ntwo\r\n")) == [b"\ntwo"]


def test_a_check_without_an_end_mark_stands_at_the_end() -> None:
    # By hand: 0x31 ^ 0x32 ^ 0x33 = 0x30.
    for before_end in (False, True):
        timed = Framer(Frame(check="xor", check_before_end=before_end))
        timed.feed(b"123\x30")
        assert timed.silence() == [Found(content=b"123")]
        timed.feed(b"124\x30")
        assert flaws(timed.silence()) == [(Flaw.CHECK, b"124")]


def test_a_record_without_end_never_holds_more_than_its_limit() -> None:
    for frame in (
        Frame(end=b"\n", bytes_max=100),
        Frame(start=b"\x02", end=b"\x03", bytes_max=100),
        Frame(bytes_max=100),
    ):
        framer = Framer(frame)
        came = sum(len(one.content) for _ in range(1000) for one in framer.feed(b"z" * 7))
        assert 7000 - came <= 107


@pytest.mark.parametrize(
    ("kind", "expected"),
    # By hand: 0x31 ^ 0x32 ^ 0x33 = 0x30; 0x31 + 0x32 + 0x33 = 0x96; 0x100 - 0x96 = 0x6A.
    [("xor", 0x30), ("sum", 0x96), ("lrc", 0x6A)],
)
def test_check_characters_are_computed_as_their_standards_say(kind: str, expected: int) -> None:
    assert check_of(b"123", kind) == expected
    assert CHECKS == ("none", "xor", "sum", "lrc")


def test_the_checksum_of_modbus_ascii_fits_its_example() -> None:
    # Modbus over serial line, 2.5.2: the frame :010300000001FB asks for one register; its LRC is FB.
    assert check_of(bytes.fromhex("010300000001"), "lrc") == 0xFB


@pytest.mark.parametrize(
    ("frame", "stream"),
    [
        (Frame(start=b"\x02", end=b"\x03", check="xor"), b"\x02123\x03\x30"),
        # With the end mark: 0x30 ^ 0x03 = 0x33.
        (Frame(start=b"\x02", end=b"\x03", check="xor", check_end_mark=True), b"\x02123\x03\x33"),
        (Frame(start=b"\x02", end=b"\x03", check="sum", check_hexadecimal=True), b"\x02123\x0396"),
        (Frame(start=b":", end=b"\r\n", check="lrc", check_before_end=True, check_hexadecimal=True), b":1236a\r\n"),
        (Frame(end=b"\n", check="lrc", check_before_end=True), b"123\x6a\n"),
    ],
)
def test_a_check_may_stand_in_any_of_the_places_that_devices_use(frame: Frame, stream: bytes) -> None:
    assert Framer(frame).feed(stream) == [Found(content=b"123")]
    wrong = stream.replace(b"2", b"4")
    assert Framer(frame).feed(wrong)[0].flaw is Flaw.CHECK
    byte_wise = Framer(frame)
    assert [one for byte in stream for one in byte_wise.feed(bytes([byte]))] == [Found(content=b"123")]


def test_marks_of_two_bytes_stand_only_where_a_character_begins() -> None:
    end = "\n".encode("utf-16-le")
    framer = Framer(Frame(end=end, unit=2))
    # U+0A01 ends in 0x0A and is followed by U+0000 plus a letter: 01 0A 00 41 holds 0A 00 in the middle.
    text = "a\u0a01\u4100b"
    assert end in text.encode("utf-16-le")
    assert records(framer.feed((text + "\n").encode("utf-16-le"))) == [text.encode("utf-16-le")]


def test_a_byte_lost_from_text_of_two_byte_characters_does_not_spoil_the_rest_of_the_day() -> None:
    end = "\n".encode("utf-16-le")
    framer = Framer(Frame(end=end, unit=2, bytes_max=40))
    line = "办结\n".encode("utf-16-le")
    assert records(framer.feed(line)) == ["办结".encode("utf-16-le")]
    framer.feed(line[1:])
    found = [one for _ in range(20) for one in framer.feed(line)]
    assert records(found)[-10:] == ["办结".encode("utf-16-le")] * 10


def test_a_byte_with_a_parity_error_spoils_its_record_only() -> None:
    framer = Framer(LINES)
    found = framer.feed(b"one\ntw?\nthree\n", damaged=(6,))
    assert records(found) == [b"one", b"three"]
    assert flaws(found) == [(Flaw.PARITY, b"tw?")]
    framer.feed(b"fo", damaged=(1,))
    assert flaws(framer.feed(b"ur\n")) == [(Flaw.PARITY, b"four")]


@given(
    st.lists(st.one_of(st.binary(max_size=30), st.sampled_from([b"\x02", b"\x03", b"\n", b"\x02ok\x03"])), max_size=30),
    st.sampled_from([LINES, MARKED, Frame(start=b"\x02", end=b"\x03", check="xor"), Frame(start=b"ab", end=b"ba")]),
)
def test_how_the_stream_is_cut_up_changes_nothing(pieces: list[bytes], frame: Frame) -> None:
    together = Framer(frame)
    apart = Framer(frame)
    stream = b"".join(pieces)
    whole = records(together.feed(stream) + together.silence())
    cut = records([one for byte in stream for one in apart.feed(bytes([byte]))] + apart.silence())
    if frame.bytes_max > len(stream):
        assert whole == cut


@given(st.binary(max_size=300))
def test_all_that_comes_between_marks_or_outside_is_given_back(stream: bytes) -> None:
    framer = Framer(MARKED)
    found = framer.feed(stream) + framer.silence()
    given_back = sum(len(one.content) for one in found)
    blank = sum(stream.count(byte) for byte in b"\r\n \x00\x02\x03")
    assert len(stream) - blank <= given_back <= len(stream)


def test_linux_marks_of_parity_errors_are_taken_apart() -> None:
    marks = ParityMarks()
    assert marks.feed(b"ab\xff\x00Xcd\xff\xffe") == (b"ab?cd\xffe", (2,))
    assert marks.feed(b"\xff") == (b"", ())
    assert marks.feed(b"\x00") == (b"", ())
    assert marks.feed(b"Yz") == (b"?z", (0,))


@given(st.lists(st.tuples(st.integers(0, 255), st.booleans()), max_size=60), st.integers(1, 5))
def test_parity_marks_are_the_inverse_of_what_the_driver_does(sent: list[tuple[int, bool]], size: int) -> None:
    stream = b"".join(
        b"\xff\x00" + bytes([byte]) if bad else (b"\xff\xff" if byte == 0xFF else bytes([byte])) for byte, bad in sent
    )
    marks = ParityMarks()
    clean = b""
    damaged: list[int] = []
    for start in range(0, len(stream), size):
        piece, places = marks.feed(stream[start : start + size])
        damaged += [len(clean) + place for place in places]
        clean += piece
    assert clean == bytes(ord("?") if bad else byte for byte, bad in sent)
    assert damaged == [place for place, (_, bad) in enumerate(sent) if bad]
