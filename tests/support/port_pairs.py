"""Two ports that are connected by a socket pair: what one end writes the other reads, and either can be pulled out."""

from __future__ import annotations

import select
import socket
from contextlib import suppress


class SocketPort:
    """One end, as the record line wants it."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def read(self, max_bytes: int, wait_s: float) -> bytes:
        if self._end.fileno() < 0:
            raise OSError("the port is closed")
        readable, _, _ = select.select([self._end], [], [], wait_s)
        if not readable:
            return b""
        data = self._end.recv(max_bytes)
        if not data:
            raise OSError("the port is gone")
        return data

    def write(self, data: bytes) -> None:
        self._end.sendall(data)

    def close(self) -> None:
        with suppress(OSError):
            self._end.shutdown(socket.SHUT_RDWR)
        self._end.close()


def port_pair() -> tuple[SocketPort, SocketPort]:
    """Return both ends."""
    near, far = socket.socketpair()
    return SocketPort(near), SocketPort(far)
