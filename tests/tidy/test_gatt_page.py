"""docs/reference/gatt.md against the reference terminal, as a central sees it."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest
from bleak import BleakClient, BleakScanner

from adapters.bluetooth_bridge import connection, gatt_port, links, settings
from tests.support.bumble_air import Air
from tests.support.bumble_backend import Machine, stack_of
from tests.support.bumble_gatt import NOTIFIED, SERVICE, WRITTEN, Look
from tests.support.bumble_terminal import terminal_on
from tests.tidy.tree import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bleak.backends.characteristic import BleakGATTCharacteristic
    from bleak.backends.scanner import AdvertisementData

PAGE = (ROOT / "docs/reference/gatt.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| ([a-zCD ():]+) \| `([0-9a-f-]{36})` \| ([^|]*)\|", re.MULTILINE)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A machine with the reference terminal near it."""
    air = Air()
    try:
        with terminal_on(air, tmp_path, look=Look()):
            yield Machine(lambda: air.pipe("00:1B:DC:FF:00:01"))
    finally:
        air.close()


def said_by_the_page() -> list[tuple[str, set[str]]]:
    return [(uuid, set(re.findall(r"`([a-z-]+)`", properties))) for _, uuid, properties in ROW.findall(PAGE)]


def test_the_table_is_what_the_reference_terminal_offers(machine: Machine) -> None:
    async def seen() -> list[tuple[str, set[str]]]:
        stack = stack_of(machine)
        assert stack.scanner is not None
        device = await BleakScanner.find_device_by_name("YZ-1", timeout=10, backend=stack.scanner)
        assert device is not None
        async with BleakClient(device, backend=stack.client) as client:
            service = client.services.get_service(SERVICE)
            assert service is not None
            return [(service.uuid, set()), *(row for one in service.characteristics for row in rows_of(one))]

    assert said_by_the_page() == asyncio.run(seen())


def rows_of(one: BleakGATTCharacteristic) -> Iterator[tuple[str, set[str]]]:
    yield one.uuid, set(one.properties)
    for descriptor in one.descriptors:
        yield descriptor.uuid, set()


def test_the_terminal_advertises_what_the_page_asks_for(machine: Machine) -> None:
    async def heard() -> AdvertisementData:
        stack = stack_of(machine)
        scanner = BleakScanner(backend=stack.scanner)
        async with scanner:
            async for _, said in scanner.advertisement_data():
                if said.local_name:
                    return said
        raise AssertionError

    said = asyncio.run(heard())
    assert (said.local_name, set(said.service_uuids)) == ("YZ-1", {SERVICE})


def test_the_defaults_of_the_settings_are_those_of_the_page() -> None:
    uuids = [uuid for uuid, _ in said_by_the_page()]
    assert uuids[:2] == [settings.SERVICE_UUID, settings.WRITTEN_UUID]
    assert (settings.WRITTEN_UUID, settings.NOTIFIED_UUID) == (WRITTEN, NOTIFIED)
    assert settings.NOTIFIED_UUID in uuids


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (r"at most (\d+) bytes \(Core Specification, volume 3, part F, 3.2.9\)", gatt_port.VALUE_BYTES_MAX),
        (r"a value of (\d+) bytes carries a frame in pieces", gatt_port.VALUE_BYTES_MIN),
        (r"asks for a response\s+once in ([\d,]+) bytes", gatt_port.DRAIN_BYTES),
        (r"has sent ([\d,]+) bytes which nobody read", gatt_port.WAITING_BYTES_MAX),
        (r"not proved the key (\d+) seconds after", connection.PROOF_S),
    ],
)
def test_the_limits_of_the_page_are_those_of_the_code(text: str, number: float) -> None:
    found = re.search(text, PAGE)
    assert found is not None
    assert float(found[1].replace(",", "")) == number


def test_the_pauses_of_the_page_are_those_of_the_code() -> None:
    found = re.search(r"\(([\d. s,]+), …", PAGE)
    assert found is not None
    assert tuple(float(one.removesuffix(" s")) for one in found[1].split(", ")) == links.RETRY_S[1:6]
