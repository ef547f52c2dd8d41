"""A carrier within one process: for the simulation, tests and measurements.

The same steps as over HTTPS, without a network: the package goes straight to the parent's ``answer``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.errors import PeerUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.exchange.exchange import Exchange


class MemoryCarrier:
    """Carries the packages of the node ``sender`` to ``parent``.

    ``is_up`` decides for each request whether the parent can be reached (default: always). ``wait`` is what the parent
    waits with; without it nothing waits.
    """

    def __init__(
        self,
        parent: Exchange,
        sender: str,
        *,
        is_up: Callable[[], bool] = lambda: True,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        self._parent = parent
        self._sender = sender
        self._is_up = is_up
        self._wait = wait

    def exchange(self, package: bytes, *, wait_s: float) -> bytes:
        """Return the parent's answer; PeerUnavailableError when it cannot be reached."""
        if not self._is_up():
            raise PeerUnavailableError("The parent cannot be reached.", why="the carrier is down")
        return self._parent.answer(package, self._sender, wait=self._wait, wait_s=wait_s)

    def fetch(self, question: bytes) -> bytes:
        """Return the parent's records; PeerUnavailableError when it cannot be reached."""
        if not self._is_up():
            raise PeerUnavailableError("The parent cannot be reached.", why="the carrier is down")
        return self._parent.give_records(question, self._sender)

    def close(self) -> None:
        """Give up what the carrier holds: nothing."""
