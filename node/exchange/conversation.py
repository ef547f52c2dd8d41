"""What a node remembers of one link while its process lives; everything lasting is in the journal.

A conversation begins with the start of a process, after a failed request, and daily. Losing what is here costs a
statement (02, R12) and some bytes sent twice, never a record: cursors and records are in the database.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from node.exchange.packing import Packing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from node.exchange.head import Slice, Standing, Tail, Verdict
    from node.standard.seals import Receipt, StreamName

SliceKey = tuple["StreamName", int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A slice under way: the time of its checkpoint, and the link's cursor when it was sent."""

    sealed_at: datetime
    cursor: int


@dataclass(slots=True, kw_only=True, eq=False)
class Flight:
    """One package under way: its slices that were not answered yet."""

    slices: dict[SliceKey, Sent]
    since_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A stream rests until ``until_s`` (monotonic seconds); ``length_s`` is what the next pause grows from."""

    until_s: float
    length_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The tail of a stream that the neighbour is asked for: how often it was, and when it may be asked again."""

    times: int = 0
    again_at_s: float = 0.0


@dataclass(slots=True, kw_only=True)
class Replies:
    """What the next package to the neighbour has to bring: verdicts on its slices, and receipts."""

    verdicts: list[Verdict] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Tell whether there is anything to bring."""
        return bool(self.verdicts or self.receipts)

    def add(self, other: Replies) -> None:
        """Take over what ``other`` holds."""
        self.verdicts += other.verdicts
        self.receipts += other.receipts


@dataclass(slots=True, kw_only=True)
class Conversation:
    """One link's memory. Hold ``lock`` around every use of the rest; never while waiting or on the network.

    peer_start_id: the neighbour's process as last heard. lived, lived_at_s: the process that counts and when it was
    heard last, before: the one in whose place it came, second: one that came while
    another lived and is refused (``lives``). is_open: both sides have stated what they hold.
    sent: per stream the highest position that this process has sent. told: fingerprints of signers whose chain the
    neighbour was given. handed: size of the newest receipt handed down, by holder and stream. news: streams of which a
    receipt may have to be handed down. pauses: streams that rest, or whose next rest is longer. receipted: what the
    neighbour's process ``receipted_by`` has receipted. wanted: streams whose tails the neighbour is asked for; asked:
    the tails that it asks for; claims: what it stated to hold of streams that we lack, while we are in doubt, None
    before it has stated everything. reopen: why the conversation must be opened again, empty when it
    need not. more: more waited than fitted into the newest package with records. generation: counts openings; polls:
    counts long-polls.
    """

    peer: str
    lock: threading.RLock = field(default_factory=threading.RLock)
    peer_start_id: str | None = None
    lived: str | None = None
    lived_at_s: float = 0.0
    before: str | None = None
    second: str | None = None
    is_open: bool = False
    opened_at_s: float = 0.0
    reopen: str = "start"
    flights: list[Flight] = field(default_factory=list)
    sent: dict[StreamName, int] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    handed: dict[tuple[str, StreamName], int] = field(default_factory=dict)
    news: set[StreamName] = field(default_factory=set)
    pauses: dict[StreamName, Pause] = field(default_factory=dict)
    receipted: dict[StreamName, int] = field(default_factory=dict)
    receipted_by: str | None = None
    wanted: dict[StreamName, Wanted] = field(default_factory=dict)
    asked: dict[StreamName, Tail] = field(default_factory=dict)
    claims: dict[StreamName, Standing] | None = None
    replies: Replies = field(default_factory=Replies)
    packing: Packing = field(default_factory=Packing)
    refreshed_at_s: float | None = None
    early_held: int = 0
    more: bool = False
    generation: int = 0
    polls: int = 0

    def begin(self, peer_start_id: str | None, now_s: float) -> None:
        """Forget what the last conversation knew; nothing travels until ``is_open`` is set."""
        self.peer_start_id = peer_start_id
        self.generation += 1
        self.is_open = False
        self.opened_at_s = now_s
        self.flights.clear()
        self.told.clear()
        self.handed.clear()
        self.news.clear()
        self.pauses.clear()
        self.asked.clear()
        self.claims = None
        self.replies = Replies()
        self.refreshed_at_s = None
        self.more = False

    def note_asked(self, tails: Iterable[Tail]) -> None:
        """Note the tails that the neighbour asks for; a newer request for a stream takes the place of an older one."""
        self.asked.update({tail.stream: tail for tail in tails})

    @contextmanager
    def giving(self) -> Iterator[None]:
        """Put back what was taken out to be given (replies, news) when the package for it cannot be made."""
        replies, news = self.replies, set(self.news)
        try:
            yield
        except BaseException:
            self.replies, self.news = replies, news
            raise

    def pause(self, stream: StreamName, now_s: float, first_s: float, most_s: float) -> None:
        """Let a stream rest: ``first_s`` seconds, then twice as long each time, ``most_s`` at most."""
        before = self.pauses.get(stream)
        length_s = first_s if before is None else min(max(first_s, 2.0 * before.length_s), most_s)
        self.pauses[stream] = Pause(until_s=now_s + length_s, length_s=length_s)

    def rests(self, stream: StreamName, now_s: float) -> bool:
        """Tell whether a stream rests now."""
        pause = self.pauses.get(stream)
        return pause is not None and now_s < pause.until_s

    def note_receipts(self, start_id: str, receipts: Iterable[Receipt]) -> None:
        """Remember what the neighbour's process ``start_id`` has receipted."""
        if self.receipted_by != start_id:
            self.receipted_by = start_id
            self.receipted.clear()
        for one in receipts:
            self.receipted[one.stream] = max(self.receipted.get(one.stream, 0), one.size)

    def overtaken(self, stream: StreamName, size: int, start_id: str) -> bool:
        """Tell whether a statement of ``size`` is older than a receipt of the same process of the neighbour.

        A process never holds less than it has receipted, so such a statement was made before another thread's commit.
        """
        return self.receipted_by == start_id and size < self.receipted.get(stream, 0)

    def begin_early(self, places: int) -> bool:
        """Claim a place for a package that came before its predecessor; False when all are taken."""
        with self.lock:
            free = self.early_held < places
            self.early_held += free
            return free

    def end_early(self) -> None:
        """Give the place back."""
        with self.lock:
            self.early_held -= 1

    def take_off(self, slices: Sequence[Slice], now_s: float, receipted: Mapping[StreamName, int]) -> Flight:
        """Remember a package with ``slices`` as under way; ``receipted`` holds the link's cursors."""
        flight = Flight(
            slices={
                (one.stream, one.first, one.last): Sent(
                    sealed_at=one.checkpoint.sealed_at, cursor=receipted.get(one.stream, 0)
                )
                for one in slices
            },
            since_s=now_s,
        )
        if slices:
            self.flights.append(flight)
        for one in slices:
            self.sent[one.stream] = max(self.sent.get(one.stream, 0), one.last)
        return flight

    def land(self, key: SliceKey) -> Sent | None:
        """Take a slice out of the air; return how it was sent, None when it was not there."""
        for flight in self.flights:
            if key in flight.slices:
                sent = flight.slices.pop(key)
                self.flights = [one for one in self.flights if one.slices]
                return sent
        return None

    def flies(self, flight: Flight) -> bool:
        """Tell whether a package still counts as under way; one without slices never did, and is sent all the same."""
        return not flight.slices or any(one is flight for one in self.flights)

    def drop(self, flight: Flight) -> None:
        """Forget a package that got no answer."""
        self.flights = [one for one in self.flights if one is not flight]

    def expire(self, now_s: float, seconds_max: float) -> None:
        """Forget packages that were under way for too long: sending again is harmless, waiting for ever is not."""
        self.flights = [one for one in self.flights if now_s - one.since_s < seconds_max]

    def ends(self) -> dict[StreamName, int]:
        """Return per stream how far what is under way reaches."""
        found: dict[StreamName, int] = {}
        for flight in self.flights:
            for stream, _, last in flight.slices:
                found[stream] = max(found.get(stream, 0), last)
        return found


class Conversations:
    """The conversations of one node, by neighbour."""

    def __init__(self) -> None:
        self._found: dict[str, Conversation] = {}
        self._making = threading.Lock()

    def of(self, peer: str) -> Conversation:
        """Return the conversation with ``peer``; made when it is new."""
        with self._making:
            return self._found.setdefault(peer, Conversation(peer=peer))

    def all(self) -> list[Conversation]:
        """Return every conversation, by neighbour."""
        with self._making:
            return [self._found[peer] for peer in sorted(self._found)]

    def tell(self, streams: Iterable[StreamName], *, besides: str) -> None:
        """Note in every conversation but one that there are new receipts for ``streams``."""
        news = set(streams)
        if not news:
            return
        with self._making:
            others = [one for one in self._found.values() if one.peer != besides]
        for conversation in others:
            with conversation.lock:
                conversation.news |= news
