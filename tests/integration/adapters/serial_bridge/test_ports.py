"""Ports are found by names that do not change, opened as they are set, and may go at any moment."""

from __future__ import annotations

import fcntl
import os
import pwd
import subprocess
import sys
import termios
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import serial

from adapters.contract import SourceNeedsPersonError, SourceUnavailableError
from adapters.serial_bridge.mode_settings import MODES
from adapters.serial_bridge.port_owners import group_of, holder_of
from adapters.serial_bridge.ports import GONE, Port, list_ports, open_port, path_of
from tests.integration.adapters.serial_bridge.bridges import far_end, heard, settings_of, wait_for
from tests.support.line_simulator import simulated_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.line_simulator import Line

pytestmark = pytest.mark.integration


@dataclass
class FoundPort:
    """What pyserial tells of a port."""

    device: str
    description: str | None = None
    vid: int | None = None
    pid: int | None = None
    serial_number: str | None = None


FOUND = [
    FoundPort("/dev/ttyUSB1", "CP2102 USB to UART", 0x10C4, 0xEA60, "0001"),
    FoundPort("/dev/ttyUSB0", "USB-Serial Controller", 0x067B, 0x2303),
    FoundPort("/dev/ttyS0", None),
    FoundPort("/dev/ttyUSB2", "CP2102 USB to UART", 0x10C4, 0xEA60, "0002"),
]


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    with simulated_line(tmp_path / "line") as made:
        yield made


def test_ports_are_listed_with_the_name_that_does_not_change(tmp_path: Path) -> None:
    (tmp_path / "usb-Prolific-if00-port0").symlink_to("/dev/ttyUSB0")
    found = list_ports(tmp_path, lambda: FOUND)
    assert [(port.path, port.stable, port.usb, port.serial_number) for port in found] == [
        ("/dev/ttyS0", "/dev/ttyS0", "", ""),
        ("/dev/ttyUSB0", str(tmp_path / "usb-Prolific-if00-port0"), "067b:2303", ""),
        ("/dev/ttyUSB1", "usb:10c4:ea60:0001", "10c4:ea60", "0001"),
        ("/dev/ttyUSB2", "usb:10c4:ea60:0002", "10c4:ea60", "0002"),
    ]
    assert [port.description for port in found][:2] == ["", "USB-Serial Controller"]


def test_adapters_that_nothing_tells_apart_are_listed_by_the_socket_they_are_in(tmp_path: Path) -> None:
    twins = [FoundPort(f"/dev/ttyUSB{number}", "CP2102", 0x10C4, 0xEA60, "0001") for number in range(2)]
    by_id, by_path = tmp_path / "by-id", tmp_path / "by-path"
    for folder in (by_id, by_path):
        folder.mkdir()
    # udev has one name for both, which leads to whichever was plugged in last.
    (by_id / "usb-CP2102_0001-if00-port0").symlink_to("/dev/ttyUSB1")
    (by_path / "pci-0-usb-0:1.2:1.0-port0").symlink_to("/dev/ttyUSB1")
    found = list_ports(by_id, lambda: twins, by_path)
    assert [port.stable for port in found] == ["/dev/ttyUSB0", str(by_path / "pci-0-usb-0:1.2:1.0-port0")]
    # An adapter with two ports has two names.
    (by_id / "usb-CP2102_0001-if01-port0").symlink_to("/dev/ttyUSB0")
    assert [port.stable for port in list_ports(by_id, lambda: twins, by_path)] == [
        str(by_id / "usb-CP2102_0001-if01-port0"),
        str(by_id / "usb-CP2102_0001-if00-port0"),
    ]
    with pytest.raises(SourceNeedsPersonError, match="2 adapters"):
        path_of("usb:10c4:ea60:0001", lambda: twins)


def test_a_machine_without_usb_adapters_has_no_folder_of_stable_names(tmp_path: Path) -> None:
    assert list_ports(tmp_path / "none", list) == ()


def test_a_port_is_found_by_path_or_by_its_usb_numbers() -> None:
    assert path_of("/dev/serial/by-id/usb-x", lambda: FOUND) == "/dev/serial/by-id/usb-x"
    assert path_of("usb:067b:2303", lambda: FOUND) == "/dev/ttyUSB0"
    assert path_of("usb:10C4:EA60:0002", lambda: FOUND) == "/dev/ttyUSB2"


def test_an_adapter_that_is_not_plugged_in_is_away() -> None:
    with pytest.raises(SourceUnavailableError, match="no adapter usb:10c4:ea60:0003 is plugged in"):
        path_of("usb:10c4:ea60:0003", lambda: FOUND)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("usb:10c4:ea60", "2 adapters are .*ttyUSB1 .serial number 0001.*name one"),
        ("COM3", "port of Windows"),
        (r"\\.\COM12", "port of Windows"),
        ("ttyS0", "no port"),
        ("", "no port"),
    ],
)
def test_a_name_that_is_no_port_of_this_machine_needs_a_person(written: str, told: str) -> None:
    with pytest.raises(SourceNeedsPersonError, match=told):
        path_of(written, lambda: FOUND)


