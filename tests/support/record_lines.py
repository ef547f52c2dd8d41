"""Both ends of a record line in one process, over a simulated line in virtual time: the same every time, and quick.

The line is as slow and as bad as it is told to be; what was written and not carried yet waits, up to what a real port's
driver holds. Nothing here knows how frames look.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from adapters.record_line.answering import NodeLink
from adapters.record_line.calling import TerminalLink
from adapters.record_line.entries import Assembly, entry_messages
from adapters.record_line.link import ABILITIES
from adapters.record_line.messages import Confirm, Entry, Message, Part, Refuse
from node.randomness import SeededRandomness
from tests.support.line_noise import Noise, NoisyWire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from adapters.record_line.link import Link
    from adapters.record_line.opening import Abilities

KEY = bytes(range(32))
NAME = "hall-1"
SPOOL = b"spool--1"
DRIVER_BYTES = 4_096
CHUNK_BYTES = 1_024


@dataclass
class Scripted:
    """What both users have in common: what was said to them, what they say."""

    ready: bool = True
    heard_messages: list[Message] = field(default_factory=list)
    closed_for: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    to_say: deque[Message] = field(default_factory=deque)

    def heard(self, message: Message) -> None:
        self.heard_messages.append(message)

    def is_ready(self) -> bool:
        return self.ready

    def next_message(self) -> Message | None:
        return self.to_say.popleft() if self.to_say else None

    def closed(self, reason: str) -> None:
        self.closed_for.append(reason)

    def trouble(self, reason: str, who: str) -> None:
        self.troubles.append(f"{reason} {who}".strip())


@dataclass
class ScriptedNode(Scripted):
    """A node that confirms every entry as soon as it is whole, unless told not to."""

    confirms: bool = True
    spool: bytes = SPOOL
    entries: list[Assembly] = field(default_factory=list)
    terminals: list[str] = field(default_factory=list)

    def opened(self, terminal: str, spool: bytes) -> None:
        assert spool == self.spool
        self.terminals.append(terminal)

    def held(self, terminal: str, spool: bytes) -> tuple[str, int]:
        assert (terminal, spool) == (NAME, self.spool)
        return "", 0

    def heard(self, message: Message) -> None:
        super().heard(message)
        if isinstance(message, Entry):
            self.entries.append(Assembly(message))
        elif isinstance(message, Part):
            self.entries[-1].add(message.data)
        if self.confirms and isinstance(message, Entry | Part) and self.entries[-1].is_whole:
            self.to_say.append(Confirm(self.entries[-1].entry.key, 1, 1))

    @property
    def contents(self) -> list[bytes]:
        """What has come whole."""
        return [one.content for one in self.entries if one.is_whole]


@dataclass
class ScriptedTerminal(Scripted):
    """A terminal that sends its entries again from the first unconfirmed one whenever it is let in."""

    spool: list[bytes] = field(default_factory=list)
    openings: int = 0

    def opened(self, resume_key: str, resume_bytes: int) -> None:
        assert (resume_key, resume_bytes) == ("", 0)
        self.openings += 1
        self.to_say.clear()
        done = {one.key for one in self.heard_messages if isinstance(one, Confirm)}
        for number, content in enumerate(self.spool, start=1):
            if str(number) not in done:
                self.to_say.extend(entry_messages(str(number), content, media_type="application/xml"))

    @property
    def confirmed(self) -> list[str]:
        """Keys of the entries that the node has."""
        return [one.key for one in self.heard_messages if isinstance(one, Confirm)]

    @property
    def refused(self) -> list[str]:
        """Keys of the entries that the node will never take."""
        return [one.key for one in self.heard_messages if isinstance(one, Refuse)]


class Wire:
    """One direction of the line: paces, damages, and can be cut."""

    def __init__(self, noise: Noise, direction: str, *, bits_per_s: float, delay_s: float) -> None:
        self.carried = 0
        self.whole = True
        self.limit: int | None = None
        """After so many bytes in all nothing more gets through, None for no limit."""
        self._noise = NoisyWire(noise, direction)
        self._byte_s = 10 / bits_per_s
        self._delay_s = delay_s
        self._free_at_s = 0.0
        self._under_way: deque[tuple[float, bytes]] = deque()

    def room_at_s(self) -> float:
        """Return when the driver takes more bytes."""
        return self._free_at_s - DRIVER_BYTES * self._byte_s

    def put(self, data: bytes, now_s: float) -> None:
        self._free_at_s = max(self._free_at_s, now_s) + len(data) * self._byte_s
        self.carried += len(data)
        if self.limit is not None:
            data = data[: max(len(data) - max(self.carried - self.limit, 0), 0)]
        if self.whole:
            self._under_way.append((self._free_at_s + self._delay_s, self._noise.carry(data)))

    def arrives_at_s(self) -> float:
        """Return when something arrives next."""
        return self._under_way[0][0] if self._under_way else float("inf")

    def take(self) -> bytes:
        return self._under_way.popleft()[1]


class SimulatedLine:
    """A terminal and a node on one line; ``run_until`` lets virtual time pass."""

    def __init__(
        self,
        *,
        entries: Sequence[bytes] = (),
        noise: Noise | None = None,
        bits_per_s: float = 115_200,
        delay_s: float = 0.005,
        key: bytes = KEY,
        abilities: Abilities = ABILITIES,
        seed: int = 0,
    ) -> None:
        self.now_s = 0.0
        self.node = ScriptedNode()
        self.terminal = ScriptedTerminal(spool=list(entries))
        self._chance = SeededRandomness(seed)
        self._key = key
        self._abilities = abilities
        self.node_link = NodeLink(self.node, terminals={NAME: KEY}, token=self._chance.token)
        self.terminal_link = self._terminal_link()
        noise = noise or Noise()
        self.up = Wire(noise, "up", bits_per_s=bits_per_s, delay_s=delay_s)
        self.down = Wire(noise, "down", bits_per_s=bits_per_s, delay_s=delay_s)

    def restart_terminal(self) -> None:
        """Have the terminal's program begin anew, with its spool as it is."""
        self.terminal_link = self._terminal_link()

    def _terminal_link(self) -> TerminalLink:
        token = self._chance.token
        return TerminalLink(
            self.terminal, name=NAME, key=self._key, spool=SPOOL, token=token, abilities=self._abilities
        )

    def run_until(self, done: Callable[[], bool], *, limit_s: float = 600.0) -> float:
        """Let time pass until ``done``; return the time; fails after ``limit_s`` more."""
        end_s = self.now_s + limit_s
        while not done():
            assert self.now_s < end_s, f"not done after {limit_s} s"
            self.step()
        return self.now_s

    def run_for(self, seconds: float) -> None:
        """Let so much time pass."""
        end_s = self.now_s + seconds
        self.run_until(lambda: self.now_s >= end_s, limit_s=seconds + 10)

    def step(self) -> None:
        """Have both ends say what they have to say, then let time pass until something happens."""
        for link, wire in self._ends():
            while wire.room_at_s() <= self.now_s:
                data = link.poll(self.now_s, CHUNK_BYTES)
                if not data:
                    break
                wire.put(data, self.now_s)
        next_s = min(
            *(max(link.due_at_s(), wire.room_at_s()) for link, wire in self._ends()),
            *(wire.room_at_s() for _, wire in self._ends() if wire.room_at_s() > self.now_s),
            self.up.arrives_at_s(),
            self.down.arrives_at_s(),
            self.now_s + 1.0,
        )
        self.now_s = max(next_s, self.now_s + 1e-4)
        for wire, link in ((self.up, self.node_link), (self.down, self.terminal_link)):
            while wire.arrives_at_s() <= self.now_s:
                self.deliver(link, wire.take())

    def deliver(self, link: Link, data: bytes) -> None:
        """Hand what arrived to an end; a test may put something else in its place."""
        link.receive(data, self.now_s)

    def _ends(self) -> Iterator[tuple[Link, Wire]]:
        yield self.terminal_link, self.up
        yield self.node_link, self.down
