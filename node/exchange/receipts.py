"""Receipts (回执): the ones we sign for what we hold, the ones we believe, and the ones we hand down (02, R6).

A receipt is signed only for what is committed, and names the size of a checkpoint. It is cumulative, so late, lost,
repeated and replayed receipts change nothing. One that claims what cannot be (more than was sent, another root, another
holder, a signature that does not verify) moves nothing, is kept as evidence and raises an alarm.

A parent hands down the newest receipts of its own ancestors for its children's streams: so a county can show that the
province holds its record.
"""

from __future__ import annotations

import base64
import logging
from dataclasses import dataclass, replace
from datetime import UTC
from typing import TYPE_CHECKING, Final

from node.errors import IdentityError, ReceiptRefusedError
from node.exchange.evidence import RECEIPT_SUFFIX
from node.journal import checkpoints, cursors
from node.journal.alarms import raise_alarm
from node.journal.doubt import find_doubt
from node.journal.receipts import receipt_of, save_receipt
from node.standard.seals import Receipt
from node.trust.holders import travels

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.engine import Connection

    from node.exchange.context import Context
    from node.exchange.conversation import Conversation
    from node.exchange.sender import Outcome
    from node.journal.holdings import Held
    from node.journal.store import Transaction
    from node.standard.seals import StreamName
    from node.trust.tree import Tree

RECEIPT_ALARM: Final = "RECEIPT"
"""Kind of the alarm that a receipt raises which claims what cannot be."""
_CACHED_MAX: Final = 10_000

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Refused:
    """A receipt that is not believed, and the constant word why."""

    receipt: Receipt
    reason: str
    what: str


