"""The Bluetooth stack of the machine, by bleak: what is used of it, and its errors in the contract's three classes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakBluetoothNotAvailableReason,
    BleakDBusError,
    BleakError,
    BleakGATTProtocolError,
    BleakGATTProtocolErrorCode,
)
from dbus_fast.errors import AuthError, DBusError

from adapters.contract import SourceNeedsPersonError, SourceUnavailableError

if TYPE_CHECKING:
    from bleak.backends.adapter import BaseBleakAdapter
    from bleak.backends.client import BaseBleakClient
    from bleak.backends.device import BLEDevice
    from bleak.backends.scanner import BaseBleakScanner

STACK_ERRORS: Final = (BleakError, DBusError, AuthError, OSError, EOFError, TimeoutError, AssertionError)
"""What comes out of bleak: its own errors, those of the message bus below, assertions that a lost connection breaks."""

_Reason = BleakBluetoothNotAvailableReason
_NEED_PERSON: Final = {
    _Reason.NO_BLUETOOTH: "this machine has no Bluetooth adapter: plug one in (bluetoothctl list shows those known)",
    _Reason.NO_BLE_CENTRAL_ROLE: "the Bluetooth adapter knows no Low Energy: use one of Bluetooth 4.2 or newer",
    _Reason.POWERED_OFF: "Bluetooth is switched off: bluetoothctl power on, or rfkill unblock bluetooth first",
    _Reason.DENIED_BY_SYSTEM: "the system refuses Bluetooth to this account: add it to the group bluetooth",
    _Reason.DENIED_BY_USER: "the system refuses Bluetooth to this account: add it to the group bluetooth",
    _Reason.DENIED_BY_UNKNOWN: "the system refuses Bluetooth to this account: add it to the group bluetooth",
}
_PAIR_AGAIN: Final = "pairing failed, or the terminal has lost its bond: yizhan bluetooth pair --again ADDRESS"
_NOT_STARTED: Final = "the Bluetooth service does not run: systemctl start bluetooth"
_CANNOT_BE_STARTED: Final = ("org.freedesktop.DBus.Error.Spawn.", "org.freedesktop.systemd1.")
"""Beginnings of what the message bus says when it tried to start the service and could not."""
_NOT_THERE: Final = "the Bluetooth adapter is not there: bluetoothctl list shows which are"
_ADAPTER_NOT_FOUND: Final = re.compile(r"adapter '[^']*' not found")
"""What bleak says of a controller that is named and not plugged in, as a BleakError without a number."""
_NEED_PERSON_BY_BUS: Final = {
    "org.freedesktop.DBus.Error.ServiceUnknown": _NOT_STARTED,
    "org.freedesktop.DBus.Error.NameHasNoOwner": _NOT_STARTED,
    "org.freedesktop.DBus.Error.AccessDenied": _NEED_PERSON[_Reason.DENIED_BY_SYSTEM],
    "org.bluez.Error.NotReady": _NEED_PERSON[_Reason.POWERED_OFF],
    "org.freedesktop.DBus.Error.UnknownObject": _NOT_THERE,
    "org.bluez.Error.AuthenticationFailed": _PAIR_AGAIN,
    "org.bluez.Error.AuthenticationRejected": _PAIR_AGAIN,
    "org.bluez.Error.AuthenticationCanceled": _PAIR_AGAIN,
    "org.bluez.Error.AuthenticationTimeout": _PAIR_AGAIN,
}
_NEED_PAIRING: Final = frozenset(
    {
        BleakGATTProtocolErrorCode.INSUFFICIENT_AUTHENTICATION,
        BleakGATTProtocolErrorCode.INSUFFICIENT_ENCRYPTION,
        BleakGATTProtocolErrorCode.INSUFFICIENT_ENCRYPTION_KEY_SIZE,
        BleakGATTProtocolErrorCode.INSUFFICIENT_AUTHORIZATION,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """Which backends bleak uses; None for that of the platform (on Linux BlueZ, over the system's message bus)."""

    client: type[BaseBleakClient] | None = None
    scanner: type[BaseBleakScanner] | None = None
    adapter: type[BaseBleakAdapter] | None = None


PLATFORM: Final = Stack()


def stack_problem(error: BaseException) -> SourceUnavailableError | SourceNeedsPersonError:
    """Return an error of bleak as the contract knows it, in words that say what to do where a person has to act."""
    text: str | None = None
    if isinstance(error, BleakBluetoothNotAvailableError):
        text = _NEED_PERSON.get(error.reason)
    elif isinstance(error, BleakDBusError) and error.dbus_error.startswith(_CANNOT_BE_STARTED):
        text = _NOT_STARTED
    elif isinstance(error, BleakDBusError):
        text = _NEED_PERSON_BY_BUS.get(error.dbus_error)
    elif isinstance(error, BleakGATTProtocolError) and error.code in _NEED_PAIRING:
        text = "the terminal asks for pairing: yizhan bluetooth pair ADDRESS"
    elif isinstance(error, BleakError) and _ADAPTER_NOT_FOUND.fullmatch(str(error)):
        text = _NOT_THERE
    elif isinstance(error, AuthError | PermissionError):
        text = _NEED_PERSON[_Reason.DENIED_BY_SYSTEM]
    elif isinstance(error, FileNotFoundError | ConnectionRefusedError):
        text = "the system's message bus does not run, and Bluetooth needs it: systemctl start dbus bluetooth"
    if text is not None:
        return SourceNeedsPersonError(text)
    return SourceUnavailableError(_told(error))


def bluez_options(controller: str) -> dict[str, Any]:
    """Return what bleak is told so that it uses one controller; nothing for "", the first that is switched on."""
    return {"bluez": {"adapter": controller}} if controller else {}


def is_paired(device: BLEDevice) -> bool:
    """Tell whether the stack keeps a bond with a device; False where the stack does not say (bleak tells on BlueZ)."""
    details: Any = device.details
    properties = details.get("props") if isinstance(details, dict) else None
    return bool(properties.get("Paired")) if isinstance(properties, dict) else False


def _told(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "the terminal does not answer in time"
    return str(error) or type(error).__name__
