"""The world of one history: seven nodes, the messages between them, and what may go wrong with either.

A child's request and its parent's answer are messages in a list; a seeded choice says which is delivered, doubled or
lost next, and in which order. Nodes stop at moments that are armed before a step: just before a commit, just after it,
or just after a signature. A stopped node starts again from what its disk held; everything else of it is gone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from node.clock import SetClock
from node.demo.chance import Chance
from node.errors import PackageRefusedError, PeerUnavailableError
from tests.simulation.storage import PowerLossError, SimulatedStore
from tests.simulation.template import CODES, START, founded_images, make_node
from tests.simulation.witness import InvariantBrokenError, Witness
from tests.support.identities import SEVEN

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.bootstrap import Node
    from node.exchange.composing import Outgoing
    from node.standard.seals import StreamName

UNDER_WAY_MAX = 4
"""Messages of one link that may be under way; a child that has so many waits."""


OLD_SHARE = 0.4
"""Share of histories in which one node runs an older program, until it starts again with the newer one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A request of a child, or with ``answer`` its parent's answer to it.

    ``life`` is the child's process that sent the request; ``outgoing`` what that process remembers of it. A ``copy``
    is a repetition made by the network, which nobody waits for.
    """

    number: int
    child: str
    life: int
    purpose: str
    outgoing: Outgoing
    answer: bytes | None = None
    copy: bool = False

    @property
    def parent(self) -> str:
        return parent_of(self.child)

    @property
    def receiver(self) -> str:
        return self.parent if self.answer is None else self.child

    def __str__(self) -> str:
        """Return what it is, free of bytes that differ from run to run."""
        what = "request" if self.answer is None else "answer"
        return f"{what} {self.number} ({self.purpose}{' copy' if self.copy else ''}) of {self.child}"


def parent_of(code: str) -> str:
    """Return a child's parent."""
    parent = SEVEN[code].parent
    assert parent is not None
    return parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """The disks of all nodes, and the roots of the seals that lie on them."""

    images: dict[str, bytes]
    signed: dict[tuple[StreamName, int], bytes]


