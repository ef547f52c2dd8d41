"""The parent's side of a link: every package of a child is answered with one of ours (02, R13).

A parent never opens a connection to a child. What goes down is the answer to the child's push, or to its long-poll,
which waits here for news; nothing here knows about threads or HTTP: the waiting is done by a function that is given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.exchange.head import ANSWER, OPEN, POLL
from node.journal.links import CHILD

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.exchange.accepting import Accepted, Accepting
    from node.exchange.composing import Composer, Outgoing
    from node.exchange.context import Context
    from node.exchange.conversation import Conversation, Conversations
    from node.exchange.head import Statement
    from node.exchange.link_states import LinkStates
    from node.exchange.opening import Opening
    from node.exchange.receipts import Receipts
    from node.exchange.settling import Settling

    Wait = Callable[[float], bool]


class Answering:
    """Answers packages of children."""

    def __init__(
        self,
        context: Context,
        conversations: Conversations,
        accepting: Accepting,
        composer: Composer,
        opening: Opening,
        settling: Settling,
        *,
        receipts: Receipts,
        links: LinkStates,
    ) -> None:
        self._context = context
        self._conversations = conversations
        self._accepting = accepting
        self._composer = composer
        self._opening = opening
        self._receipts = receipts
        self._links = links
        self._settling = settling

    def answer(self, data: bytes, peer: str, wait: Wait | None, wait_s: float) -> bytes:
        """Take a package and return the answer; ``Exchange.answer`` documents the arguments."""
        accepted = self._accepting.accept(data, peer)
        conversation = self._conversations.of(peer)
        head = accepted.package.head
        self._links.heard(peer, CHILD, head.start_id)
        if head.purpose == OPEN and head.statement is not None:
            return self._answer_opening(accepted, head.statement, conversation)
        if wait is not None:
            # News is counted from here on, so nothing that comes while we look is slept through.
            wait(0.0)
        self._accepting.hold_early(accepted, wait)
        replies = self._accepting.replies(accepted)
        with conversation.lock:
            self._hear_open(conversation, head.start_id)
            conversation.polls += head.purpose == POLL
            turn = (conversation.generation, conversation.polls)
            conversation.replies.add(replies)
            if head.purpose != POLL or wait is None or not conversation.is_open:
                # Under the same lock: the answer to another package would take these verdicts along.
                return self._now(conversation).data
        return self._with_news(conversation, turn, wait, min(wait_s, self._context.limits.long_poll_s_max)).data

    def _hear_open(self, conversation: Conversation, start_id: str) -> None:
        """Take a conversation for open at the first push or long-poll of the process that began to open it.

        A child sends neither before it takes the conversation for open itself. It may do so after one request, though
        digests differed here: they were equal when it compared them, or a list was too long to be given.
        """
        begun = not conversation.is_open and conversation.peer_start_id == start_id
        if begun and self._settling.doubt() is None:
            conversation.is_open = True

    def _answer_opening(self, accepted: Accepted, statement: Statement, conversation: Conversation) -> bytes:
        """Answer an opening: the second package of one brings the lists that the first answer asked for."""
        peer, start_id = conversation.peer, accepted.package.head.start_id
        with conversation.lock:
            if not statement.lines or conversation.peer_start_id != start_id:
                conversation.begin(start_id, self._context.clock.monotonic_s())
                # What this opening itself asks for is not forgotten with what was asked for before.
                conversation.note_asked(accepted.package.head.tails)
            doubted = self._settling.doubt() is not None
            if doubted:
                self._settling.hear(conversation, self._opening.lines(peer), statement)
            else:
                unlisted = self._opening.apply(conversation, statement, start_id)
                # An origin that no list names after the second package is known by nothing; its cursors stay.
                conversation.is_open = not unlisted or bool(statement.lines)
            with self._context.store.reading() as connection:
                conversation.news.update(self._receipts.incoming(connection, peer))
            listed = self._opening.differing(peer, statement)
            said = self._opening.statement(peer, listed, doubt=self._settling.doubt())
            return self._composer.compose_opening(conversation, ANSWER, said).data

    def _now(self, conversation: Conversation) -> Outgoing:
        with conversation.lock:
            return self._composer.compose(conversation, ANSWER) or self._composer.compose_empty(conversation)

    def _with_news(self, conversation: Conversation, turn: tuple[int, int], wait: Wait, wait_s: float) -> Outgoing:
        """Wait until there is something to send; a newer long-poll or conversation ends the wait."""
        clock = self._context.clock
        end_s = clock.monotonic_s() + wait_s
        while True:
            with conversation.lock:
                if (conversation.generation, conversation.polls) != turn:
                    # The child has come again, so this answer may go to a dead connection: it carries nothing.
                    return self._composer.compose_empty(conversation)
                outgoing = self._composer.compose(conversation, ANSWER)
                began_s = clock.monotonic_s()
                if outgoing is not None or began_s >= end_s:
                    return outgoing or self._composer.compose_empty(conversation)
            news = wait(min(end_s - began_s, self._context.limits.compare_s))
            if not news and clock.monotonic_s() == began_s:
                # Nobody waits any more (the node stops), or time stands still (a simulation).
                end_s = began_s
