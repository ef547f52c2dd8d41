"""Files arrive once and whole, from programs that others wrote, over lines that are good, bad and unplugged."""

from __future__ import annotations

import errno
import os
import re
import shutil
import time
from contextlib import contextmanager
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

import pytest

from adapters.contract import Document, SourceNeedsPersonError, SourceUnavailableError
from adapters.serial_bridge import transfer_mode
from node.randomness import SeededRandomness
from tests.integration.adapters.serial_bridge.bridges import bridge, wait_for, waiting
from tests.support.adapter_fetching import fetching
from tests.support.adapter_openings import content_of, outcome
from tests.support.file_machines import FileMachine
from tests.support.line_noise import Noise
from tests.support.line_simulator import simulated_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from adapters.contract import Adapter, Delivery
    from tests.support.line_simulator import Line

pytestmark = pytest.mark.integration
PROTOCOLS = ("zmodem", "kermit")
NOTICE = Document(content=b"<SupervisionNotice/>", record_type="SupervisionNotice", text="催办：请在三日内办结")


def some_bytes(count: int) -> bytes:
    return SeededRandomness("file").token(count)


@contextmanager
def machine_on(folder: Path, protocol: str = "zmodem", **line: Any) -> Iterator[tuple[Line, FileMachine]]:
    """Run a machine on a line of its own."""
    with simulated_line(folder / "line", **line) as made:
        machine = FileMachine(made, folder / "machine", protocol)
        machine.start()
        try:
            yield made, machine
        finally:
            machine.stop()


def fetched(adapter: Adapter, count: int) -> list[Delivery]:
    """Return what waits, as soon as it is so many; a port that is away for a moment is waited for."""
    came: list[Delivery] = []

    def are_there() -> bool:
        came.clear()
        try:
            came.extend(adapter.fetch(100))
        except SourceUnavailableError:
            return False
        return len(came) >= count

    wait_for(are_there)
    return came


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("bits_per_s", [115_200, 921_600])
def test_a_file_arrives_whole_at_the_speed_of_the_line(tmp_path: Path, protocol: str, bits_per_s: int) -> None:
    content = some_bytes(bits_per_s // 10)
    # Without flow control, a loaded machine may well lose bytes at the higher speed.
    with (
        machine_on(tmp_path, protocol, bits_per_s=bits_per_s, flow_control=True) as (line, machine),
        bridge(line, tmp_path / "kept", mode=protocol) as adapter,
    ):
        adapter.check()
        machine.put("REPORT.XML", content)
        (came,) = fetched(adapter, 1)
        assert content_of(came) == content
        assert (came.name, came.media_type) == ("REPORT.XML", "application/xml")
        machine.wait_until_sent()
        # One second's worth of bytes; Kermit prefixes every third byte of random content.
        assert machine.failures == 0
        adapter.acknowledge(came, outcome())
        assert list(adapter.fetch(10)) == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "noise", [Noise(flips_per_bit=1e-4, seed=2), Noise(drops_per_byte=1e-4, seed=3)], ids=["flips", "drops"]
)
def test_a_bad_line_changes_no_byte(tmp_path: Path, protocol: str, noise: Noise) -> None:
    content = some_bytes(4_000)
    with (
        machine_on(tmp_path, protocol, bits_per_s=921_600, noise=noise) as (line, machine),
        bridge(line, tmp_path / "kept", mode=protocol, kermit_packet_bytes=300) as adapter,
    ):
        assert list(adapter.fetch(1)) == []
        machine.patience_s = 30.0
        machine.put("REPORT.XML", content)
        (came,) = fetched(adapter, 1)
        assert content_of(came) == content
        damage = line.damage("far")
        assert damage["flipped"] + damage["dropped"] > 0


