"""Building a node: every part made once, given what it needs, and no state outside the object.

``build_node`` returns a ``Node``; one process holds one in production, a hundred in a test. Nothing here runs by
itself: ``Node.work`` does everything that a node does without being asked, once, in a fixed order, and tells what
happened. ``node.cli.serving`` calls it whenever there is news, the simulation whenever it likes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from node.bootstrap.jobs import write_alarms
from node.bootstrap.parts import checked_store, derived_of, exchange_of, high_water_of, intake_of
from node.bootstrap.redacting import Traces, carry_out, watch_awaited
from node.bootstrap.rejections import Rejections
from node.bootstrap.reviewing import Reviewing
from node.bootstrap.waiting import NodeWakeups
from node.cases.divisions import published_divisions
from node.cases.reference import repair_cases
from node.departments.delivering.acknowledging import Delivering
from node.departments.entry.drafts import drop_old_drafts
from node.departments.publish import Publisher
from node.departments.returned import Reoffering
from node.exchange.clocks import check_clocks
from node.exchange.fetching import read_records
from node.journal.cursors import lowest_of
from node.journal.entries import DEFERRED_REASONS
from node.journal.retention import retain
from node.journal.seal import seal
from node.journal.streams import Journal
from node.statistics.comparing import compare_figures
from node.statistics.summary import publish_statistics
from node.statistics.verdict import publish_verdicts
from node.trust.book import CertificateBook
from node.trust.holders import travels
from node.trust.identity import load_identity
from node.trust.produce import produce
from node.trust.repeating import repeat_certificates
from node.trust.tree import Tree, TreeSource
from node.upkeep import rebuilding
from node.upkeep.restoring import restore
from node.upkeep.scrubbing import Scrub
from node.upkeep.seal_rows import SealReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlalchemy.engine import Connection

    from node.cases.projection import CaseProjection
    from node.clock import Clock
    from node.config import NodeConfig
    from node.departments.accept import Intake
    from node.exchange.exchange import Exchange
    from node.exchange.limits import Limits
    from node.journal.high_water import HighWater
    from node.journal.store import Store, Transaction
    from node.randomness import Randomness
    from node.standard.compose import Content
    from node.standard.seals import StreamName
    from node.trust.identity import Identity
    from node.upkeep.projected import Derived
    from node.upkeep.rebuilding import Rebuilt
    from node.upkeep.replaying import Tell

SALT_BYTES: Final = 16
ROUNDS_MAX: Final = 50
"""Transactions of one job in one call of ``work``; what is left waits for the next call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkDone:
    """What one call of ``Node.work`` did: records written, cases re-projected, records let in late, checkpoints.

    All 0 while the node is in doubt about its database: then it owes nothing yet (02, R12).
    ``awaited``: streams in which the bytes of records are missing for too long; ``cleared``: 1 when traces of redacted
    records were.
    """

    certificates: int = 0
    redacted: int = 0
    repaired: int = 0
    verdicts: int = 0
    compared: int = 0
    reviewed: int = 0
    rejections: int = 0
    awaited: int = 0
    cleared: int = 0
    alarms: int = 0
    reoffered: int = 0
    sealed: int = 0


