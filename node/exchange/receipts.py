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
from node.journal.receipts import newest_many, receipt_of, save_receipts
from node.standard.seals import Receipt
from node.trust.holders import travels

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from node.exchange.context import Context
    from node.exchange.conversation import Conversation
    from node.exchange.sender import Outcome
    from node.journal.cursors import Cursor
    from node.journal.holdings import Held
    from node.journal.store import Transaction
    from node.standard.seals import Checkpoint, StreamName
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grounds:
    """What the receipts of one package are judged by, as one connection sees it."""

    tree: Tree
    helds: Mapping[StreamName, Held]
    cursors: Mapping[StreamName, Cursor]
    """Of the neighbour that brought them."""
    newest: Mapping[tuple[str, StreamName], tuple[int, bytes]]
    """Size and root of the largest receipt kept, by holder and stream."""
    checkpoints: Mapping[tuple[StreamName, int], Checkpoint]

    def cursor(self, stream: StreamName) -> int:
        """Return how much of a stream the neighbour is known to hold."""
        found = self.cursors.get(stream)
        return 0 if found is None else found.size

    def shown_at(self, stream: StreamName) -> datetime | None:
        """Return the sealing time of the newest checkpoint that it is known to have seen."""
        found = self.cursors.get(stream)
        return None if found is None else found.shown_at


class Receipts:
    """Signs, believes and hands down receipts."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._signed: dict[StreamName, Receipt] = {}
        # What stood sealed or shown when this process began may be under way from the process before it.
        self._shown_before: dict[StreamName, int] = {}
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
        journal = self._context.journal
        # A database that was set back may hold, not sealed yet, what the process before it had sealed and sent.
        shown = journal.high_water.sizes() or {}
        with self._context.store.reading() as connection:
            streams = journal.streams(connection)
        self._shown_before = {held.stream: max(held.sealed, shown.get(held.stream, 0)) for held in streams}

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
            grounds = self._grounds(connection, receipts, outcome, conversation.peer)
            for receipt in receipts:
                try:
                    if self._believes(connection, grounds, receipt, conversation):
                        believed.append(receipt)
                except ReceiptRefusedError as error:
                    refused.append(_Refused(receipt=receipt, reason=error.reason, what=error.what))
            outcome.shown = {
                stream: sealed_at
                for stream, sealed_at in outcome.shown.items()
                if stream in grounds.helds and sealed_at != grounds.shown_at(stream)
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

    def _grounds(self, connection: Connection, receipts: Iterable[Receipt], outcome: Outcome, peer: str) -> _Grounds:
        """Read once what all receipts of a package need."""
        said = list(receipts)
        helds = self._context.journal.held_many(connection, [*(one.stream for one in said), *outcome.shown])
        about = {(one.holder, one.stream): helds[one.stream] for one in said if one.stream in helds}
        return _Grounds(
            tree=self._context.load_tree(connection),
            helds=helds,
            cursors=cursors.cursors_on(connection, peer, helds.values()),
            newest=newest_many(connection, [(holder, held) for (holder, _), held in about.items()]),
            checkpoints=checkpoints.at_many(connection, [(one.stream, one.size) for one in said]),
        )

    def _believes(
        self, connection: Connection, grounds: _Grounds, receipt: Receipt, conversation: Conversation
    ) -> bool:
        """Tell whether a receipt says something new that is true; ReceiptRefusedError when it cannot be true."""
        held = self._held(grounds, receipt, conversation)
        from_peer = receipt.holder == conversation.peer
        receipted = grounds.cursor(receipt.stream)
        known_size, known_root = grounds.newest.get((receipt.holder, receipt.stream), (0, None))
        # A neighbour that had returned with less receipts again what it had receipted before: the cursor follows.
        moves = from_peer and receipt.size > receipted
        repeated = (known_size, known_root) == (receipt.size, receipt.root)
        if repeated and not moves:
            return False
        try:
            self._context.book.verify_receipt(connection, receipt, tree=grounds.tree)
        except IdentityError as error:
            raise ReceiptRefusedError("signature", error.what) from error
        # At an opening a neighbour also brings receipts for what an earlier process of ours has sent.
        strict = from_peer and conversation.is_open
        here = max(conversation.sent.get(receipt.stream, 0), self._shown_before.get(receipt.stream, 0))
        sent = max(receipted, here) if strict else held.sealed
        if receipt.size > min(sent, held.sealed):
            if repeated:
                # It is from before the neighbour returned: late or replayed.
                return False
            raise ReceiptRefusedError("beyond", f"It names {receipt.size} records; {sent} were sent.")
        checkpoint = grounds.checkpoints.get((receipt.stream, receipt.size))
        if receipt.size and self._root(connection, receipt, checkpoint) != receipt.root:
            raise ReceiptRefusedError("root", f"Its root at {receipt.size} is not the stream's.")
        if not moves:
            return receipt.size > known_size
        if checkpoint is None:
            raise ReceiptRefusedError("size", f"No checkpoint of the stream has the size {receipt.size}.")
        return True

    def _root(self, connection: Connection, receipt: Receipt, checkpoint: Checkpoint | None) -> bytes:
        """Return the root at a receipt's size: a checkpoint that stands has it, else it is computed."""
        if checkpoint is not None:
            return checkpoint.root
        return self._context.journal.root_at(connection, receipt.stream, receipt.size)

    def _held(self, grounds: _Grounds, receipt: Receipt, conversation: Conversation) -> Held:
        """Return the stream that a receipt is about; ReceiptRefusedError when its holder cannot speak of it here."""
        code, peer, stream, tree = self._context.code, conversation.peer, receipt.stream, grounds.tree
        handed_down = peer == tree.parent(code) and receipt.holder in tree.ancestors(code)
        if receipt.holder != peer and not handed_down:
            raise ReceiptRefusedError("holder", f"{receipt.holder} does not answer for this link.")
        held = grounds.helds.get(stream)
        if held is None or not travels(tree, stream, code, peer):
            raise ReceiptRefusedError("stream", f"{stream} is not sent over this link.")
        return held

    def _save(
        self,
        transaction: Transaction,
        believed: Sequence[Receipt],
        refused: Iterable[_Refused],
        outcome: Outcome,
        peer: str,
    ) -> None:
        cursors.set_shown(transaction, peer, outcome.shown)
        for stream, size in outcome.returned.items():
            cursors.put_back(transaction, peer, stream, size)
        save_receipts(transaction, believed)
        sizes = {one.stream: one.size for one in sorted(believed, key=_size) if one.holder == peer}
        cursors.advance(transaction, peer, sizes)
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


def _size(receipt: Receipt) -> int:
    return receipt.size
