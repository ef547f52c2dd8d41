"""Serial ports: found by what does not change, opened with everything that pyserial knows, and gone at any moment.

``Port`` carries bytes for every mode (it is a ``BytePort`` of the record line); ``list_ports`` is for the command line.
"""

from __future__ import annotations

import errno
import os
import re
import select
import termios
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import serial
import serial.rs485
from serial.tools import list_ports as found_ports

from adapters.contract import SourceNeedsPersonError, SourceUnavailableError
from adapters.serial_bridge.port_owners import group_of, holder_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

BY_ID: Final = Path("/dev/serial/by-id")
BY_PATH: Final = Path("/dev/serial/by-path")
PARITIES: Final = {
    "none": serial.PARITY_NONE,
    "even": serial.PARITY_EVEN,
    "odd": serial.PARITY_ODD,
    "mark": serial.PARITY_MARK,
    "space": serial.PARITY_SPACE,
}
STOP_BITS: Final = {"1": serial.STOPBITS_ONE, "1.5": serial.STOPBITS_ONE_POINT_FIVE, "2": serial.STOPBITS_TWO}
GONE: Final = (serial.SerialException, OSError, termios.error)
"""What may come when an adapter is pulled out while its port is in use: any of them, by chance."""

_USB: Final = re.compile(r"usb:([0-9a-fA-F]{4}):([0-9a-fA-F]{4})(?::(.+))?")
_WINDOWS: Final = re.compile(r"(?:\\\\\.\\)?COM[0-9]+", re.IGNORECASE)
_AWAY: Final = {errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.EIO}
_DENIED: Final = {errno.EACCES, errno.EPERM}
_TAKEN: Final = {errno.EAGAIN, errno.EBUSY}


@dataclass(frozen=True, slots=True, kw_only=True)
class PortFound:
    """A port of this machine.

    ``path`` may change with every start, ``stable`` does not: a path below /dev/serial/by-id, else
    ``usb:VID:PID:SERIAL``; for adapters that have the same number, the path of the socket below /dev/serial/by-path;
    else the path. ``description`` is what the system calls it; ``usb`` is ``VID:PID``, "" for
    ports without.
    """

    path: str
    stable: str
    description: str
    usb: str
    serial_number: str


def list_ports(
    by_id: Path = BY_ID,
    comports: Callable[[], Iterable[Any]] = found_ports.comports,
    by_path: Path = BY_PATH,
) -> tuple[PortFound, ...]:
    """Return the ports of this machine, by path."""
    ports = list(comports())
    of_adapters, of_sockets = _links(by_id), _links(by_path)
    found = []
    for port in ports:
        twins = [one for one in ports if one.vid is not None and _numbers(one) == _numbers(port)]
        # Several ports of one adapter have a name each; two adapters of the same number have one for both.
        are_named = len(twins) <= 1 or all(os.path.realpath(twin.device) in of_adapters for twin in twins)
        found.append(_found(port, of_adapters if are_named else of_sockets, is_one=len(twins) == 1))
    return tuple(sorted(found, key=lambda port: port.path))


def path_of(written: str, comports: Callable[[], Iterable[Any]] = found_ports.comports) -> str:
    """Return the path of the port that a setting names: a path, or ``usb:VID:PID`` or ``usb:VID:PID:SERIAL``.

    Raises SourceUnavailableError when no such adapter is plugged in, and SourceNeedsPersonError when several are, or
    the setting is no port of this machine.
    """
    if _WINDOWS.fullmatch(written):
        raise SourceNeedsPersonError(
            f"{written} is a port of Windows; name one of this machine, best /dev/serial/by-id/…"
        )
    usb = _USB.fullmatch(written)
    if usb is None:
        if not written.startswith("/"):
            raise SourceNeedsPersonError(f"{written!r} is no port: give a path, or usb:VID:PID, or usb:VID:PID:SERIAL")
        return written
    vendor, product, number = int(usb[1], 16), int(usb[2], 16), usb[3]
    fitting = [
        port
        for port in comports()
        if (port.vid, port.pid) == (vendor, product) and number in {None, port.serial_number}
    ]
    if not fitting:
        raise SourceUnavailableError(f"no adapter {written} is plugged in")
    if len(fitting) > 1:
        names = ", ".join(f"{port.device} (serial number {port.serial_number or 'none'})" for port in fitting[:8])
        raise SourceNeedsPersonError(f"{len(fitting)} adapters are {written}: {names}; name one by its path or number")
    return str(fitting[0].device)


