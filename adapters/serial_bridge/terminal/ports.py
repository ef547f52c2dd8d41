"""The terminal's serial port: pyserial, on Windows and Linux."""

from __future__ import annotations

from typing import Any, Iterator

from adapters.serial_bridge.terminal.settings import TerminalError


class SerialPort:
    """An open port as the record line wants it; every error by which a port says that it is gone becomes an OSError."""

    def __init__(self, name: str, bits_per_s: int) -> None:
        serial = _pyserial()
        self._errors = (serial.SerialException, OSError, TypeError, AttributeError, *_posix_errors())
        try:
            self._serial = serial.Serial(name, bits_per_s, timeout=0.5, exclusive=None if _is_windows() else True)
        except self._errors as cause:
            raise OSError(str(cause)) from cause

    def read(self, max_bytes: int, wait_s: float) -> bytes:
        """Return what has come, at most ``max_bytes``; waits for the first byte."""
        try:
            if self._serial.timeout != wait_s:
                self._serial.timeout = wait_s
            first = self._serial.read(1)
            waiting = min(self._serial.in_waiting, max_bytes - 1) if first else 0
            return bytes(first + self._serial.read(waiting)) if waiting else bytes(first)
        except self._errors as cause:
            raise OSError(f"the port is gone: {cause}") from cause

    def write(self, data: bytes) -> None:
        """Hand over all of ``data``."""
        try:
            self._serial.write(data)
        except self._errors as cause:
            raise OSError(f"the port is gone: {cause}") from cause

    def close(self) -> None:
        """Let go of the port."""
        try:
            self._serial.cancel_read()
            self._serial.cancel_write()
            self._serial.close()
        except self._errors:
            return


def list_ports() -> Iterator[tuple[str, str]]:
    """Yield names of the serial ports of this machine and what they say about themselves."""
    _pyserial()
    from serial.tools.list_ports import comports

    for port in sorted(comports()):
        yield str(port.device), str(port.description or "")


def _pyserial() -> Any:
    try:
        import serial
    except ImportError:
        raise TerminalError("需要 pyserial：pip install pyserial", "pyserial is needed: pip install pyserial") from None
    return serial


def _is_windows() -> bool:
    import os

    return os.name == "nt"


def _posix_errors() -> tuple[type[Exception], ...]:
    try:
        import termios
    except ImportError:
        return ()
    return (termios.error,)
