"""Contradictions (02, R7): another version of a stream that we hold, which somebody states or sends.

A root that does not fit proves nothing yet: a relay may have made it up. So the neighbour is asked for its tail, and
only when that ends at a checkpoint under the origin's own signature is it a fork: then both versions are kept, the
stream stops, and an alarm tells of it. Where the root has decided that the other version stands, it takes ours' place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.errors import IdentityError
from node.exchange.judging import authorised
from node.exchange.tails import entries_of, leaves_of
from node.journal import checkpoints, roots
from node.journal.forks import keep_fork, resolutions
from node.journal.merkle import CompactRange
from node.journal.returning import NoDoors, common_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection

    from node.exchange.context import Context
    from node.exchange.head import Slice
    from node.journal.holdings import Held
    from node.journal.store import Transaction


class Contradictions:
    """Looks at tails of others' streams that were asked for."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def take(self, one: Slice, bodies: Sequence[bytes]) -> str | None:
        """Look at a slice of another version; return why it does not stand, None when it does.

        What does not contradict us is not taken here: it comes by itself.
        """
        leaves = leaves_of(one, bodies)
        with self._context.store.reading() as connection:
            held = self._context.journal.held(connection, one.stream)
            objection = objection_to(self._context, connection, held, one, leaves)
            if objection is not None or held is None:
                return objection
            common = common_size(connection, held, one.first, leaves)
            if common >= min(held.size, one.last):
                return None
            stands = leads_to_resolution(connection, held, one, leaves)
        if stands:
            self._context.store.write(lambda transaction: self._replace(transaction, one, bodies))
            return None
        body = bodies[common - one.first + 1] or None
        self._context.store.write(lambda transaction: self._keep(transaction, one, common + 1, body))
        return None

    def _keep(self, transaction: Transaction, one: Slice, position: int, body: bytes | None) -> None:
        connection = transaction.connection
        held = self._context.journal.held(connection, one.stream)
        if held is None or held.size < position:
            return
        standing = checkpoints.at(connection, one.stream, one.last) or checkpoints.newest(connection, one.stream)
        keep_fork(
            transaction,
            held,
            one.checkpoint,
            tree=self._context.identity.tree,
            standing=standing,
            at=self._context.clock.now(),
            position=position,
            body=body,
        )

    def _replace(self, transaction: Transaction, one: Slice, bodies: Sequence[bytes]) -> None:
        tree = self._context.load_tree(transaction.connection)
        entries = [authorised(tree, one.stream, entry) for entry in entries_of(one, bodies)]
        self._context.journal.adopt(transaction, one.stream, one.first, entries, one.checkpoint, NoDoors())


def objection_to(
    context: Context, connection: Connection, held: Held | None, one: Slice, leaves: Sequence[bytes]
) -> str | None:
    """Return why a slice that was asked for does not stand, None when its origin has signed it."""
    if one.first > (0 if held is None else held.size) + 1:
        return "early"
    if one.checkpoint.stream != one.stream or one.checkpoint.size != one.last:
        return "checkpoint"
    try:
        context.book.verify_checkpoint(connection, one.checkpoint)
    except IdentityError:
        return "seal"
    tree = version_at(connection, held, one, leaves, one.last)
    return None if tree.root() == one.checkpoint.root else "root"


def version_at(
    connection: Connection, held: Held | None, one: Slice, leaves: Sequence[bytes], size: int
) -> CompactRange:
    """Return the frontier of a slice's version at a size within it; before it the versions agree."""
    tree = CompactRange() if held is None else roots.frontier_at(connection, held.stream_id, one.first - 1)
    tree.extend(leaves[: size - one.first + 1])
    return tree


def leads_to_resolution(connection: Connection, held: Held, one: Slice, leaves: Sequence[bytes]) -> bool:
    """Tell whether the root has decided that this version of a stream stands."""
    return any(
        version_at(connection, held, one, leaves, resolution.size).root() == resolution.root
        for resolution in resolutions(connection, one.stream)
        if one.first - 1 <= resolution.size <= one.last
    )