def test_a_parity_bit_on_the_line_changes_no_byte(tmp_path: Path) -> None:
    content = b"\xff" * 2_000
    with (
        machine_on(tmp_path, bits_per_s=921_600) as (line, machine),
        bridge(line, tmp_path / "kept", mode="zmodem", parity="even") as adapter,
    ):
        machine.put("REPORT.XML", content)
        (came,) = fetched(adapter, 1)
        assert content_of(came) == content


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_unplugged_in_the_middle_the_file_arrives_once(tmp_path: Path, protocol: str) -> None:
    content = some_bytes(60_000)
    with (
        machine_on(tmp_path, protocol, bits_per_s=230_400) as (line, machine),
        bridge(line, tmp_path / "kept", mode=protocol) as adapter,
    ):
        assert list(adapter.fetch(1)) == []
        machine.put("REPORT.XML", content)
        line.wait_carried("far", 35_000)
        line.unplug("near")
        with pytest.raises(SourceUnavailableError):
            wait_for(lambda: list(adapter.fetch(1)))
        line.replug("near")
        (came,) = fetched(adapter, 1)
        assert content_of(came) == content
        machine.wait_until_sent()
        if protocol == "zmodem":
            # ZRPOS, by which a receiver says from where on it wants a file: four bytes, the lowest first.
            places = re.findall(rb"\*\*\x18B09([0-9a-f]{8})", bytes(machine.screen))
            assert int.from_bytes(bytes.fromhex(places[-1].decode()), "little") > 20_000
        adapter.acknowledge(came, outcome())
        assert list(adapter.fetch(1)) == []


def test_killed_in_the_middle_the_file_arrives_once(tmp_path: Path) -> None:
    content = some_bytes(60_000)
    with machine_on(tmp_path, bits_per_s=230_400) as (line, machine):
        settings = {"port": str(line.near), "mode": "zmodem"}
        machine.put("A.XML", b"<first/>")
        machine.put("B.XML", content)
        with fetching("adapters.serial_bridge.kind:KIND", tmp_path / "kept", settings, {}) as first:
            assert first[0].startswith("A.XML:")
            line.wait_carried("far", 35_000)
        with bridge(line, tmp_path / "kept", mode="zmodem") as adapter:
            came = fetched(adapter, 2)
            assert [one.name for one in came] == ["A.XML", "B.XML"]
            assert content_of(came[1]) == content
            assert came[0].delivery_key == first[0]


def test_another_file_of_the_same_name_is_not_glued_to_the_beginning_of_the_first(tmp_path: Path) -> None:
    first, second = some_bytes(60_000), some_bytes(61_000)[::-1]
    with (
        machine_on(tmp_path, bits_per_s=230_400) as (line, machine),
        bridge(line, tmp_path / "kept", mode="zmodem") as adapter,
    ):
        assert list(adapter.fetch(1)) == []
        machine.put("REPORT.XML", first)
        line.wait_carried("far", 35_000)
        machine.put("REPORT.XML", second)
        line.unplug("near")
        line.replug("near")
        (came,) = fetched(adapter, 1)
        assert content_of(came) == second


def test_several_files_of_one_session_arrive_in_their_order_and_each_once(tmp_path: Path) -> None:
    contents = {f"R{number}.XML": f"<Record>{number}</Record>".encode() * (number + 1) for number in range(5)}
    with (
        machine_on(tmp_path, bits_per_s=921_600) as (line, machine),
        bridge(line, tmp_path / "kept", mode="zmodem") as adapter,
    ):
        machine.sends_together = True
        for name, content in contents.items():
            machine.put(name, content)
        came = fetched(adapter, 5)
        assert {one.name: content_of(one) for one in came} == contents
        assert [one.name for one in came] == sorted(contents)


def test_a_file_sent_again_after_its_answer_is_answered_again(tmp_path: Path) -> None:
    with (
        machine_on(tmp_path, bits_per_s=921_600) as (line, machine),
        bridge(line, tmp_path / "kept", mode="zmodem", answer_accepted="TAKEN {accepted}<CR><LF>") as adapter,
    ):
        machine.put("A.XML", b"<x/>")
        (came,) = fetched(adapter, 1)
        machine.wait_until_sent()
        adapter.acknowledge(came, outcome(accepted=3))
        wait_for(lambda: b"TAKEN 3\r\n" in machine.screen)
        machine.put("A.XML", b"<x/>")
        machine.wait_until_sent()
        wait_for(lambda: machine.screen.count(b"TAKEN 3\r\n") == 2)
        assert list(adapter.fetch(1)) == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(("deliver", "end"), [("xml", "XML"), ("text", "TXT")])
