"""What the world does to nodes and links between their own steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.template import CODES

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.world import World

PAUSES_S = (70.0, 3_700.0, 90_000.0)
"""Pauses after which waits, hours and days are over."""


class Faults:
    """The steps of the world; ``weights`` says how often each is drawn."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._chance = world.chance
        self.weights: dict[Callable[[], str], int] = {
            self._stop: 4,
            self._leave: 4,
            self._pause: 3,
            self._turn: 2,
        }

    def _stop(self) -> str:
        """A process ends without warning and starts again."""
        code = self._chance.pick(CODES)
        self._world.restart(code)
        return code

    def _leave(self) -> str:
        """A node is away for a while, or is back."""
        return self._toggle(self._world.away, "away", "back")

    def _pause(self) -> str:
        seconds = self._chance.pick(PAUSES_S)
        self._world.time.jump(self._world.time.now_s + seconds)
        return f"{seconds:.0f} s"

    def _turn(self) -> str:
        """A link becomes better or worse."""
        wires = self._world.network.wires
        code = self._chance.pick(sorted(wires))
        wires[code].draw(self._chance)
        wire = wires[code]
        return f"link of {code}: {wire.delay_s} s, loss {wire.loss}, doubles {wire.doubles}"

    def _toggle(self, those: set[str], begins: str, ends: str) -> str:
        code = self._chance.pick(CODES)
        if those and self._chance.happens(0.7):
            code = self._chance.pick(sorted(those))
        those ^= {code}
        return f"{code} {begins if code in those else ends}"
