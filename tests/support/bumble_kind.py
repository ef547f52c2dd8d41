"""The kind ``bluetooth_bridge`` on a stack of bumble, for processes that know a kind only by its name.

It is the class that we ship with one more setting, ``hci``: the transport of bumble by which its controller is reached
(``tcp-client:127.0.0.1:PORT``, where ``Air.tcp`` listens).
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from bumble.transport import open_transport

from adapters.bluetooth_bridge import KIND as SHIPPED
from adapters.bluetooth_bridge.bridge import BluetoothBridge
from adapters.contract import Setting
from tests.support.bumble_backend import Machine, stack_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bumble.transport.common import Transport

    from adapters.contract import Opening


@asynccontextmanager
async def controller(name: str) -> AsyncIterator[Transport]:
    """Reach a controller by the name of its transport."""
    async with await open_transport(name) as transport:
        yield transport


def open_over_hci(opening: Opening) -> BluetoothBridge:
    """Return the adapter on a machine whose controller stands at the other end of ``hci``."""
    return BluetoothBridge(opening, stack_of(Machine(lambda: controller(opening.settings["hci"]))))


KIND: Final = replace(
    SHIPPED,
    settings=(
        *SHIPPED.settings,
        Setting(name="hci", zh="bumble 的控制器传输", en="Transport of bumble by which the controller is reached"),
    ),
    open=open_over_hci,
)
BESIDE: Final = replace(KIND, name="bluetooth_bumble")
"""The same under a name of its own, to be installed beside the shipped kind."""
