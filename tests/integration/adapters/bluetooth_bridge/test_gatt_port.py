"""The line of bytes over GATT by itself: what waits, what is lost, and who is told."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from threading import Thread
from typing import TYPE_CHECKING

import pytest
from bleak import BleakClient, BleakScanner

from adapters.bluetooth_bridge.gatt_port import DRAIN_BYTES, WAITING_BYTES_MAX, GattPort
from adapters.contract import SourceUnavailableError
from tests.support.bumble_backend import stack_of
from tests.support.bumble_gatt import NOTIFIED, WRITTEN, Look

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tests.integration.adapters.bluetooth_bridge.conftest import Place
    from tests.support.bumble_terminal import AirTerminal

pytestmark = pytest.mark.integration


@asynccontextmanager
async def connected(place: Place) -> AsyncIterator[tuple[GattPort, BleakClient]]:
    stack = stack_of(place.machine)
    assert stack.scanner is not None
    device = await BleakScanner.find_device_by_name("YZ-1", timeout=10, backend=stack.scanner)
    assert device is not None
    ports: list[GattPort] = []

    def ended(_client: BleakClient) -> None:
        for port in ports:
            port.lose("the connection ended")

    client = BleakClient(device, ended, backend=stack.client)
    async with client:
        written = client.services.get_characteristic(WRITTEN)
        assert written is not None
        ports.append(GattPort(client, written))
        await client.start_notify(NOTIFIED, ports[0].arrived)
        yield ports[0], client


def silent(place: Place, look: Look | None = None) -> AirTerminal:
    """Put a terminal on the air behind whose service nobody speaks."""
    terminal = place.terminal(look=look or Look())
    terminal.server.subscribed = lambda _: None
    return terminal


def in_loop(work: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await work()

    asyncio.run(bounded())


async def elsewhere(work: Callable[[], object]) -> object:
    """Do what waits in a thread of its own, as the record line does."""
    return await asyncio.to_thread(work)


def test_what_is_written_goes_with_a_response_once_in_a_while(place: Place) -> None:
    terminal = silent(place)
    asked: list[bool] = []

    async def work() -> None:
        async with connected(place) as (port, client):
            write = client.write_gatt_char

            async def listening(characteristic: object, value: bytes, *, response: bool) -> None:
                asked.append(response)
                await write(characteristic, value, response=response)  # type: ignore[arg-type]

            client.write_gatt_char = listening  # type: ignore[method-assign,assignment]
            await elsewhere(lambda: port.write(bytes(3 * DRAIN_BYTES)))

    in_loop(work)
    assert sum(terminal.server.written_sizes) == 3 * DRAIN_BYTES
    # 24 values of 512 bytes: every eighth completes 4096.
    assert asked == ([False] * 7 + [True]) * 3


def test_what_was_notified_is_read_in_pieces_and_nothing_is_an_answer_too(place: Place) -> None:
    terminal = silent(place)

    async def work() -> None:
        async with connected(place) as (port, _):
            assert await elsewhere(lambda: port.read(10, 0.01)) == b""
            await asyncio.wrap_future(
                asyncio.run_coroutine_threadsafe(terminal.server.notify(b"abcdef"), place.air.loop)
            )
            assert await elsewhere(lambda: port.read(4, 10)) == b"abcd"
            assert await elsewhere(lambda: port.read(4, 10)) == b"ef"

    in_loop(work)


def test_what_had_come_before_the_line_was_gone_is_still_read(place: Place) -> None:
    silent(place)

    async def work() -> None:
        async with connected(place) as (port, _):
            port.arrived(None, bytearray(b"last words"))  # type: ignore[arg-type]
            port.lose("the connection ended")
            port.lose("another reason, later")
            assert await elsewhere(lambda: port.read(100, 10)) == b"last words"
            for ask in (lambda: port.read(100, 10), lambda: port.write(b"x")):
                with pytest.raises(SourceUnavailableError, match="the connection ended"):
                    await elsewhere(ask)

    in_loop(work)


def test_a_terminal_that_floods_loses_its_line(place: Place) -> None:
    silent(place)

    async def work() -> None:
        async with connected(place) as (port, _):
            value = bytearray(512)
            for _ in range(WAITING_BYTES_MAX // 512):
                port.arrived(None, value)  # type: ignore[arg-type]
            assert not port.gone.is_set()
            port.arrived(None, value)  # type: ignore[arg-type]
            assert port.gone.is_set()
            assert "sends without end" in port.reason

    in_loop(work)


def test_a_write_that_waits_comes_back_when_the_line_is_gone(place: Place) -> None:
    terminal = silent(place, Look(mtu=23))

    async def work() -> None:
        async with connected(place) as (port, _):
            terminal.fall_silent_in_a_write(5)
            with pytest.raises(SourceUnavailableError):
                await elsewhere(lambda: port.write(bytes(100_000)))
            assert port.gone.is_set()

    in_loop(work)


def test_a_write_that_waits_comes_back_when_another_thread_closes(place: Place) -> None:
    silent(place)

    async def work() -> None:
        async with connected(place) as (port, client):
            began = asyncio.Event()

            async def stuck(*_: object, **__: object) -> None:
                began.set()
                await asyncio.Event().wait()

            client.write_gatt_char = stuck  # type: ignore[method-assign]
            writing = asyncio.create_task(elsewhere(lambda: port.write(b"x")))
            await began.wait()
            closing = Thread(target=port.close)
            closing.start()
            with pytest.raises(SourceUnavailableError, match="closed"):
                await writing
            closing.join()

    in_loop(work)


def test_a_stack_that_does_not_take_a_value_in_time_has_lost_the_line(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.bluetooth_bridge.gatt_port.WRITE_S", 0.05)
    silent(place)

    async def work() -> None:
        async with connected(place) as (port, client):

            async def stuck(*_: object, **__: object) -> None:
                await asyncio.Event().wait()

            client.write_gatt_char = stuck  # type: ignore[method-assign]
            with pytest.raises(SourceUnavailableError, match="does not answer in time"):
                await elsewhere(lambda: port.write(b"x"))

    in_loop(work)


def test_a_write_after_the_end_of_the_connection_says_so_and_not_what_the_stack_lacks(place: Place) -> None:
    # bleak then says that "Service Discovery has not been performed yet"; the end itself may be told a moment later.
    silent(place)

    async def work() -> None:
        async with connected(place) as (port, client):
            untold = GattPort(client, port._written)
            await client.disconnect()
            with pytest.raises(SourceUnavailableError, match=r"^the connection ended$"):
                await elsewhere(lambda: untold.write(b"x"))
            assert untold.reason == "the connection ended"

    in_loop(work)


def test_after_the_loop_has_ended_the_line_is_gone(place: Place) -> None:
    silent(place)
    kept: list[GattPort] = []

    async def work() -> None:
        async with connected(place) as (port, _):
            kept.append(port)

    in_loop(work)
    kept[0].close()
    with pytest.raises(SourceUnavailableError):
        kept[0].write(b"x")
