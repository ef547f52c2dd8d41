"""Intake: from candidates to records in the node's own stream, with a verdict for each.

How a delivery goes in
    1. A dialect yields candidates, one record each. They are taken in batches of at most 500 and some 8 MB, so memory
       is bounded by a batch whatever the size of the delivery.
    2. Outside the journal's lock each candidate becomes a record: composed with its own salt, parsed, validated,
       proved canonical, hashed, compressed (``node.departments.prepare``).
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
from typing import TYPE_CHECKING, Final, Protocol

from node.departments.answers import RequestKey, find_answer, store_answer
from node.departments.dialects import Dialects
from node.departments.divisions import Divisions
from node.departments.group_commit import TOGETHER_MAX, GroupCommit
from node.departments.prepare import Prepared, prepare
from node.departments.refused import keep_refused
from node.departments.report import ACCEPTED, REFUSED, REPEATED, ImportReport, Verdict
from node.departments.sources import count_activity
from node.errors import IdentityError, NotInitialisedError, Problem
from node.journal.source_keys import SourceKey, lookup_many, remember_many
from node.journal.tables import position_of
from node.standard.seals import ANCESTORS, StreamName
from node.trust.authority import check_authority

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from sqlalchemy.engine import Connection

    from node.clock import Clock
    from node.departments.candidates import Candidate
    from node.departments.sources import Source
    from node.journal.entries import Entry
    from node.journal.store import Store, Transaction
    from node.journal.streams import Journal
    from node.randomness import Randomness
    from node.trust.tree import Tree

BATCH_MAX: Final = TOGETHER_MAX
BATCH_WEIGHT_MAX: Final = 8 * 1024 * 1024
"""Bytes of a delivery after which a batch ends: of each several copies are in memory at once. Our own choice."""
RULE_CONFLICT: Final = "conflict"
RULE_NO_AUTHORITY: Final = "no-authority"
RULE_NOT_THIS_SOURCE: Final = "not-this-source"
RULE_NOT_KEPT: Final = "not-kept"

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
    """A batch of one source, prepared outside the lock; ``request`` and ``document`` make its answer repeatable."""

    source: Source
    dialect: str
    prepared: Sequence[Prepared]
    request: RequestKey | None = None
    document: Callable[[Sequence[Verdict]], bytes] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What became of a job: a verdict per record, or the answer stored for the same request before.

    ``other_body`` tells that the request's key was used with another body: nothing was done.
    """

    verdicts: tuple[Verdict, ...] = ()
    answer: bytes | None = None
    other_body: bool = False


