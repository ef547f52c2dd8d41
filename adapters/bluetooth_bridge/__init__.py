"""The kind ``bluetooth_bridge``: terminals that are connected by Bluetooth Low Energy and speak the record line.

The node is the central: it connects to terminals, or to dongles at their serial ports, that offer a UART-like service
(docs/reference/gatt.md). Inside runs the same record line as on a serial port: Bluetooth is just another line.
"""

from __future__ import annotations

from typing import Final

from adapters.bluetooth_bridge.bridge import BluetoothBridge
from adapters.bluetooth_bridge.settings import SETTINGS
from adapters.contract import AdapterKind

KIND: Final = AdapterKind(
    name="bluetooth_bridge",
    zh="蓝牙：窗口终端经低功耗蓝牙实时传送申请与办结",
    en="Bluetooth: terminals pass applications and conclusions over Bluetooth Low Energy",
    settings=SETTINGS,
    open=BluetoothBridge,
    every_s=0.0,
    patience_s=120.0,
    delivers=True,
    scale={
        "checked_before_saving": "done",
        "stable_key": "done",
        "answered_after_commit": "done",
        "bounded": "done",
        "secrets_apart": "done",
        "settings_documented": "done",
        "away_and_back": "done",
        "needs_person": "done",
        "resumes": "done",
        "nothing_twice": "done",
        "hostile_input": "done",
        "real_peer": "done",
        "delivers_downward": "done",
        "faults": "done",
        "troubleshooting": "done",
        "speed": "done",
    },
)
