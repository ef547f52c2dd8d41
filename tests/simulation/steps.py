"""What may happen next in a history, when, and how often."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.errors import PackageRefusedError, PeerUnavailableError
from tests.simulation.carrier import DirectCarrier
from tests.simulation.faults import Faults
from tests.simulation.network import UNDER_WAY_MAX, parent_of
from tests.simulation.operators import CHILDREN, Operators
from tests.simulation.template import CODES
from tests.simulation.world import FAILED_FLUSH, FULL_DISK, LOST_REPLY, POWER, Armed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from node.bootstrap import Node
    from tests.simulation.doors import Door
    from tests.simulation.world import World

GAPS_S = (0.0, 0.0, 0.1, 0.5, 2.0, 8.0)
"""True time between what nodes and people do by themselves."""
FAULT_SHARE = 0.2
SEAL_SHARE, PUSH_SHARE = 0.5, 0.7
MOMENTS_MAX = 4
"""Among how many moments of a step a fault may come; a step that has fewer goes on."""
KINDS = {POWER: 12, FULL_DISK: 1, FAILED_FLUSH: 2, LOST_REPLY: 2}


class Steps:
    """The steps of one history: ``take`` lets the next thing happen and returns what it was.

    Nodes act when chance says so, not when something wakes them: every wake-up is as good as lost.
    """

    def __init__(self, world: World, doors: Mapping[str, Door]) -> None:
        self._world = world
        self._chance = world.chance
        self._next_s = 0.0
        self._operators, self._faults = Operators(world, doors), Faults(world, doors)
        self._weights: dict[Callable[[], str], int] = {
            self._ask: 80,
            self._work: 22,
            self._statistics: 6,
            self._retain: 2,
            **self._operators.weights,
            **self._faults.weights,
        }

    def take(self) -> str:
        """Jump to whatever comes first, a message or an act, and let it happen; now and then with a fault in it."""
        world = self._world
        due_s = world.network.next_s()
        if due_s is not None and due_s <= self._next_s:
            world.time.jump(max(due_s, world.time.now_s))
            message = world.network.take()
            return f"deliver: {world.within(self._fault(), lambda: world.deliver(message))}"
        world.time.jump(max(self._next_s, world.time.now_s))
        self._next_s = world.time.now_s + self._chance.pick(GAPS_S)
        step = self._chance.weighted(self._weights)
        return f"{step.__name__.strip('_')}: {world.within(self._fault(), step)}"

    def last(self) -> str:
        """Let the last things happen before everything falls quiet."""
        for code in sorted(self._world.twins):
            self._world.note(f"unite: {self._faults.end_twins(code)}")
        return self._world.within(None, self._operators.publish_late)

    def _fault(self) -> Armed | None:
        if not self._chance.happens(FAULT_SHARE):
            return None
        return Armed(self._chance.number(0, MOMENTS_MAX), self._chance.weighted(KINDS))

    def _ask(self) -> str:
        """A child makes a request: it opens the conversation when it must, else it pushes or polls."""
        world = self._world
        free = [code for code in CHILDREN if world.reacts(code) and world.network.under_way(code) < UNDER_WAY_MAX]
        if not free:
            return "every child waits"
        child = self._chance.pick(free)
        node, parent = world.touch(child), parent_of(child)
        if node.exchange.must_open(parent) or self._chance.happens(0.03):
            return self._open(node, parent)
        if self._chance.happens(SEAL_SHARE):
            node.seal()
        outgoing = node.exchange.next_package(parent) if self._chance.happens(PUSH_SHARE) else None
        if outgoing is None:
            outgoing = node.exchange._composer.compose_poll(node.exchange.conversation(parent))
        return f"{world.send(child, outgoing)} with {outgoing.record_count} records"

    def _open(self, node: Node, parent: str) -> str:
        try:
            node.exchange.open_conversation(parent, DirectCarrier(self._world, node.code, self._chance))
        except (PeerUnavailableError, PackageRefusedError) as error:
            return f"{node.code} could not open: {error}"
        return f"{node.code} opened"

    def _work(self) -> str:
        node = self._world.touch(self._chance.pick(CODES))
        return f"{node.code} {node.work()}"

    def _statistics(self) -> str:
        node = self._world.touch(self._chance.pick(CODES))
        return f"{node.code} {node.publish_statistics()}"

    def _retain(self) -> str:
        node = self._world.touch(self._chance.pick(CODES))
        return f"{node.code} dropped {node.retain()}"
