"""Air without radio: bumble controllers that meet on one link, in a thread and event loop of their own.

Everything above the link layer is real: HCI, L2CAP, ATT, GATT and SMP of bumble on both ends. Hosts of other threads
(the loop of an adapter) and of other processes (HCI over TCP) reach their controllers here.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from bumble import hci, ll
from bumble.controller import Controller
from bumble.link import LocalLink
from bumble.transport.common import BaseSource, StreamPacketSink, StreamPacketSource, Transport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from bumble.core import PhysicalTransport

_T = TypeVar("_T")

ACL_BYTES = 251
"""Length of a data packet with LE Data Length Extension (Core Specification, volume 6, part B, 4.5.10)."""
SUPERVISION_S = 0.5
"""How long a central waits for a peripheral that fell silent; on the air it is 0.1 to 32 s."""


class AirLink(LocalLink):
    """bumble's link with what hosts of Linux rely on and a way to fall silent."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def send_acl_data(
        self,
        sender_controller: Controller,
        destination_address: hci.Address,
        transport: PhysicalTransport,
        data: bytes,
    ) -> None:
        """Stamp data with the address by which the two are connected; bumble 0.0.236 stamps always the random one."""
        destination = self.find_le_controller(destination_address)
        connection = sender_controller.le_connections.get(destination_address)
        if destination is not None and connection is not None:
            asyncio.get_running_loop().call_soon(destination.on_link_acl_data, connection.self_address, transport, data)

    def send_advertising_pdu(self, sender_controller: Controller, packet: ll.AdvertisingPdu) -> None:
        """Send what answers a scan too, which bumble 0.0.236 leaves out, and nothing of one who left."""
        if sender_controller not in self.controllers:
            return
        super().send_advertising_pdu(sender_controller, packet)
        if isinstance(packet, ll.AdvInd | ll.AdvExtInd):
            answer = _scan_response(sender_controller, packet.advertiser_address)
            if answer:
                super().send_advertising_pdu(
                    sender_controller, ll.AdvInd(advertiser_address=packet.advertiser_address, data=answer)
                )

    def send_ll_control_pdu(
        self, sender_address: hci.Address, receiver_address: hci.Address, packet: ll.ControlPdu
    ) -> None:
        """Lose what is sent to one who left."""
        if self.find_le_controller(receiver_address) is not None:
            super().send_ll_control_pdu(sender_address, receiver_address, packet)

    def fall_silent(self, controller: Controller) -> None:
        """Take a controller off the air without a word, as when its battery falls out."""
        self.controllers.discard(controller)
        _stop_advertising(controller)
        for connection in list(controller.le_connections.values()):
            other = self.find_le_controller(connection.peer_address)
            for end, silent in ((other, connection.self_address), (controller, connection.peer_address)):
                if end is not None:
                    asyncio.get_running_loop().call_later(SUPERVISION_S, _time_out, end, silent)


class AirController(Controller):
    """bumble's controller, which can give up connecting: that of 0.0.236 says so, and goes on for ever."""

    def on_hci_le_create_connection_cancel_command(
        self, _command: hci.HCI_LE_Create_Connection_Cancel_Command
    ) -> hci.HCI_StatusReturnParameters:
        """End what was begun as the Core Specification has it (volume 4, part E, 7.8.13)."""
        begun = self.pending_le_connection
        if begun is None:
            return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.COMMAND_DISALLOWED_ERROR)
        self.pending_le_connection = None
        given_up = hci.HCI_LE_Connection_Complete_Event(
            status=hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR,
            connection_handle=0,
            role=hci.Role.CENTRAL,
            peer_address_type=begun.peer_address.address_type,
            peer_address=begun.peer_address,
            connection_interval=0,
            peripheral_latency=0,
            supervision_timeout=0,
            central_clock_accuracy=0,
        )
        # The command is complete first.
        asyncio.get_running_loop().call_soon(self.send_hci_packet, given_up)
        return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.SUCCESS)


def _stop_advertising(controller: Controller) -> None:
    controller.le_legacy_advertiser.stop()
    for advertising_set in controller.advertising_sets.values():
        advertising_set.stop()


