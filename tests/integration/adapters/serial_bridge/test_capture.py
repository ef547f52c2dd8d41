"""Text that a device sends by itself is kept record by record, and the device is answered."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from adapters.contract import DeliveryRejectedError, Document, RowProblem, SourceUnavailableError
from adapters.serial_bridge import capture_mode, refused_pieces
from adapters.serial_bridge.capture_mode import CaptureTalk
from adapters.serial_bridge.framing import Flaw, Found
from adapters.serial_bridge.inbox import Inbox
from adapters.serial_bridge.refused_pieces import RefusedPieces
from node.clock import MachineClock
from tests.integration.adapters.serial_bridge.bridges import bridge, far_end, heard, settings_of, wait_for, waiting
from tests.support.adapter_openings import gather, outcome
from tests.support.line_noise import Noise
from tests.support.line_simulator import simulated_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapters.contract import Adapter
    from adapters.serial_bridge.ports import Port
    from tests.support.line_simulator import Line

pytestmark = pytest.mark.integration
NOTICE = Document(content=b"<SupervisionNotice/>", record_type="SupervisionNotice", text="催办：请在三日内办结")


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    with simulated_line(tmp_path / "line") as made:
        yield made


def contents(adapter: Adapter, count: int) -> list[bytes]:
    return [one.content for one in waiting(adapter, count)]


def test_every_line_is_a_record_in_utf8_whatever_the_device_writes(line: Line, tmp_path: Path) -> None:
    heading = "流水号,事项<LF>"
    with bridge(line, tmp_path / "kept", mode="capture", heading=heading) as adapter, far_end(line) as device:
        assert list(adapter.fetch(10)) == []
        os.write(device, "1001,食品经营许可\r\n1002,户外广告\r\n".encode("gb18030"))
        came = waiting(adapter, 2)
        assert [one.content.decode() for one in came] == [
            "流水号,事项\n1001,食品经营许可",
            "流水号,事项\n1002,户外广告",
        ]
        assert {one.media_type for one in came} == {"text/csv"}


@pytest.mark.parametrize("mark", ["<CR>", "<LF>", "<CR><LF>"])
def test_whichever_half_of_a_lines_end_is_the_mark_the_device_is_told_of_no_damage(
    line: Line, tmp_path: Path, mark: str
) -> None:
    settings: dict[str, Any] = {"mode": "capture", "record_end": mark, "answer_damaged": "<NAK>", "record_idle_s": 0.3}
    with bridge(line, tmp_path / "kept", **settings) as adapter, far_end(line) as device:
        assert list(adapter.fetch(10)) == []
        os.write(device, b"1001,A\r\n1002,B\r\n")
        assert contents(adapter, 2) == [b"1001,A", b"1002,B"]
        time.sleep(0.6)  # noqa: TID251 - the silence after which a record would have broken off.
        os.write(device, b"1003,C\r\n")
        assert contents(adapter, 3)[2:] == [b"1003,C"]
        with pytest.raises(BlockingIOError):
            os.read(device, 100)


@pytest.mark.parametrize(
    ("encoding", "text"),
    [("utf-8", "申请"), ("gbk", "办结"), ("utf-16-le", "办结"), ("utf-16-be", "申请"), ("ascii", "case 7")],
)
def test_the_encoding_is_the_one_that_is_set(line: Line, tmp_path: Path, encoding: str, text: str) -> None:
    with bridge(line, tmp_path / "kept", mode="capture", encoding=encoding) as adapter, far_end(line) as device:
        assert list(adapter.fetch(10)) == []
        os.write(device, f"{text}\r\n".encode(encoding))
        assert contents(adapter, 1) == [text.encode()]


def test_bytes_are_handed_over_as_they_came(line: Line, tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "mode": "capture",
        "encoding": "bytes",
        "record_end": "<ETX>",
        "media_type": "text/plain",
    }
    with bridge(line, tmp_path / "kept", **settings) as adapter, far_end(line) as device:
        assert list(adapter.fetch(10)) == []
        os.write(device, b"\xff\x80\r\x03")
        assert contents(adapter, 1) == [b"\xff\x80\r"]


def test_the_device_is_told_once_its_record_is_in_the_journal(line: Line, tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "mode": "capture",
        "record_start": "<STX>",
        "record_end": "<ETX>",
        "answer_accepted": "<ACK>{accepted}/{repeated}/{refused};",
        "answer_refused": "<NAK>{reason};",
    }
    with bridge(line, tmp_path / "kept", **settings) as adapter, far_end(line) as device:
        assert list(adapter.fetch(10)) == []
        os.write(device, b"\x02one\x03\x02two\x03\x02three\x03")
        first, second, third = waiting(adapter, 3)
        with pytest.raises(BlockingIOError):
            os.read(device, 100)
        adapter.acknowledge(first, outcome(accepted=2, repeated=1))
        assert heard(device, b";") == b"\x062/1/0;"
        adapter.acknowledge(first, outcome(accepted=2, repeated=1))
        problems = (RowProblem(rule="code", text="unknown code\x1b[2J"),)
        adapter.acknowledge(second, outcome(accepted=0, refused=1, problems=problems))
        assert heard(device, b";") == b"\x15unknown code [2J;", "what comes from elsewhere controls no terminal"
        adapter.reject(third, "no dialect reads it")
        adapter.reject(third, "no dialect reads it")
        assert heard(device, b";") == b"\x15no dialect reads it;"
        assert list(adapter.fetch(10)) == []


def test_what_came_damaged_is_answered_at_once_and_kept_for_people(line: Line, tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "mode": "capture",
        "record_start": "<STX>",
        "record_end": "<ETX>",
        "check": "xor",
        "answer_damaged": "<NAK>",
    }
    with bridge(line, tmp_path / "kept", **settings) as adapter, far_end(line) as device:
        assert list(adapter.fetch(10)) == []
        # By hand: 0x31 ^ 0x32 = 0x03; 0xFF begins no character of GB18030, and is its own check.
        os.write(device, b"junk\x0212\x03\x04\x0212\x03\x03\x02\xff\x03\xff")
        assert contents(adapter, 1) == [b"12"]
        assert heard(device, b"\x15\x15") == b"\x15\x15"
        wait_for(lambda: len(list((tmp_path / "kept" / "refused").iterdir())) == 3)
        kept = sorted((tmp_path / "kept" / "refused").iterdir())
        assert [(path.name.rpartition("-")[2], path.read_bytes()) for path in kept] == [
            ("junk.bin", b"junk"),
            ("check.bin", b"12"),
            ("not_text.bin", b"\xff"),
        ]


class MarkedPort:
    """A port whose driver marks parity errors, which a pseudo-terminal never has."""

    def __init__(self, data: bytes) -> None:
        self._data = [data]
        self.said = b""

    def read(self, max_bytes: int, wait_s: float) -> bytes:
        assert max_bytes >= len(self._data[0])
        assert wait_s > 0
        return self._data.pop()

    def write(self, data: bytes) -> None:
        self.said += data


@pytest.mark.parametrize(
    ("parity_errors", "records", "refused", "said"),
    [("refuse", [b"good"], [b"g?od"], b"\x15"), ("replace", [b"g?od", b"good"], [], b"")],
)
def test_parity_errors_that_the_driver_marks_are_treated_as_set(
    tmp_path: Path, parity_errors: str, records: list[bytes], refused: list[bytes], said: bytes
) -> None:
    settings = settings_of(
        mode="capture", parity="even", parity_errors=parity_errors, encoding="ascii", answer_damaged="<NAK>"
    )
    inbox = Inbox(tmp_path, MachineClock().now)
    talk = CaptureTalk("hall", settings, tmp_path, inbox, now=MachineClock().now, monotonic_s=time.monotonic)
    port = MarkedPort(b"g\xff\x00Xod\ngood\n")
    talk.listen(cast("Port", port), 0.2)
    assert [one.content for one in inbox.after(0, 10)] == records
    assert [path.read_bytes() for path in (tmp_path / "refused").iterdir()] == refused
    assert port.said == said
    inbox.close()


@pytest.mark.parametrize("parity_errors", ["refuse", "ignore"])
def test_a_byte_of_all_ones_comes_through_a_driver_that_marks_errors(
    line: Line, tmp_path: Path, parity_errors: str
) -> None:
    settings: dict[str, Any] = {
        "mode": "capture",
        "parity": "even",
        "parity_errors": parity_errors,
        "encoding": "bytes",
        "record_end": "<ETX>",
    }
    with bridge(line, tmp_path / "kept", **settings) as adapter, far_end(line) as device:
        assert list(adapter.fetch(10)) == []
        os.write(device, b"\xff\x00\xff\xff!\x03")
        assert contents(adapter, 1) == [b"\xff\x00\xff\xff!"]


def test_silence_ends_a_record_that_has_no_end_mark(line: Line, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"mode": "capture", "record_end": "", "record_idle_s": 0.3, "encoding": "ascii"}
    with bridge(line, tmp_path / "kept", **settings) as adapter, far_end(line) as device:
        assert list(adapter.fetch(10)) == []
        os.write(device, b"weight 12 kg")
        assert contents(adapter, 1) == [b"weight 12 kg"]


def test_what_was_not_whole_when_the_port_went_is_kept_as_broken_off(line: Line, tmp_path: Path) -> None:
    with bridge(line, tmp_path / "kept", mode="capture") as adapter, far_end(line) as device:
        assert list(adapter.fetch(10)) == []
        os.write(device, b"whole\nhalf")
        gather(adapter, bool, answer=lambda one: adapter.acknowledge(one, outcome()))
        line.unplug("near")
        wait_for(lambda: list((tmp_path / "kept" / "refused").iterdir()))
        line.replug("near")
        wait_for_port(adapter)
        os.write(device, b"next\n")
        assert contents(adapter, 1) == [b"next"]
    (kept,) = (tmp_path / "kept" / "refused").iterdir()
    assert (kept.name[-14:], kept.read_bytes()) == ("broken_off.bin", b"half")


def wait_for_port(adapter: Adapter) -> None:
    def is_back() -> bool:
        try:
            adapter.check()
        except SourceUnavailableError:
            return False
        return True

    wait_for(is_back)


def test_what_is_half_there_when_the_adapter_is_closed_is_kept_too(line: Line, tmp_path: Path) -> None:
    with bridge(line, tmp_path / "kept", mode="capture") as adapter, far_end(line) as device:
        assert list(adapter.fetch(10)) == []
        os.write(device, b"whole\nhalf")
        assert contents(adapter, 1) == [b"whole"]
    (kept,) = (tmp_path / "kept" / "refused").iterdir()
    assert kept.read_bytes() == b"half"


def test_that_nothing_of_a_trial_is_kept_is_told_once(
    line: Line, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with bridge(line, tmp_path / "copy", is_trial=True, mode="capture") as adapter, far_end(line) as device:
        assert list(adapter.fetch(10)) == []
        for sent, count in ((b"one\n", 1), (b"two\n", 2)):
            os.write(device, sent)
            waiting(adapter, count)
    assert caplog.messages.count("records of a trial are not kept: have them sent again") == 1


def test_nothing_more_is_taken_than_may_wait(line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture_mode, "WAITING_MAX", 1)
    settings: dict[str, Any] = {"mode": "capture", "answer_damaged": "<NAK>"}
    with bridge(line, tmp_path / "kept", **settings) as adapter, far_end(line) as device:
        assert list(adapter.fetch(10)) == []
        os.write(device, b"one\n")
        gather(adapter, bool)
        os.write(device, b"two\n")
        heard(device, b"\x15")
        (kept,) = (tmp_path / "kept" / "refused").iterdir()
        assert (kept.name[-11:], kept.read_bytes()) == ("no_room.bin", b"two")


def test_records_wait_for_room_on_the_disk(
    line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with bridge(line, tmp_path / "kept", mode="capture", encoding="ascii") as adapter, far_end(line) as device:
        assert list(adapter.fetch(10)) == []
        full = sqlite3.OperationalError("database or disk is full")
        monkeypatch.setattr(Inbox, "_put_record", lambda *_: raises(full))
        os.write(device, b"one\n\x80 two\nthree\n")
        wait_for(lambda: "records wait for room on the disk" in caplog.messages)
        os.write(device, b"four\n")
        assert list(adapter.fetch(10)) == []
        monkeypatch.undo()
        assert contents(adapter, 3) == [b"one", b"three", b"four"]
        assert len(list((tmp_path / "kept" / "refused").iterdir())) == 1
    assert caplog.messages.count("records wait for room on the disk") == 1


def raises(error: Exception) -> None:
    raise error


@pytest.mark.parametrize("name", ["files", "refused"])
def test_a_folder_that_cannot_be_written_is_away(line: Line, tmp_path: Path, name: str) -> None:
    with bridge(line, tmp_path / "kept", mode="capture") as adapter:
        (tmp_path / "kept" / name).write_bytes(b"")
        with pytest.raises(SourceUnavailableError, match="folder of the adapter cannot be written"):
            list(adapter.fetch(1))
        (tmp_path / "kept" / name).unlink()
        assert list(adapter.fetch(1)) == []


def test_a_piece_that_finds_no_room_is_counted_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pieces = RefusedPieces("hall", tmp_path / "refused", MachineClock().now, time.monotonic)
    monkeypatch.setattr(Path, "write_bytes", lambda *_: raises(OSError(28, "No space left on device")))
    pieces.keep([Found(content=b"x", flaw=Flaw.JUNK)])
    assert [vars(record)["junk"] for record in caplog.records] == [1]


def test_a_bad_line_spoils_some_records_and_loses_no_other(tmp_path: Path) -> None:
    noise = Noise(flips_per_bit=2e-4, drops_per_byte=2e-4, seed=11)
    sent = [f"{number:05},{'x' * 50}" for number in range(400)] + [f"end {number}" for number in range(9)]
    stream = b"".join(b"\x02" + one.encode() + b"\x03" + _xor(one.encode()) for one in sent)
    settings: dict[str, Any] = {
        "mode": "capture",
        "record_start": "<STX>",
        "record_end": "<ETX>",
        "check": "xor",
        "encoding": "ascii",
        "record_idle_s": 0.5,
    }
    with (
        simulated_line(tmp_path / "line", bits_per_s=921_600, noise=noise) as line,
        bridge(line, tmp_path / "kept", **settings) as adapter,
        far_end(line) as device,
    ):
        assert list(adapter.fetch(10)) == []
        os.set_blocking(device, True)
        left = memoryview(stream)
        while left:
            left = left[os.write(device, left) :]
        came: set[str] = set()

        def the_end_is_there() -> bool:
            came.update(one.content.decode() for one in adapter.fetch(1000))
            return any(one.startswith("end") for one in came)

        wait_for(the_end_is_there)
    # 400 records of 59 bytes are 23,600 bytes: 38 flips and 5 drops are expected.
    assert 320 < len(came) < 409
    assert came <= set(sent), "what is damaged is never taken for a record"


def _xor(data: bytes) -> bytes:
    value = 0
    for byte in data:
        value ^= byte
    return bytes([value])


def test_a_display_shows_the_text_of_a_document_once(line: Line, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"mode": "capture", "deliver": "text"}
    with bridge(line, tmp_path / "kept", **settings) as adapter, far_end(line) as device:
        adapter.deliver(NOTICE, "310000/3-1/7")
        assert heard(device, b"\n") == "催办：请在三日内办结\r\n".encode("gb18030")
        adapter.deliver(NOTICE, "310000/3-1/7")
        adapter.deliver(NOTICE, "310000/3-1/8")
        assert heard(device, b"\n").count(b"\n") == 1


def test_nothing_is_delivered_where_that_is_set(line: Line, tmp_path: Path) -> None:
    with bridge(line, tmp_path / "kept", mode="capture") as adapter, pytest.raises(DeliveryRejectedError, match="none"):
        adapter.deliver(NOTICE, "310000/3-1/7")


def test_a_display_that_takes_nothing_is_away(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"mode": "capture", "deliver": "text", "write_timeout_s": 0.2}
    long = Document(content=b"", record_type="Notice", text="x" * 100_000)
    with (
        simulated_line(tmp_path / "line", bits_per_s=300, flow_control=True) as line,
        bridge(line, tmp_path / "kept", **settings) as adapter,
        pytest.raises(SourceUnavailableError, match="takes nothing"),
    ):
        adapter.deliver(long, "310000/3-1/7")


def test_only_so_many_pieces_are_kept(line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refused_pieces, "FILES_MAX", 2)
    with bridge(line, tmp_path / "kept", mode="capture", encoding="ascii") as adapter, far_end(line) as device:
        assert list(adapter.fetch(10)) == []
        os.write(device, b"\x80 one\n\x80 two\n\x80 three\ngood\n")
        assert contents(adapter, 1) == [b"good"]
    kept = sorted((tmp_path / "kept" / "refused").iterdir())
    assert [path.read_bytes() for path in kept] == [b"\x80 two", b"\x80 three"]
