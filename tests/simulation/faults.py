"""What the world does to nodes and links between their own steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.standard.seals import ANCESTORS, StreamName
from tests.simulation.template import CODES
from tests.simulation.world import BACKUPS, CLONES, IMAGES
from tests.support.identities import SEVEN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.simulation.doors import Door
    from tests.simulation.world import World

COUNTIES = tuple(code for code, place in SEVEN.items() if place.level == "county")
"""Whose machines are copied: their parent alone hears both."""
PAUSES_S = (70.0, 3_700.0, 90_000.0)
"""Pauses after which waits, hours and days are over."""

OFFSETS_S = (0.0, -7.0, 400.0, -4_000.0, 86_400.0, -86_400.0)
"""How far a clock may stand off: up to a day, as a real one may that nobody has set."""
HEAL_SHARE = 0.7
"""How often a fault ends, while there is one, instead of another one beginning."""
BEHIND_SHARE = 0.8
"""How often it is a node of which others hold more than its backup does, when there is one."""
BUSY_SHARE = 0.7
"""How often a machine that was set back goes on writing at once."""
WRITING_SHARE = 0.4
"""How often the other process of a node writes when it has its turn."""
CUTS = (frozenset({"up"}), frozenset({"down"}), frozenset({"up", "down"}))


class Faults:
    """The steps of the world; ``weights`` says how often each is drawn."""

    def __init__(self, world: World, doors: Mapping[str, Door]) -> None:
        self._world = world
        self._doors = doors
        self._chance = world.chance
        self.weights: dict[Callable[[], str], int] = {
            self._stop: 4,
            self._leave: 3,
            self._pause: 3,
            self._turn: 2,
            self._cut: 3,
            self._stall: 4,
            self._fill: 2,
            self._darken: 1,
            self._set_clock: 3,
        }
        if world.comebacks in {BACKUPS, IMAGES}:
            self.weights[self._save] = 5
            self.weights[self._set_back] = 4
        if world.comebacks == CLONES:
            self.weights[self._clone] = 3
            self.weights[self._change] = 12
            self.weights[self._unite] = 2
        if world.old_program is not None:
            self.weights[self._upgrade] = 1
        if world.liar is not None:
            self.weights[self._lie] = 25

    def _save(self) -> str:
        """Somebody makes a backup of a node's database, or an image of its machine."""
        code = self._chance.pick(CODES)
        self._world.save(code)
        return code

    def _set_back(self) -> str:
        """A node has lost its database and starts from its backup; or its whole machine is set back to an image."""
        # A machine that is set back twice forgets what it had abandoned: that is for the root to decide (02, R7).
        saved = sorted(self._world.backups.keys() - self._world.witness.loose.origins)
        if not saved:
            return "nobody has a backup"
        behind = [code for code in saved if self._world.is_behind(code)]
        code = self._chance.pick(behind if behind and self._chance.happens(BEHIND_SHARE) else saved)
        kept = self._world.set_back(code)
        for one, door in self._doors.items():
            if one == code or StreamName(one, ANCESTORS) in kept:
                door.forget(kept.get(StreamName(one, ANCESTORS), 0))
            elif door.moves:
                # What it was still to fetch from this one may be gone.
                door.forget(door.stands)
        if code in self._doors:
            self._doors[code].stands = self._world.backups[code].size
            self._doors[code].moves = self._world.comebacks == IMAGES
        if self._world.comebacks == IMAGES and code in self._doors and self._chance.happens(BUSY_SHARE):
            return f"{code}, {self._goes_on(code)}"
        if self._world.nodes[code].exchange.settling.doubt() is None:
            # As ``run`` does before it talks to anybody.
            self._world.nodes[code].seal()
        return code

    def _goes_on(self, code: str) -> str:
        """A process that does not know better takes records in and seals them, before it hears of others."""
        door, node = self._doors[code], self._world.touch(code)
        taken = door.hand_in(node, self._chance) if door.waiting else "nothing left"
        return f"{taken}, sealed {node.seal()}"

    def _clone(self) -> str:
        """A machine is copied while it runs, and the copy runs as well."""
        counties = [code for code in COUNTIES if code not in self._world.witness.loose.origins]
        if not counties:
            return "every county has lived twice"
        code = self._chance.pick(counties)
        self._world.clone(code)
        self._doors[code].moves = True
        return code

    def _change(self) -> str:
        """The other process of a node has its turn."""
        if not self._world.twins:
            return "nobody lives twice"
        code = self._chance.pick(sorted(self._world.twins))
        self._world.change(code)
        return f"{code}, {self._goes_on(code)}" if self._chance.happens(WRITING_SHARE) else code

    def _unite(self) -> str:
        """One of a node's processes is stopped for good."""
        return (
            self.end_twins(self._chance.pick(sorted(self._world.twins))) if self._world.twins else "nobody lives twice"
        )

    def end_twins(self, code: str) -> str:
        """Stop either process of a node; what only that one took in has to be offered again to the other."""
        if self._chance.happens(0.5):
            self._world.change(code)
        self._world.unite(code)
        self._doors[code].forget(0)
        return code

    def _lie(self) -> str:
        return self._world.lie()

    def _upgrade(self) -> str:
        """The node with the older program gets the newer one."""
        code = self._world.old_program
        self._world.upgrade()
        return code or "no node has an older program any more"

    def _stop(self) -> str:
        """A process ends without warning and starts again."""
        code = self._chance.pick(CODES)
        self._world.restart(code)
        return code

    def _leave(self) -> str:
        """A node is away for a while, or is back."""
        return self._toggle(self._world.away, "away", "back")

    def _stall(self) -> str:
        """A node's process stands still: nobody refuses what is sent to it, and nobody takes it."""
        return self._toggle(self._world.stalled, "stands still", "goes on")

    def _fill(self) -> str:
        """A node's disk is full, or has room again."""
        return self._toggle(self._world.full, "has no room", "has room")

    def _darken(self) -> str:
        """A whole site loses its power: a city and what stands below it."""
        city = self._chance.pick([code for code, place in SEVEN.items() if place.level == "city"])
        site = [city, *(code for code, place in SEVEN.items() if place.parent == city)]
        for code in site:
            self._world.restart(code)
        return " ".join(site)

    def _cut(self) -> str:
        """A link carries nothing one way, or nothing at all, or is whole again."""
        wires = self._world.network.wires
        cut = sorted(code for code, wire in wires.items() if wire.cut)
        if cut and self._chance.happens(HEAL_SHARE):
            code = self._chance.pick(cut)
            wires[code].cut = frozenset()
            return f"link of {code} is whole"
        code = self._chance.pick(sorted(wires))
        wires[code].cut = self._chance.pick(CUTS)
        return f"link of {code}: nothing goes {' or '.join(sorted(wires[code].cut))}"

    def _pause(self) -> str:
        seconds = self._chance.pick(PAUSES_S)
        self._world.time.jump(self._world.time.now_s + seconds)
        return f"{seconds:.0f} s"

    def _set_clock(self) -> str:
        """A machine's clock jumps; it drifts all the while."""
        code = self._chance.pick(CODES)
        self._world.clocks[code].offset_s = self._chance.pick(OFFSETS_S)
        return f"{code} stands {self._world.clocks[code].offset_s:.0f} s off"

    def _turn(self) -> str:
        """A link becomes better or worse."""
        wires = self._world.network.wires
        code = self._chance.pick(sorted(wires))
        wires[code].draw(self._chance)
        wire = wires[code]
        return f"link of {code}: {wire.delay_s} s, loss {wire.loss}, doubles {wire.doubles}"

    def _toggle(self, those: set[str], begins: str, ends: str) -> str:
        code = self._chance.pick(CODES)
        if those and self._chance.happens(HEAL_SHARE):
            code = self._chance.pick(sorted(those))
        those ^= {code}
        return f"{code} {begins if code in those else ends}"
