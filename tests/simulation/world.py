"""The world of one history: seven nodes, true time, the network between them, and what may go wrong with any.

Nodes fail at moments that are armed before a step: just before a commit, just after it, or just after a signature. A
machine that loses its power starts again from what its disk held; everything else of it is gone. A disk that fails
raises its error into the node, which goes on.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from node.demo.chance import Chance
from node.errors import PackageRefusedError, PeerUnavailableError, TryLaterError
from node.exchange.lives import SECOND, STALE
from node.standard.seals import ANCESTORS, StreamName
from tests.simulation.clocks import NodeClock, VirtualTime
from tests.simulation.lies import Lies, likely_liars
from tests.simulation.network import STALL_S, Message, Network, parent_of
from tests.simulation.storage import AFTER, BEFORE, PowerLossError, SimulatedStore, disk_error
from tests.simulation.template import CODES, copy_of, founded_images, high_water_of, make_node
from tests.simulation.twins import Heard, Process
from tests.simulation.witness import InvariantBrokenError, Witness
from tests.support.identities import SEVEN

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.bootstrap import Node
    from node.exchange.composing import Outgoing
    from node.journal.high_water import HighWater

OLD_SHARE = 0.3
"""Share of histories in which one node runs an older program, until it is upgraded."""
RATES = (0.9999, 1.0, 1.0, 1.0002)
"""Seconds that a machine's clock counts in a true one: up to 17 s a day off."""
LIAR_SHARE = 0.35
"""Share of histories in which one node lies beside what it does honestly."""
BACKUPS, IMAGES, CLONES = "backups of databases", "images of machines", "clones of machines"
COMEBACKS = (BACKUPS, IMAGES, CLONES)
"""What nodes come back from in an honest history; what a liar or an older program makes of it is for others."""
POWER, FULL_DISK, FAILED_FLUSH, LOST_REPLY = "power loss", "disk full", "failed flush", "lost reply of the database"
"""What may be armed. A lost reply is a commit that succeeded and is reported as failed."""


