"""The case projection: what records make of cases, in the transaction that appends them.

**Hot path.** One SELECT finds the cases of all batches; each record then either adds quietly to its case's memory
(``history.advance_quietly``) or marks the case for a replay; one sorted executemany per table writes what changed.
Statements are tuples through ``exec_driver_sql``; their text is made from the tables, per dialect, in
``node.cases.statements``.

**Unit of repair.** ``re_project(transaction, case_id)`` replays one case from its records and writes the difference:
state, findings, contribution to the counters, state after each record, what is held back. Requeued records and late
reference data use it, and so does a batch with a new data version or an illogical record, with the records of the
batch that are not in the table yet.

**Identity.** A case is (stream of its origin, CaseNo): two origins never share one by accident. Only ``ancestors``
streams hold case records.

**Kinds.** Approval cases and penalties differ in a ``LifeCycle`` and in their tables, nothing else. A penalty is rare
and judged by whole records, so it has no quiet way: each of its records replays it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from node.cases.divisions import versions_of
from node.cases.history import (
    APPROVAL,
    CASE_RECORDS_MAX,
    EMPTY,
    INCOMPLETE,
    LifeCycle,
    Outcome,
    Recorded,
    advance_quietly,
    effective,
    replay,
)
from node.cases.reference import items_of
from node.cases.rows import (
    CaseRows,
    StoredStep,
    case_number_of_body,
    clear_cases,
    places,
    recorded_entry,
    recorded_steps,
)
from node.cases.tables import CASE_TABLES, CaseTables
from node.journal.records import save_outcomes
from node.standard.families import case_header_of
from node.standard.seals import ANCESTORS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from node.cases.division_rules import Versions
    from node.cases.findings import ItemTerms
    from node.cases.rows import CaseName, CaseRow
    from node.journal.entries import Batch, Entry
    from node.journal.store import Transaction
    from node.standard.facts import Facts

Amount = tuple[int, int]
"""An indicator's number and what a record adds to it."""


class ContributionRule(Protocol):
    """What one record in effect adds to the counters. Pure: a function of its own fields."""

    def __call__(self, facts: Facts) -> Sequence[Amount]:
        """Return the amounts, empty when the record is not counted."""


class CounterBook(Protocol):
    """The counters of one stream, open for one transaction."""

    def add(self, facts: Facts, amounts: Sequence[Amount]) -> bytes:
        """Count what a record adds and return the bytes by which it can be taken back."""

    def take_back(self, packed: bytes) -> None:
        """Count the opposite of everything that ``packed`` (one or more results of ``add`` joined) stands for."""


class CounterSink(Protocol):
    """Where contributions go."""

    def open(self, transaction: Transaction, stream_id: int, *, own: bool) -> CounterBook:
        """Return the book of one stream; ``own`` tells whether this node is the stream's origin."""

    def close(self, transaction: Transaction, books: Iterable[Any]) -> None:
        """Write the sums of books that were opened, once for all of them."""

    def clear(self, transaction: Transaction) -> None:
        """Drop all counters, before a rebuild."""


class _NoBook:
    """Counts nothing: for a node, or a test, without statistics."""

    def add(self, facts: Facts, amounts: Sequence[Amount]) -> bytes:  # noqa: ARG002 - protocol.
        """Return nothing to take back."""
        return b""

    def take_back(self, packed: bytes) -> None:
        """Do nothing."""


class _NoSink:
    """Opens books that count nothing."""

    def open(self, transaction: Transaction, stream_id: int, *, own: bool) -> CounterBook:  # noqa: ARG002
        """Return the book that counts nothing."""
        return _NoBook()

    def close(self, transaction: Transaction, books: Iterable[CounterBook]) -> None:
        """Do nothing."""

    def clear(self, transaction: Transaction) -> None:
        """Do nothing."""


def _no_contribution(facts: Facts) -> Sequence[Amount]:  # noqa: ARG001 - protocol.
    return ()