class World:
    """Nodes by code, messages under way, the clock, and the seeded ``chance`` from which everything follows."""

    def __init__(self, seed: int, *, beginning: Beginning | None = None) -> None:
        self.seed = seed
        self.chance = Chance(f"simulation/{seed}")
        self.clock = SetClock(START)
        self.witness = Witness({} if beginning is None else beginning.signed)
        self.messages: list[Message] = []
        self.away: set[str] = set()
        self.old_program: str | None = self.chance.pick(CODES) if self.chance.happens(OLD_SHARE) else None
        self.touched: set[str] = set()
        self.trace: list[str] = []
        self.power_losses = 0
        self._lives = dict.fromkeys(CODES, 0)
        self._numbers = 0
        self._armed: int | None = None
        self._stores: dict[str, SimulatedStore] = {}
        self.nodes: dict[str, Node] = {}
        for code in CODES:
            self._start(code, (founded_images() if beginning is None else beginning.images)[code])

    def now(self) -> Beginning:
        """Return what other histories may begin with: what every disk holds, and what was signed for so far."""
        images = {code: store.durable_image() for code, store in self._stores.items()}
        return Beginning(images=images, signed=dict(self.witness.signed))

    def close(self) -> None:
        """Let go of every store."""
        for node in self.nodes.values():
            node.close()

    def note(self, text: str) -> None:
        """Add a line to the trace."""
        self.trace.append(text)

    # --- stopping and starting -----------------------------------------------------------------------------------

    def life(self, code: str) -> int:
        """Return the number of a node's present process."""
        return self._lives[code]

    def moment(self, code: str, what: str) -> None:
        """Pass one moment at which a machine may lose its power; it does when this one is armed."""
        if self._armed is not None:
            self._armed -= 1
            if self._armed < 0:
                self._armed = None
                self.note(f"  power loss at {code}, {what}")
                raise PowerLossError(code)

    def within(self, moments: int | None, step: Callable[[], str]) -> str:
        """Do a step; the power goes at the moment after ``moments`` others, if it has so many, and the node starts."""
        self._armed = moments
        try:
            return step()
        except PowerLossError as loss:
            self.power_losses += 1
            self._armed = None
            self.restart(loss.code)
            return "cut short"
        finally:
            self._armed = None

    def restart(self, code: str) -> None:
        """Stop a node without warning and start it from its disk."""
        image = self._stores[code].durable_image()
        self.nodes[code].close()
        self._lives[code] += 1
        if self.old_program == code:
            self.old_program = None
        self._start(code, image)

    def _start(self, code: str, image: bytes) -> None:
        self.touched.add(code)
        store = SimulatedStore(image, lambda what: self.moment(code, what))
        self._stores[code] = store
        seed = f"{self.seed}/{code}/{self._lives[code]}"
        self.nodes[code] = make_node(code, store, self.clock, seed, self._hear)
        armed, self._armed = self._armed, None
        self.nodes[code].start()
        self._armed = armed

    def _hear(self, code: str, text: bytes) -> None:
        self.witness.hear(code, text)
        self.moment(code, "after signing")

    # --- messages ------------------------------------------------------------------------------------------------

    def send(self, child: str, outgoing: Outgoing) -> Message:
        """Put a request of a child on its way."""
        self._numbers += 1
        message = Message(
            number=self._numbers,
            child=child,
            life=self._lives[child],
            purpose=outgoing.head.purpose,
            outgoing=outgoing,
        )
        self.messages.append(message)
        return message

    def under_way(self, child: str) -> int:
        """Return how many messages of a child's link are under way."""
        return sum(message.child == child for message in self.messages)

    def deliver(self, message: Message) -> None:
        """Take a message off the network and give it to its receiver."""
        self.messages.remove(message)
        if message.receiver in self.away:
            self.fail(message)
        elif message.answer is None:
            self._deliver_request(message)
        else:
            self._deliver_answer(message, message.answer)

    def double(self, message: Message) -> None:
        """Put a copy of a message beside it."""
        self.messages.append(replace(message, copy=True))

    def lose(self, message: Message) -> None:
        """Take a message off the network; the child that waits for it hears nothing."""
        self.messages.remove(message)
        self.fail(message)

    def fail(self, message: Message) -> None:
        """Let the child's process that waits for an answer know that none comes."""
        if not message.copy and message.life == self._lives[message.child]:
            self.touched.add(message.child)
            self.nodes[message.child].exchange.failed(message.parent, message.outgoing)

    def _deliver_request(self, message: Message) -> None:
        try:
            answer = self.answer(message.child, message.outgoing.data)
        except PeerUnavailableError:
            self.fail(message)
            return
        except PowerLossError:
            self.fail(message)
            raise
        self.messages.append(replace(message, answer=answer))

    def answer(self, child: str, data: bytes) -> bytes:
        """Let the parent answer a child's package; a store that is busy says so, a bad package is a fault of ours."""
        parent = parent_of(child)
        self.touched.add(parent)
        try:
            return self.nodes[parent].exchange.answer(data, child)
        except PackageRefusedError as error:
            raise InvariantBrokenError(f"{parent} refused an honest package of {child}: {error}") from error

    def _deliver_answer(self, message: Message, answer: bytes) -> None:
        child = message.child
        self.touched.add(child)
        try:
            if message.life == self._lives[child]:
                accepted = self.nodes[child].exchange.accept_answer(answer, message.parent, message.outgoing)
            else:
                # Nobody waits for it any more, but another carrier may bring it all the same.
                accepted = self.nodes[child].exchange.accept_package(answer, message.parent)
        except PackageRefusedError as error:
            raise InvariantBrokenError(f"{child} refused an honest package of {message.parent}: {error}") from error
        if any(verdict.word == "REFUSED" for verdict in accepted.verdicts):
            raise InvariantBrokenError(f"{child} refused an honest slice: {accepted.verdicts}")


class DirectCarrier:
    """Carries one package at a time and waits for its answer, with faults that ``chance`` draws (None: without)."""

    def __init__(self, world: World, child: str, chance: Chance | None) -> None:
        self._world = world
        self._child = child
        self._chance = chance

    def exchange(self, package: bytes, *, wait_s: float) -> bytes:
        """Return the parent's answer; PeerUnavailableError when the request or the answer got lost."""
        assert wait_s >= 0
        world, chance = self._world, self._chance
        if parent_of(self._child) in world.away or (chance is not None and chance.happens(0.1)):
            raise PeerUnavailableError("the request was lost")
        if chance is not None and chance.happens(0.1):
            self._answer(package)
        answer = self._answer(package)
        if chance is not None and chance.happens(0.1):
            raise PeerUnavailableError("the answer was lost")
        return answer

    def close(self) -> None:
        """Hold nothing, so let go of nothing."""

    def _answer(self, package: bytes) -> bytes:
        try:
            return self._world.answer(self._child, package)
        except PowerLossError as loss:
            self._world.power_losses += 1
            self._world.restart(loss.code)
            raise PeerUnavailableError("the parent stopped") from loss
