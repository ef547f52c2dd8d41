"""A serial line without hardware: two device paths with a line between them that is as slow and bad as real ones.

    with simulated_line(tmp_path, bits_per_s=115_200, noise=Noise(flips_per_bit=1e-4, seed=7)) as line:
        serial.Serial(str(line.near))
        os.open(line.far, os.O_RDWR | os.O_NOCTTY)

Each end is a pseudo-terminal behind a symbolic link that keeps its name when the end is unplugged and plugged in again.
A pseudo-terminal ignores baud rate and parity and has no modem lines: the simulator paces the bytes (10 bits each), and
what it cannot do (RTS, CTS, framing errors) stays untested with it. Asked for parity and nothing else that is new, it
answers EINVAL: an end that was open before is plugged in anew for such a test. It does not wait for what is unsent
(tcdrain), so that a program that clears its port when it ends throws its last words away. As with a real port

- what was written waits in the kernel (some 12 kB), so that a writer blocks or gets less than it asked for;
- what comes for an end that nobody has opened is lost;
- what is not read fast enough waits (64 KiB, as in Linux' own driver) and is then lost, or holds up the sender when the
  line has flow control;
- unplugging an end hangs it up: its readers see the end of the file or EIO, and its name is gone.

One thread carries both directions; several lines at once are several threads, asleep most of the time.
"""

from __future__ import annotations

import errno
import fcntl
import os
import pty
import select
import struct
import termios
import threading
import time
import tty
from collections import deque
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, Literal

from tests.support.line_noise import Noise, NoisyWire

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    End = Literal["near", "far"]

BITS_PER_BYTE: Final = 10
"""A start bit, eight data bits and a stop bit."""
TICK_S: Final = 0.002
"""How long bytes may be late by: 184 bytes at 921,600 bit/s are carried at once."""
IDLE_S: Final = 0.05
BURST_S: Final = 0.02
"""How much a thread that was late may catch up; what is missing beyond it the line has lost as time, not as bytes."""
RECEIVE_BYTES_MAX: Final = 65_536
READ_BYTES_MAX: Final = 16_384


class Line:
    """A line that runs; made by ``simulated_line``. ``near`` and ``far`` are the paths of its two ends."""

    def __init__(self, folder: Path, *, bits_per_s: float, noise: Noise, delay_s: float, flow_control: bool) -> None:
        self._ends: dict[End, _Socket] = {"near": _Socket(folder / "near"), "far": _Socket(folder / "far")}
        self.near = self._ends["near"].path
        self.far = self._ends["far"].path
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        byte_s = BITS_PER_BYTE / bits_per_s

        def way(sender: End, receiver: End) -> _Way:
            ends = self._ends[sender], self._ends[receiver]
            return _Way(*ends, NoisyWire(noise, sender), byte_s, delay_s, holds=flow_control)

        self._ways: dict[End, _Way] = {"near": way("near", "far"), "far": way("far", "near")}
        self._thread = threading.Thread(target=self._run, name=f"line {folder.name}", daemon=True)

    def unplug(self, end: End) -> None:
        """Pull an end's adapter out of its machine: whoever has it open sees a hang-up, and its name is gone."""
        with self._lock:
            self._ends[end].unplug()
            for way in self._ways.values():
                way.forget()

    def replug(self, end: End) -> None:
        """Plug an end in again, under the name that it had."""
        with self._lock:
            self._ends[end].plug()

    def cut(self) -> None:
        """Cut the cable between the ends: both stay open and hear nothing of each other."""
        self._set_whole(whole=False)

    def mend(self) -> None:
        """Mend the cable."""
        self._set_whole(whole=True)

    def is_open(self, end: End) -> bool:
        """Tell whether somebody has an end open, which a real cable tells the other one by its DSR wire."""
        with self._lock:
            return self._ends[end].is_open()

    def carried(self, sender: End) -> int:
        """Return how many bytes left an end so far, those that were lost on the way too."""
        return self._ways[sender].carried

    def wait_carried(self, sender: End, count: int, limit_s: float = 30.0) -> None:
        """Wait until ``count`` bytes have left an end."""
        until = time.monotonic() + limit_s
        while self.carried(sender) < count:
            assert time.monotonic() < until, f"{self.carried(sender)} of {count} bytes left {sender} in {limit_s} s"
            self._stopped.wait(TICK_S)

    def damage(self, sender: End) -> dict[str, int]:
        """Return how many bits of what an end sent were flipped, and how many bytes lost for which reason."""
        way = self._ways[sender]
        return {
            "flipped": way.wire.flipped,
            "dropped": way.wire.dropped,
            "overrun": way.overrun,
            "unheard": way.unheard,
        }

    def start(self) -> None:
        for end in self._ends.values():
            end.plug()
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()
        for end in self._ends.values():
            end.unplug()

    def _set_whole(self, *, whole: bool) -> None:
        with self._lock:
            for way in self._ways.values():
                way.whole = whole

    def _run(self) -> None:
        """Carry bytes until stopped: wait for some when there are none, and for their time on the line otherwise."""
        with select.epoll() as heard:
            while not self._stopped.is_set():
                with self._lock:
                    for end in self._ends.values():
                        end.listen(heard)
                    wait_s = min(way.carry(time.monotonic()) for way in self._ways.values())
                if wait_s >= IDLE_S:
                    heard.poll(IDLE_S)
                else:
                    self._stopped.wait(wait_s)


