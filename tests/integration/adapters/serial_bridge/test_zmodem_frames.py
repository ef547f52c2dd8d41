"""Which file a ZMODEM sender offers is seen in what ``sz`` really sends, and in nothing else."""

from __future__ import annotations

import binascii
import contextlib
import os
import pty
import select
import shutil
import subprocess
import time
import tty
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.serial_bridge.zmodem_frames import FileOffer, Frames

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration


def pieces(stream: bytes, size: int = 0) -> list[bytes | FileOffer]:
    frames = Frames()
    step = size or max(1, len(stream))
    return [piece for at in range(0, len(stream), step) for piece in frames.feed(stream[at : at + step])] + [
        frames.give_up()
    ]


def offers(passed: list[bytes | FileOffer]) -> list[FileOffer]:
    return [piece for piece in passed if isinstance(piece, FileOffer)]


def passed_on(passed: list[bytes | FileOffer]) -> bytes:
    return b"".join(piece for piece in passed if isinstance(piece, bytes))


@pytest.fixture(scope="module", params=["--zmodem", "--16-bit-crc", "--escape", "--ascii"])
def sent(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What ``sz`` says while it sends a file."""
    if shutil.which("sz") is None:
        pytest.skip("not installed: lrzsz")
    folder = tmp_path_factory.mktemp("sz")
    file = folder / "REPORT.XML"
    file.write_bytes(b"x" * 1234)
    file.chmod(0o644)
    os.utime(file, (1_700_000_000, 1_700_000_000))
    return said_by(folder, ["sz", "--quiet", request.param, file.name])


def said_by(folder: Path, command: list[str]) -> bytes:
    """Return what a sender says to a receiver of the same package until it has ended."""
    received = folder / "received"
    received.mkdir()
    sender, its_end = program(command, folder)
    receiver, other_end = program(["rz", "--quiet"], received)
    said = b""
    until_s = time.monotonic() + 20
    try:
        while sender.poll() is None and time.monotonic() < until_s:
            for end in select.select([its_end, other_end], [], [], 0.1)[0]:
                with contextlib.suppress(OSError):
                    data = os.read(end, 4096)
                    said += data if end == its_end else b""
                    os.write(other_end if end == its_end else its_end, data)
    finally:
        for process, end in ((sender, its_end), (receiver, other_end)):
            process.kill()
            process.wait()
            os.close(end)
    return said


def program(command: list[str], folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    master, slave = pty.openpty()
    tty.setraw(slave)
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=subprocess.DEVNULL, cwd=folder)
    os.close(slave)
    return process, master


@pytest.mark.parametrize("size", [0, 1, 7])
def test_the_offer_of_a_real_sender_is_read_before_it_is_passed_on(sent: bytes, size: int) -> None:
    passed = pieces(sent, size)
    (offer, *_) = offers(passed)
    assert (offer.name, offer.size, offer.modified) == (b"REPORT.XML", 1234, 1_700_000_000)
    assert passed_on(passed) == sent
    place = passed.index(offer)
    before = passed_on(passed[:place])
    assert b"REPORT" not in before
    assert b"**\x18B00" in before


def test_line_ends_that_are_converted_are_told(sent: bytes, request: pytest.FixtureRequest) -> None:
    (offer, *_) = offers(pieces(sent))
    assert offer.as_it_is == ("--ascii" not in request.node.name)


def test_a_damaged_offer_is_passed_on_and_not_believed(sent: bytes) -> None:
    damaged = sent.replace(b"REPORT", b"REPOST")
    assert offers(pieces(damaged)) == []
    assert passed_on(pieces(damaged)) == damaged


@given(st.binary(max_size=400), st.integers(0, 9))
def test_every_stream_is_passed_on_as_it_came(stream: bytes, size: int) -> None:
    assert passed_on(pieces(stream, size)) == stream


@given(st.lists(st.sampled_from([b"*", b"\x18", b"A", b"B", b"C", b"\x04", b"k", b"l", b"00", b"\x11"]), max_size=60))
def test_beginnings_of_frames_are_passed_on_as_they_came(parts: list[bytes]) -> None:
    stream = b"".join(parts)
    assert passed_on(pieces(stream, 3)) == stream
    assert offers(pieces(stream)) == []


def zfile(data: bytes, form: bytes = b"A") -> bytes:
    """Return a ZFILE frame around a subpacket that is encoded already."""
    header = bytes([4, 0, 0, 0, 0])
    crc = binascii.crc_hqx(header, 0).to_bytes(2, "big")
    if form == b"B":
        return b"**\x18B" + (header + crc).hex().encode() + b"\r\x8a" + data
    return b"*\x18" + form + b"".join(b"\x18" + bytes([byte ^ 0x40]) for byte in header) + crc + data


def test_every_way_to_write_a_byte_is_read() -> None:
    # ZRUB0 and ZRUB1 stand for 0x7F and 0xFF; XON in between is of the line; a binary header of 16 bits.
    content = b"a\x7f\xff\x00 12x 7"
    check = binascii.crc_hqx(content + b"k", 0).to_bytes(2, "big")
    coded = b"a\x18l\x18m\x11\x18@ 12x 7\x18k" + check
    for form in (b"A", b"B"):
        (offer,) = offers(pieces(zfile(coded, form)))
        assert offer == FileOffer(name=b"a\x7f\xff", size=None, modified=7, as_it_is=True)


@pytest.mark.parametrize(
    "stream",
    [
        b"*\x18X",
        b"**\x18B04000000000000\r",
        b"**\x18B0400000000zz\x8d\x0a",
        zfile(b"a\x18\x01"),
        zfile(b"x" * 1025),
        zfile(b"a\x18kxx"),
        b"*\x18A\x18h",
    ],
)
def test_what_is_no_frame_is_passed_on_and_not_believed(stream: bytes) -> None:
    assert offers(pieces(stream)) == []
    assert passed_on(pieces(stream)) == stream


def test_a_frame_that_never_ends_is_not_held_for_ever(sent: bytes) -> None:
    header = sent[: sent.index(b"REPORT")]
    frames = Frames()
    out = frames.feed(header + b"y" * 5000)
    assert len(passed_on(out)) > 4000
    held = Frames()
    held.feed(header)
    assert held.give_up().startswith(b"*\x18")
    assert held.give_up() == b""