@dataclass(slots=True, kw_only=True, eq=False, repr=False)
class Node:
    """One node with all its parts; made by ``build_node``. ``clock`` is business time, ``tree`` gives the tree."""

    config: NodeConfig
    clock: Clock
    randomness: Randomness
    store: Store
    journal: Journal
    identity: Identity
    book: CertificateBook
    tree: Callable[[Connection], Tree]
    exchange: Exchange
    intake: Intake
    publisher: Publisher
    cases: CaseProjection
    wakeups: NodeWakeups
    reviewing: Reviewing
    rejections: Rejections
    traces: Traces = field(init=False)
    delivering: Delivering = field(init=False)

    def __post_init__(self) -> None:
        """Make what rests on the other parts alone."""
        self.traces = Traces(self.store, self.exchange.context.evidence)
        self.delivering = Delivering(
            self.store, node_code=self.code, tree=self.tree, produce=self.produce, clock=self.clock
        )

    @property
    def code(self) -> str:
        """This node's code."""
        return self.identity.code

    @property
    def joined(self) -> bool:
        """Whether the node stands in its tree: always, since ``build_node`` asks for an identity."""
        return True

    def start(self) -> int:
        """Do what a process that is about to run the node does once; return how many deferred records were applied.

        Records that were deferred (unknown type, newer version) are read again: the program may be newer now. A
        database that is older than what this node has told others puts it in doubt.
        """
        self.learn_own_certificates()
        self.exchange.settling.examine(starting=True)
        return self.reviewing.all_with(DEFERRED_REASONS)

    def learn_own_certificates(self) -> None:
        """Put what is known from joining into the book; nothing is written when it is there already."""
        ders = self.identity.all_certificates
        with self.store.reading() as connection:
            known = self.book.known(connection, [self.identity.fingerprint])
        if not known:
            self.store.write(lambda transaction: self.book.learn(transaction, ders, self.clock.now()))

    def work(self) -> WorkDone:
        """Make every record that this node owes because of what it holds, then seal; safe to call at any time.

        With nothing to do it writes nothing. The order is fixed, so that a simulation replays exactly.
        """
        if self.doubts():
            return WorkDone()
        return WorkDone(**{name: step() for name, step in self.steps().items()})

    def doubts(self) -> bool:
        """Look whether this node is in doubt about its database, or has reason to be, and tell so."""
        return self.exchange.settling.examine() is not None

    def steps(self) -> dict[str, Callable[[], int]]:
        """Return the steps of ``work`` in order, by the names of ``WorkDone``.

        They are independent of one another, so whoever runs a node for good may go on behind one that fails: sealing
        must not stop because some other record cannot be written.
        """
        me = self.config.code
        return {
            "certificates": self._repeat_certificates,
            "redacted": lambda: carry_out(self.store, node_code=me, produce=self.produce, clock=self.clock),
            "repaired": lambda: _until_done(lambda: repair_cases(self.store, self.cases)),
            "verdicts": self._publish_verdicts,
            "compared": lambda: compare_figures(self.store, node_code=me, produce=self.produce),
            "reviewed": self.reviewing.after_tree_change,
            "rejections": lambda: self.rejections.write(self.produce),
            "reoffered": lambda: _until_done(Reoffering(self.intake).offer),
            "awaited": lambda: watch_awaited(self.store, clock=self.clock),
            "cleared": self.traces.clear,
            "alarms": lambda: write_alarms(self.store, node_code=me, produce=self.produce),
            "sealed": self.seal,
        }

    def seal(self) -> int:
        """Sign the size and root of every own stream that grew; return how many checkpoints were signed."""
        return len(seal(self.store, self.journal, self.identity, self.clock))

    def produce(
        self, transaction: Transaction, stream: StreamName, record_type: str, content: Content, key: str
    ) -> bool:
        """Append a record that this node makes by itself, once for each ``key``; tell whether it is new.

        Raises AuthorityError and RecordRefusedError as ``node.trust.produce`` does.
        """
        return produce(
            self.journal,
            transaction,
            self.tree(transaction.connection),
            stream,
            record_type,
            content,
            key=key,
            event_at=self.clock.now(),
            salt=self.randomness.token(SALT_BYTES),
        )

    def publish_statistics(self, days: Iterable[str] | None = None) -> list[tuple[str, int]]:
        """Publish the summaries of changed days, or of ``days`` (YYYY-MM-DD); return (day, position) of each.

        Raises ClockOffError while a neighbour's clock is an hour or more away from ours.
        """
        with self.store.reading() as connection:
            check_clocks(connection)
            children = self.tree(connection).children(self.code)
        return publish_statistics(self.store, node_code=self.code, children=children, produce=self.produce, days=days)

    def retain(self) -> int:
        """Drop what nothing needs any more: checkpoints and receipts (02, R3), old drafts; return how many went."""
        with self.store.reading() as connection:
            streams = [held.stream for held in self.journal.streams(connection)]
        drafts = self.store.write(partial(drop_old_drafts, at=self.clock.now()))
        return drafts + sum(self.store.write(partial(self._retain, stream=stream)) for stream in streams)

    def requeue(self, keys: Sequence[int]) -> list[int]:
        """Read quarantined records again and apply those that follow the standard and have authority; return them."""
        if not keys:
            return []
        return self.store.write(lambda transaction: self.reviewing.requeue(transaction, keys))

    def derive(self) -> Derived:
        """Return projections like this node's that remember nothing: for a rebuild in a copy."""
        return derived_of(self.identity, self._fresh_book(), self.clock)

    def rebuild(self, tell: Tell, *, check: bool, alone: bool) -> Rebuilt:
        """Make everything derived anew in a copy, compare, and unless ``check`` put right what differs.

        ``alone`` tells that no process runs this node. Raises DiskLowError when the disk has no room for the copy, and
        what ``node.upkeep.rebuilding.rebuild`` raises.
        """
        if self.intake.room is not None:
            self.intake.room.check_copy()
        _until_done(lambda: repair_cases(self.store, self.cases))
        if check:
            return rebuilding.check(self.store, self.derive, tell)
        return rebuilding.rebuild(self.store, self.derive, tell, alone=alone)

    def scrub(self) -> Scrub:
        """Return what reads everything again and compares it with its seals; its place is kept in the store."""
        reader = SealReader(
            code=self.code,
            book=self.book,
            signer=self.identity,
            clock=self.clock,
            brought=tuple(self.identity.all_certificates),
            fresh_book=self._fresh_book,
        )
        return Scrub(
            self.store, reader, lambda check: self.rebuild(lambda _done, _total: None, check=check, alone=False)
        )

    def restore(self, fetch: Callable[[bytes], bytes]) -> int:
        """Fetch the bytes of records that a scrub found lost, derive anew what they say, and return how many came.

        ``fetch`` carries a question to the parent (``node.exchange.fetching``); what it raises comes out.
        """
        restored = restore(self.store, lambda wanted: read_records(fetch(wanted.to_bytes())))
        if restored:
            self.rebuild(lambda _done, _total: None, check=False, alone=False)
        return restored

    def close(self) -> None:
        """Let go of the store, and of the process that helps to read packages."""
        self.exchange.close()
        self.store.close()

    def _retain(self, transaction: Transaction, *, stream: StreamName) -> int:
        """Retain what the slowest link that the stream travels over may still need; all is sent where it ends."""
        connection = transaction.connection
        tree = self.tree(connection)
        near = {tree.parent(self.code), *tree.children(self.code)} - {None} if tree.knows(self.code) else set()
        peers = [peer for peer in near if peer is not None and travels(tree, stream, self.code, peer)]
        below = lowest_of(connection, stream, peers)
        held = self.journal.held(connection, stream)
        done = retain(transaction, stream, below=below if below is not None or held is None else held.size)
        return done.checkpoints + done.receipts

    def _publish_verdicts(self) -> int:
        with self.store.reading() as connection:
            tree = self.tree(connection)
        children = tree.children(self.code) if tree.knows(self.code) else ()
        return publish_verdicts(self.store, node_code=self.code, produce=self.produce, children=children)

    def _fresh_book(self) -> CertificateBook:
        """Return a book of this tree that remembers nothing."""
        return CertificateBook(self.identity.tree, TreeSource(self.identity.tree_path))

    def _repeat_certificates(self) -> int:
        if self.code != self.identity.root_code:
            return 0
        return _until_done(
            lambda: self.store.write(
                lambda transaction: repeat_certificates(
                    self.journal,
                    transaction,
                    identity=self.identity,
                    book=self.book,
                    tree_of=self.tree,
                    at=self.clock.now(),
                    token=self.randomness.token,
                    divisions_on=published_divisions,
                )
            )
        )


