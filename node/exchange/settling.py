"""Settling a doubt (02, R12): a node whose database may be older than what it has told others asks its neighbours.

This is an essay for whoever changes it.

Who is in doubt
    A node whose high-water file is ahead of its database or missing beside it, one that was restored from a backup, one
    whose PostgreSQL server is not the one that it was; and one whose neighbour has *proved*, by a checkpoint under this
    node's own signature, that it holds more of a stream of this node than the node itself, or another tail of it (a
    machine that was set back with its high-water file, for instance). A claim alone never does it.

What a node in doubt does
    It states what it holds, marked unsettled, and answers for nothing: deliveries wait
    (``node.departments.receiving``), slices are answered ``BUSY``, no checkpoint and no receipt is signed. It listens
    to the statements of its parent and of each child. Where one holds more of a stream of ours, or another tail, its
    tail is asked for (``tails``), checked against our own signature, and adopted: ``Journal.adopt``. When everybody was
    heard the doubt ends: a ``StreamReturn`` tells of each stream what was common and which checkpoints are abandoned.
    A new life with a new start id begins with the doubt and with its end, so that every neighbour opens again.

Who settles first
    What a neighbour holds and we lack is fetched whoever wrote it, but for what travels from there anyway: the nodes on
    our other side may have lost it too, and would wait for us. After a disaster that hit several levels the nodes
    gather from below first: a child in doubt counts once it has ``gathered``, heard all of its own children. Then they
    settle from the top: a parent counts once it is not ``unsettled`` any more. So nobody waits for somebody who waits
    for him (docs/adr/0010).

What cannot be settled here
    - Somebody who must be heard does not come: the doubt says for whom it waits. ``yizhan settle --without CODE`` gives
      that one up.
    - Our own receipts contradict our tree: then the past was rewritten, which is no return. A fork alarm says so.
    - A neighbour claims what it cannot prove: it stays unheard, an alarm names it.
    - Nobody holds what the high-water file says was shown: it is lost, and an alarm names stream and sizes.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from node.exchange.contradictions import Contradictions
from node.exchange.conversation import Wanted
from node.exchange.head import BUSY
from node.exchange.own_tails import OwnTails, end_with_returns
from node.exchange.statements import digests_of
from node.exchange.tails import TIMES_MAX, leaves_of
from node.journal.alarms import raise_alarm
from node.journal.doubt import Doubt, find_doubt, reason_to_doubt, save_doubt
from node.journal.forks import FORK_ALARM, decided_against
from node.trust.holders import holds, travels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlalchemy.engine import Connection

    from node.exchange.context import Context
    from node.exchange.conversation import Conversation, Conversations
    from node.exchange.head import Slice, Standing, Statement
    from node.exchange.package import Package
    from node.exchange.receiver import Receiver
    from node.journal.store import Transaction
    from node.standard.seals import StreamName

CLAIM_ALARM: Final = "PACKAGE"
"""Kind of the alarm of a claim that nobody proves."""
IN_DOUBT: Final = "in doubt"
"""Why a conversation is opened again and again until the doubt ends."""

_LOG: Final = logging.getLogger(__name__)


class Settling:
    """The way out of doubt; its state lies in the journal and in the conversations, whose locks the caller holds."""

    def __init__(
        self, context: Context, conversations: Conversations, receiver: Receiver, renew: Callable[[], None]
    ) -> None:
        self._context = context
        self._conversations = conversations
        self._receiver = receiver
        self._renew = renew
        self._own = OwnTails(context)
        self._contradictions = Contradictions(context)
        self._decided_against: frozenset[StreamName] = frozenset()

    # --- entering ------------------------------------------------------------------------------------------------

    def doubt(self) -> Doubt | None:
        """Return this node's doubt, None when it has none."""
        with self._context.store.reading() as connection:
            return find_doubt(connection)

    def examine(self, *, starting: bool = False) -> Doubt | None:
        """Enter doubt if the database is behind what was revealed; return the doubt, None when there is none.

        ``starting``: look at every stream, as at the start of a process; else at our own only.
        """
        context = self._context
        with context.store.reading() as connection:
            known = find_doubt(connection)
            place = context.store.place(connection)
            reason = reason_to_doubt(connection, context.journal.high_water, place, whole=starting)
        if known is None and reason is not None:
            self.enter(reason)
        self._follow_decisions()
        found = self._with_neighbours()
        return found if found is None or found.unheard else self.finish()

    def _follow_decisions(self) -> None:
        """Ask for the other version of a stream when the root decides for it; own streams return by an opening."""
        context = self._context
        with context.store.reading() as connection:
            lost = decided_against(connection)
            tree = context.load_tree(connection) if lost else None
        for conversation in self._conversations.all() if lost != self._decided_against or lost else ():
            if lost != self._decided_against:
                conversation.reopen = conversation.reopen or "fork resolved"
            for stream in lost:
                if tree is not None and travels(tree, stream, conversation.peer, context.code):
                    # Whoever is asked may not have it yet either.
                    again_at_s = context.clock.monotonic_s() + context.limits.compare_s
                    conversation.wanted.setdefault(stream, Wanted(again_at_s=again_at_s))
        self._decided_against = lost

    def enter(self, reason: str) -> None:
        """Enter doubt; whoever is in doubt already stays so for its first reason."""

        def work(transaction: Transaction) -> bool:
            if find_doubt(transaction.connection) is not None:
                return False
            save_doubt(transaction, Doubt(reason=reason, since=self._context.clock.now()))
            return True

        if self._context.store.write(work):
            _LOG.error("in doubt about the database", extra={"why": reason})
            # A child opens again when it hears another start id; it would be heard a day later else.
            self._renew()
        self._with_neighbours()
        for conversation in self._conversations.all():
            conversation.reopen = IN_DOUBT
            conversation.is_open = False

    def give_up(self, code: str) -> Doubt | None:
        """Stop waiting for a neighbour, because a person said so; return the doubt, which the running node ends."""

        def work(transaction: Transaction) -> Doubt | None:
            found = find_doubt(transaction.connection)
            if found is not None:
                found = found.given_up(code)
                save_doubt(transaction, found)
            return found

        return self._context.store.write(work)

    def _with_neighbours(self) -> Doubt | None:
        """Find out whose statements are missing, if that was not done, and return the doubt."""

        def work(transaction: Transaction) -> Doubt | None:
            found = find_doubt(transaction.connection)
            if found is None or found.unheard is not None:
                return found
            waiting = found.waiting_for(self._neighbours(transaction.connection))
            save_doubt(transaction, waiting)
            return waiting

        found = self.doubt()
        return found if found is None or found.unheard is not None else self._context.store.write(work)

    def _neighbours(self, connection: Connection) -> set[str]:
        tree, code = self._context.load_tree(connection), self._context.code
        parent = tree.parent(code)
        return {*tree.children(code), *(() if parent is None else (parent,))}

    # --- hearing -------------------------------------------------------------------------------------------------

    def hear(self, conversation: Conversation, lines: Iterable[Standing], statement: Statement) -> bool:
        """Take a neighbour's statement while in doubt; return whether all of it is known.

        ``lines`` is our side. False: the digest of an origin differs whose list was not given yet.
        """
        peer = conversation.peer
        with self._context.store.reading() as connection:
            tree = self._context.load_tree(connection)
            is_parent = tree.knows(self._context.code) and tree.parent(self._context.code) == peer
            if statement.unsettled and (is_parent or not statement.gathered):
                return True
            listed = {line.stream.origin for line in statement.lines}
            ours = digests_of(lines)
            unlisted = {
                origin for origin, digest in statement.digests if ours.get(origin) != digest and origin not in listed
            }
            if unlisted:
                return False
            conversation.claims = {
                line.stream: line
                for line in statement.lines
                # What travels from there anyway comes by itself once we are settled.
                if not travels(tree, line.stream, peer, self._context.code) and not self._satisfied(connection, line)
            }
        conversation.wanted = dict.fromkeys(conversation.claims, Wanted())
        self.check(conversation)
        return True

    def check(self, conversation: Conversation) -> None:
        """Drop the claims of a neighbour that we satisfy by now; with none left, it was heard.

        A tail that was asked for too often in vain is told to people; only a node in doubt goes on asking.
        """
        claims = conversation.claims
        for stream in [one for one, asked in conversation.wanted.items() if asked.times > TIMES_MAX]:
            self._alarm_claim(conversation.peer, stream)
            conversation.wanted[stream] = Wanted()
            if claims is None or stream not in claims:
                del conversation.wanted[stream]
        if claims is None:
            return
        with self._context.store.reading() as connection:
            left = {stream: line for stream, line in claims.items() if not self._satisfied(connection, line)}
            if not any(stream.origin == self._context.code for stream in left):
                # The tree is as whole as this neighbour makes it: what is unknown now comes once we are settled.
                tree = self._context.load_tree(connection)
                left = {stream: line for stream, line in left.items() if holds(tree, stream, self._context.code)}
        for stream in claims.keys() - left.keys():
            conversation.wanted.pop(stream, None)
        conversation.claims = left or None
        if not left:
            self._heard(conversation.peer)

    def _satisfied(self, connection: Connection, line: Standing) -> bool:
        """Tell whether we hold what a neighbour stated."""
        journal = self._context.journal
        held = journal.held(connection, line.stream)
        # A seal of ours that only others have is needed too: their receipts name it.
        if held is None or (held.sealed if held.own else held.size) < line.size:
            return line.size == 0
        return journal.root_at(connection, line.stream, line.size) == line.root

    def _heard(self, peer: str) -> None:
        def work(transaction: Transaction) -> bool:
            found = find_doubt(transaction.connection)
            if found is None or peer not in (found.unheard or ()):
                return False
            # Children that joined after the backup are known only now.
            save_doubt(transaction, found.after(peer).waiting_for(self._neighbours(transaction.connection)))
            return True

        if not self._context.store.write(work):
            return
        parent = self._context.identity.parent
        if self.finish() is not None and parent is not None:
            # Our parent may wait for us to have gathered.
            self._conversations.of(parent).reopen = IN_DOUBT

    # --- taking --------------------------------------------------------------------------------------------------

    def take(self, package: Package, conversation: Conversation) -> dict[int, str]:
        """Take the slices of a package that answers our requests; return why, by number, those that do not stand.

        The caller keeps the package as evidence for these.
        """
        refused: dict[int, str] = {}
        for number, one in enumerate(package.head.slices):
            if one.stream not in conversation.wanted:
                # It was asked for twice, or by nobody.
                continue
            reason = self._take_one(package, number, one, conversation)
            if reason == BUSY:
                # It is asked for again.
                continue
            if reason is None and one.stream in conversation.wanted:
                # There may be more behind it.
                conversation.wanted[one.stream] = Wanted()
            elif reason is not None:
                refused[number] = reason
        self.check(conversation)
        return refused

    def _take_one(self, package: Package, number: int, one: Slice, conversation: Conversation) -> str | None:
        if one.stream.origin != self._context.code and conversation.claims is None:
            conversation.wanted.pop(one.stream)
            return self._contradictions.take(one, package.records(number))
        if one.stream.origin != self._context.code:
            verdict = self._receiver.accept(package, conversation.peer, [number], returning=True)[number]
            return BUSY if verdict.word == BUSY else verdict.reason
        bodies = package.records(number)
        found = self._own.compare(one, leaves_of(one, bodies))
        if found.objection is not None:
            return found.objection
        if found.rewritten:
            conversation.wanted.pop(one.stream)
            self._alarm_rewritten(one)
        elif self.doubt() is not None:
            self._own.adopt(one, bodies)
        else:
            conversation.wanted.pop(one.stream)
            if found.common < one.last:
                self.enter(f"{conversation.peer} holds records of {one.stream} that this node signed and lacks")
        return None

    # --- ending --------------------------------------------------------------------------------------------------

    def finish(self) -> Doubt | None:
        """End the doubt if everybody was heard; return what is left of it."""
        found = self.doubt()
        if found is None or found.unheard is None or found.unheard:
            return found
        context = self._context
        with context.store.reading() as connection:
            sizes = {held.stream: held.size for held in context.journal.streams(connection)}
            place = context.store.place(connection)
        lost = {
            stream: (sizes.get(stream, 0), size)
            for stream, size in (context.journal.high_water.sizes() or {}).items()
            # What was set aside is no loss: it is offered again.
            if stream.origin == context.code and max(sizes.get(stream, 0), found.set_aside_to(stream)) < size
        }
        context.journal.high_water.settle(sizes, place)
        if context.store.write(lambda transaction: end_with_returns(transaction, context, lost)):
            _LOG.warning("doubt settled", extra={"why": found.reason, "streams": len(found.returned)})
            self._renew()
        return None

    # --- telling people ------------------------------------------------------------------------------------------

    def _alarm_claim(self, peer: str, stream: StreamName) -> None:
        self._alarm(
            CLAIM_ALARM,
            f"claim of {peer}",
            f"Node {peer} states to hold more of {stream} than this node, or another tail of it, and does not give it "
            "when asked. Its statement changes nothing; look at both nodes. A node in doubt waits for it until "
            "somebody gives it up: yizhan settle.",
            stream,
        )

    def _alarm_rewritten(self, one: Slice) -> None:
        self._alarm(
            FORK_ALARM,
            f"{one.stream} rewritten below {one.last}",
            f"This node's own database contradicts the receipts in it: {one.stream} was other than it is now when they "
            f"were signed. Signed root {one.checkpoint.root.hex()} at {one.last}. This is no return from a backup: the "
            "past was changed. The stream waits for a ForkResolution.",
            one.stream,
        )

    def _alarm(self, kind: str, subject: str, text: str, stream: StreamName) -> None:
        self._context.store.write(
            lambda transaction: raise_alarm(
                transaction, kind, subject, text, stream, raised_at=self._context.clock.now()
            )
        )
