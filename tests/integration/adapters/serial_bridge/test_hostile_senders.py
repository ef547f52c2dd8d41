"""A sender whom nobody knows cannot overwrite, execute, or fill anything; and is told why its file is not taken."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from adapters.serial_bridge import naming, programs
from adapters.serial_bridge.capture_mode import ENCODINGS
from adapters.serial_bridge.inbox import Inbox, InboxUnwritableError
from adapters.serial_bridge.kermit import KermitFiles
from adapters.serial_bridge.programs import BegunAnewError, TransferRefusedError
from adapters.serial_bridge.zmodem import PARTIAL_COUNT_MAX, Partials, ReceivingTap
from adapters.serial_bridge.zmodem_frames import FINISHED, READY, WANTED, FileOffer
from node.clock import MachineClock
from tests.integration.adapters.serial_bridge.bridges import bridge, settings_of, wait_for, waiting
from tests.support.file_machines import FileMachine
from tests.support.line_simulator import simulated_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.integration


@contextmanager
def sender(folder: Path, protocol: str = "zmodem", **settings: Any) -> Iterator[tuple[Any, FileMachine]]:
    """Run a machine that sends, and the adapter."""
    with simulated_line(folder / "line", bits_per_s=921_600) as line:
        machine = FileMachine(line, folder / "machine", protocol)
        machine.start()
        try:
            with bridge(line, folder / "kept", mode=protocol, **settings) as adapter:
                yield adapter, machine
        finally:
            machine.stop()


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"file_bytes_max": 1000}, b"2000 bytes are more than 1000"),
        ({"names": ["*.csv", "*.xlsx"]}, b"not expected here"),
    ],
)
def test_a_file_that_is_not_wanted_is_refused_before_it_is_sent(
    tmp_path: Path, settings: dict[str, Any], why: bytes
) -> None:
    with sender(tmp_path, **settings) as (adapter, machine):
        assert list(adapter.fetch(1)) == []
        machine.put("REPORT.XML", bytes(2000))
        wait_for(lambda: b"REFUSED: " in machine.screen and why in machine.screen)
        assert list(adapter.fetch(1)) == []
        assert machine.waiting() == ["REPORT.XML"]


@pytest.mark.parametrize(
    ("settings", "size"), [({"file_bytes_max": 1000}, 20_000), ({"names": ["*.csv"]}, 100), ({}, 0)]
)
def test_kermit_refuses_too(tmp_path: Path, settings: dict[str, Any], size: int) -> None:
    with sender(tmp_path, "kermit", **settings) as (adapter, machine):
        assert list(adapter.fetch(1)) == []
        machine.put("REPORT.XML", bytes(size))
        wait_for(lambda: machine.failures)
        assert list(adapter.fetch(1)) == []
        assert machine.waiting() == ["REPORT.XML"]
        assert list((tmp_path / "kept" / "files").iterdir()) == []


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    with sender(tmp_path) as (adapter, machine):
        assert list(adapter.fetch(1)) == []
        machine.put("EMPTY.XML", b"")
        wait_for(lambda: b"REFUSED: the file is empty" in machine.screen)
        assert list(adapter.fetch(1)) == []


@pytest.mark.parametrize(
    "name",
    [
        b"../../escaped.xml",
        b"/tmp/escaped.xml",
        b"a/b.xml",
        b".hidden.xml",
        b"C:\\X.XML",
        b"x" * 150,
        b"../x\xff\xff.xml",
    ],
)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_no_path_leads_out_of_the_folder(tmp_path: Path, name: bytes, encoding: str) -> None:
    settings = settings_of(mode="zmodem", encoding=encoding)
    inbox = Inbox(tmp_path, MachineClock().now)
    work = tmp_path / "work"
    work.mkdir()
    tap = ReceivingTap(settings, inbox, Partials(tmp_path / "partial"), work)
    offer = FileOffer(name=name, size=10, modified=1_700_000_000, as_it_is=True)
    with pytest.raises(TransferRefusedError, match=r"plain file names|longer than"):
        tap.heard(frame_of(offer))
    assert list(work.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir() if "inbox" not in path.name) == ["files", "partial", "work"]
    inbox.close()


def frame_of(offer: FileOffer) -> bytes:
    """Return a ZFILE frame; the check bytes are computed with the same standard functions as by the reader."""
    import binascii  # noqa: PLC0415 - only here.

    header = bytes([4, 0, 0, 0, 1])
    content = offer.name + f"\0{offer.size} {offer.modified:o} 100644".encode() + b"\0"
    checked = content + b"k"
    stream = b"*\x18A" + escaped(header + binascii.crc_hqx(header, 0).to_bytes(2, "big"))
    return stream + escaped(content) + b"\x18k" + escaped(binascii.crc_hqx(checked, 0).to_bytes(2, "big"))


def escaped(data: bytes) -> bytes:
    return b"".join(bytes([0x18, byte ^ 0x40]) if byte & 0x60 == 0 else bytes([byte]) for byte in data)


@pytest.fixture
def tap(tmp_path: Path) -> Iterator[ReceivingTap]:
    inbox = Inbox(tmp_path, MachineClock().now)
    (tmp_path / "work").mkdir()
    yield ReceivingTap(settings_of(mode="zmodem"), inbox, Partials(tmp_path / "partial"), tmp_path / "work")
    inbox.close()


OFFER = FileOffer(name=b"A.XML", size=10, modified=1_700_000_000, as_it_is=True)


def test_a_file_that_was_not_written_whole_is_not_acknowledged(tap: ReceivingTap, tmp_path: Path) -> None:
    tap.heard(frame_of(OFFER))
    (tmp_path / "work" / "A.XML").write_bytes(b"12345")
    assert tap.answered(WANTED) == WANTED
    with pytest.raises(TransferRefusedError, match="5 bytes were written of 10; is the disk full"):
        tap.answered(READY)


def test_a_file_that_was_not_offered_is_not_acknowledged(tap: ReceivingTap, tmp_path: Path) -> None:
    (tmp_path / "work" / "smuggled").write_bytes(b"x")
    with pytest.raises(TransferRefusedError, match="not offered"):
        tap.answered(READY[:3]) and tap.answered(READY[3:])


def test_a_file_of_unknown_length_is_taken_when_it_is_closed(tap: ReceivingTap, tmp_path: Path) -> None:
    tap.heard(frame_of(OFFER))
    tap._current = FileOffer(name=b"A.XML", size=None, modified=None, as_it_is=False)
    (tmp_path / "work" / "A.XML").write_bytes(b"12345")
    tap.answered(WANTED + READY)
    assert len(list((tmp_path / "files").iterdir())) == 1


def test_a_receiver_that_says_once_more_that_it_is_ready_has_closed_nothing(tap: ReceivingTap, tmp_path: Path) -> None:
    tap.heard(frame_of(OFFER))
    assert tap.answered(READY) == READY
    assert tap.answered(WANTED) == WANTED
    (tmp_path / "work" / "A.XML").write_bytes(b"0123456789")
    for piece in (READY[:2], READY[2:5], READY[5:], FINISHED):
        assert tap.answered(piece) == piece
    assert tap.is_over
    assert len(list((tmp_path / "files").iterdir())) == 1


def test_a_sender_that_begins_anew_in_the_middle_of_a_file_is_heard(tap: ReceivingTap) -> None:
    call = b"rz\r**\x18B00000000000000\r\x8a\x11"
    assert tap.heard(call) == call
    tap.heard(frame_of(OFFER) + call[:9])
    with pytest.raises(BegunAnewError) as caught:
        tap.heard(call[9:] + b"more")
    assert caught.value.heard == call[3:] + b"more"


def test_a_file_that_the_disk_does_not_take_stays_at_its_sender(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise InboxUnwritableError("disk is full")

    with sender(tmp_path) as (adapter, machine):
        assert list(adapter.fetch(1)) == []
        with monkeypatch.context() as patched:
            patched.setattr(Inbox, "put_file", full)
            machine.put("A.XML", b"<x/>")
            wait_for(lambda: b"REFUSED: the disk of the node takes nothing" in machine.screen)
            assert machine.waiting() == ["A.XML"]
        assert [one.name for one in waiting(adapter, 1)] == ["A.XML"]


def test_an_offer_that_is_repeated_begins_nothing_anew(tap: ReceivingTap, tmp_path: Path) -> None:
    frame = frame_of(OFFER)
    assert tap.heard(frame) == frame
    (tmp_path / "work" / "A.XML").write_bytes(b"12345")
    assert tap.heard(frame) == frame
    assert (tmp_path / "work" / "A.XML").read_bytes() == b"12345"


def test_without_room_on_the_disk_nothing_is_received(tap: ReceivingTap, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")._replace(free=programs.FREE_BYTES_MIN)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(TransferRefusedError, match="no room"):
        tap.heard(frame_of(OFFER))


def test_kermit_fills_no_disk_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = programs.FREE_BYTES_MIN + 1_000
    usage = shutil.disk_usage("/")._replace(free=free)
    with sender(tmp_path, "kermit", file_bytes_max=1_001) as (adapter, machine):
        assert list(adapter.fetch(1)) == []
        with monkeypatch.context() as patched:
            patched.setattr(shutil, "disk_usage", lambda _: usage)
            machine.put("A.XML", b"<x/>")
            wait_for(lambda: machine.failures)
            assert machine.waiting() == ["A.XML"]
        assert [one.name for one in waiting(adapter, 1)] == ["A.XML"]


def test_only_so_many_beginnings_are_kept(tmp_path: Path) -> None:
    partials = Partials(tmp_path / "partial")
    for number in range(PARTIAL_COUNT_MAX + 5):
        path = partials.place(FileOffer(name=b"A.XML", size=number + 1, modified=1, as_it_is=True))
        os.utime(path, (number, number))
    kept = sorted(int(path.name.partition("-")[0]) for path in (tmp_path / "partial").iterdir())
    assert kept == list(range(6, PARTIAL_COUNT_MAX + 6))


def test_commands_of_the_sender_are_not_executed(tmp_path: Path) -> None:
    victim = tmp_path / "executed"
    with sender(tmp_path) as (adapter, machine):
        assert list(adapter.fetch(1)) == []
        machine.command = f"touch {victim}"
        machine.put("A.XML", b"<x/>")
        # ZCOMPL: rz has read the command, and says that it is done with it.
        wait_for(lambda: b"**\x18B0f" in machine.screen)
        assert list(adapter.fetch(1)) == []
    assert not victim.exists()


def test_kermit_is_no_server(tmp_path: Path) -> None:
    victim = tmp_path / "executed"
    with sender(tmp_path, "kermit") as (adapter, machine):
        assert list(adapter.fetch(1)) == []
        machine.command = f"remote host touch {victim}"
        machine.put("A.XML", b"<x/>")
        wait_for(lambda: machine.failures)
        machine.command = ""
        assert [one.name for one in waiting(adapter, 1)] == ["A.XML"]
    assert not victim.exists()


def test_what_a_program_left_is_taken_up_by_the_next_opening(tmp_path: Path) -> None:
    settings = settings_of(mode="kermit")
    inbox = Inbox(tmp_path, MachineClock().now)
    files = KermitFiles(settings, tmp_path, inbox)
    files.take_what_came()
    done = tmp_path / "receiving" / "done"
    done.mkdir(parents=True)
    (done / "A.XML").write_bytes(b"<x/>")
    (done / "B.XML").write_bytes(b"")
    files.take_what_came()
    assert [one.name for one in inbox.after(0, 10)] == ["A.XML"]
    whole = Partials(tmp_path / "partial")
    whole.place(OFFER).write_bytes(b"0123456789")
    whole.place(FileOffer(name=b"C.XML", size=10, modified=1, as_it_is=True)).write_bytes(b"012")
    whole.take_whole(inbox, "gb18030")
    assert [one.name for one in inbox.after(0, 10)] == ["A.XML", "A.XML"]
    inbox.close()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"\xe7\x94\xb3.xml", "申.xml"),
        ("申请.xml".encode("gb18030"), "申请.xml"),
        (b"\xff\xff.xml", "��.xml"),
    ],
)
def test_names_are_read_in_utf8_or_in_the_encoding_of_the_line(name: bytes, expected: str) -> None:
    assert naming.decoded_name(name, "gb18030") == expected


def test_names_are_shown_without_control_characters_and_have_media_types() -> None:
    assert naming.printable("a\x1b[2Jb\n" + "x" * 200) == "a?[2Jb?" + "x" * 93
    assert naming.decoded_name(b"\xff.xml", "bytes") == "ÿ.xml"
    assert naming.media_type("A.XML") == "application/xml"
    assert naming.media_type("a.b.csv") == "text/csv"
    assert naming.media_type("README") == "application/octet-stream"


def test_an_error_packet_of_kermit_is_understood_by_kermit(tmp_path: Path) -> None:
    # The vectors are of C-Kermit: an Error packet that it checks by one, two and three characters; see also
    # test_kermit_refuses_too, where kermit itself reads them.
    packets = KermitFiles(settings_of(), tmp_path, Inbox(tmp_path, MachineClock().now)).refusal("no")
    assert [packet[:6] for packet in packets.split(b"\r")[:-1]] == [b"\x01% Eno", b"\x01& Eno", b"\x01' Eno"]
    # By hand: 0x25+0x20+0x45+0x6E+0x6F = 0x167; (0x167 + (0x67 >> 6 & 3)) & 63 = 0x28; as a character 0x48, H.
    assert packets.split(b"\r")[0][6:] == b"H"
    # 0x168 = 0b101_101000: 5 and 40, as characters 0x25 and 0x48.
    assert packets.split(b"\r")[1][6:] == b"%H"
