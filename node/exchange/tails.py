"""Asking a neighbour for its tail of a stream: where this node has lost what it wrote, or where two of them contradict.

Slices travel away from their origin; toward it only as the answer to such a request (02, R12). A request names sizes
that this node has, with the roots there, so that the answer begins where both agree, whatever lies behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from node.exchange.conversation import Wanted
from node.exchange.head import Tail
from node.journal.entries import Entry, read_entry
from node.journal.merkle import root_of
from node.standard.codec import leaf_hash

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection

    from node.exchange.context import Context
    from node.exchange.conversation import Conversation
    from node.exchange.head import Slice
    from node.journal.streams import Journal
    from node.standard.seals import StreamName

TIMES_MAX: Final = 5
"""How often a tail is asked for without an answer before people are told; chosen by us."""


def known_sizes(size: int) -> list[int]:
    """Return the sizes that a request names for a stream of ``size`` records: falling ever faster, the last one 0."""
    sizes = [size]
    step = 1
    while sizes[-1] > 0:
        sizes.append(max(sizes[-1] - step, 0))
        step *= 2
    return sizes


def tail_of(journal: Journal, connection: Connection, stream: StreamName) -> Tail:
    """Return the request for what lies behind what we hold of a stream."""
    held = journal.held(connection, stream)
    # What stands here unsealed of our own may be sealed there.
    sizes = known_sizes(0 if held is None else held.sealed if held.own else held.size)
    roots = [journal.root_at(connection, stream, size) if size else root_of(()) for size in sizes]
    return Tail(stream=stream, known=tuple(zip(sizes, roots, strict=True)))


def leaves_of(one: Slice, bodies: Sequence[bytes]) -> list[bytes]:
    """Return the leaf hashes of a slice's records; a redacted one has no bytes, and brings its hash."""
    redacted = dict(one.redacted)
    return [leaf_hash(body) if body else redacted[position] for position, body in enumerate(bodies, start=one.first)]


def entries_of(one: Slice, bodies: Sequence[bytes]) -> list[Entry]:
    """Return the records of a slice, read; of a redacted one its leaf hash alone."""
    return [
        read_entry(body, leaf=leaf) if body else Entry(record_type="", body=b"", leaf=leaf)
        for body, leaf in zip(bodies, leaves_of(one, bodies), strict=True)
    ]


def tails_wanted(context: Context, connection: Connection, conversation: Conversation) -> tuple[Tail, ...]:
    """Return the requests that are due in the next package, and note that they are made; the caller holds the lock."""
    now_s = context.clock.monotonic_s()
    due = [stream for stream, one in sorted(conversation.wanted.items()) if one.again_at_s <= now_s]
    chosen = due[: context.limits.tails_max]
    for stream in chosen:
        asked = conversation.wanted[stream]
        conversation.wanted[stream] = Wanted(times=asked.times + 1, again_at_s=now_s + context.limits.compare_s)
    return tuple(tail_of(context.journal, connection, stream) for stream in chosen)
