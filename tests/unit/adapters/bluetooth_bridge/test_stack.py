"""Errors of the Bluetooth stack, in the contract's words."""

from __future__ import annotations

import pytest
from bleak.backends.device import BLEDevice
from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakBluetoothNotAvailableReason,
    BleakDBusError,
    BleakError,
    BleakGATTProtocolError,
)
from dbus_fast.errors import AuthError

from adapters.bluetooth_bridge.stack import STACK_ERRORS, bluez_options, is_paired, stack_problem
from adapters.contract import SourceNeedsPersonError, SourceUnavailableError

Reason = BleakBluetoothNotAvailableReason


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (BleakBluetoothNotAvailableError("none", Reason.NO_BLUETOOTH), "no Bluetooth adapter: plug one in"),
        (BleakBluetoothNotAvailableError("old", Reason.NO_BLE_CENTRAL_ROLE), "knows no Low Energy"),
        (BleakBluetoothNotAvailableError("off", Reason.POWERED_OFF), "rfkill unblock bluetooth"),
        (BleakBluetoothNotAvailableError("no", Reason.DENIED_BY_SYSTEM), "group bluetooth"),
        (BleakDBusError("org.freedesktop.DBus.Error.ServiceUnknown", ["x"]), "systemctl start bluetooth"),
        (BleakDBusError("org.freedesktop.DBus.Error.Spawn.ChildExited", ["1"]), "systemctl start bluetooth"),
        (BleakDBusError("org.freedesktop.systemd1.NoSuchUnit", ["x"]), "systemctl start bluetooth"),
        (BleakDBusError("org.bluez.Error.NotReady", []), "bluetoothctl power on"),
        (BleakDBusError("org.bluez.Error.AuthenticationFailed", []), "yizhan bluetooth pair --again"),
        (BleakGATTProtocolError(0x05), "asks for pairing: yizhan bluetooth pair"),
        (BleakGATTProtocolError(0x0F), "asks for pairing: yizhan bluetooth pair"),
        (BleakDBusError("org.freedesktop.DBus.Error.UnknownObject", ["x"]), "bluetoothctl list"),
        (BleakError("adapter 'hci9' not found"), "bluetoothctl list"),
        (AuthError("refused"), "group bluetooth"),
        (PermissionError(13, "denied"), "group bluetooth"),
        (FileNotFoundError(2, "no socket"), "systemctl start dbus bluetooth"),
        (ConnectionRefusedError(111, "refused"), "systemctl start dbus bluetooth"),
    ],
)
def test_what_only_a_person_can_mend_is_told_with_what_to_do(error: Exception, told: str) -> None:
    assert isinstance(error, STACK_ERRORS)
    problem = stack_problem(error)
    assert isinstance(problem, SourceNeedsPersonError)
    assert told in str(problem)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (BleakError("failed to connect"), "failed to connect"),
        (BleakBluetoothNotAvailableError("?", Reason.UNKNOWN), "?"),
        (BleakDBusError("org.bluez.Error.Failed", ["le-connection-abort-by-local"]), "le-connection-abort-by-local"),
        (BleakGATTProtocolError(0x0E), "Unlikely Error"),
        (TimeoutError(), "does not answer in time"),
        (EOFError(), "EOFError"),
    ],
)
def test_whatever_else_happens_is_tried_again_later(error: Exception, told: str) -> None:
    assert isinstance(error, STACK_ERRORS)
    problem = stack_problem(error)
    assert isinstance(problem, SourceUnavailableError)
    assert told in str(problem)


def test_a_device_is_paired_when_the_stack_says_so() -> None:
    assert is_paired(BLEDevice("A", None, {"path": "/", "props": {"Paired": True}}))
    assert not is_paired(BLEDevice("A", None, {"path": "/", "props": {"Paired": False}}))
    assert not is_paired(BLEDevice("A", None, {"path": "/"}))
    assert not is_paired(BLEDevice("A", None, object()))


def test_a_controller_is_named_to_the_stack_only_when_it_is_set() -> None:
    assert bluez_options("") == {}
    assert bluez_options("hci1") == {"bluez": {"adapter": "hci1"}}
