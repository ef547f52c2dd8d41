"""Intake: from candidates to records in the node's own stream, with a verdict for each.

How a delivery goes in
    1. A dialect yields candidates, one record each. They are taken in batches of at most 500 and some 8 MB, so memory
       is bounded by a batch whatever the size of the delivery.
    2. A case that has only a number of its own system gets one of ours (``node.departments.numbering``), if its source
       may hand it in (``node.departments.rights``). Then, outside the journal's lock, each candidate becomes a record:
       composed with its own salt, parsed, validated, proved canonical, hashed, compressed
       (``node.departments.prepare``); of a long delivery in a process of its own (``node.departments.preparing``).
    3. One transaction decides and writes: the source's keys are looked up; a record is *repeated* (same key, same
       content), *refused* (problems, or the same key with other content: ``conflict``) or *accepted* (authority holds).
       Accepted records are appended to ``<node>/ancestors`` and their keys remembered; refused ones are kept whole.
    4. It commits, and only then is anybody told. Requests that come at the same moment share the transaction
       (``node.departments.group_commit``).

What can go wrong
    - Killed before the commit: nothing happened, the source offers again. Killed after it: the source offers again and
      hears *repeated*. So whatever was answered ``accepted`` is in the stream, once.
    - One bad record in a batch costs that record only.
    - The journal's lock is not to be had, or too much waits: StoreBusyError, try later; nothing was decided.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from node.departments.answers import RequestKey, find_answer, store_answer
from node.departments.batches import batches, numbered_batches
from node.departments.deciding import Decision
from node.departments.dialects import Dialects
from node.departments.divisions import Divisions
from node.departments.group_commit import GroupCommit
from node.departments.nonces import take_nonces
from node.departments.numbering import number_cases, remember_numbers
from node.departments.prepare import Prepared, prepare
from node.departments.preparing import prepared_batches
from node.departments.receiving import receive
from node.departments.refused import keep_refused
from node.departments.report import ACCEPTED, REFUSED, REPEATED, ImportReport, Verdict
from node.departments.rights import Rights
from node.departments.sources import count_activity
from node.errors import IdentityError, NotInitialisedError
from node.journal.doubt import find_doubt
from node.journal.source_keys import remember_many
from node.standard.seals import ANCESTORS, StreamName
from node.trust.authority import check_authority

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlalchemy.engine import Connection

    from node.clock import Clock
    from node.departments.candidates import Candidate
    from node.departments.nonces import Nonce
    from node.departments.numbering import Ask
    from node.departments.preparing import Preparer
    from node.departments.sources import Source
    from node.journal.entries import Entry
    from node.journal.room import DiskRoom
    from node.journal.store import Store, Transaction
    from node.journal.streams import Journal
    from node.randomness import Randomness
    from node.trust.tree import Tree

_log = logging.getLogger(__name__)


class TreeLoader(Protocol):
    """Gives the tree as this node knows it."""

    def __call__(self, connection: Connection) -> Tree:
        """Return the tree in the state of this connection."""


class Authority(Protocol):
    """Rule R10 as intake asks it."""

    def __call__(self, tree: Tree, stream: StreamName, entry: Entry) -> str | None:
        """Return why the entry may not stand in the stream, None when it may."""


def entry_authority(tree: Tree, stream: StreamName, entry: Entry) -> str | None:
    """Ask rule R10 about an entry."""
    return check_authority(tree, stream, entry.record_type, entry.facts, entry.element)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A batch of one source, prepared outside the lock; ``request`` and ``document`` make its answer repeatable.

    ``nonce`` is that of its signature: the batch is decided only if it was never taken before.
    ``taken`` is done in the transaction that takes the batch in, when none of its records is refused.
    """

    source: Source
    dialect: str
    prepared: Sequence[Prepared]
    request: RequestKey | None = None
    document: Callable[[Sequence[Verdict]], bytes] | None = None
    nonce: Nonce | None = None
    taken: Callable[[Transaction], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What became of a job: a verdict per record, or the answer stored for the same request before.

    ``other_body`` tells that the request's key was used with another body, ``replayed`` that its signature was taken
    before or has ended meanwhile: nothing was done.
    """

    verdicts: tuple[Verdict, ...] = ()
    answer: bytes | None = None
    other_body: bool = False
    replayed: bool = False


class Intake:
    """The one way in for records of departments.

    ``load_tree`` gives the tree by which ``authority`` (rule R10) is asked; ``dialects`` are those of the node, by
    which doors read what they are given. ``room`` watches the disk of the store, where it has one. Any process of the
    home may hold one.
    """

    def __init__(
        self,
        store: Store,
        journal: Journal,
        load_tree: TreeLoader,
        authority: Authority = entry_authority,
        *,
        clock: Clock,
        randomness: Randomness,
        node_code: str,
        dialects: Dialects | None = None,
    ) -> None:
        self.store = store
        self.journal = journal
        self.clock = clock
        self.randomness = randomness
        self.node_code = node_code
        self.dialects = dialects or Dialects()
        self.room: DiskRoom | None = None
        self.stream = StreamName(node_code, ANCESTORS)
        self._load_tree = load_tree
        self._authority = authority
        self._commits: GroupCommit[Job, Settled] = GroupCommit(self._commit)

    def accept(
        self,
        candidates: Iterable[Candidate],
        *,
        source: Source,
        dialect: str,
        keep_verdicts: bool = False,
        told: Callable[[Verdict], None] = lambda _: None,
        committed: Callable[[ImportReport], None] = lambda _: None,
        preparer: Preparer | None = None,
    ) -> ImportReport:
        """Take in candidates, any number of them, and report; ``keep_verdicts`` keeps one verdict per record.

        ``told`` is called with each verdict in the order of the candidates, once its batch is durable, ``committed``
        after each batch with the report as far as it is. ``preparer`` is that of several deliveries of one thread, None
        for one of this delivery's own. Raises NotInitialisedError before the
        node has joined its tree, DiskLowError, StoreBusyError and StoreUnavailableError when the journal cannot be
        written (batches reported so far stand; offering everything again is harmless).
        """
        self.check_open()
        report = ImportReport()
        rights = self.rights_of(source)
        # In doubt no number is given out: nobody knows which are free.
        cut = (
            batches(candidates)
            if self.in_doubt()
            else numbered_batches(self.store, candidates, source=source.name, rights=rights, stream=self.stream)
        )
        prepare_all = prepared_batches if preparer is None else preparer.prepared
        for prepared in prepare_all(cut, channel=source.channel, randomness=self.randomness):
            for verdict in self.settle(Job(source=source, dialect=dialect, prepared=prepared)).verdicts:
                report.add(verdict, keep=keep_verdicts)
                told(verdict)
            committed(report)
        _log.info(
            "delivery taken in",
            extra={
                "source": source.name,
                "offered": report.offered,
                "accepted": report.accepted,
                "refused": report.refused,
                "repeated": report.repeated,
                "received": report.received,
            },
        )
        return report

    def prepared(self, candidates: Sequence[Candidate], *, source: Source) -> list[Prepared]:
        """Return candidates made into records, outside the journal's lock; cases without a number get theirs first."""
        if not self.in_doubt():
            candidates = number_cases(
                self.store, candidates, source=source.name, rights=self.rights_of(source), stream=self.stream
            )
        return prepare(candidates, channel=source.channel, randomness=self.randomness)

    def settle(self, job: Job) -> Settled:
        """Decide and write one prepared batch, together with whatever else comes at this moment.

        Raises DiskLowError when the disk became nearly full meanwhile.
        """
        self._check_room()
        return self._commits.submit(job, len(job.prepared))

    def check_open(self) -> None:
        """Raise when nothing can be taken in now.

        DiskLowError when the disk is nearly full, NotInitialisedError when this node does not stand in its tree yet.
        """
        self._check_room()
        with self.store.reading() as connection:
            self.tree(connection)

    def in_doubt(self) -> bool:
        """Tell whether this node settles a doubt about its own database, so that it decides about nothing."""
        with self.store.reading() as connection:
            return find_doubt(connection) is not None

    def _check_room(self) -> None:
        if self.room is not None:
            self.room.check()

    def tree(self, connection: Connection) -> Tree:
        """Return the tree as this connection sees it; NotInitialisedError when this node has no place in it."""
        try:
            tree = self._load_tree(connection)
            if tree.knows(self.node_code):
                return tree
            cause = None
        except IdentityError as error:
            cause = error
        raise NotInitialisedError(
            f"The node {self.node_code} has not joined its tree yet",
            why="a record needs a stream, and a stream needs a place in the tree",
            action="run `yizhan join` with the code that the parent gave",
        ) from cause

    def rights(self, connection: Connection) -> Rights:
        """Return what is asked, as this connection sees it, about who may hand in what."""
        tree = self.tree(connection)
        return Rights(connection, Divisions(connection, tree), lambda entry: self._authority(tree, self.stream, entry))

    def rights_of(self, source: Source) -> Callable[[Connection], Ask]:
        """Return what is asked before a case of this source gets a number."""
        return lambda connection: partial(self.rights(connection).header_objection, source)

    def _commit(self, jobs: Sequence[Job]) -> Sequence[Settled]:
        return self.store.write(lambda transaction: self._decide_all(transaction, jobs))

    def _decide_all(self, transaction: Transaction, jobs: Sequence[Job]) -> list[Settled]:
        """Decide every job whose signature, if it has one, is new; it is taken in the same transaction."""
        fresh = take_nonces(transaction, [job.nonce for job in jobs], at=self.clock.now())
        settled = iter(self._decide(transaction, [job for job, new in zip(jobs, fresh, strict=True) if new]))
        return [next(settled) if new else Settled(replayed=True) for new in fresh]

    def _decide(self, transaction: Transaction, jobs: Sequence[Job]) -> list[Settled]:
        doubt = find_doubt(transaction.connection)
        if doubt is not None:
            # No answer is stored: the same request is decided when the doubt has ended.
            return [Settled(verdicts=receive(transaction, job, doubt, self.clock.now())) for job in jobs]
        decision = Decision(transaction.connection, self.stream, self.rights(transaction.connection))
        known = [_known_answer(transaction.connection, job) for job in jobs]
        for job, answer in zip(jobs, known, strict=True):
            if answer is None:
                decision.decide(job)
        if decision.entries:
            self.journal.append(transaction, self.stream, decision.entries)
        remember_many(transaction, decision.keys())
        remember_numbers(transaction.connection, decision.foreign_numbers())
        return [answer or self._finished(transaction, job, decision) for job, answer in zip(jobs, known, strict=True)]

    def _finished(self, transaction: Transaction, job: Job, decision: Decision) -> Settled:
        """Keep what was refused, make the verdicts, and store the answer if its request wants that."""
        at = self.clock.now()
        refused = [one for one in job.prepared if decision.outcome(one) == REFUSED]
        problems = [decision.problems(one) for one in refused]
        for one, found in zip(refused, problems, strict=True):
            one.problems = found
        numbers = keep_refused(transaction, refused, source=job.source, dialect=job.dialect, at=at)
        numbered = {id(one): number for one, number in zip(refused, numbers, strict=True)}
        verdicts = tuple(decision.verdict(one, numbered.get(id(one))) for one in job.prepared)
        outcomes = Counter(verdict.outcome for verdict in verdicts)
        count_activity(
            transaction,
            job.source.name,
            accepted=outcomes[ACCEPTED],
            repeated=outcomes[REPEATED],
            refused=outcomes[REFUSED],
        )
        if job.taken is not None and not outcomes[REFUSED]:
            job.taken(transaction)
        if job.request is None or job.document is None:
            return Settled(verdicts=verdicts)
        known = _known_answer(transaction.connection, job)
        if known is not None:
            return known  # The same request twice in one transaction: the second gets the answer of the first.
        answer = job.document(verdicts)
        store_answer(transaction, job.request, answer, at=at)
        return Settled(verdicts=verdicts, answer=answer)


def _known_answer(connection: Connection, job: Job) -> Settled | None:
    stored = find_answer(connection, job.request) if job.request is not None else None
    if stored is None:
        return None
    return Settled(answer=stored.answer) if stored.same_body else Settled(other_body=True)