class CaseProjection:
    """Cases, their findings and what they contribute; see the module's essay. Implements the journal's Projection."""

    cuts: frozenset[str] = frozenset()

    def __init__(
        self,
        *,
        life_cycle: LifeCycle = APPROVAL,
        tables: CaseTables = CASE_TABLES,
        contribution: ContributionRule = _no_contribution,
        counters: CounterSink | None = None,
    ) -> None:
        self.name = life_cycle.name
        self.life_cycle = life_cycle
        self.tables = tables
        self._contribution = contribution
        self._counters: CounterSink = counters or _NoSink()

    def apply(self, transaction: Transaction, batches: Sequence[Batch]) -> None:
        """Take in batches and set case, previous record, state and held-back mark on their entries."""
        carrying = [batch for batch in batches if batch.stream.audience == ANCESTORS]
        named = [(name, entry) for batch in carrying for name, entry in self._named(batch) if name is not None]
        if named:
            work = _Work(self, transaction, {batch.stream_id for batch in carrying if batch.own})
            work.take(named)
            work.finish()

    def requeued(self, transaction: Transaction, batch: Batch) -> None:
        """Put records that can be applied now into the history of their cases and re-project these."""
        if batch.stream.audience == ANCESTORS:
            work = _Work(self, transaction, {batch.stream_id} if batch.own else ())
            work.requeue(list(self._named(batch)))
            work.finish()

    def re_project(self, transaction: Transaction, case_id: int) -> None:
        """Drop and replay one case from its records; does nothing for a case that does not exist."""
        self.re_project_all(transaction, (case_id,))

    def re_project_all(self, transaction: Transaction, case_ids: Iterable[int]) -> None:
        """Re-project several cases, each counted in its own stream's counters."""
        found = places(transaction.connection, self.tables, sorted(set(case_ids)))
        if found:
            work = _Work(self, transaction, {stream_id for _, stream_id, own in found if own})
            names = work.rows.load_ids(case_id for case_id, _, _ in found)
            work.replays = {name: [] for name in sorted(names.values())}
            work.finish()

    def clear(self, transaction: Transaction) -> None:
        """Drop every case, finding and counter; reference data belong to their own projection."""
        clear_cases(transaction.connection, self.tables)
        self._counters.clear(transaction)

    def contribution(self, facts: Facts) -> Sequence[Amount]:
        """Return what a record in effect adds to the counters."""
        return self._contribution(facts)

    def _named(self, batch: Batch) -> Iterator[tuple[CaseName | None, Entry]]:
        """Yield the entries of a batch, each beside the name of the case of this kind that it belongs to, or None."""
        stream_id = batch.stream_id
        for entry in batch.entries:
            number = self._number(entry)
            yield (None if number is None else (stream_id, number)), entry

    def _number(self, entry: Entry) -> str | None:
        """Return the case number of a record that belongs to a case of this kind, or None."""
        facts = entry.facts
        if entry.quarantine is None:
            return None if facts is None or facts.record_type not in self.life_cycle.record_types else facts.case_no
        if case_header_of(entry.record_type) != self.life_cycle.header:
            return None
        return (facts.case_no if facts is not None else None) or case_number_of_body(entry.body)

    def book(self, transaction: Transaction, stream_id: int, *, own: bool) -> CounterBook:
        """Open the counters of a stream."""
        return self._counters.open(transaction, stream_id, own=own)

    def close(self, transaction: Transaction, books: Iterable[CounterBook]) -> None:
        """Write the sums of the books that were opened."""
        self._counters.close(transaction, books)