def test_bytes_go_both_ways(line: Line) -> None:
    port = open_port(settings_of(port=str(line.near)))
    with far_end(line) as far:
        port.write(b"hello")
        assert heard(far, b"hello") == b"hello"
        assert port.read(10, 0) == b""
        os.write(far, b"0123456789")
        came = b""
        while len(came) < 10:
            came += port.read(4, 5)
        assert came == b"0123456789"
        assert port.unsent() == 0
    port.close()
    port.close()


def attributes(port: Port) -> list[Any]:
    return termios.tcgetattr(port.fileno())


def test_every_setting_of_the_line_reaches_the_driver(line: Line) -> None:
    port = open_port(
        settings_of(
            port=str(line.near),
            mode="capture",
            baudrate=9600,
            bytesize="7",
            parity="odd",
            stopbits="2",
            xonxoff=True,
            rtscts=True,
            inter_byte_timeout_s=0.5,
        )
    )
    try:
        iflag, _, cflag, _, ispeed, ospeed, characters = attributes(port)
        # A pseudo-terminal keeps CS8 and no parity whatever is asked; speed and the rest it remembers.
        assert ispeed == ospeed == termios.B9600
        assert cflag & termios.CSTOPB
        assert cflag & termios.CRTSCTS
        assert iflag & termios.IXON
        assert iflag & termios.INPCK
        assert iflag & termios.PARMRK
        assert characters[termios.VTIME] == 5
    finally:
        port.close()


def test_parity_errors_are_marked_only_where_they_are_looked_at(line: Line) -> None:
    unmarked: list[dict[str, str]] = [{"mode": "capture", "parity": "none"}]
    unmarked += [{"mode": "capture", "parity": "even", "parity_errors": "ignore"}]
    unmarked += [{"mode": mode, "parity": "even"} for mode in MODES if mode != "capture"]
    for given in unmarked:
        line.unplug("near")
        line.replug("near")
        port = open_port(settings_of(port=str(line.near), **given))
        assert not attributes(port)[0] & termios.PARMRK
        port.close()


def test_a_speed_that_has_no_name_is_set_too(line: Line) -> None:
    open_port(settings_of(port=str(line.near), baudrate=250_000)).close()


def test_a_port_is_had_alone_unless_that_is_not_wanted(line: Line) -> None:
    port = open_port(settings_of(port=str(line.near)))
    with pytest.raises(SourceNeedsPersonError, match="is taken by"):
        open_port(settings_of(port=str(line.near)))
    open_port(settings_of(port=str(line.near), exclusive=False)).close()
    port.close()
    open_port(settings_of(port=str(line.near))).close()