class Intake:
    """The one way in for records of departments.

    ``load_tree`` gives the tree by which ``authority`` (rule R10) is asked; ``dialects`` are those of the node, by
    which doors read what they are given. Any process of the home may hold one.
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
        committed: Callable[[ImportReport], None] = lambda _: None,
    ) -> ImportReport:
        """Take in candidates, any number of them, and report; ``keep_verdicts`` keeps one verdict per record.

        ``committed`` is called after each batch with the report as far as it is. Raises NotInitialisedError before the
        node has joined its tree, StoreBusyError and StoreUnavailableError when the journal cannot be written (batches
        reported so far stand; offering everything again is harmless).
        """
        self.check_joined()
        report = ImportReport()
        for batch in _batches(candidates):
            prepared = prepare(batch, channel=source.channel, randomness=self.randomness)
            for verdict in self.settle(Job(source=source, dialect=dialect, prepared=prepared)).verdicts:
                report.add(verdict, keep=keep_verdicts)
            committed(report)
        _log.info(
            "delivery taken in",
            extra={
                "source": source.name,
                "offered": report.offered,
                "accepted": report.accepted,
                "refused": report.refused,
                "repeated": report.repeated,
            },
        )
        return report

    def settle(self, job: Job) -> Settled:
        """Decide and write one prepared batch, together with whatever else comes at this moment."""
        return self._commits.submit(job, len(job.prepared))

    def check_joined(self) -> None:
        """Raise NotInitialisedError when this node does not stand in its tree yet."""
        with self.store.reading() as connection:
            self._tree(connection)

    def _tree(self, connection: Connection) -> Tree:
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

    def _commit(self, jobs: Sequence[Job]) -> Sequence[Settled]:
        return self.store.write(lambda transaction: self._decide_all(transaction, jobs))

    def _decide_all(self, transaction: Transaction, jobs: Sequence[Job]) -> list[Settled]:
        tree = self._tree(transaction.connection)
        divisions = Divisions(transaction.connection, tree)
        decision = _Decision(
            transaction, self.stream, lambda entry: self._authority(tree, self.stream, entry), divisions
        )
        known = [_known_answer(transaction.connection, job) for job in jobs]
        for job, answer in zip(jobs, known, strict=True):
            if answer is None:
                decision.decide(job)
        if decision.entries:
            self.journal.append(transaction, self.stream, decision.entries)
        remember_many(transaction, decision.keys())
        return [answer or self._finished(transaction, job, decision) for job, answer in zip(jobs, known, strict=True)]

    def _finished(self, transaction: Transaction, job: Job, decision: _Decision) -> Settled:
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
        if job.request is None or job.document is None:
            return Settled(verdicts=verdicts)
        known = _known_answer(transaction.connection, job)
        if known is not None:
            return known  # The same request twice in one transaction: the second gets the answer of the first.
        answer = job.document(verdicts)
        store_answer(transaction, job.request, answer, at=at)
        return Settled(verdicts=verdicts, answer=answer)


class _Decision:
    """What one transaction decided about its candidates; made anew each time the transaction is tried."""

    def __init__(
        self,
        transaction: Transaction,
        stream: StreamName,
        authority: Callable[[Entry], str | None],
        divisions: Divisions,
    ) -> None:
        self.entries: list[Entry] = []
        self._connection = transaction.connection
        self._stream = stream
        self._authority = authority
        self._divisions = divisions
        self._asked: dict[tuple[str, str | None], str | None] = {}
        self._accepted: dict[tuple[str, str], Prepared] = {}
        self._repeated: dict[int, int | Entry] = {}
        self._refused: dict[int, tuple[Problem, ...]] = {}

    def decide(self, job: Job) -> None:
        """Decide about every candidate of a job, in order."""
        keys = [one.source_key for one in job.prepared if one.entry is not None]
        known = lookup_many(self._connection, job.source.name, keys)
        for one in job.prepared:
            if one.entry is None:
                self._refused[id(one)] = one.problems
            else:
                self._decide_one(job.source, one, one.entry, known)

    def _decide_one(self, source: Source, one: Prepared, entry: Entry, known: dict[str, SourceKey]) -> None:
        before = known.get(one.source_key)
        beside = self._accepted.get((source.name, one.source_key))
        if before is not None or beside is not None:
            content_hash = before.content_hash if before is not None else beside.content_hash  # type: ignore[union-attr]
            if content_hash == one.content_hash:
                self._repeated[id(one)] = before.record_key if before is not None else _entry_of(beside)
            else:
                self._refuse(one, RULE_CONFLICT, _CONFLICT)
            return
        objection = source.objection(entry.facts, self._divisions) if entry.facts is not None else None
        if objection is not None:
            self._refuse(one, RULE_NOT_THIS_SOURCE, objection)
            return
        objection = self._objection(entry)
        if objection is not None:
            self._refuse(one, RULE_NO_AUTHORITY, objection)
            return
        _renew(entry)
        self.entries.append(entry)
        self._accepted[source.name, one.source_key] = one

    def _objection(self, entry: Entry) -> str | None:
        division = entry.facts.division if entry.facts is not None else None
        question = (entry.record_type, division)
        if question not in self._asked:
            self._asked[question] = self._authority(entry)
        return self._asked[question]

    def _refuse(self, one: Prepared, rule: str, text: str) -> None:
        candidate = one.candidate
        self._refused[id(one)] = (Problem(rule=rule, text=text, row=candidate.row, line=candidate.line),)

    def keys(self) -> Iterator[SourceKey]:
        """Yield the source keys of what was accepted; the entries have been appended."""
        for (source, key), one in self._accepted.items():
            yield SourceKey(source=source, key=key, content_hash=one.content_hash, record_key=_entry_of(one).key)

    def outcome(self, one: Prepared) -> str:
        """Return what became of a candidate."""
        if id(one) in self._refused:
            return REFUSED
        return REPEATED if id(one) in self._repeated else ACCEPTED

    def problems(self, one: Prepared) -> tuple[Problem, ...]:
        """Return the problems of a refused candidate."""
        return self._refused[id(one)]

    def verdict(self, one: Prepared, refused_id: int | None) -> Verdict:
        """Return the verdict of a candidate; the entries have been appended."""
        candidate = one.candidate
        record_type = one.entry.record_type if one.entry is not None else candidate.record_type[:64]
        refused = self._refused.get(id(one))
        if refused is not None:
            if refused_id is None:
                text = "the refused record was not kept: too many refused deliveries are open"
                refused = (*refused, Problem(rule=RULE_NOT_KEPT, text=text, row=candidate.row, line=candidate.line))
            return Verdict(
                outcome="refused",
                record_type=record_type,
                key=one.source_key,
                row=candidate.row,
                line=candidate.line,
                refused_id=refused_id,
                problems=refused,
            )
        repeated = self._repeated.get(id(one))
        stands = repeated if repeated is not None else _entry_of(one)
        return Verdict(
            outcome="accepted" if repeated is None else "repeated",
            record_type=record_type,
            key=one.source_key,
            row=candidate.row,
            line=candidate.line,
            stream=str(self._stream),
            position=position_of(stands if isinstance(stands, int) else stands.key),
        )


_CONFLICT: Final = (
    "the source sent other content under this key before; if the record was corrected at the source, "
    "send it with DataVersion raised by one"
)


def _entry_of(one: Prepared | None) -> Entry:
    if one is None or one.entry is None:
        message = "only candidates with an entry are accepted"
        raise RuntimeError(message)
    return one.entry


def _renew(entry: Entry) -> None:
    """Forget what an earlier try of the same transaction wrote into the entry."""
    entry.key = entry.position = 0
    entry.case_id = entry.previous = entry.state_after = None
    entry.held_back = False


def _known_answer(connection: Connection, job: Job) -> Settled | None:
    stored = find_answer(connection, job.request) if job.request is not None else None
    if stored is None:
        return None
    return Settled(answer=stored.answer) if stored.same_body else Settled(other_body=True)


def _batches(candidates: Iterable[Candidate]) -> Iterator[list[Candidate]]:
    batch: list[Candidate] = []
    weight = 0
    for candidate in candidates:
        batch.append(candidate)
        weight += candidate.weight
        if len(batch) == BATCH_MAX or weight >= BATCH_WEIGHT_MAX:
            yield batch
            batch, weight = [], 0
    if batch:
        yield batch
