"""How fast records cross Bluetooth: ``.venv/bin/python -m tests.bench.bluetooth [--json] [--quick]``.

The adapter and the reference terminal in one process, over ATT, L2CAP and HCI of bumble without a radio: what the
product and its test peer take, not what the air does. ``notified`` and ``written`` are bytes through the line over GATT
by itself; ``records`` are bytes of records of the mix from the terminal's spool until the terminal knows that each is
confirmed, with compression; ``random`` the same with content that cannot be compressed. An MTU of 517 is what BlueZ
asks for, 23 the least.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from bleak import BleakClient, BleakScanner

from adapters.bluetooth_bridge import KIND
from adapters.bluetooth_bridge.bridge import BluetoothBridge
from adapters.bluetooth_bridge.gatt_port import GattPort
from adapters.record_line.key_text import key_text
from node.clock import MachineClock
from tests.bench.lines import record_contents
from tests.support.adapter_openings import opening, outcome
from tests.support.bumble_air import Air
from tests.support.bumble_backend import Machine, stack_of
from tests.support.bumble_gatt import NOTIFIED, WRITTEN, Look
from tests.support.bumble_terminal import KEY, NAME, terminal_on

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.clock import Clock
    from tests.support.bumble_terminal import AirTerminal

SCHEMA: Final = "yizhan.bench-bluetooth/1"
NOTIFIED_MIN: Final = 100_000
"""The first bar: bytes a second that a terminal can notify, with the MTU that BlueZ asks for."""
MACHINE: Final = "00:1B:DC:FF:00:01"
LIMIT_S: Final = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BluetoothPlan:
    """Bytes that cross in each measurement with an MTU of 517; with 23 a tenth."""

    raw_bytes: int = 4_000_000
    record_bytes: int = 2_000_000
    random_bytes: int = 1_000_000


QUICK_BLUETOOTH: Final = BluetoothPlan(raw_bytes=200_000, record_bytes=100_000, random_bytes=50_000)


def measure_bluetooth(folder: Path, clock: Clock, plan: BluetoothPlan) -> dict[str, Any]:
    """Return the document; raises RuntimeError when something did not arrive as it was sent."""
    rows = [_row(folder / str(mtu), clock, mtu, share, plan) for mtu, share in ((517, 1), (185, 1), (23, 10))]
    first = rows[0]["notified"]
    return {
        "schema": SCHEMA,
        "rows": rows,
        "faults": [f"notified {first:g} bytes a second, {NOTIFIED_MIN:g} are asked"] if first < NOTIFIED_MIN else [],
    }


def _row(folder: Path, clock: Clock, mtu: int, share: int, plan: BluetoothPlan) -> dict[str, Any]:
    with ExitStack() as stack:
        air = Air()
        stack.callback(air.close)
        terminal = stack.enter_context(terminal_on(air, folder / "terminal", look=Look(mtu=mtu)))
        machine = Machine(lambda: air.pipe(MACHINE))
        spoken = terminal.server.subscribed
        terminal.server.subscribed = lambda _: None
        raw = asyncio.run(_raw(air, machine, terminal, clock, plan.raw_bytes // share))
        terminal.server.subscribed = spoken
        records = record_contents(plan.record_bytes // share)
        random = [os.urandom(plan.random_bytes // share // 8) for _ in range(8)]
        return {
            "mtu": mtu,
            **raw,
            "records": _crossed(folder / "records", machine, terminal, clock, records),
            "random": _crossed(folder / "random", machine, terminal, clock, random),
        }


async def _raw(air: Air, machine: Machine, terminal: AirTerminal, clock: Clock, size: int) -> dict[str, float]:
    """Return bytes a second through the line by itself, both ways."""
    stack = stack_of(machine)
    options: Any = {"backend": stack.scanner}
    device = await BleakScanner.find_device_by_name(terminal.server.look.name, LIMIT_S, **options)
    if device is None:
        raise RuntimeError("the terminal is not heard")
    async with BleakClient(device, backend=stack.client) as client:
        written = client.services.get_characteristic(WRITTEN)
        if written is None:
            raise RuntimeError("the terminal offers nothing to write to")
        port = GattPort(client, written)
        await client.start_notify(NOTIFIED, port.arrived)
        begun_s = clock.monotonic_s()
        sending = asyncio.run_coroutine_threadsafe(terminal.server.notify(bytes(size)), air.loop)
        await asyncio.to_thread(_read, port, size)
        notified_s = clock.monotonic_s() - begun_s
        await asyncio.wrap_future(sending)
        begun_s = clock.monotonic_s()
        await asyncio.to_thread(port.write, bytes(size))
        written_s = clock.monotonic_s() - begun_s
    if sum(terminal.server.written_sizes) < size - 64_000:
        raise RuntimeError("not everything that was written arrived")
    return {"notified": round(size / notified_s, 1), "written": round(size / written_s, 1)}


def _read(port: GattPort, size: int) -> None:
    while size:
        size -= len(port.read(65_536, LIMIT_S))


def _crossed(folder: Path, machine: Machine, terminal: AirTerminal, clock: Clock, contents: Sequence[bytes]) -> float:
    """Return bytes of content a second, from the spool until the terminal knows that all are confirmed."""
    settings = {"terminals": {NAME: terminal.server.look.name}, "encrypted": False, "look_s": 5.0}
    opened = opening(KIND, folder, settings, secrets={"terminal_keys": f"{NAME}={key_text(KEY)}"})
    bridge = BluetoothBridge(opened, stack_of(machine))
    try:
        bridge.check()
        begun_s = clock.monotonic_s()
        for content in contents:
            terminal.put(content)
        came: list[bytes] = []
        while len(came) < len(contents):
            for delivery in bridge.fetch(100):
                came.append(delivery.content)
                bridge.acknowledge(delivery, outcome())
        while terminal.waiting():
            opened.wait(0.001)
        taken_s = clock.monotonic_s() - begun_s
    finally:
        bridge.close()
    if came != list(contents):
        raise RuntimeError("the bridge did not bring what was sent")
    return round(sum(map(len, contents)) / taken_s, 1)


def table(answer: dict[str, Any]) -> str:
    """Return the document for people: kB a second."""
    names = ("notified", "written", "records", "random")
    lines = [f"{'MTU':>4} " + " ".join(f"{name:>9}" for name in names) + "   kB/s"]
    lines += [f"{row['mtu']:>4} " + " ".join(f"{row[name] / 1e3:>9.1f}" for name in names) for row in answer["rows"]]
    return "\n".join([*lines, *(f"MISSED: {fault}" for fault in answer["faults"])]) + "\n"


def main() -> int:
    """Measure and print the table, or with ``--json`` the document; return 1 when the bar is missed."""
    plan = QUICK_BLUETOOTH if "--quick" in sys.argv else BluetoothPlan()
    with TemporaryDirectory(prefix="yizhan-bench-") as folder:
        answer = measure_bluetooth(Path(folder), MachineClock(), plan)
    sys.stdout.write(json.dumps(answer) + "\n" if "--json" in sys.argv else table(answer))
    return 1 if answer["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
