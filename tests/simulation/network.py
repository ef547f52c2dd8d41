"""The network of one history: messages with a moment of arrival, and links that lose, double, delay or cut them.

A child's request and its parent's answer are two messages. What order they arrive in follows from their delays. A
message that is lost is heard of as silence: after ``TIMEOUT_S`` the child that waits gives up.
"""

from __future__ import annotations

import heapq
from collections import defaultdict, deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tests.support.identities import SEVEN

if TYPE_CHECKING:
    from node.demo.chance import Chance
    from node.exchange.composing import Outgoing

UNDER_WAY_MAX = 4
"""Messages of one link that may be under way; a child that has so many waits."""
TIMEOUT_S = 30.0
"""How long a child waits for an answer."""
STALL_S = 5.0
"""How much later a message is tried again whose receiver does not react."""
DELAYS_S = ((0.0, 0.2), (0.0, 3.0), (0.5, 20.0))
"""From and to: a good link, a middling one, and one over a satellite or a congested line."""
REMEMBERED = 8
EMPTY_BYTES = 1_500
"""A package with fewer bytes has neither slices nor receipts."""
LOSSES = (0.0, 0.05, 0.2)
DOUBLES = (0.0, 0.05, 0.2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A request of a child, or with ``answer`` its parent's answer to it.

    ``life`` is the child's process that sent the request; ``outgoing`` what that process remembers of it. A ``copy``
    is a repetition made by the network or a lie, which nobody waits for. ``lost`` ones arrive nowhere.
    """

    number: int
    child: str
    life: int
    purpose: str
    outgoing: Outgoing | None
    data: bytes
    answers: bool = False
    copy: bool = False
    lost: bool = False
    lie: str = ""

    @property
    def parent(self) -> str:
        return parent_of(self.child)

    @property
    def receiver(self) -> str:
        return self.child if self.answers else self.parent

    def __str__(self) -> str:
        """Return what it is, free of bytes that differ from run to run."""
        what = "answer" if self.answers else "request"
        marks = f"{' copy' if self.copy else ''}{' lost' if self.lost else ''}{f' lie: {self.lie}' if self.lie else ''}"
        return f"{what} {self.number} ({self.purpose}{marks}) of {self.child}"


@dataclass(slots=True, kw_only=True)
class Wire:
    """What one link does to messages; ``cut`` holds ``up`` and ``down``."""

    delay_s: tuple[float, float] = DELAYS_S[0]
    loss: float = 0.0
    doubles: float = 0.0
    cut: frozenset[str] = frozenset()

    def draw(self, chance: Chance) -> None:
        """Become a link of another quality; what is cut stays so."""
        self.delay_s, self.loss, self.doubles = chance.pick(DELAYS_S), chance.pick(LOSSES), chance.pick(DOUBLES)

    def heal(self) -> None:
        """Become a perfect link."""
        self.delay_s, self.loss, self.doubles, self.cut = DELAYS_S[0], 0.0, 0.0, frozenset()


def parent_of(code: str) -> str:
    """Return a child's parent."""
    parent = SEVEN[code].parent
    assert parent is not None
    return parent


class Network:
    """Messages under way, in the order of their arrival."""

    def __init__(self, chance: Chance) -> None:
        self.wires = {code: Wire() for code, place in SEVEN.items() if place.parent is not None}
        self.sent: dict[tuple[str, str], deque[bytes]] = defaultdict(lambda: deque(maxlen=REMEMBERED))
        """The newest packages that carried something, by child and direction (``up``, ``down``)."""
        self._chance = chance
        self._queue: list[tuple[float, int, Message]] = []
        self._count = 0
        for wire in self.wires.values():
            wire.draw(chance)

    def __len__(self) -> int:
        return len(self._queue)

    def put(self, message: Message, now_s: float) -> None:
        """Send a message: it arrives, arrives twice, or is lost."""
        wire, chance = self.wires[message.child], self._chance
        direction = "down" if message.answers else "up"
        if not message.lie:
            self.remember(message.child, direction, message.data)
        if direction in wire.cut or chance.happens(wire.loss):
            self.hold(replace(message, lost=True), now_s + TIMEOUT_S)
            return
        self.hold(message, now_s + self._delay_s(wire))
        if chance.happens(wire.doubles):
            self.hold(replace(message, copy=True), now_s + self._delay_s(wire) + chance.pick((0.0, 5.0, 600.0)))

    def remember(self, child: str, direction: str, data: bytes) -> None:
        """Keep an honest package for those who would lie with it."""
        if len(data) > EMPTY_BYTES:
            self.sent[child, direction].append(data)

    def hold(self, message: Message, at_s: float) -> None:
        """Let a message arrive at a moment."""
        self._count += 1
        heapq.heappush(self._queue, (at_s, self._count, message))

    def next_s(self) -> float | None:
        """Return when the next message arrives, None when none is under way."""
        return self._queue[0][0] if self._queue else None

    def take(self) -> Message:
        """Take the next message off the network."""
        return heapq.heappop(self._queue)[2]

    def under_way(self, child: str) -> int:
        """Return how many messages of a child's link are under way, repetitions not counted."""
        return sum(message.child == child and not message.copy for _, _, message in self._queue)

    def _delay_s(self, wire: Wire) -> float:
        low, high = wire.delay_s
        return low + (high - low) * self._chance.number(0, 100) / 100
