"""The terminal's serial port, on a simulated line."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from adapters.serial_bridge.terminal.ports import SerialPort
from tests.support.line_simulator import simulated_line

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration


def test_bytes_go_both_ways_and_nothing_is_waited_for_longer_than_said(tmp_path: Path) -> None:
    with simulated_line(tmp_path) as line:
        near, far = SerialPort(str(line.near), 115_200), SerialPort(str(line.far), 115_200)
        assert near.read(100, 0.01) == b""
        far.write(b"abc" * 100)
        got = b""
        while len(got) < 300:
            piece = near.read(100, 5.0)
            assert 0 < len(piece) <= 100
            got += piece
        assert got == b"abc" * 100
        near.close()
        near.close()
        far.close()


def test_every_way_in_which_a_port_is_gone_is_an_oserror(tmp_path: Path) -> None:
    with simulated_line(tmp_path) as line:
        with pytest.raises(OSError, match="none"):
            SerialPort(str(tmp_path / "none"), 115_200)
        port = SerialPort(str(line.near), 115_200)
        line.unplug("near")
        with pytest.raises(OSError, match="gone"):
            port.read(100, 5.0)
        with pytest.raises(OSError, match="gone"):
            port.write(b"a")
        port.close()
        with pytest.raises(OSError, match="gone"):
            port.read(1, 0.0)


def test_closing_brings_a_read_that_waits_back(tmp_path: Path) -> None:
    with simulated_line(tmp_path) as line:
        port = SerialPort(str(line.near), 115_200)
        ended = threading.Event()

        def read() -> None:
            try:
                while not ended.is_set():
                    port.read(100, 30.0)
            except OSError:
                ended.set()

        reading = threading.Thread(target=read)
        reading.start()
        port.close()
        assert ended.wait(10)
        reading.join()
