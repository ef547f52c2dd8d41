"""The carrier of a conversation's opening, which takes no time: request and answer, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.errors import PeerUnavailableError
from tests.simulation.network import parent_of
from tests.simulation.storage import PowerLossError

if TYPE_CHECKING:
    from node.demo.chance import Chance
    from tests.simulation.world import World

LOST_SHARE = 0.1


class DirectCarrier:
    """Carries one package at a time and waits for its answer, with faults that ``chance`` draws (None: without)."""

    def __init__(self, world: World, child: str, chance: Chance | None) -> None:
        self._world = world
        self._child = child
        self._chance = chance

    def exchange(self, package: bytes, *, wait_s: float) -> bytes:
        """Return the parent's answer; PeerUnavailableError when the request or the answer got lost.

        PackageRefusedError when this is the second process of the child.
        """
        assert wait_s >= 0
        world, cut = self._world, self._world.network.wires[self._child].cut
        if "up" in cut or not world.reacts(parent_of(self._child)) or self._happens():
            raise PeerUnavailableError("the request was lost")
        if self._happens():
            self._answer(package)
        answer = self._answer(package)
        if "down" in cut or self._happens():
            raise PeerUnavailableError("the answer was lost")
        return answer

    def close(self) -> None:
        """Hold nothing, so let go of nothing."""

    def _happens(self) -> bool:
        return self._chance is not None and self._chance.happens(LOST_SHARE)

    def _answer(self, package: bytes) -> bytes:
        network = self._world.network
        network.remember(self._child, "up", package)
        try:
            answer = self._world.answer(self._child, package)
        except PowerLossError as loss:
            self._world.lose_power(loss)
            raise PeerUnavailableError("the parent stopped") from loss
        network.remember(self._child, "down", answer)
        return answer