class _Work:
    """Batches, or one repair, on their way through the cases; ``own``: the ids of streams of this node's own."""

    __slots__ = ("_books", "_divisions", "_items", "_own", "_owner", "_transaction", "replays", "rows")

    def __init__(self, owner: CaseProjection, transaction: Transaction, own: Collection[int]) -> None:
        self._owner = owner
        self._transaction = transaction
        self._own = own
        self._books: dict[int, CounterBook] = {}
        self._items: Mapping[str, Sequence[ItemTerms]] = {}
        self._divisions: Mapping[str, Versions] = {}
        self.rows = CaseRows(transaction, owner.tables)
        # A case's name to the entries that a replay must add to what the journal holds, or must tell what it found.
        self.replays: dict[CaseName, list[Entry]] = {}

    def take(self, named: Sequence[tuple[CaseName, Entry]]) -> None:
        """Move the cases of batches, record by record in stream order."""
        rows = self.rows
        rows.load({name for name, _ in named})
        tasks = {entry.facts.task for _, entry in named if entry.facts is not None and entry.facts.task is not None}
        self._items = self._items_of(tasks | rows.tasks())
        self._divisions = self._divisions_of({entry.facts.division for _, entry in named if entry.facts is not None})
        for name, entry in named:
            row = rows.case(name)
            entry.case_id = row.id
            entry.previous = row.last_key or None
            row.last_key = entry.key
            row.changed = True
            if not self._move(row, entry):
                self.replays[name] = []
            entry.state_after = row.memory.state
        if self.replays:
            for name, entry in named:
                if name in self.replays:
                    self.replays[name].append(entry)

    def requeue(self, named: Sequence[tuple[CaseName | None, Entry]]) -> None:
        """Mark the cases of records for a replay, and mend the chains in which these do not stand where they belong.

        A quarantined record stands in the chain of the case that it seems to name. Read again, it may belong to another
        one, or to none.
        """
        rows = self.rows
        rows.load({name for name, _ in named if name is not None})
        names = rows.load_ids(entry.case_id for _, entry in named if entry.case_id is not None)
        joining: dict[CaseName, list[Entry]] = {}
        leaving: dict[CaseName, list[Entry]] = {}
        for name, entry in named:
            stands_in = names.get(entry.case_id or 0)
            if name is not None:
                self.replays.setdefault(name, []).append(entry)
            if name != stands_in:
                if name is not None:
                    joining.setdefault(name, []).append(entry)
                if stands_in is not None:
                    self.replays.setdefault(stands_in, [])
                    leaving.setdefault(stands_in, []).append(entry)
        self._mend(joining, leaving)

    def _mend(self, joining: Mapping[CaseName, Sequence[Entry]], leaving: Mapping[CaseName, Sequence[Entry]]) -> None:
        """Take records out of the chains of their cases, then put others in."""
        gone = [entry for entries in leaving.values() for entry in entries]
        for entry in gone:
            entry.case_id = entry.previous = entry.state_after = None
        histories = self.rows.histories([self.rows.case(name) for name in sorted({*joining, *leaving})])
        save_outcomes(self._transaction, gone)
        for name in sorted({*joining, *leaving}):
            keys = {entry.key for entry in leaving.get(name, ())}
            row = self.rows.case(name)
            if not self.rows.splice(row, histories.get(name, []), joining.get(name, ()), keys):
                del self.replays[name]
                self._book(row).take_back(row.contribution)

    def finish(self) -> None:
        """Replay what has to be replayed, then write everything once."""
        if self.replays:
            self._replay_all()
        self.rows.write()
        self._owner.close(self._transaction, self._books.values())

    def _book(self, row: CaseRow) -> CounterBook:
        """Return the counters of the case's stream, opened once."""
        number = row.stream_id
        book = self._books.get(number)
        if book is None:
            book = self._books[number] = self._owner.book(self._transaction, number, own=number in self._own)
        return book

    def _move(self, row: CaseRow, entry: Entry) -> bool:
        """Apply one record quietly or hold it back; False: its case must be replayed."""
        memory = row.memory
        facts = entry.facts
        if entry.quarantine is None and facts is not None and not memory.flags & INCOMPLETE:
            if memory.count <= CASE_RECORDS_MAX and not (self.replays and row.name in self.replays):
                return not self._owner.life_cycle.reads_content and self._advance(row, facts)
            memory.count_one()
            return True
        entry.held_back = entry.quarantine is None
        memory.flags |= INCOMPLETE
        memory.count_one()
        return True

    def _advance(self, row: CaseRow, facts: Facts) -> bool:
        empty = row.memory.flags & EMPTY
        task = facts.task if empty else row.task
        items, versions = self._items.get(task or "", ()), self._divisions.get(facts.division or "", ())
        if not advance_quietly(row.memory, facts, items, versions):
            return False
        if empty:
            row.begin(facts)
        amounts = self._owner.contribution(facts)
        if amounts:
            row.contribution += self._book(row).add(facts, amounts)
        return True

    def _replay_all(self) -> None:
        """Replay the marked cases with one walk over all their histories."""
        rows = [self.rows.case(name) for name in sorted(self.replays)]
        histories = self.rows.histories(rows)
        records = {row.name: self._records(row, histories.get(row.name, [])) for row in rows}
        first = {name: _first(held) for name, held in records.items()}
        items = self._items_of({facts.task for facts in first.values() if facts is not None and facts.task is not None})
        divisions = self._divisions_of({facts.division for facts in first.values() if facts is not None})
        for row in rows:
            held = records[row.name]
            begun = first[row.name]
            terms = items.get(begun.task or "", ()) if begun is not None else ()
            outcome = replay(held, terms, self._owner.life_cycle, divisions)
            self._count_again(row, outcome)
            row.adopt(outcome)
            self.rows.correct(histories.get(row.name, []), outcome)
            for entry in self.replays[row.name]:
                entry.held_back = entry.key in outcome.held_back
                entry.state_after = outcome.states[entry.key]

    def _records(self, row: CaseRow, stored: Sequence[StoredStep]) -> list[Recorded]:
        """Join what the journal holds of a case with the records of this batch that it does not hold yet."""
        held = {step.key for step in stored}
        whole = self._owner.life_cycle.reads_content
        fresh = [recorded_entry(entry, with_content=whole) for entry in self.replays[row.name] if entry.key not in held]
        return [*recorded_steps(stored, with_content=whole), *fresh]

    def _items_of(self, tasks: Collection[str]) -> Mapping[str, Sequence[ItemTerms]]:
        return items_of(self._transaction, tasks) if self._owner.life_cycle.reads_reference else {}

    def _divisions_of(self, codes: Collection[str | None]) -> Mapping[str, Versions]:
        known = {code for code in codes if code is not None}
        return versions_of(self._transaction, known) if self._owner.life_cycle.reads_reference else {}

    def _count_again(self, row: CaseRow, outcome: Outcome) -> None:
        """Take the old contribution back and add the new one: the counters stay the sum of contributions."""
        if row.contribution:
            self._book(row).take_back(row.contribution)
        packed = []
        for step in outcome.steps:
            amounts = self._owner.contribution(step.facts)
            if amounts:
                packed.append(self._book(row).add(step.facts, amounts))
        row.contribution = b"".join(packed)


def _first(records: Sequence[Recorded]) -> Facts | None:
    """Return the facts of the first record in effect: its item and division are those of the case."""
    return next((record.facts for record in effective(records) if record.facts is not None), None)
