"""The exchange of one node: plain synchronous steps between packages and the journal.

Nothing here waits for the network or starts a thread. A child's ``links.LinkWorker`` calls ``open_conversation``,
``push_once`` and ``poll_once``; a parent's ``node.web.link_api`` calls ``answer``; the simulation calls whatever it
likes, in any order. Each step reads or writes packages with one neighbour and returns what happened.

One package up is one request, one package down is its answer. Both carry the same things: slices, verdicts on the
slices that came before, receipts, and at the opening of a conversation a statement. ``sender`` and ``receiver`` explain
the two halves.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from node.beside import PROCESSORS_MIN, processors
from node.exchange.accepting import Accepted, Accepting
from node.exchange.answering import Answering
from node.exchange.asking import Asking, Progress
from node.exchange.composing import Composer, Outgoing
from node.exchange.context import Context, Life
from node.exchange.conversation import Conversation, Conversations
from node.exchange.evidence import Evidence
from node.exchange.fetching import Wanted, give_records
from node.exchange.head import PUSH
from node.exchange.limits import Limits
from node.exchange.link_states import LinkStates
from node.exchange.opening import Opening
from node.exchange.reading import RecordReader
from node.exchange.receipts import Receipts
from node.exchange.receiver import Receiver
from node.exchange.sender import Sender
from node.exchange.settling import Settling
from node.journal.returning import NoDoors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from sqlalchemy.engine import Connection

    from node.clock import Clock
    from node.exchange.carriers import Carrier
    from node.journal.returning import Comeback
    from node.journal.store import Store
    from node.journal.streams import Journal
    from node.randomness import Randomness
    from node.trust.book import CertificateBook
    from node.trust.identity import Identity
    from node.trust.tree import Tree

START_ID_BYTES: Final = 16
SALT_BYTES: Final = 16

__all__ = ["Accepted", "Exchange", "Outgoing", "Progress"]


class Exchange:
    """The exchange of one node; safe to be called by several threads.

    ``load_tree`` gives the tree as a connection sees it. ``evidence_folder`` (None: keep none) gets bad packages.
    ``certificate_clock`` (default: ``clock``) decides whether certificates are valid: the machine's, when ``clock`` is
    pushed. ``comeback`` takes records that leave or return to own streams (default: nobody does). A new ``Exchange``
    has a new start id.
    """

    def __init__(  # noqa: PLR0913 - the parts of a node, each by its name.
        self,
        *,
        store: Store,
        journal: Journal,
        identity: Identity,
        book: CertificateBook,
        load_tree: Callable[[Connection], Tree],
        clock: Clock,
        randomness: Randomness,
        limits: Limits | None = None,
        evidence_folder: Path | None = None,
        certificate_clock: Clock | None = None,
        comeback: Comeback | None = None,
    ) -> None:
        bounds = limits or Limits()
        self.context: Final = Context(
            store=store,
            journal=journal,
            identity=identity,
            book=book,
            load_tree=load_tree,
            clock=clock,
            certificate_clock=certificate_clock or clock,
            limits=bounds,
            evidence=Evidence(evidence_folder, bounds),
            life=Life(start_id=randomness.token(START_ID_BYTES).hex()),
            comeback=comeback or NoDoors(),
            salt=partial(randomness.token, SALT_BYTES),
            reader=RecordReader(),
        )
        self._randomness = randomness
        self.links: Final = LinkStates(self.context, randomness)
        self._conversations = Conversations()
        sender, receipts, opening = Sender(self.context), Receipts(self.context), Opening(self.context)
        self._receipts = receipts
        receiver = Receiver(self.context)
        self.settling: Final = Settling(self.context, self._conversations, receiver, self._renew)
        composer = self._composer = Composer(self.context, sender, receipts)
        accepting = self._accepting = Accepting(
            self.context, self._conversations, sender, receipts, receiver, self.settling
        )
        parts = (self.context, self._conversations, accepting, composer, opening, self.settling)
        self._asking = Asking(*parts)
        self._answering = Answering(*parts, receipts=receipts, links=self.links)

    def read_beside(self) -> None:
        """Read large packages with the help of another process from now on: for a node that runs for good."""
        self.context.reader.shares = processors() >= PROCESSORS_MIN

    def close(self) -> None:
        """End the process that helps to read, if there is one."""
        self.context.reader.close()

    @property
    def counted(self) -> Mapping[tuple[str, str], int]:
        """How often something was refused since the start, by peer and reason: for the metrics."""
        return self._accepting.counted

    def conversation(self, peer: str) -> Conversation:
        """Return what is remembered of the link to ``peer``: for tests and screens."""
        return self._conversations.of(peer)

    def _renew(self) -> None:
        """Begin a new life: a doubt was settled, so every conversation opens again under a new start id."""
        self.context.life.start_id = self._randomness.token(START_ID_BYTES).hex()
        self._receipts.renew()
        for conversation in self._conversations.all():
            conversation.reopen = "settled"
            conversation.is_open = False
            conversation.wanted.clear()
            conversation.claims = None
        self.context.store.announce()

    # --- both sides ----------------------------------------------------------------------------------------------

    def next_package(self, peer: str, purpose: str = PUSH) -> Outgoing | None:
        """Return the next package for ``peer``, None when there is nothing to send.

        Its slices count as under way until the neighbour's verdicts, ``accept_answer`` or ``failed`` end that.
        """
        conversation = self._conversations.of(peer)
        with conversation.lock:
            return self._composer.compose(conversation, purpose)

    def accept_package(self, data: bytes, peer: str) -> Accepted:
        """Take one package of ``peer``: its certificates, verdicts, receipts and slices; never waits.

        Whether a slice came too early is among the verdicts; ``offer_again`` judges it again. Raises
        PackageRefusedError, with nothing kept but evidence, when the package as a whole does not stand; StoreBusyError
        or StoreUnavailableError when the store failed, with nothing of the slices committed or all of them.
        """
        return self._accepting.accept(data, peer)

    def offer_again(self, accepted: Accepted) -> Accepted:
        """Judge the slices of an early package again, after its predecessor may have come."""
        self._accepting.judge(accepted)
        return accepted

    # --- the parent's side ---------------------------------------------------------------------------------------

    def answer(
        self, data: bytes, peer: str, *, wait: Callable[[float], bool] | None = None, wait_s: float = 0.0
    ) -> bytes:
        """Take a package of a child and return the answer package.

        ``wait`` waits at most that many seconds and returns early, with True, on news: it lets an early package wait
        for its predecessor and a long-poll wait ``wait_s`` for something to send. Without it both are answered at once.
        Raises as ``accept_package`` does.
        """
        return self._answering.answer(data, peer, wait, wait_s)

    def give_records(self, question: bytes, peer: str) -> bytes:
        """Return the records that a child asks for, to put back what it lost (``node.exchange.fetching``).

        Raises PackageRefusedError when it does not ask for records, or may not have these.
        """
        return give_records(self.context, Wanted.from_bytes(question), peer)

    # --- the child's side ----------------------------------------------------------------------------------------

    def must_open(self, peer: str) -> bool:
        """Tell whether the conversation with the parent must be opened (again) before anything is sent."""
        return self._asking.must_open(peer)

    def open_conversation(self, peer: str, carrier: Carrier) -> None:
        """Open the conversation with the parent: state what is held, hear the same, set cursors.

        Takes one request, or two where digests differ. Raises PeerUnavailableError or PackageRefusedError when the
        parent does not answer or its answer does not stand; the conversation is not open then.
        """
        self._asking.open_conversation(peer, carrier)

    def push_once(self, peer: str, carrier: Carrier, *, wait: Callable[[float], bool] | None = None) -> Progress:
        """Send the next package to the parent and take its answer; ``asked`` is False when nothing waited.

        ``wait`` lets early slices of the answer wait for their predecessor. Raises what the carrier raises, and
        PackageRefusedError for a bad answer; the conversation must be opened again then.
        """
        return self._asking.push(peer, carrier, wait)

    def poll_once(
        self, peer: str, carrier: Carrier, wait_s: float, *, wait: Callable[[float], bool] | None = None
    ) -> Progress:
        """Ask the parent for what it has, letting it wait up to ``wait_s`` for news; raises as ``push_once`` does."""
        return self._asking.poll(peer, carrier, wait_s, wait)

    def accept_answer(self, data: bytes, peer: str, outgoing: Outgoing) -> Accepted:
        """Take the parent's answer to ``outgoing``; verdicts and receipts for its slices go with the next request."""
        return self._asking.accept_answer(data, peer, outgoing)

    def failed(self, peer: str, outgoing: Outgoing) -> None:
        """Say that ``outgoing`` got no answer: it is not under way any more, and the conversation must open again."""
        self._asking.failed(peer, outgoing)