class _Socket:
    """Where a plug goes in: a name, and while it is plugged in a pseudo-terminal behind it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fd: int | None = None
        self._listening = False

    def plug(self) -> None:
        if self.fd is not None:
            return
        self.fd, device = pty.openpty()
        tty.setraw(device)
        name = os.ttyname(device)
        os.close(device)
        os.set_blocking(self.fd, False)
        self._listening = False
        staged = self.path.with_name(f"{self.path.name}.new")
        staged.symlink_to(name)
        staged.rename(self.path)

    def unplug(self) -> None:
        if self.fd is None:
            return
        self.path.unlink()
        os.close(self.fd)
        self.fd = None

    def listen(self, heard: select.epoll) -> None:
        """Wake the line's thread when something is written here; on edges only, since nobody may have it open."""
        if self.fd is not None and not self._listening:
            heard.register(self.fd, select.EPOLLIN | select.EPOLLET)
            self._listening = True

    def waiting(self) -> int:
        """Return how many bytes were written here and not taken yet."""
        if self.fd is None:
            return 0
        return int(struct.unpack("i", fcntl.ioctl(self.fd, termios.FIONREAD, bytes(4)))[0])

    def take(self, count: int) -> bytes:
        """Take at most ``count`` of the bytes that were written here."""
        if self.fd is None or count <= 0:
            return b""
        try:
            return os.read(self.fd, min(count, READ_BYTES_MAX))
        except OSError as error:
            if error.errno in {errno.EIO, errno.EAGAIN}:
                return b""
            raise

    def is_open(self) -> bool:
        """Tell whether somebody has this end open."""
        if self.fd is None:
            return False
        poll = select.poll()
        poll.register(self.fd, 0)
        return not any(events & select.POLLHUP for _fd, events in poll.poll(0))

    def put(self, data: bytes) -> int:
        """Give bytes to whoever has this end open; return how many found room."""
        if self.fd is None:
            return 0
        with suppress(BlockingIOError):
            return os.write(self.fd, data)
        return 0


class _Way:
    """One direction of a line."""

    def __init__(
        self, source: _Socket, target: _Socket, wire: NoisyWire, byte_s: float, delay_s: float, *, holds: bool
    ) -> None:
        self.wire = wire
        self.whole = True
        self.carried = 0
        self.overrun = 0
        self.unheard = 0
        self._source = source
        self._target = target
        self._byte_s = byte_s
        self._delay_s = delay_s
        self._holds = holds
        self._free_at_s = 0.0
        self._idle = True
        self._under_way: deque[tuple[float, bytes]] = deque()
        self._arrived = bytearray()

    def forget(self) -> None:
        """Lose what is between the ends."""
        self._under_way.clear()
        self._arrived.clear()

    def carry(self, now_s: float) -> float:
        """Take what has had its time on the line, hand over what has arrived; return when to be asked again."""
        wait_s = self._send(now_s)
        while self._under_way and self._under_way[0][0] <= now_s:
            self._arrived += self._under_way.popleft()[1]
        if self._under_way:
            wait_s = min(wait_s, self._under_way[0][0] - now_s)
        if self._arrived:
            self._hand_over()
        return min(wait_s, TICK_S) if self._arrived else wait_s

    def _send(self, now_s: float) -> float:
        waiting = self._source.waiting()
        if not waiting or (self._holds and len(self._arrived) >= READ_BYTES_MAX):
            self._idle = True
            return TICK_S if waiting else IDLE_S
        if self._idle:
            self._idle = False
            self._free_at_s = now_s
        self._free_at_s = max(self._free_at_s, now_s - max(BURST_S, 2 * self._byte_s))
        data = self._source.take(min(waiting, int((now_s - self._free_at_s) / self._byte_s)))
        self._free_at_s += len(data) * self._byte_s
        self.carried += len(data)
        if data and self.whole:
            self._under_way.append((self._free_at_s + self._delay_s, self.wire.carry(data)))
        left = waiting - len(data)
        return min(TICK_S, left * self._byte_s) if left else 0.0

    def _hand_over(self) -> None:
        if not self._target.is_open():
            self.unheard += len(self._arrived)
            self._arrived.clear()
            return
        del self._arrived[: self._target.put(bytes(self._arrived))]
        if not self._holds and len(self._arrived) > RECEIVE_BYTES_MAX:
            self.overrun += len(self._arrived) - RECEIVE_BYTES_MAX
            del self._arrived[RECEIVE_BYTES_MAX:]


@contextmanager
def simulated_line(
    folder: Path,
    *,
    bits_per_s: float = 115_200,
    noise: Noise | None = None,
    delay_s: float = 0.0,
    flow_control: bool = False,
) -> Iterator[Line]:
    """Run a line whose ends are ``folder``/near and ``folder``/far; ``folder`` is made when it is new."""
    folder.mkdir(parents=True, exist_ok=True)
    line = Line(folder, bits_per_s=bits_per_s, noise=noise or Noise(), delay_s=delay_s, flow_control=flow_control)
    line.start()
    try:
        yield line
    finally:
        line.stop()