def test_a_document_goes_down_as_a_file(tmp_path: Path, protocol: str, deliver: str, end: str) -> None:
    with (
        machine_on(tmp_path, protocol, bits_per_s=921_600) as (line, machine),
        bridge(line, tmp_path / "kept", mode=protocol, deliver=deliver) as adapter,
    ):
        adapter.deliver(NOTICE, "310000/3-1/7")
        adapter.deliver(NOTICE, "310000/3-1/7")
        wait_for(machine.received)
        ((name, content),) = machine.received().items()
        assert len(name) == 12
        assert name.endswith(f".{end}")
        assert content == (NOTICE.content if deliver == "xml" else NOTICE.text.encode("gb18030"))


def test_a_text_goes_down_whatever_the_encoding_of_the_line(tmp_path: Path) -> None:
    with (
        machine_on(tmp_path, bits_per_s=921_600) as (line, machine),
        bridge(line, tmp_path / "kept", mode="zmodem", deliver="text", encoding="bytes") as adapter,
    ):
        adapter.deliver(Document(content=b"", record_type="Notice", text="café 催办"), "310000/3-1/7")
        wait_for(machine.received)
        assert list(machine.received().values()) == [b"caf\xe9 ??"]


def test_a_document_that_finds_no_room_on_the_disk_is_tried_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with (
        machine_on(tmp_path, bits_per_s=921_600) as (line, machine),
        bridge(line, tmp_path / "kept", mode="zmodem", deliver="xml") as adapter,
    ):
        with monkeypatch.context() as patched:
            patched.setattr(FilePath, "write_bytes", full)
            with pytest.raises(SourceUnavailableError, match=r"cannot send the file: .*No space left"):
                adapter.deliver(NOTICE, "310000/3-1/7")
        adapter.deliver(NOTICE, "310000/3-1/7")
        wait_for(machine.received)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_long_document_on_a_slow_line_is_not_given_up_while_it_goes_over(tmp_path: Path, protocol: str) -> None:
    # 20,000 bytes take 5.2 s at 38,400 bit/s; by ZMODEM the receiver says nothing until it has all of it.
    long = Document(content=some_bytes(20_000), record_type="Notice")
    with (
        machine_on(tmp_path, protocol, bits_per_s=38_400) as (line, machine),
        bridge(line, tmp_path / "kept", mode=protocol, deliver="xml", deliver_wait_s=2) as adapter,
    ):
        machine.patience_s = 30.0
        adapter.deliver(long, "310000/3-1/7")
        wait_for(machine.received)
        assert list(machine.received().values()) == [long.content]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_document_that_nobody_takes_is_tried_later(tmp_path: Path, protocol: str) -> None:
    with (
        simulated_line(tmp_path / "line") as line,
        bridge(line, tmp_path / "kept", mode=protocol, deliver="xml", deliver_wait_s=1) as adapter,
        pytest.raises(SourceUnavailableError, match="nothing came for 1 s"),
    ):
        adapter.deliver(NOTICE, "310000/3-1/7")


def test_a_line_that_is_busy_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from adapters.serial_bridge import bridge as module  # noqa: PLC0415 - the fixture of this name hides it.

    monkeypatch.setattr(module, "DELIVER_MAX_S", 0.3)
    with (
        machine_on(tmp_path, bits_per_s=9600) as (line, machine),
        bridge(line, tmp_path / "kept", mode="zmodem", deliver="xml") as adapter,
    ):
        machine.put("LONG.XML", some_bytes(20_000))
        assert list(adapter.fetch(1)) == []
        line.wait_carried("far", 500)
        began_s = time.monotonic()
        with pytest.raises(SourceUnavailableError, match="busy"):
            adapter.deliver(NOTICE, "310000/3-1/7")
        assert time.monotonic() - began_s < 10