def build_node(
    config: NodeConfig,
    *,
    clock: Clock,
    randomness: Randomness,
    store: Store | None = None,
    identity: Identity | None = None,
    certificate_clock: Clock | None = None,
    limits: Limits | None = None,
    high_water: HighWater | None = None,
) -> Node:
    """Return the node that ``config`` describes; what is not given comes from its home, or is the machine's.

    Raises NotInitialisedError, IdentityError (keys), StoreSchemaError, ConfigurationError or StoreUnavailableError.
    """
    identity = identity or load_identity(config.home, passphrase_file=config.key_passphrase_file)
    store = store or checked_store(config)
    book = CertificateBook(identity.tree, tree := TreeSource(identity.tree_path))
    derived = derived_of(identity, book, clock)
    journal = Journal(store, node_code=config.code, clock=clock, projections=derived.projections, tree=identity.tree)
    journal.high_water = high_water or high_water_of(config, identity)
    exchange = exchange_of(
        config,
        journal,
        (identity, book, tree),
        clock=clock,
        certificate_clock=certificate_clock,
        randomness=randomness,
        limits=limits,
    )
    return Node(
        config=config,
        clock=clock,
        randomness=randomness,
        store=store,
        journal=journal,
        identity=identity,
        book=book,
        tree=tree,
        exchange=exchange,
        intake=intake_of(config, journal, tree, clock=clock, randomness=randomness),
        publisher=Publisher(store, journal, tree, clock=clock, randomness=randomness, node_code=config.code),
        cases=derived.cases,
        wakeups=NodeWakeups(store),
        reviewing=Reviewing(store, journal, tree),
        rejections=Rejections(store, tree, node_code=config.code),
    )


def _until_done(step: Callable[[], int]) -> int:
    """Repeat a step until it has nothing left to do, at most ``ROUNDS_MAX`` times; return the sum."""
    total = 0
    for _ in range(ROUNDS_MAX):
        done = step()
        total += done
        if not done:
            break
    return total
