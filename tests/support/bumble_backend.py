"""A backend of bleak over bumble: the unmodified adapter scans and connects without a radio.

``stack_of(machine)`` gives the classes that bleak takes as ``backend=``. A ``Machine`` is the computer on which
the adapter runs: its Bluetooth address, its controller (by ``open_transport``) and the bonds that its stack keeps.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, ClassVar, Self
from weakref import WeakKeyDictionary

from bleak.backends.adapter import BaseBleakAdapter
from bleak.backends.characteristic import BleakGATTCharacteristic, GattCharacteristicsFlags
from bleak.backends.client import BaseBleakClient
from bleak.backends.descriptor import BleakGATTDescriptor
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import BleakDeviceNotFoundError, BleakError, BleakGATTProtocolError
from bleak.uuids import normalize_uuid_str
from bumble import core, hci
from bumble.att import ATT_Error
from bumble.core import AdvertisingData, ProtocolError
from bumble.device import Advertisement, Connection, Device, Peer
from bumble.gatt import Characteristic
from bumble.keys import MemoryKeyStore
from bumble.pairing import PairingConfig, PairingDelegate

from adapters.bluetooth_bridge.stack import Stack

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from bleak.args import SizedBuffer
    from bleak.backends.client import NotifyCallback
    from bleak.backends.device import BLEDevice
    from bumble.gatt_client import CharacteristicProxy
    from bumble.transport.common import Transport

    from adapters.bluetooth_bridge.pairing import Questions

BLUEZ_MTU = 517
"""What BlueZ asks for: with it the stack reports 514 bytes in a value, two more than the attribute may hold."""


class Machine:
    """The computer of the adapter: one device for all scanners and clients of one loop, up while any is in use."""

    def __init__(
        self,
        open_transport: Callable[[], AbstractAsyncContextManager[Transport]],
        *,
        mtu: int = BLUEZ_MTU,
    ) -> None:
        self.mtu = mtu
        self.delegate: PairingDelegate | None = None
        """Who is asked while this machine pairs; None for nobody, which is enough where nothing has to be compared."""
        self.missing: BleakError | None = None
        """Raised by every scan as long as it is set: no adapter, switched off, refused."""
        self.bonds = MemoryKeyStore()
        self._open_transport = open_transport
        self._running: WeakKeyDictionary[asyncio.AbstractEventLoop, _Running] = WeakKeyDictionary()

    def _pairing(self) -> PairingConfig:
        return PairingConfig(mitm=self.delegate is not None, delegate=self.delegate)

    @asynccontextmanager
    async def agent(self, questions: Questions, _address: str) -> AsyncIterator[None]:
        """Have a person asked while this machine pairs, as by an agent of BlueZ."""
        self.delegate = _Asking(questions)
        try:
            yield
        finally:
            self.delegate = None

    async def acquire(self) -> Device:
        """Power the device up for one more user."""
        running = self._running.setdefault(asyncio.get_running_loop(), _Running())
        async with running.lock:
            if running.device is None:
                transport = await running.stack.enter_async_context(self._open_transport())
                device = Device.with_hci("yizhan", hci.Address("F0:F1:F2:F3:F4:F5"), transport.source, transport.sink)
                device.keystore = self.bonds
                device.pairing_config_factory = lambda _: self._pairing()
                await device.power_on()
                running.device = device
            running.users += 1
            return running.device

    async def release(self) -> None:
        """Power it down after the last user."""
        running = self._running[asyncio.get_running_loop()]
        async with running.lock:
            running.users -= 1
            if running.users == 0 and running.device is not None:
                running.device = None
                await running.stack.aclose()

    async def bonded(self, address: hci.Address) -> bool:
        """Tell whether a bond with a terminal is kept."""
        return await self.bonds.get(str(address)) is not None


class _Asking(PairingDelegate):
    """Puts what SMP wants to know to a person."""

    def __init__(self, questions: Questions) -> None:
        super().__init__(PairingDelegate.IoCapability.DISPLAY_OUTPUT_AND_KEYBOARD_INPUT)
        self._questions = questions

    async def compare_numbers(self, number: int, digits: int) -> bool:
        return await asyncio.to_thread(self._questions.confirm, f"{number:0{digits}d}")

    async def get_number(self) -> int | None:
        typed = await asyncio.to_thread(self._questions.ask)
        return None if typed is None else int(typed)

    async def display_number(self, number: int, digits: int) -> None:
        await asyncio.to_thread(self._questions.show, f"{number:0{digits}d}")


class _Running:
    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.stack = AsyncExitStack()
        self.device: Device | None = None
        self.users = 0


class _Scanner(BaseBleakScanner):
    machine: ClassVar[Machine]

    def __init__(self, detection_callback: Any, service_uuids: list[str] | None, *_: object, **__: object) -> None:
        super().__init__(detection_callback, service_uuids)
        self._device: Device | None = None
        self._said: dict[hci.Address, tuple[str | None, list[str]]] = {}

    async def start(self) -> None:
        if self.machine.missing is not None:
            raise self.machine.missing
        self.seen_devices = {}
        self._device = await self.machine.acquire()
        self._device.on("advertisement", self._on_advertisement)
        await self._device.start_scanning(filter_duplicates=False)

    async def stop(self) -> None:
        if self._device is None:
            return
        device, self._device = self._device, None
        device.remove_listener("advertisement", self._on_advertisement)
        with suppress(core.BaseBumbleError):
            await device.stop_scanning()
        await self.machine.release()

    async def _on_advertisement(self, heard: Advertisement) -> None:
        offered = heard.data.get_all(AdvertisingData.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS)
        # As BlueZ does: what an advertisement says and what answers a scan are told together.
        name, uuids = self._said.get(heard.address, (None, []))
        name = heard.data.get(AdvertisingData.COMPLETE_LOCAL_NAME) or name
        uuids = [normalize_uuid_str(one.to_hex_str("-")) for some in offered for one in some] or uuids
        self._said[heard.address] = (name, uuids)
        paired = await self.machine.bonded(heard.address)
        data = AdvertisementData(
            local_name=name,
            manufacturer_data={},
            service_data={},
            service_uuids=uuids,
            tx_power=None,
            rssi=heard.rssi,
            platform_data=(),
        )
        address = heard.address.to_string(with_type_qualifier=False)
        details = {"address": heard.address, "props": {"Paired": paired}}
        if self.is_allowed_uuid(uuids):
            device = self.create_or_update_device(address, address, name, details, data)
            self.call_detection_callbacks(device, data)


class _Client(BaseBleakClient):
    machine: ClassVar[Machine]

    def __init__(self, address_or_ble_device: BLEDevice | str, **options: Any) -> None:
        super().__init__(
            address_or_ble_device,
            disconnected_callback=options["disconnected_callback"],
            timeout=options["timeout"],
        )
        if isinstance(address_or_ble_device, str):
            raise BleakDeviceNotFoundError(address_or_ble_device)
        self._peer_address: hci.Address = address_or_ble_device.details["address"]
        self._connection: Connection | None = None
        self._mtu = 23

    @property
    def name(self) -> str:
        return self.address

    @property
    def mtu_size(self) -> int:
        return self._mtu

    @property
    def is_connected(self) -> bool:
        return self._connection is not None

    async def connect(self, pair: bool, **_: Any) -> None:  # noqa: FBT001 - the order is bleak's.
        device = await self.machine.acquire()
        try:
            async with asyncio.timeout(self._timeout):
                connection = await device.connect(
                    self._peer_address, own_address_type=hci.OwnAddressType.PUBLIC, timeout=None
                )
                await self._set_up(connection, pair)
        except (core.BaseBumbleError, asyncio.CancelledError) as problem:
            await self._abandon(device)
            raise BleakError(f"connecting failed: {problem!r}") from problem
        except TimeoutError:
            await self._abandon(device)
            raise

    async def _abandon(self, device: Device) -> None:
        if self._connection is not None:
            await self.disconnect()
            return
        connection = device.find_connection_by_bd_addr(self._peer_address)
        with suppress(core.BaseBumbleError, TimeoutError):
            if connection is not None:
                async with asyncio.timeout(1):
                    await connection.disconnect()
        await self.machine.release()

    async def _set_up(self, connection: Connection, pair: bool) -> None:  # noqa: FBT001
        self._connection = connection
        connection.on("disconnection", self._on_disconnection)
        peer = Peer(connection)
        if await self.machine.bonded(self._peer_address):
            await connection.encrypt()
        elif pair:
            await connection.pair()
        self._mtu = await peer.request_mtu(self.machine.mtu)
        self.services = await _services_of(peer, lambda: self._mtu - 3)

    def _on_disconnection(self, _reason: int) -> None:
        if self._connection is None:
            return
        self._connection = None
        self.services = None
        released = asyncio.ensure_future(self.machine.release())
        released.add_done_callback(lambda _: self._disconnected_callback and self._disconnected_callback())

    async def disconnect(self) -> None:
        if self._connection is not None:
            connection = self._connection
            with suppress(core.BaseBumbleError, TimeoutError):
                async with asyncio.timeout(1):
                    await connection.disconnect()
            self._on_disconnection(0)

    async def pair(self, *_: Any, **__: Any) -> None:
        try:
            await self._connected().pair()
        except core.BaseBumbleError as problem:
            raise BleakError(f"pairing failed: {problem!r}") from problem

    async def unpair(self) -> None:
        await self.machine.bonds.delete(str(self._peer_address))
        await self.disconnect()

    def _connected(self) -> Connection:
        if self._connection is None:
            raise BleakError("Not connected")
        return self._connection

    async def read_gatt_char(self, characteristic: BleakGATTCharacteristic, **_: Any) -> bytearray:
        self._connected()
        return bytearray(await _translated(characteristic.obj.read_value()))

    async def read_gatt_descriptor(self, descriptor: BleakGATTDescriptor, **_: Any) -> bytearray:
        self._connected()
        return bytearray(await _translated(descriptor.obj.read_value()))

    async def write_gatt_char(
        self,
        characteristic: BleakGATTCharacteristic,
        data: SizedBuffer,
        response: bool,  # noqa: FBT001
    ) -> None:
        connection = self._connected()
        await _translated(characteristic.obj.write_value(bytes(data), with_response=response))
        await connection.drain()

    async def write_gatt_descriptor(self, descriptor: BleakGATTDescriptor, data: SizedBuffer) -> None:
        self._connected()
        await _translated(descriptor.obj.write_value(bytes(data), with_response=True))

    async def start_notify(self, characteristic: BleakGATTCharacteristic, callback: NotifyCallback, **_: Any) -> None:
        self._connected()
        await _translated(characteristic.obj.subscribe(lambda value: callback(bytearray(value))))

    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        self._connected()
        await _translated(characteristic.obj.unsubscribe())


async def _translated(work: Any) -> Any:
    try:
        return await work
    except ATT_Error as problem:
        raise BleakGATTProtocolError(problem.error_code) from problem
    except (core.BaseBumbleError, ProtocolError, asyncio.CancelledError) as problem:
        # bumble cancels what waits for an answer when the connection ends.
        current = asyncio.current_task()
        if isinstance(problem, asyncio.CancelledError) and current is not None and current.cancelling():
            raise
        raise BleakError(f"the connection ended: {problem!r}") from problem


async def _services_of(peer: Peer, value_bytes_max: Callable[[], int]) -> BleakGATTServiceCollection:
    found = BleakGATTServiceCollection()
    for service in await peer.discover_services():
        ours = BleakGATTService(service, service.handle, normalize_uuid_str(service.uuid.to_hex_str("-")))
        found.add_service(ours)
        for characteristic in await service.discover_characteristics():
            found.add_characteristic(_characteristic(characteristic, ours, value_bytes_max))
            for descriptor in await characteristic.discover_descriptors():
                uuid = normalize_uuid_str(descriptor.type.to_hex_str("-"))
                found.add_descriptor(
                    BleakGATTDescriptor(
                        descriptor, descriptor.handle, uuid, found.characteristics[characteristic.handle]
                    )
                )
    return found


def _characteristic(
    of_bumble: CharacteristicProxy[bytes], service: BleakGATTService, value_bytes_max: Callable[[], int]
) -> BleakGATTCharacteristic:
    properties: list[Any] = [
        flag.name.replace("_", "-")
        for flag in GattCharacteristicsFlags
        if Characteristic.Properties(flag.value & 0xFF) & of_bumble.properties
    ]
    uuid = normalize_uuid_str(of_bumble.uuid.to_hex_str("-"))
    return BleakGATTCharacteristic(of_bumble, of_bumble.handle, uuid, properties, value_bytes_max, service)


class BumbleAdapter(BaseBleakAdapter):
    """Tells which devices a process before this one left connected: those in ``left``."""

    left: ClassVar[list[BLEDevice]] = []

    @classmethod
    async def get(cls, **_: Any) -> Self:
        return cls()

    async def get_connected_devices(self, service_uuids: frozenset[str]) -> list[BLEDevice]:  # noqa: ARG002
        return self.left


def stack_of(machine: Machine) -> Stack:
    """Return the Bluetooth stack of a machine, as the adapter takes it."""
    client = type("BumbleClient", (_Client,), {"machine": machine})
    scanner = type("BumbleScanner", (_Scanner,), {"machine": machine})
    return Stack(client=client, scanner=scanner, adapter=BumbleAdapter)
