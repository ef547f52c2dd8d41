"""The sender: what a node gives to its neighbours, and what it believes of their answers.

This is an essay for whoever changes it; ``receiver`` is its other half, docs/reference/protocol.md has the bytes.

How a unit travels
    A record that intake accepted stands in a stream of this node at a position. The sealer signs a checkpoint; from
    then on the record may leave. ``Sender.load`` looks at every stream that travels over the link (``trust.holders``),
    compares what is sealed with the link's *cursor*, the highest size that the neighbour has receipted, and packs
    slices: records behind the cursor, up to a checkpoint that travels with them. The same code sends what was born here
    and what is only passed on: a relay cuts where the origin has signed and nowhere else, and changes no byte.

    The neighbour verifies, commits, and only then signs a receipt, which comes back in its answer or its next request.
    ``receipts`` verifies it and moves the cursor. Nothing is deleted on a receipt, and nothing is marked per record:
    one number per link and stream says it all.

Who speaks
    Only a child opens connections. What goes up is the body of its requests; what goes down is the body of the answers,
    either to a push or to a long-poll. Both are packages, made by the same code.

The queue
    There is none. What waits is the difference between sealed size and cursor, read from the database each time, so a
    restart, a lost wake-up or a second process cannot lose or double anything. What is *under way* (``Flight``) is
    remembered in memory only so as not to send it twice at once: the next package of the link begins behind it. Two
    packages may be under way, and a child makes a third one while more waits (``places``); one that is not answered is
    forgotten after a minute, or when the conversation opens again, and its records are sent again from the cursor. The
    receiver knows them by their positions.

Whose turn it is
    ``packing``: trust, then directed streams, then the rest in turn. A package has at most 4 MiB, a slice at most 2,000
    records; slices are cut as long as they fit, because each costs the receiver one signature check. Checkpoints inside
    a slice travel with it where the receiver, who may be a relay, would otherwise hold none for 500 records or 1 MB.

Catch-up
    There is no catch-up mode: a link that was away for a year has a low cursor, and package after package is full.
    Fresh records of other streams do not wait behind it, since each stream has its turn.

Silence
    A stream without news is sealed again every day. Where a neighbour holds all records, the last one is sent once more
    with the newer checkpoint: that a stream is silent can then be told from its being withheld.

What can go wrong
    - No answer: the caller drops the flight (``Exchange.failed``) and opens the conversation again; statements put the
      cursors right, in both directions.
    - ``GAP``: something before the slice is missing at the receiver: late, or lost with a package that nobody answers.
      The flight lands, the cursor has not moved, and the stream rests as after ``BUSY``: until what is late is held, or
      what is lost is forgotten and the next package begins at the cursor. A gap names what the receiver holds; where
      that is less than it had receipted when the slice was sent, it is the neighbour's own signed statement, and puts
      the cursor back like any other.
    - ``BUSY``: the receiver cannot judge the stream yet (its origin is not in its tree): the stream rests a second.
    - ``REFUSED``: one slice was bad. The stream rests half a minute; the others go on. The certificate chains of all
      signers are given again, because a chain that got lost is the one harmless reason.
    - The same again: the stream rests twice as long each time, half a minute (``BUSY``) or an hour (``REFUSED``) at
      most, until a slice of it is held or the conversation opens again.
    - A stored record does not have its leaf hash any more (a damaged disk), or no checkpoint stands within reach (rows
      taken away by hand): nothing of that stream is sent, an alarm says so; signing would make us the bad sender.
    - A receipt that claims what cannot be moves nothing, is kept and raises an alarm (``receipts``).
"""

from __future__ import annotations

import hashlib
import itertools
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from node.errors import IntegrityError
from node.exchange.head import BUSY, EARLY, GAP, HELD, REFUSED, Slice, Verdict
from node.exchange.packing import Taken
from node.journal import checkpoints, cursors, records
from node.journal.sealing import landmarks
from node.standard.codec import leaf_hash
from node.trust.holders import holds, travels

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from node.exchange.context import Context
    from node.exchange.conversation import Conversation
    from node.exchange.head import Tail
    from node.exchange.limits import Limits
    from node.journal.holdings import Held
    from node.journal.streams import Journal
    from node.standard.seals import Checkpoint, StreamName

SLICE_BYTES: Final = 2_400
"""Bytes of Head that a slice costs beside its lengths, with one announced checkpoint; counted generously."""
CHECKPOINT_BYTES: Final = 600
"""Bytes of Head that each further checkpoint costs; a long one has some 500."""
LENGTH_BYTES: Final = 7
"""Bytes of Head that one record's length costs: six digits and a space."""
REDACTED_BYTES: Final = 150
"""Bytes of Head that a redacted record costs beside: its position and its leaf hash."""
REFRESH_S: Final = 3_600.0
"""How often newly signed checkpoints of silent streams are looked for; they are signed once a day."""

