"""Bluetooth terminals as the command line meets them: what is near this machine, and pairing with it.

Here because only this room opens adapters. What goes wrong comes as the errors of doors: away, or needs a person.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from adapters.bluetooth_bridge.near import devices_near, pair_with
from adapters.bluetooth_bridge.settings import SERVICE_UUID, whole_uuid
from adapters.contract import SourceNeedsPersonError, SourceUnavailableError
from node.errors import AdapterAwayError, AdapterRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapters.bluetooth_bridge.near import Nearby
    from adapters.bluetooth_bridge.pairing import Questions


def near(*, seconds: float, controller: str, service_uuid: str | None) -> list[Nearby]:
    """Return what advertises near this machine, the strongest first; raises AdapterAwayError or AdapterRefusedError.

    ``service_uuid`` is that by which terminals are recognised, 4 or 32 hexadecimal digits; None for the usual one.
    """
    with _explained("Nothing can be heard by Bluetooth"):
        uuid = SERVICE_UUID if service_uuid is None else whole_uuid(service_uuid, "the service")
        return devices_near(seconds=seconds, controller=controller, service_uuid=uuid)


def pair(address: str, *, questions: Questions, seconds: float, again: bool, controller: str) -> None:
    """Pair this machine with a device; raises as ``near``."""
    with _explained(f"{address} is not paired with this machine"):
        pair_with(address, questions=questions, seconds=seconds, again=again, controller=controller)


@contextmanager
def _explained(what: str) -> Iterator[None]:
    try:
        yield
    except SourceUnavailableError as problem:
        raise AdapterAwayError(
            what, why=str(problem), action="Switch the terminal on, bring it near, and repeat"
        ) from problem
    except SourceNeedsPersonError as problem:
        raise AdapterRefusedError(what, why=str(problem), action="Do what the reason says, and repeat") from problem
