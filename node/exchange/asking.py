"""The child's side of a link: opening the conversation, pushing what goes up, asking for what comes down (02, R13)."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from node.errors import PackageRefusedError
from node.exchange.accepting import REPLACED
from node.exchange.head import OPEN, PUSH
from node.exchange.lives import SECOND
from node.exchange.places import Places
from node.exchange.settling import IN_DOUBT
from node.journal.alarms import raise_alarm
from node.trust.projection import OWN_CODE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from node.exchange.accepting import Accepted, Accepting
    from node.exchange.carriers import Carrier
    from node.exchange.composing import Composer, Outgoing
    from node.exchange.context import Context
    from node.exchange.conversation import Conversations
    from node.exchange.opening import Opening
    from node.exchange.settling import Settling
    from node.journal.store import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What one request did: whether one was made, and how much went each way.

    ``more``: the neighbour has more to send than fitted.
    """

    asked: bool = False
    sent_records: int = 0
    taken_slices: int = 0
    receipts: int = 0
    more: bool = False

    def __bool__(self) -> bool:
        """Tell whether anything moved, so that asking again at once is worth it."""
        return bool(self.sent_records or self.taken_slices or self.receipts or self.more)


class Asking:
    """Makes requests to the parent."""

    def __init__(
        self,
        context: Context,
        conversations: Conversations,
        accepting: Accepting,
        composer: Composer,
        opening: Opening,
        settling: Settling,
    ) -> None:
        self._context = context
        self._conversations = conversations
        self._accepting = accepting
        self._composer = composer
        self._opening = opening
        self._settling = settling
        self._places = Places(context.limits, context.clock)

    def must_open(self, peer: str) -> bool:
        """Tell whether the conversation must be opened (again) before anything is sent."""
        conversation = self._conversations.of(peer)
        if conversation.reopen == IN_DOUBT and conversation.asked:
            # The parent waits for what only this node may have; the next push brings it.
            return False
        age_s = self._context.clock.monotonic_s() - conversation.opened_at_s
        return bool(conversation.reopen) or age_s > self._context.limits.conversation_s_max

    def open_conversation(self, peer: str, carrier: Carrier) -> None:
        """State what is held, hear the same, set cursors; one request, or two where digests differ."""
        conversation = self._conversations.of(peer)
        with conversation.lock:
            conversation.reopen = conversation.reopen or "asked"
            conversation.begin(None, self._context.clock.monotonic_s())
        doubt = self._settling.doubt()
        listed: frozenset[str] = frozenset()
        for _ in range(2):
            with conversation.lock:
                said = self._opening.statement(peer, listed, doubt=doubt)
                outgoing = self._composer.compose_opening(conversation, OPEN, said)
            accepted = self._accepting.accept(self._carried(carrier, outgoing, peer, 0.0), peer)
            head = accepted.package.head
            if head.statement is None:
                raise PackageRefusedError("head", "The answer to an opening holds no statement.")
            with conversation.lock:
                conversation.peer_start_id = head.start_id
                if doubt is not None:
                    self._settling.hear(conversation, self._opening.lines(peer), head.statement)
                else:
                    self._opening.apply(conversation, head.statement, head.start_id)
            listed = self._opening.differing(peer, head.statement)
            if not listed:
                break
        with conversation.lock:
            # Until the doubt has ended nothing but statements and tails is exchanged.
            conversation.is_open = doubt is None and self._settling.doubt() is None
            conversation.reopen = "" if conversation.is_open or conversation.wanted else IN_DOUBT

    def push(self, peer: str, carrier: Carrier, wait: Callable[[float], bool] | None) -> Progress:
        """Send what waits, if anything does, and take the answer.

        What is made while as many packages are under way as may be is sent when one of them is answered (``places``);
        should the conversation have to be opened again by then, it is not sent at all.
        """
        conversation = self._conversations.of(peer)
        with conversation.lock:
            outgoing = self._composer.compose(conversation, PUSH)
            made_in = (conversation.generation, conversation.reopen)
        if outgoing is None:
            return Progress()
        # Replies wait for nobody.
        place = self._places.place(full=outgoing.head.more) if outgoing.head.slices else nullcontext()
        with place:
            with conversation.lock:
                if (conversation.generation, conversation.reopen) != made_in or not conversation.flies(outgoing.flight):
                    # The next opening, or the next package, brings what it would have brought.
                    conversation.drop(outgoing.flight)
                    return Progress()
                outgoing.flight.since_s = self._context.clock.monotonic_s()
            answer = self._answered(peer, carrier, outgoing, 0.0)
        return self._taken(answer, peer, outgoing, wait)

    def poll(self, peer: str, carrier: Carrier, wait_s: float, wait: Callable[[float], bool] | None) -> Progress:
        """Ask for what there is, letting the parent wait ``wait_s`` for news, and take the answer."""
        conversation = self._conversations.of(peer)
        with conversation.lock:
            outgoing = self._composer.compose_poll(conversation)
        return self._taken(self._answered(peer, carrier, outgoing, wait_s), peer, outgoing, wait)

    def accept_answer(
        self, data: bytes, peer: str, outgoing: Outgoing, wait: Callable[[float], bool] | None = None
    ) -> Accepted:
        """Take the answer to ``outgoing``; verdicts and receipts for its slices go with the next request."""
        conversation = self._conversations.of(peer)
        accepted = self._accepting.accept(data, peer)
        self._accepting.hold_early(accepted, wait)
        replies = self._accepting.replies(accepted)
        with conversation.lock:
            conversation.drop(outgoing.flight)
            conversation.replies.add(replies)
            if accepted.package.head.start_id != conversation.peer_start_id:
                conversation.reopen = "neighbour started again"
        return accepted

    def failed(self, peer: str, outgoing: Outgoing) -> None:
        """Say that ``outgoing`` got no answer: it is not under way any more, and the conversation must open again."""
        conversation = self._conversations.of(peer)
        with conversation.lock:
            conversation.drop(outgoing.flight)
            conversation.reopen = "failed request"

    def _answered(self, peer: str, carrier: Carrier, outgoing: Outgoing, wait_s: float) -> bytes:
        with self._noting_failure(peer, outgoing):
            return self._carried(carrier, outgoing, peer, wait_s)

    def _taken(self, answer: bytes, peer: str, outgoing: Outgoing, wait: Callable[[float], bool] | None) -> Progress:
        with self._noting_failure(peer, outgoing):
            accepted = self.accept_answer(answer, peer, outgoing, wait)
        return Progress(
            asked=True,
            sent_records=outgoing.record_count,
            taken_slices=len(accepted.verdicts),
            receipts=accepted.receipted,
            more=accepted.package.head.more,
        )

    @contextmanager
    def _noting_failure(self, peer: str, outgoing: Outgoing) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.failed(peer, outgoing)
            raise

    def _carried(self, carrier: Carrier, outgoing: Outgoing, peer: str, wait_s: float) -> bytes:
        """Return the parent's answer; that this node was replaced is an alarm, since nobody else can tell it."""
        try:
            return carrier.exchange(outgoing.data, wait_s=wait_s)
        except PackageRefusedError as error:
            if error.reason == REPLACED:
                self._context.store.write(lambda transaction: self._alarm(transaction, peer))
            if error.reason == SECOND:
                self._context.store.write(lambda transaction: self._alarm_second(transaction, peer))
            raise

    def _alarm_second(self, transaction: Transaction, peer: str) -> None:
        raise_alarm(
            transaction,
            OWN_CODE,
            f"{self._context.code} lives twice",
            f"{peer} hears another process with this node's keys and takes nothing from this one. Was this machine "
            "cloned, or its home copied? Stop one of them; what only this one took in must be offered again there.",
            raised_at=self._context.clock.now(),
        )

    def _alarm(self, transaction: Transaction, peer: str) -> None:
        identity = self._context.identity
        raise_alarm(
            transaction,
            OWN_CODE,
            f"{identity.code} {identity.fingerprint}",
            f"{peer} has issued a newer certificate for this node's code {identity.code} and takes nothing from this "
            f"node any more. If this node was not meant to be replaced, find out at {peer} who asked for it.",
            raised_at=self._context.clock.now(),
        )
