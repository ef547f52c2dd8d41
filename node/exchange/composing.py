"""Composing a package: what goes up as a request and what goes down as an answer are made here alike.

The caller holds the conversation's lock, so that two threads of a link never choose the same records.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from node.exchange.conversation import Flight, Replies
from node.exchange.head import ANSWER, POLL, PUSH, RETURN, Head
from node.exchange.package import FRAME_BYTES, write_package
from node.exchange.sender import Load
from node.exchange.tails import tails_wanted
from node.journal.alarms import raise_alarm
from node.trust.certificates import fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy.engine import Connection

    from node.exchange.context import Context
    from node.exchange.conversation import Conversation
    from node.exchange.head import Statement, Tail
    from node.exchange.receipts import Receipts
    from node.exchange.sender import Sender
    from node.journal.store import Transaction
    from node.standard.seals import StreamName

RECEIPT_BYTES: Final = 900
VERDICT_BYTES: Final = 400
CERTIFICATE_BYTES: Final = 1_400
LINE_BYTES: Final = 250
TAIL_BYTES: Final = 6_000
HEAD_BYTES: Final = 4_096
"""What each part costs of a package at most, so that slices can be chosen before the Head is written."""
DAMAGE_ALARM: Final = "OTHER"
"""Kind of the alarm that a stream raises of which nothing can be sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A package ready to be carried: its bytes, its Head, and what of it counts as under way."""

    data: bytes
    head: Head
    flight: Flight

    @property
    def record_count(self) -> int:
        """How many records it holds."""
        return sum(len(one.lengths) for one in self.head.slices)


@dataclass(slots=True, kw_only=True)
class _Parts:
    """What was chosen for one package."""

    load: Load = field(default_factory=Load)
    replies: Replies = field(default_factory=Replies)
    handed: list[tuple[str, StreamName, int]] = field(default_factory=list)
    certificates: list[bytes] = field(default_factory=list)
    told: set[str] = field(default_factory=set)
    tails: tuple[Tail, ...] = ()
    returning: bool = False

    def __bool__(self) -> bool:
        return bool(self.load.slices or self.replies or self.tails)


class Composer:
    """Makes packages for a neighbour."""

    def __init__(self, context: Context, sender: Sender, receipts: Receipts) -> None:
        self._context = context
        self._sender = sender
        self._receipts = receipts

    def compose(self, conversation: Conversation, purpose: str) -> Outgoing | None:
        """Return a package with everything that waits and fits, None when nothing waits."""
        with conversation.giving():
            with self._context.store.reading() as connection:
                parts = self._choose(connection, conversation)
                if not parts and purpose == PUSH and conversation.more:
                    parts = self._made_ahead(connection, conversation)
            self._report_damage(parts.load.damaged)
            return self._write(conversation, RETURN if parts.returning else purpose, parts) if parts else None

    def compose_poll(self, conversation: Conversation) -> Outgoing:
        """Return a long-poll: it brings replies but no slices, so that it can wait at the parent."""
        with conversation.giving():
            with self._context.store.reading() as connection:
                parts = self._replies_only(connection, conversation)
            return self._write(conversation, POLL, parts)

    def compose_empty(self, conversation: Conversation) -> Outgoing:
        """Return an answer that holds nothing: to a long-poll without news, or in a conversation that is not open."""
        return self._write(conversation, ANSWER, _Parts())

    def compose_opening(self, conversation: Conversation, purpose: str, statement: Statement) -> Outgoing:
        """Return a package with our statement, and our receipts for everything that comes over this link."""
        limits = self._context.limits
        with self._context.store.reading() as connection:
            streams = self._receipts.incoming(connection, conversation.peer)
            parts = _Parts()
            parts.replies.receipts = self._receipts.signed(connection, streams)[: limits.receipts_max]
            parts.tails = tails_wanted(self._context, connection, conversation)
            self._add_chains(connection, conversation, parts)
        return self._write(conversation, purpose, parts, statement)

    def _choose(self, connection: Connection, conversation: Conversation) -> _Parts:
        parts = self._replies_only(connection, conversation)
        bytes_max = self._room(parts)
        if conversation.asked:
            parts.load = self._sender.tails(connection, conversation, bytes_max)
            parts.returning = bool(parts.load.slices)
        if not parts.returning:
            parts.load = self._sender.load(connection, conversation, bytes_max)
        self._add_chains(connection, conversation, parts)
        return parts

    def _made_ahead(self, connection: Connection, conversation: Conversation) -> _Parts:
        """Choose slices alone, for a package that may have to wait for its turn: replies must not wait with it."""
        parts, ahead = _Parts(), self._context.limits.prepared_max
        parts.load = self._sender.load(connection, conversation, self._room(parts), ahead=ahead)
        self._add_chains(connection, conversation, parts)
        return parts

    def _room(self, parts: _Parts) -> int:
        """Return how many bytes of a package are left for slices."""
        limits = self._context.limits
        used_bytes = (
            FRAME_BYTES
            + HEAD_BYTES
            + RECEIPT_BYTES * len(parts.replies.receipts)
            + VERDICT_BYTES * len(parts.replies.verdicts)
            + CERTIFICATE_BYTES * limits.certificates_max
            + TAIL_BYTES * len(parts.tails)
        )
        return limits.package_bytes_max - used_bytes

    def _replies_only(self, connection: Connection, conversation: Conversation) -> _Parts:
        limits = self._context.limits
        waiting = conversation.replies
        # Of several receipts for one stream the last says it all.
        newest = list({receipt.stream: receipt for receipt in waiting.receipts}.values())
        parts = _Parts(
            replies=Replies(verdicts=waiting.verdicts[: limits.verdicts_max], receipts=newest[: limits.receipts_max])
        )
        conversation.replies = Replies(
            verdicts=waiting.verdicts[limits.verdicts_max :], receipts=newest[limits.receipts_max :]
        )
        tree = self._context.load_tree(connection)
        room = limits.receipts_max - len(parts.replies.receipts)
        handed = self._receipts.to_hand_down(connection, tree, conversation, count_max=room)
        parts.replies.receipts += handed
        parts.tails = tails_wanted(self._context, connection, conversation)
        parts.handed = [(one.holder, one.stream, one.size) for one in handed]
        self._add_chains(connection, conversation, parts)
        return parts

    def _add_chains(self, connection: Connection, conversation: Conversation, parts: _Parts) -> None:
        """Add the certificate chains of signers that the neighbour was not given; slices that leave no room go."""
        chains: dict[str, bytes] = {fingerprint(der): der for der in parts.certificates}
        for signer in dict.fromkeys(receipt.signer for receipt in parts.replies.receipts):
            self._add_chain(connection, conversation, parts, chains, signer)
        for at, one in enumerate(parts.load.slices):
            signers = dict.fromkeys(checkpoint.signer for checkpoint in (one.checkpoint, *one.announced))
            if not all(self._add_chain(connection, conversation, parts, chains, signer) for signer in signers):
                del parts.load.slices[at:], parts.load.records[at:]
                parts.load.more = True
                break
        parts.certificates = list(chains.values())

    def _add_chain(
        self,
        connection: Connection,
        conversation: Conversation,
        parts: _Parts,
        chains: dict[str, bytes],
        signer: str,
    ) -> bool:
        if signer in conversation.told or signer in parts.told:
            return True
        chain = {fingerprint(der): der for der in self._context.book.chain(connection, signer)}
        if len(chains | chain) > self._context.limits.certificates_max:
            return False
        chains.update(chain)
        parts.told.add(signer)
        return True

    def _write(
        self, conversation: Conversation, purpose: str, parts: _Parts, statement: Statement | None = None
    ) -> Outgoing:
        context = self._context
        now_s = context.clock.monotonic_s()
        head = Head(
            tree=context.identity.tree,
            sender=context.code,
            receiver=conversation.peer,
            start_id=context.start_id,
            sent_at=context.clock.now(),
            purpose=purpose,
            slices=tuple(parts.load.slices),
            receipts=tuple(parts.replies.receipts),
            verdicts=tuple(parts.replies.verdicts),
            statement=statement,
            tails=parts.tails,
            certificates=tuple(parts.certificates),
            more=parts.load.more,
        )
        data = write_package(head, _flat(parts.load.records), context.identity.private_key)
        # What was asked for is not sent again by itself: who asked asks again.
        flight = conversation.take_off(() if parts.returning else head.slices, now_s, parts.load.receipted)
        if flight.slices:
            conversation.more = parts.load.more
        conversation.told |= parts.told
        conversation.handed.update({(holder, stream): size for holder, stream, size in parts.handed})
        return Outgoing(data=data, head=head, flight=flight)

    def _report_damage(self, damaged: Mapping[StreamName, str]) -> None:
        for stream, why in damaged.items():

            def work(transaction: Transaction, name: StreamName = stream, text: str = why) -> bool:
                text = f"{text}; nothing of it is sent on."
                return raise_alarm(
                    transaction, DAMAGE_ALARM, "damaged", text, name, raised_at=self._context.clock.now()
                )

            self._context.store.write(work)


def _flat(records: Iterable[list[bytes]]) -> Iterable[bytes]:
    return itertools.chain.from_iterable(records)
