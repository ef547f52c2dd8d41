"""The simulated serial line behaves like one: as slow, as bad, and gone when it is unplugged."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
import tty
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.support.line_noise import Noise, NoisyWire
from tests.support.line_simulator import simulated_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.integration


@contextmanager
def opened(path: Path) -> Iterator[int]:
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
    try:
        tty.setraw(fd)
        yield fd
    finally:
        os.close(fd)


def came(receiver: int, size: int) -> bytes:
    """Read so many bytes, in however many pieces they come."""
    got = b""
    while len(got) < size:
        got += os.read(receiver, size - len(got))
    return got


def carried_over(sender: int, receiver: int, data: bytes) -> tuple[bytes, float]:
    """Write everything on one side and read as much on the other; return it and the seconds that it took."""

    def write() -> None:
        left = memoryview(data)
        while left:
            left = left[os.write(sender, left) :]

    began_s = time.monotonic()
    writer = threading.Thread(target=write)
    writer.start()
    got = came(receiver, len(data))
    writer.join()
    return got, time.monotonic() - began_s


@pytest.mark.parametrize("bits_per_s", [300, 9600, 115_200, 921_600])
def test_bytes_take_their_time_on_the_line(tmp_path: Path, bits_per_s: int) -> None:
    data = os.urandom(bits_per_s // 10)
    with simulated_line(tmp_path, bits_per_s=bits_per_s) as line, opened(line.near) as near, opened(line.far) as far:
        before_s = time.process_time()
        got, took_s = carried_over(near, far, data)
        worked_s = time.process_time() - before_s
    assert got == data
    assert 0.97 < took_s < 1.5, "a tenth of the bits are bytes: one second's worth of them"
    assert worked_s < 0.3


def test_both_directions_are_independent_and_two_lines_too(tmp_path: Path) -> None:
    with (
        simulated_line(tmp_path / "one", delay_s=0.2) as one,
        simulated_line(tmp_path / "two") as two,
        opened(one.near) as one_near,
        opened(one.far) as one_far,
        opened(two.near) as two_near,
        opened(two.far) as two_far,
    ):
        os.write(one_near, b"there")
        os.write(one_far, b"back")
        os.write(two_near, b"elsewhere")
        began_s = time.monotonic()
        assert came(two_far, 9) == b"elsewhere"
        assert time.monotonic() - began_s < 0.2
        assert came(one_far, 5) == b"there"
        assert time.monotonic() - began_s > 0.15, "the delay of the other line"
        assert came(one_near, 4) == b"back"


def test_noise_strikes_as_often_as_asked_and_the_same_places_for_the_same_seed() -> None:
    data = bytes(1_000_000)
    noise = Noise(flips_per_bit=1e-4, drops_per_byte=1e-3, seed=3)
    wire, again, other = NoisyWire(noise, "near"), NoisyWire(noise, "near"), NoisyWire(noise, "far")
    whole = wire.carry(data)
    # Expected 800 and 1000; five standard deviations of a binomial count are 141 and 158.
    assert abs(wire.flipped - 800) < 141
    assert abs(wire.dropped - 1000) < 158
    assert len(whole) == len(data) - wire.dropped
    assert b"".join(again.carry(data[at : at + 77]) for at in range(0, len(data), 77)) == whole
    assert other.carry(data) != whole


def test_a_line_without_noise_changes_nothing_and_one_that_loses_everything_brings_nothing() -> None:
    assert NoisyWire(Noise(), "near").carry(b"abc") == b"abc"
    assert NoisyWire(Noise(drops_per_byte=0.999999), "near").carry(b"abc") == b""


def test_an_unplugged_end_hangs_up_and_comes_back_under_its_name(tmp_path: Path) -> None:
    with simulated_line(tmp_path) as line, opened(line.far) as far:
        with opened(line.near) as near:
            line.unplug("near")
            assert not line.near.exists()
            with pytest.raises(OSError, match="Input/output error"):
                os.write(near, b"x")
        os.write(far, b"lost")
        line.wait_carried("far", 4)
        line.replug("near")
        line.replug("near")
        with opened(line.near) as near:
            os.write(far, b"heard")
            assert os.read(near, 100) == b"heard"


def test_a_cut_cable_loses_bytes_and_closes_nothing(tmp_path: Path) -> None:
    with simulated_line(tmp_path) as line, opened(line.near) as near, opened(line.far) as far:
        line.cut()
        os.write(near, b"lost")
        line.wait_carried("near", 4)
        line.mend()
        os.write(near, b"heard")
        assert os.read(far, 100) == b"heard"


def test_bytes_for_an_end_that_nobody_has_opened_are_lost(tmp_path: Path) -> None:
    with simulated_line(tmp_path) as line, opened(line.near) as near:
        os.write(near, b"lost")
        line.wait_carried("near", 4)
        with opened(line.far) as far:
            os.write(near, b"heard")
            assert os.read(far, 100) == b"heard"
        assert line.damage("near")["unheard"] == 4


@pytest.mark.parametrize("flow_control", [False, True])
def test_a_reader_that_sleeps_loses_bytes_unless_the_line_has_flow_control(
    tmp_path: Path, *, flow_control: bool
) -> None:
    data = os.urandom(300_000)
    with (
        simulated_line(tmp_path, bits_per_s=8_000_000, flow_control=flow_control) as line,
        opened(line.near) as near,
        opened(line.far) as far,
    ):
        if flow_control:
            os.set_blocking(near, False)
            held = sum(_written(near, data[at : at + 1000]) for at in range(0, len(data), 1000))
            assert held < 100_000
        else:
            os.write(near, data)
            line.wait_carried("near", len(data))
            assert line.damage("near")["overrun"] > 100_000
        assert os.read(far, 10) == data[:10]


def _written(fd: int, data: bytes) -> int:
    try:
        return os.write(fd, data)
    except BlockingIOError:
        return 0


@pytest.mark.skipif(shutil.which("sz") is None, reason="not installed: lrzsz")
def test_programs_that_others_wrote_talk_over_it(tmp_path: Path) -> None:
    sent = tmp_path / "sent.bin"
    sent.write_bytes(os.urandom(100_000))
    received = tmp_path / "received"
    received.mkdir()
    began_s = time.monotonic()
    # Without flow control, a receiver that is not scheduled for a second loses bytes, and waits ten for them.
    with (
        simulated_line(tmp_path / "line", bits_per_s=921_600, flow_control=True) as line,
        opened(line.near) as near,
        opened(line.far) as far,
        subprocess.Popen(["rz", "-q"], stdin=near, stdout=near, cwd=received) as receiver,
        subprocess.Popen(["sz", "-q", str(sent)], stdin=far, stdout=far) as sender,
    ):
        assert sender.wait(30) == 0
        # The sender's last word goes with the terminal that it clears; rz would wait for it.
        receiver.kill()
    assert (received / "sent.bin").read_bytes() == sent.read_bytes()
    # 100,000 bytes at 92,160 bytes a second are 1.08 s.
    assert 1.0 < time.monotonic() - began_s < 10