class Receipts:
    """Signs, believes and hands down receipts."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._signed: dict[StreamName, Receipt] = {}
        # What stood sealed when this process began may be under way from the process before it.
        self._sealed_before: dict[StreamName, int] = {}
        self.renew()

    def signed(self, connection: Connection, streams: Iterable[StreamName]) -> list[Receipt]:
        """Return our receipts for ``streams``, for what this connection sees committed; others' streams only.

        The same size gets the same receipt as long as the process lives. In doubt nothing is signed (02, R12).
        """
        if find_doubt(connection) is not None:
            return []
        wanted = list(dict.fromkeys(streams))
        found = self._context.journal.held_many(connection, wanted)
        helds = [found[stream] for stream in wanted if stream in found]
        signed = [self._sign(held) for held in helds if held.size and not held.own]
        # Before anybody can read them.
        self._context.journal.high_water.raise_to({one.stream: one.size for one in signed})
        return signed

    def renew(self) -> None:
        """Begin anew, as a process does at its start: a doubt was settled."""
        self._signed.clear()
        with self._context.store.reading() as connection:
            self._sealed_before = {held.stream: held.sealed for held in self._context.journal.streams(connection)}

    def incoming(self, connection: Connection, peer: str) -> list[StreamName]:
        """Return the streams held here that come over the link from ``peer``."""
        tree = self._context.load_tree(connection)
        return [
            held.stream
            for held in self._context.journal.streams(connection)
            if travels(tree, held.stream, peer, self._context.code)
        ]

    def accept(self, receipts: Sequence[Receipt], conversation: Conversation, outcome: Outcome) -> list[Receipt]:
        """Take receipts that came from the neighbour; return those that were new and believed.

        ``outcome`` (of the verdicts that came with them) is written in the same transaction. The caller holds the
        conversation's lock. Refused ones are kept, alarmed and logged; nothing is raised.
        """
        if not receipts and not outcome:
            return []
        believed: list[Receipt] = []
        refused: list[_Refused] = []
        with self._context.store.reading() as connection:
            tree = self._context.load_tree(connection)
            for receipt in receipts:
                try:
                    if self._believes(connection, tree, receipt, conversation):
                        believed.append(receipt)
                except ReceiptRefusedError as error:
                    refused.append(_Refused(receipt=receipt, reason=error.reason, what=error.what))
            outcome.shown = {
                stream: sealed_at
                for stream, sealed_at in outcome.shown.items()
                if sealed_at != cursors.shown_at(connection, conversation.peer, stream)
            }
        if believed or refused or outcome:
            self._context.store.write(
                lambda transaction: self._save(transaction, believed, refused, outcome, conversation.peer)
            )
            conversation.sent.update(outcome.returned)
        for one in refused:
            self._keep(one, conversation.peer)
        return believed

    def to_hand_down(
        self, connection: Connection, tree: Tree, conversation: Conversation, *, count_max: int
    ) -> list[Receipt]:
        """Return receipts of our ancestors for the child's streams that it was not given; the caller holds the lock.

        ``conversation.news`` names the streams to look at; those looked at leave it.
        """
        above = tree.ancestors(self._context.code)
        if not above or conversation.peer not in tree.children(self._context.code):
            conversation.news.clear()
            return []
        found: list[Receipt] = []
        for stream in sorted(conversation.news):
            if len(found) + len(above) > count_max:
                break
            conversation.news.discard(stream)
            if travels(tree, stream, conversation.peer, self._context.code):
                found += self._newer(connection, stream, above, conversation)
        return found

    def _newer(
        self, connection: Connection, stream: StreamName, above: Sequence[str], conversation: Conversation
    ) -> list[Receipt]:
        newest = [receipt_of(connection, holder, stream) for holder in above]
        given = conversation.handed
        return [one for one in newest if one is not None and one.size > given.get((one.holder, stream), 0)]

    def _sign(self, held: Held) -> Receipt:
        cached = self._signed.get(held.stream)
        if cached is not None and (cached.size, cached.root) == (held.size, held.root):
            return cached
        identity = self._context.identity
        unsigned = Receipt(
            holder=identity.code,
            stream=held.stream,
            size=held.size,
            root=held.root,
            # A signed text carries whole seconds, so the value must not carry more.
            received_at=self._context.clock.now().astimezone(UTC).replace(microsecond=0),
            signer=identity.fingerprint,
        )
        receipt = replace(unsigned, signature=identity.sign(unsigned.text(identity.tree)))
        if len(self._signed) >= _CACHED_MAX:
            self._signed.clear()
        self._signed[held.stream] = receipt
        return receipt

    def _believes(self, connection: Connection, tree: Tree, receipt: Receipt, conversation: Conversation) -> bool:
        """Tell whether a receipt says something new that is true; ReceiptRefusedError when it cannot be true."""
        held = self._held(connection, tree, receipt, conversation)
        from_peer = receipt.holder == conversation.peer
        receipted = cursors.cursor(connection, conversation.peer, receipt.stream)
        known = receipt_of(connection, receipt.holder, receipt.stream)
        # A neighbour that had returned with less receipts again what it had receipted before: the cursor follows.
        moves = from_peer and receipt.size > receipted
        repeated = known is not None and (known.size, known.root) == (receipt.size, receipt.root)
        if repeated and not moves:
            return False
        try:
            self._context.book.verify_receipt(connection, receipt)
        except IdentityError as error:
            raise ReceiptRefusedError("signature", error.what) from error
        # At an opening a neighbour also brings receipts for what an earlier process of ours has sent.
        strict = from_peer and conversation.is_open
        here = max(conversation.sent.get(receipt.stream, 0), self._sealed_before.get(receipt.stream, 0))
        sent = max(receipted, here) if strict else held.sealed
        if receipt.size > min(sent, held.sealed):
            if repeated:
                # It is from before the neighbour returned: late or replayed.
                return False
            raise ReceiptRefusedError("beyond", f"It names {receipt.size} records; {sent} were sent.")
        journal = self._context.journal
        if receipt.size and journal.root_at(connection, receipt.stream, receipt.size) != receipt.root:
            raise ReceiptRefusedError("root", f"Its root at {receipt.size} is not the stream's.")
        if not moves:
            return receipt.size > (0 if known is None else known.size)
        if checkpoints.at(connection, receipt.stream, receipt.size) is None:
            raise ReceiptRefusedError("size", f"No checkpoint of the stream has the size {receipt.size}.")
        return True

    def _held(self, connection: Connection, tree: Tree, receipt: Receipt, conversation: Conversation) -> Held:
        """Return the stream that a receipt is about; ReceiptRefusedError when its holder cannot speak of it here."""
        code, peer, stream = self._context.code, conversation.peer, receipt.stream
        handed_down = peer == tree.parent(code) and receipt.holder in tree.ancestors(code)
        if receipt.holder != peer and not handed_down:
            raise ReceiptRefusedError("holder", f"{receipt.holder} does not answer for this link.")
        held = self._context.journal.held(connection, stream)
        if held is None or not travels(tree, stream, code, peer):
            raise ReceiptRefusedError("stream", f"{stream} is not sent over this link.")
        return held

    def _save(
        self,
        transaction: Transaction,
        believed: list[Receipt],
        refused: list[_Refused],
        outcome: Outcome,
        peer: str,
    ) -> None:
        for stream, sealed_at in outcome.shown.items():
            cursors.set_shown(transaction, peer, stream, sealed_at)
        for stream, size in outcome.returned.items():
            cursors.put_back(transaction, peer, stream, size)
        for receipt in believed:
            save_receipt(transaction, receipt)
            if receipt.holder == peer:
                cursors.advance(transaction, peer, receipt.stream, receipt.size)
        for one in refused:
            raise_alarm(
                transaction,
                RECEIPT_ALARM,
                f"{one.receipt.holder} {one.reason}",
                f"A receipt from {peer} is not believed ({one.reason}): {one.what} It is kept as evidence.",
                one.receipt.stream,
                raised_at=self._context.clock.now(),
            )

    def _keep(self, one: _Refused, peer: str) -> None:
        _LOG.warning("receipt refused", extra={"peer": peer, "stream": str(one.receipt.stream), "reason": one.reason})
        signature = base64.b64encode(one.receipt.signature) + b"\n"
        text = one.receipt.text(self._context.identity.tree) + signature
        self._context.evidence.keep(peer, text, one.reason, suffix=RECEIPT_SUFFIX)
