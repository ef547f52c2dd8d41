"""One look around: which of the devices that advertise may be a terminal that is wanted."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from bleak.backends.device import BLEDevice
    from bleak.backends.scanner import AdvertisementData

    from adapters.bluetooth_bridge.links import Link

ALSO_S: Final = 1.0
"""So long others may still be heard once one is; those that are not are looked for again. Our own choice."""
CANDIDATES_MAX: Final = 64
"""Devices kept in mind for one terminal. Our own choice: a hostile one may advertise under any number of addresses."""


class Look:
    """What is heard while a scanner runs, for the terminals that are wanted."""

    def __init__(self, wanted: Sequence[Link], now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._heard: dict[Link, dict[str, tuple[int, BLEDevice]]] = {link: {} for link in wanted}
        self._one_found = asyncio.Event()
        self._all_found = asyncio.Event()
        self.is_whole = False
        """Whether the look took its full time, so that what was not heard is not near."""

    def heard(self, device: BLEDevice, said: AdvertisementData) -> None:
        """Take an advertisement; what bleak calls."""
        self.hear(device, said.local_name or device.name, said.rssi)

    def is_connected(self, device: BLEDevice) -> None:
        """Take a device that the stack says is connected, and that therefore advertises no more."""
        self._keep(device, device.name, 0, [link for link in self._heard if link.may_be_connected])

    def hear(self, device: BLEDevice, name: str | None, rssi: int) -> None:
        """Keep a device in mind for the terminals that it may be; ``rssi`` in dBm."""
        self._keep(device, name, rssi, self._heard)

    async def wait(self, look_s: float) -> None:
        """Return when every terminal that is wanted was heard, a while after the first one, or after ``look_s``."""
        try:
            async with asyncio.timeout(look_s):
                await self._one_found.wait()
                with suppress(TimeoutError):
                    async with asyncio.timeout(ALSO_S):
                        await self._all_found.wait()
        except TimeoutError:
            self.is_whole = True

    def choice(self, link: Link) -> BLEDevice | None:
        """Return the device to try as a terminal, None for none: without doubt, then known, then the strongest."""
        now_s = self._now_s()
        candidates = sorted(
            self._heard[link].values(),
            key=lambda one: (not link.is_doubtful(one[1].address, now_s), one[1].address == link.proven, one[0]),
        )
        return candidates[-1][1] if candidates else None

    def _keep(self, device: BLEDevice, name: str | None, rssi: int, links: Iterable[Link]) -> None:
        for link in links:
            candidates = self._heard[link]
            is_known = device.address in candidates or device.address == link.proven
            has_room = is_known or len(candidates) < CANDIDATES_MAX
            if has_room and link.terminal.fits(device.address, name):
                candidates[device.address] = (rssi, device)
        found = [self._is_found(link) for link in self._heard]
        if any(found):
            self._one_found.set()
        if all(found):
            self._all_found.set()

    def _is_found(self, link: Link) -> bool:
        return any(not link.is_doubtful(address, self._now_s()) for address in self._heard[link])
