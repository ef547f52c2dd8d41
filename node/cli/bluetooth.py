"""``yizhan bluetooth``: which terminals are near this machine, and pairing one with it."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import click

from node.cli.frame import Frame, LazyGroup, pass_frame
from node.cli.output import say, write_json, write_table
from node.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.decorators import FC

_ADDRESS: Final = re.compile(r"[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}")
_CONTROLLER: Final = re.compile(r"|[a-z0-9]{1,16}")


@click.group(cls=LazyGroup)
def bluetooth() -> None:
    """Find Bluetooth terminals near this machine, and pair it with one."""


def _shared(seconds: float, what: str) -> Callable[[FC], FC]:
    """Return the options that both commands have."""

    def add(command: FC) -> FC:
        for option in (
            click.option("--controller", default="", help="Bluetooth controller of this machine, such as hci0."),
            click.option(
                "--seconds", type=click.FloatRange(1, 300), default=seconds, show_default=True, help=f"Seconds {what}."
            ),
        ):
            command = option(command)
        return command

    return add


@bluetooth.command()
@click.option("--service", help="UUID of the service by which terminals are recognised; default: Nordic UART.")
@_shared(10, "to listen")
@pass_frame
def scan(frame: Frame, /, *, service: str | None, seconds: float, controller: str) -> None:
    """List what advertises near this machine, the strongest first; nothing is connected."""
    from node.departments.bluetooth import near

    found = near(seconds=seconds, controller=_checked(controller), service_uuid=service)
    if frame.json:
        write_json({"schema": "yizhan.bluetooth/1", "devices": [asdict(one) for one in found]})
        return
    columns = ["address", "name", "rssi", "offers_service", "is_paired"]
    rows = [[one.address, one.name, one.rssi, _yes(one.offers_service), _yes(one.is_paired)] for one in found]
    write_table(frame, "蓝牙设备" if frame.language == "zh" else "Bluetooth devices", columns, rows)


@bluetooth.command()
@click.argument("address")
@click.option("--again", is_flag=True, help="Forget the old bond first: after the terminal was replaced or reset.")
@_shared(60, "that pairing may take")
@pass_frame
def pair(frame: Frame, /, *, address: str, again: bool, seconds: float, controller: str) -> None:
    """Pair this machine with the terminal ADDRESS, so that the radio link is encrypted."""
    from node.departments.bluetooth import pair as pair_now

    if not _ADDRESS.fullmatch(address):
        raise UsageError(f"{address!r} is no Bluetooth address", action="Give six pairs of digits: C4:7C:8D:00:11:22")
    pair_now(address.upper(), questions=_Asked(frame), seconds=seconds, again=again, controller=_checked(controller))
    if frame.json:
        write_json({"schema": "yizhan.bluetooth.pair/1", "address": address.upper(), "is_paired": True})
        return
    say(frame, f"已与 {address.upper()} 配对。", f"This machine is paired with {address.upper()}.")


class _Asked:
    """Puts what pairing asks to the person at the screen; without one, only pairing that asks nothing succeeds."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    def show(self, passkey: str) -> None:
        """Show digits that have to be typed at the terminal."""
        say(self._frame, f"请在终端上输入：{passkey}", f"Type at the terminal: {passkey}")

    def ask(self) -> str | None:
        """Ask for the digits that the terminal shows."""
        if not self._frame.may_ask:
            return None
        asked = "终端显示的六位数字" if self._frame.language == "zh" else "The six digits that the terminal shows"
        with suppress(click.Abort):  # The input has ended: nobody is there.
            return str(click.prompt(asked, err=True)).strip()
        return None

    def confirm(self, number: str) -> bool:
        """Ask whether the terminal shows the same digits."""
        if not self._frame.may_ask:
            return False
        zh, en = f"终端显示的是否也是 {number}？", f"Does the terminal show {number} too?"
        with suppress(click.Abort):
            return click.confirm(zh if self._frame.language == "zh" else en, err=True)
        return False


def _checked(controller: str) -> str:
    if not _CONTROLLER.fullmatch(controller):
        raise UsageError(f"{controller!r} names no controller", action="Give a name such as hci0: bluetoothctl list")
    return controller


def _yes(flag: bool) -> str:  # noqa: FBT001 - a cell of a table.
    return "✓" if flag else ""
