"""Serial ports as the command line meets them. Here because only this room knows adapters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters.serial_bridge.ports import list_ports

if TYPE_CHECKING:
    from adapters.serial_bridge.ports import PortFound


def ports_of_this_machine() -> tuple[PortFound, ...]:
    """Return the serial ports of this machine, by path."""
    return list_ports()