def _scan_response(controller: Controller, address: hci.Address) -> bytes:
    legacy = controller.le_legacy_advertiser
    if legacy.enabled and legacy.address == address:
        return bytes(legacy.scan_response_data)
    return next(
        (
            bytes(one.scan_response_data)
            for one in controller.advertising_sets.values()
            if one.enabled and one.address == address
        ),
        b"",
    )


def _time_out(controller: Controller, silent: hci.Address) -> None:
    connection = controller.le_connections.get(silent)
    if connection is not None:
        controller.on_le_disconnected(connection, hci.HCI_CONNECTION_TIMEOUT_ERROR)


class Air:
    """The thread, the loop and the link; closed at the end of a test."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="air")
        self._thread.start()
        self.link = AirLink()
        self.controllers: dict[str, Controller] = {}
        """Those on the air now or before, by their public address."""

    def run(self, work: Coroutine[Any, Any, _T], *, limit_s: float = 20) -> _T:
        """Do something in the loop of the air, and wait for its result."""

        async def bounded() -> _T:
            async with asyncio.timeout(limit_s):
                return await work

        return asyncio.run_coroutine_threadsafe(bounded(), self.loop).result()

    def call(self, work: Callable[..., object], *arguments: object) -> None:
        """Do something that does not wait in the loop of the air, and wait until it is done."""

        async def once() -> None:
            work(*arguments)

        self.run(once())

    def controller(self, public_address: str, **options: Any) -> Controller:
        """Put one more controller on the air; only in its loop."""
        address = hci.Address(public_address, hci.Address.PUBLIC_DEVICE_ADDRESS)
        made = AirController(public_address, link=self.link, public_address=address, **options)
        made.le_acl_data_packet_length = ACL_BYTES
        self.controllers[public_address] = made
        return made

    def remove(self, controller: Controller) -> None:
        """Take a controller off the air, its connections ended as by switching it off; only in the loop."""
        for connection in list(controller.le_connections.values()):
            connection.send_ll_control_pdu(ll.TerminateInd(hci.HCI_REMOTE_USER_TERMINATED_CONNECTION_ERROR))
        _stop_advertising(controller)
        self.link.controllers.discard(controller)

    @asynccontextmanager
    async def pipe(self, public_address: str) -> AsyncIterator[Transport]:
        """Give a host that lives in the running loop (of another thread) a controller of its own."""
        own_loop = asyncio.get_running_loop()
        source = BaseSource()
        made: list[Controller] = []

        def make() -> None:
            to_host = _Hop(own_loop, lambda packet: source.sink.on_packet(packet) if source.sink else None)
            made.append(self.controller(public_address, host_sink=to_host))

        await asyncio.wrap_future(_called(self.loop, make))
        try:
            yield Transport(source, _Hop(self.loop, made[0].on_packet))
        finally:
            await asyncio.wrap_future(_called(self.loop, lambda: self.remove(made[0])))

    @asynccontextmanager
    async def tcp(self, public_address: str) -> AsyncIterator[int]:
        """Give hosts of other processes, one after the other, a controller each: yields the port of HCI over TCP.

        Only in the loop of the air.
        """
        server = await self.loop.create_server(lambda: _HciDoor(self, public_address), "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()

    def close(self) -> None:
        """End the loop and its thread."""
        asyncio.run_coroutine_threadsafe(_cancel_others(), self.loop).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


class _HciDoor(StreamPacketSource):
    """One host that came over TCP; its controller leaves the air with it."""

    def __init__(self, air: Air, public_address: str) -> None:
        super().__init__()
        self._air = air
        self._address = public_address
        self._controller: Controller | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._controller = self._air.controller(self._address, host_source=self, host_sink=StreamPacketSink(transport))

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._controller is not None:
            self._air.remove(self._controller)


class _Hop:
    """Hands packets over to the loop of another thread, in order."""

    def __init__(self, loop: asyncio.AbstractEventLoop, receive: Callable[[bytes], None]) -> None:
        self._loop = loop
        self._receive = receive

    def on_packet(self, packet: bytes) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._receive, packet)


def _called(loop: asyncio.AbstractEventLoop, work: Callable[[], object]) -> Any:
    async def once() -> None:
        work()

    return asyncio.run_coroutine_threadsafe(once(), loop)


async def _cancel_others() -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
