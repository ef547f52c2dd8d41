"""Accepting a package as a whole: its Head first, then its slices; the same at a parent and at a child.

The steps here never wait, but for ``hold_early``, which is given a function to wait with.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from node.errors import IdentityError, PackageRefusedError
from node.exchange.conversation import Replies, Wanted
from node.exchange.head import BUSY, EARLY, GAP, HELD, REFUSED, RETURN, Slice, Verdict
from node.exchange.lives import Lives
from node.exchange.package import Package, read_package
from node.exchange.receiver import EVIDENT_REASONS
from node.journal.alarms import raise_alarm
from node.journal.doubt import find_doubt
from node.trust.certificates import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from node.exchange.context import Context
    from node.exchange.conversation import Conversation, Conversations
    from node.exchange.reading import Sharing
    from node.exchange.receipts import Receipts
    from node.exchange.receiver import Receiver
    from node.exchange.sender import Sender
    from node.exchange.settling import Settling
    from node.journal.store import Transaction
    from node.standard.seals import StreamName
    from node.trust.certificates import Certificate

EARLY_LOOK_S: Final = 0.5
"""How often an early package is offered again without news: a wake-up may get lost."""
KEPT_REASONS: Final = frozenset({"frame", "forbidden", "head", "signature", "lengths", "too many"})
"""Refusals of a whole package that make it evidence against whoever brought it."""

OTHER_VERSION_REASONS: Final = frozenset({"root", "overlap"})
"""Refusals that may come of another version of a stream: its tail is asked for."""
SIGNATURE_ALARM: Final = "PACKAGE"
"""Kind of the alarm that a package raises whose signature is not its sender's."""
DOUBT_REASON: Final = "in doubt"
"""Reason for BUSY: the receiver settles a doubt about its own database (02, R12)."""
REPLACED: Final = "replaced"
"""Reason for a package that a replaced certificate of its sender has signed: no evidence of anything bad."""
REPLACED_MAX: Final = 4
"""Certificates of a neighbour that are tried for that; chosen by us: more is no accident."""

_LOG: Final = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Accepted:
    """What became of one package of ``peer``: a verdict a slice, in order; ``data`` is its bytes.

    ``receipted``: how many receipts in it were new and believed.
    """

    peer: str
    data: bytes
    package: Package
    verdicts: list[Verdict] = field(default_factory=list)
    receipted: int = 0
    ahead: Sharing | None = None
    """Records of early slices that are being read while these wait."""

    @property
    def early_numbers(self) -> list[int]:
        """The slices that wait for their predecessors."""
        return [number for number, verdict in enumerate(self.verdicts) if verdict.word == EARLY]

    @property
    def early(self) -> bool:
        """Whether a slice waits for its predecessor."""
        return bool(self.early_numbers)

    def drop_ahead(self) -> None:
        """Let go of what was read ahead."""
        if self.ahead is not None:
            self.ahead.drop()
            self.ahead = None

    @property
    def held_streams(self) -> list[StreamName]:
        """The streams whose slices are held: for these, receipts may be signed."""
        return [verdict.stream for verdict in self.verdicts if verdict.word == HELD]


