"""What the tests of the serial bridge share: adapters at the near end of a simulated line."""

from __future__ import annotations

import os
import time
import tty
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from adapters.serial_bridge.kind import KIND
from tests.support.adapter_openings import opening

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from adapters.contract import Adapter, Delivery
    from tests.support.line_simulator import Line

LIMIT_S = 30.0


def settings_of(**given: Any) -> dict[str, Any]:
    """Return the kind's settings with some of them given."""
    known = {setting.name: setting.default for setting in KIND.settings if not setting.secret}
    assert not given.keys() - known.keys()
    return known | given


@contextmanager
def bridge(
    line: Line, folder: Path, secrets: dict[str, str] | None = None, *, is_trial: bool = False, **settings: Any
) -> Iterator[Adapter]:
    """Open an adapter at the near end; closed at the end."""
    given = {"port": str(line.near), **settings}
    adapter = KIND.open(opening(KIND, folder, given, secrets=secrets, is_trial=is_trial))
    try:
        yield adapter
    finally:
        adapter.close()


@contextmanager
def far_end(line: Line) -> Iterator[int]:
    """Give the far end as a device has it: raw, and without waiting."""
    descriptor = os.open(line.far, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        tty.setraw(descriptor)
        yield descriptor
    finally:
        os.close(descriptor)


def wait_for(done: Callable[[], object], what: str = "") -> None:
    """Wait until ``done`` returns something true."""
    until_s = time.monotonic() + LIMIT_S
    while not done():
        assert time.monotonic() < until_s, what or "did not happen"
        time.sleep(0.01)  # noqa: TID251 - nothing here wakes us.


def waiting(adapter: Adapter, count: int) -> list[Delivery]:
    """Return what waits for an answer, once it is so many."""
    came: list[Delivery] = []

    def are_there() -> bool:
        came[:] = adapter.fetch(1000)
        return len(came) >= count

    wait_for(are_there, f"fewer than {count} came")
    assert len(came) == count
    return came


def heard(descriptor: int, what: bytes) -> bytes:
    """Read from a device's end until ``what`` has come; return everything that came."""
    came = b""

    def has_come() -> bool:
        nonlocal came
        with suppress(BlockingIOError):
            came += os.read(descriptor, 4096)
        return what in came

    wait_for(has_come, f"{what!r} has not come")
    return came