def test_who_has_a_port_is_told(line: Line, tmp_path: Path) -> None:
    program = "import os, sys; os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY); print('open', flush=True); input()"
    command = [sys.executable, "-c", program, str(line.near)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert holder_of(str(line.near)).startswith(f"process {other.pid} (")
        other.kill()
    assert holder_of(str(line.near)).startswith("another program: end it")
    ended = tmp_path / "proc" / "77"
    (ended / "fd").mkdir(parents=True)
    (ended / "fd" / "3").symlink_to(os.path.realpath(line.near))
    (tmp_path / "proc" / "78").mkdir()
    assert holder_of(str(line.near), tmp_path / "proc").startswith("process 77 (ended): end it")
    (ended / "cmdline").write_text("python\0-P\0-m\0node.departments.doors.door\0")
    told = holder_of(str(line.near), tmp_path / "proc")
    assert told.startswith("an adapter of a running node (process 77): pause that one first")


def test_a_port_that_is_not_there_is_away(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailableError, match="is not there"):
        open_port(settings_of(port=str(tmp_path / "none")))


def test_something_else_than_a_port_needs_a_person(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "file", "/dev/null"):
        with pytest.raises(SourceNeedsPersonError, match="is no serial port"):
            open_port(settings_of(port=str(path)))
    with pytest.raises(SourceNeedsPersonError, match="does not take these settings"):
        open_port(settings_of(port=str(tmp_path)))


def test_rs485_that_the_driver_cannot_do_needs_a_person(line: Line) -> None:
    with pytest.raises(SourceNeedsPersonError, match=r"(?i)rs485"):
        open_port(settings_of(port=str(line.near), rs485="driver", rs485_delay_before_s=0.01))


@pytest.mark.parametrize(
    ("settings", "level"),
    [
        ({"rts": True}, True),
        ({"rts": False}, False),
        ({"rts": True, "rs485": "program"}, False),
        ({"rts": False, "rs485": "program", "rs485_rts_receiving": True, "rs485_rts_sending": False}, True),
    ],
)
def test_a_port_that_was_just_opened_listens_on_rs485(line: Line, settings: dict[str, Any], *, level: bool) -> None:
    # A pseudo-terminal has no RTS: what the wire is asked to be is known to pyserial only.
    port = open_port(settings_of(port=str(line.near), **settings))
    assert port._device.rts is level
    port.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another account needs root")
def test_a_port_of_another_group_needs_a_person_and_names_the_group(line: Line) -> None:
    line.near.chmod(0o620)
    nobody = pwd.getpwnam("nobody")
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(nobody.pw_gid)
            os.setuid(nobody.pw_uid)
            os.chdir("/")
            open_port(settings_of(port=os.path.realpath(line.near)))
        except SourceNeedsPersonError as error:
            os._exit(0 if f"add it to the group {group_of(str(line.near))}" in str(error) else 2)
        finally:
            os._exit(3)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_the_group_of_a_port_is_named_as_well_as_can_be(tmp_path: Path) -> None:
    assert group_of(str(tmp_path / "none")) == "dialout"
    if os.geteuid() == 0:
        (tmp_path / "odd").write_bytes(b"")
        os.chown(tmp_path / "odd", 0, 4242)
        assert group_of(str(tmp_path / "odd")) == "4242"


def test_an_unplugged_port_is_gone_for_reading_writing_and_asking(line: Line) -> None:
    uses: list[Callable[[Port], object]] = [
        lambda port: port.read(1, 5),
        lambda port: port.write(b"x"),
        lambda port: port.unsent(),
    ]
    for use in uses:
        port = open_port(settings_of(port=str(line.near)))
        line.unplug("near")
        with pytest.raises(SourceUnavailableError, match="the port is gone"):
            use(port)
        port.close()
        line.replug("near")


def test_all_three_errors_of_an_unplugged_port_are_known() -> None:
    # Which of them comes is chance: it depends on the call in which the port goes.
    assert {error.__name__ for error in GONE} == {"SerialException", "OSError", "error"}


def test_a_line_that_takes_nothing_is_told(tmp_path: Path) -> None:
    with simulated_line(tmp_path, bits_per_s=300, flow_control=True) as slow:
        port = open_port(settings_of(port=str(slow.near), write_timeout_s=0.2))
        with pytest.raises(SourceUnavailableError, match="takes nothing"):
            port.write(bytes(100_000))
        port.close()


def test_closing_makes_a_read_and_a_write_that_wait_come_back(tmp_path: Path) -> None:
    with simulated_line(tmp_path, bits_per_s=300, flow_control=True) as slow:
        port = open_port(settings_of(port=str(slow.near), write_timeout_s=600))
        ended: list[str] = []

        def run(name: str, use: Any) -> None:
            with pytest.raises(SourceUnavailableError, match="closed"):
                use()
            ended.append(name)

        reader = threading.Thread(target=run, args=("read", lambda: port.read(1, 600)))
        writer = threading.Thread(target=run, args=("write", lambda: port.write(bytes(100_000))))
        for thread in (reader, writer):
            thread.start()
        wait_for(lambda: slow.carried("near") > 0)
        port.close()
        for thread in (reader, writer):
            thread.join(20)
        assert sorted(ended) == ["read", "write"]


def test_a_write_that_waits_keeps_nobody_from_asking(tmp_path: Path) -> None:
    with simulated_line(tmp_path, bits_per_s=300, flow_control=True) as slow:
        port = open_port(settings_of(port=str(slow.near), write_timeout_s=600))

        def write() -> None:
            with pytest.raises(SourceUnavailableError, match="closed"):
                port.write(bytes(100_000))

        writer = threading.Thread(target=write)
        writer.start()
        wait_for(lambda: slow.carried("near") > 0)
        told: list[int] = []
        asker = threading.Thread(target=lambda: told.append(port.unsent()))
        asker.start()
        asker.join(5)
        port.close()
        for thread in (writer, asker):
            thread.join(20)
        assert told[0] > 0


def test_a_port_that_is_being_closed_is_closed_for_whoever_asks(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    port = open_port(settings_of(port=str(line.near)))
    reached, go_on = threading.Event(), threading.Event()
    close = serial.Serial.close

    def close_slowly(device: serial.Serial) -> None:
        reached.set()
        go_on.wait(20)
        close(device)

    monkeypatch.setattr(serial.Serial, "close", close_slowly)
    closer = threading.Thread(target=port.close)
    closer.start()
    assert reached.wait(20)
    with pytest.raises(SourceUnavailableError, match="closed"):
        port.unsent()
    go_on.set()
    closer.join(20)


def test_the_lock_of_a_closed_port_is_free(line: Line) -> None:
    open_port(settings_of(port=str(line.near))).close()
    descriptor = os.open(line.near, os.O_RDWR | os.O_NOCTTY)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(descriptor)