_LOG: Final = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Load:
    """What goes into a package: slices, and the records of each.

    ``more``: something still waits. ``damaged``: streams of which nothing can be sent, and why. ``receipted``: the
    link's cursors when this was chosen.
    """

    slices: list[Slice] = field(default_factory=list)
    records: list[list[bytes]] = field(default_factory=list)
    receipted: dict[StreamName, int] = field(default_factory=dict)
    more: bool = False
    damaged: dict[StreamName, str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What a neighbour's verdicts mean.

    ``shown``: streams that it holds, with the time of the checkpoint that it was shown; ``returned``: streams of which
    it holds less than it had receipted when the slice was sent, with what it holds.
    """

    shown: dict[StreamName, datetime] = field(default_factory=dict)
    returned: dict[StreamName, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Tell whether anything has to be written."""
        return bool(self.shown or self.returned)


class Sender:
    """Chooses what to send; its state lies in ``Conversation`` and in the journal, whose locks the caller holds."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def load(self, connection: Connection, conversation: Conversation, bytes_max: int, *, ahead: int = 0) -> Load:
        """Choose slices of at most ``bytes_max``, what they cost of the Head included.

        Empty when nothing waits, when two packages are under way (and ``ahead`` are made), or before the conversation
        is open.
        """
        context = self._context
        limits = context.limits
        now_s = context.clock.monotonic_s()
        conversation.expire(now_s, limits.under_way_s_max)
        if not conversation.is_open or len(conversation.flights) >= limits.under_way_max + ahead:
            return Load()
        travelling = self._travelling(connection, conversation)
        receipted = cursors.cursors_of(connection, conversation.peer)
        ends = conversation.ends()
        loader = _Loader(connection=connection, limits=limits)
        loader.load.receipted = receipted
        for held in travelling:
            offset = max(receipted.get(held.stream, 0), ends.get(held.stream, 0))
            if offset < held.sealed and not conversation.rests(held.stream, now_s):
                loader.waiting[held.stream] = (held, offset)
        loader.load.more = conversation.packing.fill(loader.waiting, bytes_max, loader)
        for stream in loader.load.damaged:
            conversation.pause(stream, now_s, limits.refused_pause_s, limits.refused_pause_s_max)
        if not loader.waiting and not ends:
            self._refresh(conversation, loader, travelling, bytes_max)
        return loader.load

    def tails(self, connection: Connection, conversation: Conversation, bytes_max: int) -> Load:
        """Choose slices that answer the neighbour's requests for tails, of streams that it may hold, and forget those.

        What does not fit now is asked for again.
        """
        context = self._context
        tree = context.load_tree(connection)
        loader = _Loader(connection=connection, limits=context.limits)
        for stream, tail in sorted(conversation.asked.items()):
            held = context.journal.held(connection, stream)
            if held is not None and held.sealed and holds(tree, stream, conversation.peer):
                loader.waiting[stream] = (held, agreed_size(context.journal, connection, held, tail))
        conversation.asked.clear()
        left = bytes_max
        for stream, (held, offset) in loader.waiting.items():
            if offset < held.sealed:
                left -= loader(stream, left).used_bytes
        return loader.load

    def verdicts(self, conversation: Conversation, verdicts: Sequence[Verdict]) -> Outcome:
        """Take the neighbour's verdicts on what is under way.

        Verdicts on anything else are late or invented, and change nothing.
        """
        limits = self._context.limits
        now_s = self._context.clock.monotonic_s()
        outcome = Outcome()
        for verdict in verdicts:
            sent = conversation.land((verdict.stream, verdict.first, verdict.last))
            if sent is None:
                continue
            if verdict.word == HELD:
                conversation.pauses.pop(verdict.stream, None)
                outcome.shown[verdict.stream] = sent.sealed_at
            elif verdict.word in {GAP, EARLY}:
                if verdict.held is not None and verdict.held < sent.cursor:
                    outcome.returned[verdict.stream] = verdict.held
                else:
                    # What comes before is late or lost; without a rest the same would be sent again meanwhile.
                    conversation.pause(verdict.stream, now_s, limits.busy_pause_s, limits.busy_pause_s_max)
            elif verdict.word == BUSY:
                conversation.pause(verdict.stream, now_s, limits.busy_pause_s, limits.busy_pause_s_max)
            elif verdict.word == REFUSED:
                conversation.pause(verdict.stream, now_s, limits.refused_pause_s, limits.refused_pause_s_max)
                conversation.told.clear()
                _LOG.warning(
                    "slice refused by neighbour",
                    extra={"peer": conversation.peer, "stream": str(verdict.stream), "reason": verdict.reason},
                )
        return outcome

    def _travelling(self, connection: Connection, conversation: Conversation) -> list[Held]:
        """Return the streams with something sealed that travel from here to the neighbour."""
        context = self._context
        tree = context.load_tree(connection)
        return [
            held
            for held in context.journal.streams(connection)
            if held.sealed and travels(tree, held.stream, context.code, conversation.peer)
        ]

    def _refresh(self, conversation: Conversation, loader: _Loader, travelling: Sequence[Held], bytes_max: int) -> None:
        """Show newer checkpoints of streams that the neighbour holds whole, each with the stream's last record."""
        now_s = self._context.clock.monotonic_s()
        if conversation.refreshed_at_s is not None and now_s - conversation.refreshed_at_s < REFRESH_S:
            return
        left = bytes_max
        for held in travelling:
            if loader.load.receipted.get(held.stream, 0) != held.sealed or conversation.rests(held.stream, now_s):
                continue
            newest = checkpoints.newest(loader.connection, held.stream)
            shown_at = cursors.shown_at(loader.connection, conversation.peer, held.stream)
            if newest is None or (shown_at is not None and newest.sealed_at <= shown_at):
                continue
            loader.waiting[held.stream] = (held, newest.size - 1)
            taken = loader(held.stream, left)
            left -= taken.used_bytes
            if taken.full or not (taken.used_bytes or taken.emptied):
                # The rest is looked for with the next package.
                return
        conversation.refreshed_at_s = now_s


def agreed_size(journal: Journal, connection: Connection, held: Held, tail: Tail) -> int:
    """Return the largest known size of a request at which we have the same root: 0 at least."""
    for size, root in tail.known:
        if size <= held.size and (size == 0 or journal.root_at(connection, held.stream, size) == root):
            return size
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cut:
    """Where a slice ends, the checkpoints inside it that travel with it, and what it costs of the package."""

    checkpoint: Checkpoint
    inside: tuple[Checkpoint, ...]
    used_bytes: int


@dataclass(slots=True, kw_only=True)
class _Loader:
    """Puts slices into a load; ``waiting`` holds each stream with the size behind which it goes on."""

    connection: Connection
    limits: Limits
    waiting: dict[StreamName, tuple[Held, int]] = field(default_factory=dict)
    load: Load = field(default_factory=Load)

    def __call__(self, stream: StreamName, bytes_max: int) -> Taken:
        """Take the longest slice of ``stream`` that fits into ``bytes_max``."""
        if len(self.load.slices) >= self.limits.slices_max:
            return Taken(used_bytes=0, emptied=False, full=True)
        held, offset = self.waiting[stream]
        points = self._points(held, offset)
        if not points:
            return self._damaged(stream, f"No checkpoint of {stream} stands within reach of record {offset + 1}")
        cut = self._cut(points, held, offset, bytes_max)
        if cut is None:
            return Taken(used_bytes=0, emptied=False)
        one, bodies = self._slice(held, offset, cut)
        if one is None:
            return self._damaged(stream, f"A stored record of {stream} does not have its leaf hash any more")
        self.load.slices.append(one)
        self.load.records.append(bodies)
        return Taken(used_bytes=cut.used_bytes, emptied=one.last == held.sealed)

    def _damaged(self, stream: StreamName, why: str) -> Taken:
        self.load.damaged[stream] = why
        return Taken(used_bytes=0, emptied=True)

    def _points(self, held: Held, offset: int) -> list[Checkpoint]:
        """Return the checkpoints at which a slice behind ``offset`` may end."""
        high = min(held.sealed, offset + self.limits.slice_records_max)
        return checkpoints.between(self.connection, held.stream, offset, high)

    def _cut(self, points: Sequence[Checkpoint], held: Held, offset: int, bytes_max: int) -> _Cut | None:
        """Return the longest slice that fits into ``bytes_max``; None when none does."""
        lengths = records.lengths(self.connection, held.stream_id, offset + 1, points[-1].size)
        costs = [0, *itertools.accumulate((length or REDACTED_BYTES) + LENGTH_BYTES for length in lengths)]
        marked = frozenset(landmarks([point.size for point in points], lengths, offset))
        inside = [point for point in points if point.size in marked]
        for point in reversed(points):
            while inside and inside[-1].size >= point.size:
                inside.pop()
            used_bytes = SLICE_BYTES + CHECKPOINT_BYTES * len(inside) + costs[point.size - offset]
            # One place is left for the newest checkpoint of the stream.
            if used_bytes <= bytes_max and len(inside) < self.limits.announced_max:
                return _Cut(checkpoint=point, inside=tuple(inside), used_bytes=used_bytes)
        return None

    def _slice(self, held: Held, offset: int, cut: _Cut) -> tuple[Slice | None, list[bytes]]:
        """Return the slice behind ``offset`` as cut and its records; None when stored bytes are damaged.

        A redacted record has length 0, and its leaf hash stands in the slice.
        """
        last = cut.checkpoint.size
        try:
            stored = records.bodies(self.connection, held.stream_id, offset + 1, last)
        except IntegrityError:
            return None, []
        if any(body and leaf_hash(body) != leaf for body, leaf in stored):
            return None, []
        newest = checkpoints.newest(self.connection, held.stream) if last < held.sealed else None
        return Slice(
            stream=held.stream,
            first=offset + 1,
            last=last,
            checkpoint=cut.checkpoint,
            leaves_hash=hashlib.sha256(b"".join([leaf for _, leaf in stored])).digest(),
            lengths=tuple(len(body) for body, _ in stored),
            redacted=tuple((at, leaf) for at, (body, leaf) in enumerate(stored, start=offset + 1) if not body),
            announced=cut.inside + ((newest,) if newest is not None and newest.size > last else ()),
        ), [body for body, _ in stored]