class Accepting:
    """Takes packages; ``counted`` counts what was refused, by peer and reason, for the metrics."""

    def __init__(
        self,
        context: Context,
        conversations: Conversations,
        sender: Sender,
        receipts: Receipts,
        receiver: Receiver,
        settling: Settling,
    ) -> None:
        self.counted: Counter[tuple[str, str]] = Counter()
        self._context = context
        self._conversations = conversations
        self._sender = sender
        self._receipts = receipts
        self._receiver = receiver
        self._settling = settling
        self._lives = Lives(context)

    def accept(self, data: bytes, peer: str) -> Accepted:
        """Take one package of ``peer``: its certificates, verdicts, receipts and slices.

        Its statement is for the caller. Raises PackageRefusedError when the package as a whole does not stand; nothing
        of it is kept then, but evidence.
        """
        package, doubted = self._read(data, peer)
        self._lives.check(self._conversations.of(peer), package.head)
        self._learn(package, peer)
        conversation = self._conversations.of(peer)
        head = package.head
        with conversation.lock:
            conversation.note_asked(head.tails)
            if conversation.wanted and head.purpose != RETURN:
                # What a package gives back is looked at first: it may be what was asked for in vain so often.
                self._settling.check(conversation)
        # A node in doubt cannot tell a receipt that it lost the ground for from one that claims too much.
        receipted = 0 if doubted else self._hear(package, conversation)
        accepted = Accepted(peer=peer, data=data, package=package, receipted=receipted)
        if head.purpose == RETURN:
            self._take_back(accepted, conversation)
        elif doubted:
            accepted.verdicts = [_verdict(one, BUSY, DOUBT_REASON) for one in head.slices]
        else:
            self.judge(accepted)
        return accepted

    def _hear(self, package: Package, conversation: Conversation) -> int:
        """Take verdicts and receipts; return how many receipts were new and believed."""
        head, peer = package.head, conversation.peer
        with conversation.lock:
            # Verdicts of an earlier conversation speak of packages that are forgotten.
            spoken = head.verdicts if conversation.peer_start_id == head.start_id else ()
            outcome = self._sender.verdicts(conversation, spoken)
            believed = self._receipts.accept(head.receipts, conversation, outcome)
            conversation.note_receipts(head.start_id, (one for one in believed if one.holder == peer))
        if believed:
            self._conversations.tell([one.stream for one in believed], besides=peer)
            # Only now: whoever waits at a long-poll for a receipt to hand down finds it when it looks.
            self._context.store.announce()
        return len(believed)

    def _take_back(self, accepted: Accepted, conversation: Conversation) -> None:
        """Take the slices of a package that answers our requests for tails; no verdicts are given on them."""
        with conversation.lock:
            refused = self._settling.take(accepted.package, conversation)
        for number, reason in refused.items():
            self._refused(accepted, _verdict(accepted.package.head.slices[number], REFUSED, reason))

    def judge(self, accepted: Accepted) -> None:
        """Judge the slices of a package whose Head was taken; again those that were early."""
        numbers = accepted.early_numbers if accepted.verdicts else range(len(accepted.package.head.slices))
        verdicts = self._receiver.accept(accepted.package, accepted.peer, numbers, ahead=accepted.ahead)
        accepted.verdicts = [
            verdicts[number] if number in verdicts else accepted.verdicts[number]
            for number in range(len(accepted.package.head.slices))
        ]
        for verdict in verdicts.values():
            if verdict.word == REFUSED:
                self._refused(accepted, verdict)

    def _refused(self, accepted: Accepted, verdict: Verdict) -> None:
        peer, reason = accepted.peer, verdict.reason or "refused"
        self.counted[peer, reason] += 1
        _LOG.warning("slice refused", extra={"peer": peer, "stream": str(verdict.stream), "reason": reason})
        if reason in OTHER_VERSION_REASONS:
            # A faulty relay, or an origin that has signed two histories: its tail tells.
            conversation = self._conversations.of(peer)
            with conversation.lock:
                conversation.wanted.setdefault(verdict.stream, Wanted())
        if reason in EVIDENT_REASONS:
            # Named by what is wrong: a neighbour that sends the slice again in other packages fills nothing.
            subject = f"{verdict.stream.origin}-{verdict.stream.audience}-{verdict.first}"
            self._context.evidence.keep(peer, accepted.data, reason, subject=subject)

    def hold_early(self, accepted: Accepted, wait: Callable[[float], bool] | None) -> None:
        """Hold a package with early slices until its predecessor came, two seconds at most.

        ``wait`` waits for news at most that many seconds and tells whether there was any. Without it, and while as many
        packages of the link wait as can be under way behind one, nothing is waited for. One that is being judged waits
        no more: its successor, which is under way by then, takes its place.
        """
        conversation = self._conversations.of(accepted.peer)
        if wait is None or not accepted.early:
            return
        # News is counted from here on; what came since it was judged first is not slept through.
        wait(0.0)
        self._judge_moved(accepted)
        try:
            self._wait_for_predecessor(accepted, conversation, wait)
        finally:
            accepted.drop_ahead()

    def _judge_moved(self, accepted: Accepted) -> None:
        """Judge early slices again if one of their streams has moved: most news is not for them."""
        if self._receiver.moved([accepted.verdicts[number] for number in accepted.early_numbers]):
            self.judge(accepted)

    def _wait_for_predecessor(
        self, accepted: Accepted, conversation: Conversation, wait: Callable[[float], bool]
    ) -> None:
        clock, limits = self._context.clock, self._context.limits
        # One more than can be early: whose turn has come may not have noticed yet.
        places = limits.under_way_max + limits.prepared_max
        end_s = clock.monotonic_s() + limits.early_wait_s
        while accepted.early and (left_s := end_s - clock.monotonic_s()) > 0 and conversation.begin_early(places):
            began_s = clock.monotonic_s()
            try:
                accepted.ahead = accepted.ahead or self._receiver.read_ahead(accepted.package, accepted.early_numbers)
                news = wait(min(left_s, EARLY_LOOK_S))
            finally:
                conversation.end_early()
            self._judge_moved(accepted)
            if not news and clock.monotonic_s() == began_s:
                # Nobody waits any more (the node stops), or time stands still (a simulation).
                break

    def replies(self, accepted: Accepted) -> Replies:
        """Return what to tell the sender: a verdict a slice (what is still early is a gap), and receipts."""
        if not accepted.verdicts:
            return Replies()
        with self._context.store.reading() as connection:
            receipts = self._receipts.signed(connection, accepted.held_streams)
        return Replies(verdicts=[_final(verdict) for verdict in accepted.verdicts], receipts=receipts)

    def _read(self, data: bytes, peer: str) -> tuple[Package, bool]:
        """Return the package, and whether this node doubts its own database."""
        context = self._context
        try:
            package, doubted = self._verified(data, peer)
            self._check_ends(package, peer)
        except PackageRefusedError as error:
            self.counted[peer, error.reason] += 1
            _LOG.warning("package refused", extra={"peer": peer, "reason": error.reason})
            if error.reason in KEPT_REASONS:
                context.evidence.keep(peer, data, error.reason)
            if error.reason == "signature":
                context.store.write(lambda transaction: self._alarm(transaction, peer))
            raise
        return package, doubted

    def _alarm(self, transaction: Transaction, peer: str) -> None:
        """Tell people: TLS says that it is the neighbour, so its certificate has changed, or its packages have."""
        raise_alarm(
            transaction,
            SIGNATURE_ALARM,
            f"signature of {peer}",
            f"Packages of {peer} are not signed with the certificate that the tree names for it; nothing is taken from "
            f"it. If {peer} was made anew, its own home must come back from a backup; else look at both nodes.",
            raised_at=self._context.clock.now(),
        )

    def _verified(self, data: bytes, peer: str) -> tuple[Package, bool]:
        """Return the package if the certificate that the link expects has signed it; with it, whether we are in doubt.

        A neighbour that signs with another certificate of its own is no forger: it has joined again since, or somebody
        else has joined in its place. It is told so (``replaced``), because it cannot learn it otherwise.
        """
        context = self._context
        at = context.certificate_clock.now()
        with context.store.reading() as connection:
            expected = context.certificate_of(connection, peer)
            # Looked up here too, because a snapshot of its own costs more than the look.
            doubted = find_doubt(connection) is not None
        try:
            return read_package(data, expected.parsed, at, limits=context.limits), doubted
        except PackageRefusedError as error:
            if error.reason != "signature":
                raise
            with context.store.reading() as connection:
                known = context.book.node_certificates(connection, peer)[:REPLACED_MAX]
            if any(_has_signed(one, data, at) for one in known if one != expected):
                raise PackageRefusedError(
                    "replaced",
                    f"{peer} signs with a certificate that another one has replaced.",
                    why=f"the newest one is {expected.fingerprint[:16]}",
                ) from error
            raise

    def _check_ends(self, package: Package, peer: str) -> None:
        head, context = package.head, self._context
        if head.tree != context.identity.tree:
            raise PackageRefusedError("tree", "The package belongs to another tree.", why=head.tree[:16])
        if head.receiver != context.code:
            raise PackageRefusedError("receiver", "The package is for another node.", why=head.receiver)
        if head.sender != peer:
            raise PackageRefusedError("sender", "The package names another sender.", why=head.sender)

    def _learn(self, package: Package, peer: str) -> None:
        """Learn the certificates that a package brings; bad ones cost only the slices that need them."""
        brought = {fingerprint(der): der for der in package.head.certificates}
        if not brought:
            return
        context = self._context
        with context.store.reading() as connection:
            known = context.book.known(connection, brought)
        new = [der for name, der in brought.items() if name not in known]
        if new:
            for error in context.store.write(lambda transaction: self._learn_each(transaction, new)):
                self.counted[peer, "certificates"] += 1
                _LOG.warning("certificate not learned", extra={"peer": peer, "why": error.what})

    def _learn_each(self, transaction: Transaction, ders: Sequence[bytes]) -> list[IdentityError]:
        """Learn certificates one by one, in any order, until no more of them chain to the root; return why not."""
        pending = list(ders)
        while pending:
            strangers: dict[bytes, IdentityError] = {}
            for der in pending:
                try:
                    self._context.book.learn_brought(transaction, [der], self._context.clock.now())
                except IdentityError as error:
                    strangers[der] = error
            if len(strangers) == len(pending):
                return list(strangers.values())
            pending = list(strangers)
        return []


def _verdict(one: Slice, word: str, reason: str) -> Verdict:
    return Verdict(stream=one.stream, first=one.first, last=one.last, word=word, reason=reason)


def _has_signed(certificate: Certificate, data: bytes, at: datetime) -> bool:
    try:
        read_package(data, certificate.parsed, at)
    except PackageRefusedError:
        return False
    return True


def _final(verdict: Verdict) -> Verdict:
    return replace(verdict, word=GAP) if verdict.word == EARLY else verdict
