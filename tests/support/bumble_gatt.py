"""The GATT side of the reference terminal: the table of docs/reference/gatt.md as bumble serves it.

``GattServer`` lives in an event loop (of the air, or of a process of its own); ``CentralPort`` is the line of bytes
over it for the threads that speak the record line.
"""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bumble import hci
from bumble.att import Attribute, AttributeValue
from bumble.core import UUID, AdvertisingData
from bumble.device import Connection, Device
from bumble.gatt import (
    GATT_CHARACTERISTIC_USER_DESCRIPTION_DESCRIPTOR,
    GATT_CLIENT_CHARACTERISTIC_CONFIGURATION_DESCRIPTOR,
    Characteristic,
    Descriptor,
    Service,
)
from bumble.keys import KeyStore, MemoryKeyStore
from bumble.pairing import PairingConfig, PairingDelegate

if TYPE_CHECKING:
    from collections.abc import Callable

    from bumble.att import Bearer
    from bumble.transport.common import TransportSink, TransportSource

SERVICE = "6e400001-b5a3-f393-e0a9-e50e24dcca9e"
WRITTEN = "6e400002-b5a3-f393-e0a9-e50e24dcca9e"
NOTIFIED = "6e400003-b5a3-f393-e0a9-e50e24dcca9e"
VALUE_BYTES_MAX = 512
LIMIT_S = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How a terminal appears and what it demands; the defaults are what docs/reference/gatt.md asks for."""

    name: str = "YZ-1"
    address: str = "C4:7C:8D:00:00:01"
    mtu: int = 517
    encrypted: bool = False
    notify_value_bytes: int = VALUE_BYTES_MAX
    written_properties: Characteristic.Properties = (
        Characteristic.Properties.WRITE | Characteristic.Properties.WRITE_WITHOUT_RESPONSE
    )
    service: str = SERVICE
    advertises_service: bool = True


class GattServer:
    """One terminal on the air. All of it belongs to its loop."""

    def __init__(
        self,
        look: Look,
        source: TransportSource,
        sink: TransportSink,
        *,
        bonds: KeyStore | None = None,
        delegate: PairingDelegate | None = None,
    ) -> None:
        self.look = look
        self.connections = 0
        self.written_sizes: list[int] = []
        self.was_encrypted = False
        """Whether the link was encrypted when the last value was written."""
        self.loop = asyncio.get_running_loop()
        self.device = Device.with_hci(look.name, hci.Address(look.address), source, sink)
        self.device.keystore = bonds or MemoryKeyStore()
        self.device.pairing_config_factory = lambda _: PairingConfig(
            mitm=delegate is not None,
            delegate=delegate,
            identity_address_type=PairingConfig.AddressType.RANDOM,
        )
        self.device.gatt_server.max_mtu = look.mtu
        self.subscribed: Callable[[CentralPort], None] = lambda _: None
        """Called in the loop when a central wants to be notified, with the line to it."""
        self.written: Callable[[], object] = lambda: None
        """Called in the loop for each value that a central wrote."""
        self._connection: Connection | None = None
        self._port: CentralPort | None = None
        self._notified = self._characteristic(NOTIFIED, Characteristic.Properties.NOTIFY, "terminal to node")
        written = self._characteristic(WRITTEN, look.written_properties, "node to terminal")
        self.device.add_service(Service(UUID(look.service), [written, self._notified]))
        self.device.on("connection", self._on_connection)
        self._notified.on("subscription", self._on_subscription)

    def _characteristic(self, uuid: str, properties: Characteristic.Properties, text: str) -> Characteristic[bytes]:
        allowed = Attribute.READABLE | Attribute.WRITEABLE
        if self.look.encrypted:
            allowed |= Attribute.WRITE_REQUIRES_ENCRYPTION | Attribute.READ_REQUIRES_ENCRYPTION
        described = Descriptor(GATT_CHARACTERISTIC_USER_DESCRIPTION_DESCRIPTOR, Attribute.READABLE, text.encode())
        made: Characteristic[bytes] = Characteristic(UUID(uuid), properties, allowed, self._value(), [described])
        if properties & Characteristic.Properties.NOTIFY:
            made.descriptors = [described, self._subscription(made, allowed)]
        return made

    def _value(self) -> AttributeValue[bytes]:
        return AttributeValue(write=self._on_written)

    def _subscription(self, characteristic: Characteristic[bytes], allowed: Attribute.Permissions) -> Descriptor:
        value = self.device.gatt_server.make_descriptor_value(characteristic)
        return Descriptor(GATT_CLIENT_CHARACTERISTIC_CONFIGURATION_DESCRIPTOR, allowed, value)

    async def advertise(self) -> None:
        """Advertise: flags and service in the advertisement, the name in what answers a scan."""
        if not self.device.powered_on:
            await self.device.power_on()
        heard: list[Any] = [(AdvertisingData.FLAGS, bytes([0x06]))]
        if self.look.advertises_service:
            service = bytes(UUID(self.look.service))
            heard.append((AdvertisingData.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS, service))
        named: list[Any] = [(AdvertisingData.COMPLETE_LOCAL_NAME, self.look.name.encode())]
        await self.device.start_advertising(
            auto_restart=True,
            advertising_data=bytes(AdvertisingData(heard)),
            scan_response_data=bytes(AdvertisingData(named)),
            advertising_interval_min=100,
            advertising_interval_max=150,
        )

    async def hide(self) -> None:
        """Stop advertising, and end the connection."""
        await self.device.stop_advertising()
        await self.hang_up()

    async def hang_up(self) -> None:
        """End the connection, and go on advertising."""
        if self._connection is not None:
            await self._connection.disconnect()

    @property
    def is_connected(self) -> bool:
        """Whether a central is connected."""
        return self._connection is not None

    async def notify(self, data: bytes) -> None:
        """Send bytes in as few values as the MTU allows."""
        connection = self._connection
        if connection is None:
            return
        size = min(self.look.notify_value_bytes, connection.att_mtu - 3)
        for start in range(0, len(data), size):
            await self.device.notify_subscriber(connection, self._notified, data[start : start + size])
            await connection.drain()

    def _on_connection(self, connection: Connection) -> None:
        self._connection = connection
        self.connections += 1
        connection.on("disconnection", lambda _reason: self._on_disconnection())

    def _on_subscription(self, _bearer: Bearer, wants_notified: bool, _wants_indicated: bool) -> None:  # noqa: FBT001
        if self._port is not None:
            self._port.close()
        if wants_notified:
            self._port = CentralPort(self)
            self.subscribed(self._port)

    def _on_disconnection(self) -> None:
        self._connection = None
        if self._port is not None:
            self._port.close()

    def _on_written(self, _bearer: Bearer, value: bytes) -> None:
        self.written_sizes.append(len(value))
        self.was_encrypted = self._connection is not None and bool(self._connection.encryption)
        self.written()
        if self._port is not None:
            self._port.arrived(value)


class CentralPort:
    """The line to the central that is connected; read and written by other threads than the loop's."""

    def __init__(self, server: GattServer) -> None:
        self._server = server
        self._arrived = threading.Condition()
        self._bytes = bytearray()
        self._closed = False

    def arrived(self, value: bytes) -> None:
        """Take what the central wrote."""
        with self._arrived:
            self._bytes += value
            self._arrived.notify_all()

    def read(self, max_bytes: int, wait_s: float) -> bytes:
        """Return what the node wrote, after at most ``wait_s`` seconds; b"" for nothing; OSError once it is gone."""
        with self._arrived:
            self._arrived.wait_for(lambda: bool(self._bytes) or self._closed, wait_s)
            if not self._bytes and self._closed:
                raise OSError("the central is gone")
            taken = bytes(self._bytes[:max_bytes])
            del self._bytes[:max_bytes]
            return taken

    def write(self, data: bytes) -> None:
        """Notify the node of bytes."""
        if self._closed:
            raise OSError("the central is gone")
        asyncio.run_coroutine_threadsafe(self._server.notify(data), self._server.loop).result(LIMIT_S)

    def close(self) -> None:
        """Let go of it; the connection stays."""
        with self._arrived:
            self._closed = True
            self._arrived.notify_all()
