"""Opening a conversation: stating what is held, and setting cursors by what the neighbour states (02, R12).

``statements`` has the pure part; here it meets the journal.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from node.exchange.conversation import Wanted
from node.exchange.head import Standing, Statement
from node.exchange.statements import compare, differing, statement_of, unlike
from node.journal import checkpoints, cursors
from node.journal.alarms import raise_alarm
from node.journal.links import link_to, save_link
from node.trust.holders import travels

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.engine import Connection

    from node.exchange.context import Context
    from node.exchange.conversation import Conversation
    from node.journal.doubt import Doubt
    from node.journal.store import Transaction
    from node.standard.seals import StreamName

RETURNED_NOTE: Final = "neighbour returned"
"""The link's note when the neighbour holds less than it had receipted."""
STATEMENT_ALARM: Final = "PACKAGE"

_LOG: Final = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class _Lines:
    """What both sides may hold: our lines, and which of the streams travel from here to the neighbour."""

    lines: list[Standing] = field(default_factory=list)
    outgoing: set[StreamName] = field(default_factory=set)


@dataclass(slots=True, kw_only=True)
class _Change:
    """What a statement changes: the cursor to set by stream, and the lines that contradict what we hold.

    ``unproven``: own streams of which the neighbour states to hold more than we do, or another tail. It is asked for
    it: only our own signature puts us in doubt (``exchange.settling``).
    """

    sizes: dict[StreamName, int] = field(default_factory=dict)
    contradicting: list[Standing] = field(default_factory=list)
    unproven: list[StreamName] = field(default_factory=list)


class Opening:
    """Makes our statements and applies the neighbour's."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def statement(self, peer: str, listed: Collection[str] = (), *, doubt: Doubt | None = None) -> Statement:
        """Return what we hold of all that both sides may hold, with the lists of the origins in ``listed``.

        ``doubt`` is ours, None when we have none.
        """
        said = statement_of(self.lines(peer), listed=listed, lines_max=self._context.limits.lines_max)
        if doubt is None:
            return said
        gathered = doubt.unheard is not None and set(doubt.unheard) <= {self._context.identity.parent}
        return replace(said, unsettled=True, gathered=gathered)

    def lines(self, peer: str) -> list[Standing]:
        """Return what we hold of all that both sides may hold."""
        with self._context.store.reading() as connection:
            return self._lines(connection, peer).lines

    def differing(self, peer: str, statement: Statement) -> frozenset[str]:
        """Return the origins whose lists the speaker of ``statement`` needs.

        Those of which both sides hold something, but not the same; also what it lacks of its own streams, and where it
        is in doubt of any.
        """
        lines = self.lines(peer)
        lacked = unlike(lines, statement)
        return lacked if statement.unsettled else differing(lines, statement) | (lacked & {peer})

    def apply(self, conversation: Conversation, statement: Statement, start_id: str) -> frozenset[str]:
        """Set the link's cursors to what the neighbour states; return the origins whose lists are still needed.

        ``start_id`` names the neighbour's process that made the statement. The caller holds the conversation's lock.
        """
        peer = conversation.peer
        with self._context.store.reading() as connection:
            shared = self._lines(connection, peer)
            comparison = compare(shared.lines, shared.outgoing, statement)
            current = {
                stream: line
                for stream, line in comparison.stated.items()
                if not conversation.overtaken(stream, line.size, start_id)
            }
            change = self._change(connection, peer, shared.lines, current)
            change.unproven += self._unknown(shared.lines, statement)
            change.unproven += self._contradicted(connection, shared, statement)
        for stream in change.unproven:
            conversation.wanted.setdefault(stream, Wanted())
        if change.sizes or change.contradicting:
            returned = self._context.store.write(lambda transaction: self._set(transaction, peer, change))
            conversation.sent.update({stream: change.sizes[stream] for stream in returned})
            for stream in returned:
                _LOG.warning("neighbour returned", extra={"peer": peer, "stream": str(stream)})
        return comparison.unlisted

    def _lines(self, connection: Connection, peer: str) -> _Lines:
        context = self._context
        tree = context.load_tree(connection)
        found = _Lines()
        for held in context.journal.streams(connection):
            outgoing = travels(tree, held.stream, context.code, peer)
            if not held.sealed or not (outgoing or travels(tree, held.stream, peer, context.code)):
                continue
            root = held.root
            if held.sealed != held.size:
                newest = checkpoints.newest(connection, held.stream)
                if newest is None or newest.size != held.sealed:
                    continue
                root = newest.root
            found.lines.append(Standing(held.stream, held.sealed, root))
            if outgoing:
                found.outgoing.add(held.stream)
        return found

    def _change(
        self, connection: Connection, peer: str, lines: Collection[Standing], stated: dict[StreamName, Standing]
    ) -> _Change:
        receipted = cursors.cursors_of(connection, peer)
        own = {line.stream: line for line in lines}
        change = _Change()
        for stream, line in stated.items():
            size = min(line.size, own[stream].size)
            fits = line.size <= own[stream].size and (
                size == 0 or self._context.journal.root_at(connection, stream, size) == line.root
            )
            if not fits and stream.origin == self._context.code:
                change.unproven.append(stream)
            elif not fits and line.size <= own[stream].size:
                change.contradicting.append(line)
            if (fits or line.size > own[stream].size) and size != receipted.get(stream, 0):
                change.sizes[stream] = size
        return change

    def _contradicted(self, connection: Connection, shared: _Lines, statement: Statement) -> list[StreamName]:
        """Return streams that come from there of which the neighbour states another root at a size that we hold."""
        own = {line.stream: line for line in shared.lines if line.stream not in shared.outgoing}
        return [
            line.stream
            for line in statement.lines
            if line.stream in own
            and 0 < line.size <= own[line.stream].size
            and self._context.journal.root_at(connection, line.stream, line.size) != line.root
        ]

    def _unknown(self, lines: Collection[Standing], statement: Statement) -> list[StreamName]:
        """Return own streams that the neighbour states to hold and of which nothing is held here."""
        own = {line.stream for line in lines}
        return [
            line.stream
            for line in statement.lines
            if line.stream.origin == self._context.code and line.size and line.stream not in own
        ]

    def _set(self, transaction: Transaction, peer: str, change: _Change) -> list[StreamName]:
        returned = [
            stream for stream, size in change.sizes.items() if cursors.put_back(transaction, peer, stream, size)
        ]
        link = link_to(transaction.connection, peer)
        if returned and link is not None:
            save_link(transaction, replace(link, note=RETURNED_NOTE))
        for line in change.contradicting:
            raise_alarm(
                transaction,
                STATEMENT_ALARM,
                f"statement of {peer}",
                f"Node {peer} states to hold {line.size} records of {line.stream} under root {line.root.hex()}, which "
                "is not what is held here. Its statement changes nothing; look at both nodes.",
                line.stream,
                raised_at=self._context.clock.now(),
            )
        return returned