class Armed(NamedTuple):
    """A fault that comes at the moment after ``moments`` others."""

    moments: int
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """The disks of all nodes, and the roots of the seals that lie on them."""

    images: dict[str, bytes]
    signed: dict[tuple[StreamName, int], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """What a disk held once: the database, the high-water file beside it, and how much of the node's own reports."""

    image: bytes
    high_water: HighWater
    size: int


class World:
    """Nodes by code, the network, true time, and the seeded ``chance`` from which everything follows.

    ``away`` nodes refuse connections, ``stalled`` ones do not react, ``full`` ones have no room on their disk.
    """

    def __init__(self, seed: int, *, beginning: Beginning | None = None) -> None:
        self.seed = seed
        self.chance = Chance(f"simulation/{seed}")
        self.time = VirtualTime()
        self.network = Network(self.chance)
        self.clocks = {code: NodeClock(self.time, rate=self.chance.pick(RATES)) for code in CODES}
        self.witness = Witness({} if beginning is None else beginning.signed)
        self.away: set[str] = set()
        self.stalled: set[str] = set()
        self.full: set[str] = set()
        self.old_program: str | None = self.chance.pick(CODES) if self.chance.happens(OLD_SHARE) else None
        self.liar: str | None = self.chance.pick(likely_liars()) if self.chance.happens(LIAR_SHARE) else None
        self.witness.liar = self.liar
        is_plain = self.liar is None and self.old_program is None
        self.comebacks: str = self.chance.pick(COMEBACKS) if is_plain else ""
        self.is_asked_to_erase = False
        self.touched: set[str] = set()
        self.trace: list[str] = []
        self.power_losses = 0
        self.twins: dict[str, Process] = {}
        self._heard = Heard()
        self._lives = dict.fromkeys(CODES, 0)
        self._begun = dict.fromkeys(CODES, 0)
        self._numbers = 0
        self._armed: Armed | None = None
        self._stores: dict[str, SimulatedStore] = {}
        self._high_waters: dict[str, HighWater] = {}
        self.backups: dict[str, Backup] = {}
        self.nodes: dict[str, Node] = {}
        for code in CODES:
            self._start(code, (founded_images() if beginning is None else beginning.images)[code])

    def now(self) -> Beginning:
        """Return what other histories may begin with: what every disk holds, and what was signed for so far."""
        images = {code: store.durable_image() for code, store in self._stores.items()}
        return Beginning(images=images, signed=dict(self.witness.signed))

    def close(self) -> None:
        """Let go of every store."""
        for node in (*self.nodes.values(), *(twin.node for twin in self.twins.values())):
            node.close()

    def note(self, text: str) -> None:
        """Add a line to the trace."""
        self.trace.append(f"{self.time.now_s:12.3f} {text}")

    def reacts(self, code: str) -> bool:
        """Tell whether a node takes what comes."""
        return code not in self.away and code not in self.stalled

    def image(self, code: str) -> bytes:
        """Return what a node has committed."""
        return self._stores[code].image()

    def touch(self, code: str) -> Node:
        """Return a node that a step is about to use: it is looked at after the step."""
        self.touched.add(code)
        return self.nodes[code]

    # --- failing, stopping and starting --------------------------------------------------------------------------

    def moment(self, code: str, what: str) -> None:
        """Pass one moment at which something of a machine may fail; it does when this one is armed."""
        if what == BEFORE and code in self.full:
            raise disk_error(sqlite3.SQLITE_FULL, "database or disk is full")
        if self._armed is None:
            return
        moments, kind = self._armed
        self._armed = Armed(moments - 1, kind)
        if moments > 0:
            return
        if kind == POWER:
            self._fail(code, what, kind)
            raise PowerLossError(code)
        if what == BEFORE and kind in {FULL_DISK, FAILED_FLUSH}:
            self._fail(code, what, kind)
            if kind == FULL_DISK:
                self.full.add(code)
                raise disk_error(sqlite3.SQLITE_FULL, "database or disk is full")
            raise disk_error(sqlite3.SQLITE_IOERR, "disk I/O error")
        if what == AFTER and kind == LOST_REPLY:
            self._fail(code, what, kind)
            raise disk_error(sqlite3.SQLITE_IOERR, "disk I/O error")

    def _fail(self, code: str, what: str, kind: str) -> None:
        self._armed = None
        self.note(f"  {kind} at {code}, {what}")

    def within(self, armed: Armed | None, step: Callable[[], str]) -> str:
        """Do a step in which a fault may come; a machine that lost its power starts again."""
        self._armed = armed
        try:
            return step()
        except PowerLossError as loss:
            self.lose_power(loss)
            return "cut short"
        except TryLaterError as error:
            return f"failed: {error.what}"
        finally:
            self._armed = None

    def lose_power(self, loss: PowerLossError) -> None:
        """Start a machine again whose power went."""
        self.power_losses += 1
        self._armed = None
        self.restart(loss.code)

    def restart(self, code: str) -> None:
        """Stop a node without warning and start it from its disk, which somebody has made room on."""
        image = self._stores[code].durable_image()
        self.nodes[code].close()
        self._start(code, image)

    def save(self, code: str) -> None:
        """Make a backup of a node's disk."""
        self.backups[code] = Backup(
            image=self._stores[code].durable_image(),
            high_water=copy_of(self._high_waters[code]),
            size=self.witness.held[code, StreamName(code, ANCESTORS)],
        )

    def is_behind(self, code: str) -> bool:
        """Tell whether somebody else holds more of a node's reports than its backup does."""
        reports = StreamName(code, ANCESTORS)
        return any(self.witness.held[one, reports] > self.backups[code].size for one in CODES if one != code)

    def set_back(self, code: str) -> dict[StreamName, int]:
        """Start a node from its backup; return what stays of each of its own streams.

        Its high-water file stays as it was, unless the whole machine is set back.
        """
        whole = self.comebacks == IMAGES
        self.nodes[code].close()
        if whole:
            self._high_waters[code] = copy_of(self.backups[code].high_water)
        self._start(code, self.backups[code].image)
        return self.witness.set_back(code, self.nodes[code], knows=not whole)

    def clone(self, code: str) -> None:
        """Start a second process of a node on a copy of its disk; it comes to the front."""
        twin = self._front(code)
        self._high_waters[code] = copy_of(twin.high_water)
        self._start(code, twin.store.durable_image())
        self.twins[code] = twin
        self.witness.set_back(code, self.nodes[code], knows=False)

    def change(self, code: str) -> None:
        """Let the other process of a node come to the front."""
        twin, self.twins[code] = self.twins[code], self._front(code)
        self.nodes[code], self._stores[code] = twin.node, twin.store
        self._high_waters[code], self._lives[code] = twin.high_water, twin.life
        self.touched.add(code)
        self.witness.set_back(code, twin.node, knows=False)

    def unite(self, code: str) -> None:
        """Stop the process of a node that is not in front, for good."""
        self.twins.pop(code).node.close()

    def _front(self, code: str) -> Process:
        return Process(
            node=self.nodes[code],
            store=self._stores[code],
            high_water=self._high_waters[code],
            life=self._lives[code],
        )

    def upgrade(self) -> None:
        """Start the node that runs an older program with the newer one; what it did not know is read again."""
        code, self.old_program = self.old_program, None
        if code is not None:
            self.restart(code)

    def _start(self, code: str, image: bytes) -> None:
        self.touched.add(code)
        self.full.discard(code)
        self._begun[code] += code in self.nodes
        self._lives[code] = self._begun[code]
        store = SimulatedStore(image, lambda what: self.moment(code, what))
        self._stores[code] = store
        seed = f"{self.seed}/{code}/{self._lives[code]}"
        if code not in self._high_waters:
            self._high_waters[code] = high_water_of(store)
        self.nodes[code] = make_node(code, store, self.clocks[code], seed, self._hear, self._high_waters[code])
        armed, self._armed = self._armed, None
        if code == self.old_program:
            # It would read again, and understand, what this program did not know.
            self.nodes[code].learn_own_certificates()
        else:
            self.nodes[code].start()
        self._armed = armed

    def _hear(self, code: str, text: bytes) -> None:
        if self.witness.hear(code, text) and self.nodes[code].exchange.settling.doubt() is not None:
            raise InvariantBrokenError(f"I9: {code} signs in doubt")
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
            data=outgoing.data,
        )
        self.network.put(message, self.time.now_s)
        return message

    def lie(self) -> str:
        """Put a lie of the liar on its way."""
        assert self.liar is not None
        told = Lies(self, self.liar).tell()
        if told is None:
            return f"{self.liar} has nothing to lie about"
        to, what, data = told
        down = SEVEN[to].parent == self.liar
        self._numbers += 1
        message = Message(
            number=self._numbers,
            child=to if down else self.liar,
            life=0,
            purpose="",
            outgoing=None,
            data=data,
            answers=down,
            copy=True,
            lie=what,
        )
        self.network.put(message, self.time.now_s)
        return str(message)

    def deliver(self, message: Message) -> str:
        """Give a message to its receiver; return what came of it."""
        if message.receiver in self.stalled and not message.lost:
            self.network.hold(message, self.time.now_s + STALL_S)
            return f"{message} waits"
        if message.lost or message.receiver in self.away:
            self.fail(message)
            return f"{message} lost"
        if message.lie:
            return self._deliver_lie(message)
        if message.answers and message.child in self.twins and message.life == self.twins[message.child].life:
            self.change(message.child)
        try:
            if message.answers:
                self._deliver_answer(message)
            else:
                answer = self.answer(message.child, message.data)
                self.network.put(replace(message, data=answer, answers=True), self.time.now_s)
        except (PeerUnavailableError, PackageRefusedError) as error:
            self.fail(message)
            return f"{message}: {error.what}"
        except TryLaterError:
            self.fail(message)
            raise
        except PowerLossError:
            if not message.answers:
                self.fail(message)
            raise
        return str(message)

    def fail(self, message: Message) -> None:
        """Let the child's process that waits for an answer know that none comes."""
        if message.outgoing is not None and not message.copy and message.life == self._lives[message.child]:
            self.touched.add(message.child)
            self.nodes[message.child].exchange.failed(message.parent, message.outgoing)

    def answer(self, child: str, data: bytes) -> bytes:
        """Let the parent answer a child's package.

        Raises PeerUnavailableError for a store that fails, and PackageRefusedError for the second of two processes; any
        other bad package is a fault of ours.
        """
        parent = parent_of(child)
        self.touched.add(parent)
        try:
            answer = self.nodes[parent].exchange.answer(data, child)
        except TryLaterError as error:
            raise PeerUnavailableError(f"{parent} cannot now: {error.what}") from error
        except PackageRefusedError as error:
            if error.reason == SECOND and child in self.witness.loose.origins:
                raise
            if error.reason == STALE or (error.reason == SECOND and child == self.liar):
                # Its process has ended since, or has taken another start id.
                raise PeerUnavailableError(f"{parent} takes nothing of an earlier life of {child}") from error
            raise InvariantBrokenError(f"{parent} refused an honest package of {child}: {error}") from error
        self._heard.take(child, data, self.nodes[parent])
        return answer

    def _deliver_lie(self, message: Message) -> str:
        """Give a lie to its receiver; nobody waits for what it answers."""
        exchange = self.touch(message.receiver).exchange
        try:
            if message.answers:
                accepted = exchange.accept_package(message.data, message.parent)
                words = " ".join(verdict.reason or verdict.word for verdict in accepted.verdicts)
                return f"{message}: {words}"
            exchange.answer(message.data, message.child)
        except PackageRefusedError as error:
            return f"{message}: {error.reason}"
        return str(message)

    def _deliver_answer(self, message: Message) -> None:
        child = message.child
        self.touched.add(child)
        try:
            if message.life == self._lives[child] and message.outgoing is not None:
                accepted = self.nodes[child].exchange.accept_answer(message.data, message.parent, message.outgoing)
            else:
                # Nobody waits for it any more, but another carrier may bring it all the same.
                accepted = self.nodes[child].exchange.accept_package(message.data, message.parent)
        except PackageRefusedError as error:
            raise InvariantBrokenError(f"{child} refused an honest package of {message.parent}: {error}") from error
        loose = self.witness.loose
        if any(verdict.word == "REFUSED" and verdict.stream not in loose for verdict in accepted.verdicts):
            raise InvariantBrokenError(f"{child} refused an honest slice: {accepted.verdicts}")