def test_a_transfer_that_falls_silent_is_ended(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with (
        machine_on(tmp_path) as (line, machine),
        bridge(line, tmp_path / "kept", mode="zmodem", transfer_idle_s=1) as adapter,
    ):
        machine.put("LONG.XML", some_bytes(200_000))
        assert list(adapter.fetch(1)) == []
        line.wait_carried("far", 20_000)
        line.cut()
        wait_for(lambda: "nothing came for 1 s" in [vars(record).get("reason") for record in caplog.records])
        assert list(adapter.fetch(1)) == []
        (begun,) = (tmp_path / "kept" / "partial").iterdir()
        assert 0 < begun.stat().st_size < 200_000


def test_a_transfer_may_not_take_for_ever(tmp_path: Path) -> None:
    with (
        machine_on(tmp_path) as (line, machine),
        bridge(line, tmp_path / "kept", mode="zmodem", transfer_time_max_s=1) as adapter,
    ):
        machine.put("LONG.XML", some_bytes(200_000))
        assert list(adapter.fetch(1)) == []
        wait_for(lambda: b"REFUSED: not finished after 1 s" in machine.screen)
        assert list(adapter.fetch(1)) == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_program_that_is_not_installed_needs_a_person(
    tmp_path: Path, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None if name in {"rz", "kermit"} else f"/usr/bin/{name}")
    package = {"zmodem": "lrzsz", "kermit": "ckermit"}[protocol]
    with simulated_line(tmp_path / "line") as line, bridge(line, tmp_path / "kept", mode=protocol) as adapter:
        for ask in (adapter.check, lambda: list(adapter.fetch(1))):
            with pytest.raises(SourceNeedsPersonError, match=f"install the package {package}"):
                ask()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_program_that_is_taken_away_later_needs_a_person_too(
    tmp_path: Path, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        simulated_line(tmp_path / "line") as line,
        bridge(line, tmp_path / "kept", mode=protocol, deliver="xml") as adapter,
    ):
        assert list(adapter.fetch(1)) == []
        with monkeypatch.context() as patched:
            patched.setattr(shutil, "which", lambda name: None if name in {"rz", "kermit"} else f"/usr/bin/{name}")
            for ask in (adapter.check, lambda: list(adapter.fetch(1)), lambda: adapter.deliver(NOTICE, "1")):
                with pytest.raises(SourceNeedsPersonError, match="install the package"):
                    ask()
        assert list(adapter.fetch(1)) == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_file_that_comes_while_somebody_only_looks_stays_at_its_sender(tmp_path: Path, protocol: str) -> None:
    with machine_on(tmp_path, protocol, bits_per_s=921_600) as (line, machine):
        machine.put("A.XML", b"<x/>")
        with bridge(line, tmp_path / "copy", is_trial=True, mode=protocol) as adapter:
            (came,) = fetched(adapter, 1)
            assert content_of(came) == b"<x/>"
            wait_for(lambda: machine.failures)
            assert machine.waiting() == ["A.XML"]
        with bridge(line, tmp_path / "kept", mode=protocol) as adapter:
            (came,) = fetched(adapter, 1)
            assert content_of(came) == b"<x/>"
            machine.wait_until_sent()


def test_files_wait_at_their_sender_when_too_many_wait_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer_mode, "WAITING_MAX", 1)
    with (
        machine_on(tmp_path, bits_per_s=921_600) as (line, machine),
        bridge(line, tmp_path / "kept", mode="zmodem") as adapter,
    ):
        machine.put("A.XML", b"<first/>")
        machine.put("B.XML", b"<second/>")
        (came,) = fetched(adapter, 1)
        wait_for(lambda: b"REFUSED: the node has not answered" in machine.screen)
        assert machine.waiting() == ["B.XML"]
        adapter.acknowledge(came, outcome())
        assert [one.name for one in waiting(adapter, 1)] == ["B.XML"]


def test_names_that_are_not_text_are_shown_in_the_encoding_of_the_line(tmp_path: Path) -> None:
    name = os.fsdecode("申请.XML".encode("gb18030"))
    with (
        machine_on(tmp_path, bits_per_s=921_600) as (line, machine),
        bridge(line, tmp_path / "kept", mode="zmodem") as adapter,
    ):
        machine.put(name, b"<x/>")
        (came,) = fetched(adapter, 1)
        assert came.name == "申请.XML"