class Port:
    """One open serial port. One thread reads and another writes at the same time; ``close`` may come from a third."""

    def __init__(self, device: Any) -> None:
        self._device = device
        self._closed = False
        self._reading = threading.Lock()
        self._writing = threading.Lock()
        self._wake_read, self._wake_write = os.pipe()

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when bytes came."""
        return int(self._device.fileno())

    def read(self, max_bytes: int, wait_s: float) -> bytes:
        """Return what has come, at most ``max_bytes``; waits at most ``wait_s`` for the first, b"" when none came.

        Raises SourceUnavailableError when the port is gone or closed.
        """
        with self._reading:
            self._refuse_when_closed()
            try:
                ready, _, _ = select.select([self._device.fileno(), self._wake_read], [], [], max(0.0, wait_s))
                # The device waits for nothing: its own timeout is 0, and select has told that something is there.
                if self._device.fileno() in ready:
                    return bytes(self._device.read(max_bytes))
            except GONE as error:
                raise SourceUnavailableError(f"the port is gone: {error}") from error
            self._refuse_when_closed()
            return b""

    def write(self, data: bytes) -> None:
        """Hand over all of ``data``, and wait for as long as the line takes.

        Raises SourceUnavailableError when the port is gone or closed, or takes nothing for longer than
        ``write_timeout_s``.
        """
        with self._writing:
            self._refuse_when_closed()
            try:
                self._device.write(data)
            except serial.SerialTimeoutException as error:
                raise SourceUnavailableError("the line takes nothing: is its flow control right?") from error
            except GONE as error:
                raise SourceUnavailableError(f"the port is gone: {error}") from error
            self._refuse_when_closed()

    def unsent(self) -> int:
        """Return how many bytes the driver still has to send, 1 while a write waits.

        Raises SourceUnavailableError when the port is gone or closed; a write that waits will notice by itself that it
        is gone.
        """
        if not self._writing.acquire(blocking=False):
            # Whoever holds it may be closing the port.
            self._refuse_when_closed()
            return 1
        try:
            self._refuse_when_closed()
            return int(self._device.out_waiting)
        except GONE as error:
            raise SourceUnavailableError(f"the port is gone: {error}") from error
        finally:
            self._writing.release()

    def close(self) -> None:
        """Let go of the port and make a read or write that waits come back; calling it twice is harmless."""
        if self._closed:
            return
        self._closed = True
        os.write(self._wake_write, b"x")
        with suppress(*GONE):
            self._device.cancel_write()
        with self._reading, self._writing:
            if self._wake_read < 0:
                return
            os.close(self._wake_read)
            os.close(self._wake_write)
            self._wake_read = self._wake_write = -1
            with suppress(*GONE):
                self._device.close()

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise SourceUnavailableError("the port is closed")


def marks_parity_errors(settings: Mapping[str, Any]) -> bool:
    """Tell whether the driver marks bytes with parity errors in what it hands over.

    Only capture takes the marks apart; in any other mode they would spoil every 0xFF of what is sent.
    """
    is_checked = settings["parity"] != "none" and settings["parity_errors"] != "ignore"
    return bool(settings["mode"] == "capture" and is_checked)


def open_port(settings: Mapping[str, Any]) -> Port:
    """Open the port of an adapter with its settings.

    Raises SourceUnavailableError when it is not there, and SourceNeedsPersonError when it is taken by another program,
    may not be opened by this account, is no serial port, or does not know a setting.
    """
    path = path_of(settings["port"])
    device = _device(settings)
    device.port = path
    device.dtr = settings["dtr"]
    # On RS-485 this wire says who speaks: at the other level nothing would be heard before something was sent.
    device.rts = settings["rts"] if settings["rs485"] == "off" else settings["rs485_rts_receiving"]
    try:
        if settings["rs485"] != "off":
            device.rs485_mode = _rs485(settings)
        device.open()
        if marks_parity_errors(settings):
            _mark_parity_errors(device.fileno())
    except ValueError as error:
        _close_quietly(device)
        raise SourceNeedsPersonError(f"{path} does not know a setting: {error}") from error
    except GONE as error:
        _close_quietly(device)
        raise _refusal(path, error) from error
    return Port(device)


def _device(settings: Mapping[str, Any]) -> Any:
    made = serial.rs485.RS485 if settings["rs485"] == "program" else serial.Serial
    return made(
        baudrate=int(settings["baudrate"]),
        bytesize=int(settings["bytesize"]),
        parity=PARITIES[settings["parity"]],
        stopbits=STOP_BITS[settings["stopbits"]],
        timeout=0,
        xonxoff=settings["xonxoff"],
        rtscts=settings["rtscts"],
        dsrdtr=settings["dsrdtr"],
        write_timeout=settings["write_timeout_s"],
        inter_byte_timeout=settings["inter_byte_timeout_s"] or None,
        exclusive=settings["exclusive"] or None,
    )


def _rs485(settings: Mapping[str, Any]) -> Any:
    return serial.rs485.RS485Settings(
        rts_level_for_tx=settings["rs485_rts_sending"],
        rts_level_for_rx=settings["rs485_rts_receiving"],
        loopback=settings["rs485_loopback"],
        delay_before_tx=settings["rs485_delay_before_s"] or None,
        delay_before_rx=settings["rs485_delay_after_s"] or None,
    )


def _mark_parity_errors(descriptor: int) -> None:
    """Have the driver put 0xFF 0x00 before a byte with a parity error (termios PARMRK), which pyserial leaves out."""
    attributes = termios.tcgetattr(descriptor)
    attributes[0] |= termios.INPCK | termios.PARMRK
    attributes[0] &= ~termios.IGNPAR
    termios.tcsetattr(descriptor, termios.TCSANOW, attributes)


def _close_quietly(device: Any) -> None:
    with suppress(*GONE):
        device.close()


def _refusal(path: str, error: Exception) -> SourceUnavailableError | SourceNeedsPersonError:
    """Return who must act when a port did not open."""
    number = _errno_of(error)
    if number in _AWAY or (number is None and not Path(path).exists()):
        return SourceUnavailableError(f"{path} is not there: unplugged, or named wrongly")
    if number in _DENIED:
        return SourceNeedsPersonError(
            f"this account may not open {path}: add it to the group {group_of(path)} and start the node again"
        )
    if number in _TAKEN:
        return SourceNeedsPersonError(f"{path} is taken by {holder_of(path)}")
    if number == errno.ENOTTY:
        return SourceNeedsPersonError(f"{path} is no serial port")
    return SourceNeedsPersonError(f"{path} does not take these settings: {error}")


def _errno_of(error: BaseException | None) -> int | None:
    """Return the system's number of an error; pyserial leaves some of them to the error that it was raised for."""
    while error is not None:
        if isinstance(error, termios.error):
            return int(error.args[0])
        if isinstance(error, OSError) and error.errno is not None:
            return error.errno
        error = error.__cause__ or error.__context__
    return None


def _numbers(port: Any) -> tuple[Any, ...]:
    return port.vid, port.pid, port.serial_number


def _links(folder: Path) -> dict[str, str]:
    """Return the names of a folder of udev by the devices to which they lead."""
    with suppress(OSError):
        return {os.path.realpath(link): str(link) for link in sorted(folder.iterdir(), reverse=True)}
    return {}


def _found(port: Any, links: Mapping[str, str], *, is_one: bool) -> PortFound:
    usb = f"{port.vid:04x}:{port.pid:04x}" if port.vid is not None and port.pid is not None else ""
    by_usb = f"usb:{usb}:{port.serial_number}" if usb and port.serial_number and is_one else port.device
    return PortFound(
        path=port.device,
        stable=links.get(os.path.realpath(port.device), by_usb),
        description=port.description or "",
        usb=usb,
        serial_number=port.serial_number or "",
    )
