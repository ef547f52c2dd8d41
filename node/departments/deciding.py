"""Deciding: what becomes of each prepared candidate, in the transaction that writes it.

A record is *repeated* (same source key, same content; or the record under that key was redacted: what its source says
under it again must not come back, and is not kept), *refused* (problems, other content under a known key, no
authority, a foreign number that stands for another case) or *accepted*. Nothing is written here but what the decisions
rest on; ``node.departments.accept`` appends what was accepted and keeps what was refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from node.departments.candidates import AUTOMATIC
from node.departments.numbering import RULE_FOREIGN_NUMBER, ForeignNumber, is_used, known_numbers
from node.departments.prepare import Prepared, reversioned, unversioned_hash_of
from node.departments.report import ACCEPTED, REFUSED, REPEATED, Verdict
from node.errors import Problem
from node.journal.entries import Entry
from node.journal.erasing import ERASED_HASH
from node.journal.source_keys import RETURNED, SourceKey, has_returned, lookup_many
from node.journal.tables import position_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy.engine import Connection

    from node.departments.accept import Job
    from node.departments.report import Outcome
    from node.departments.rights import Rights
    from node.departments.sources import Source
    from node.standard.seals import StreamName

RULE_CONFLICT: Final = "conflict"
RULE_NOT_KEPT: Final = "not-kept"
VERSIONS_ASKED: Final = 8
"""Versions of a record that are looked up together; hardly any record has more. Our own choice."""
VERSIONS_MAX: Final = 9_999
"""Versions of one record that a node counts itself; DataVersion has four digits in the field."""


class Decision:
    """What one transaction decided about its candidates; made anew each time the transaction is tried.

    It only reads: a preview asks it too, on a connection that writes nothing.
    """

    def __init__(
        self,
        connection: Connection,
        stream: StreamName,
        rights: Rights,
    ) -> None:
        self.entries: list[Entry] = []
        self._connection = connection
        self._stream = stream
        self._rights = rights
        self._accepted: dict[tuple[str, str], Prepared] = {}
        self._repeated: dict[int, int | Entry] = {}
        self._refused: dict[int, tuple[Problem, ...]] = {}
        self._numbers: dict[ForeignNumber, str] = {}
        self._known_numbers: set[ForeignNumber] = set()
        self._fresh_numbers: dict[ForeignNumber, str] = {}

    def decide(self, job: Job) -> None:
        """Decide about every candidate of a job, in order."""
        known = _Known(self._connection, job.source.name)
        known.learn(
            key
            for one in job.prepared
            if one.entry is not None
            for key in (_versions_from(one) if _is_counted(one) else (one.source_key,))
        )
        self._learn_numbers(job)
        for one in job.prepared:
            if _is_counted(one):
                self._count_version(job.source, one, known)
            if one.entry is None:
                self._refused[id(one)] = one.problems
            else:
                self._decide_one(job.source, one, one.entry, known)

    def foreign_numbers(self) -> dict[ForeignNumber, str]:
        """Return the foreign numbers that were not known before and now stand for cases."""
        return self._fresh_numbers

    def _learn_numbers(self, job: Job) -> None:
        """Look up the foreign numbers of a job's records."""
        pairs = [
            pair
            for one in job.prepared
            if (pair := _foreign_number(one.entry, job.source)) is not None and pair not in self._numbers
        ]
        if pairs:
            found = known_numbers(self._connection, pairs)
            self._numbers |= found
            self._rights.learn_systems(pair.system for pair in pairs)
            self._known_numbers.update(found)

    def _count_version(self, source: Source, one: Prepared, known: _Known) -> None:
        """Give a record of a cumulative delivery the version that it has at this node: the newest held, or one more.

        A record whose newest version says the same keeps that version, so that it is found to be repeated.
        """
        content_hash = unversioned_hash_of(_entry_of(one).body)
        version, newest = 0, None
        while version < VERSIONS_MAX:
            one.content_hash = content_hash
            reversioned(one, version + 1)
            if not known.was_asked(one.source_key):
                known.learn(_versions_from(one))
            beside = self._accepted.get((source.name, one.source_key))
            held = known.get(one.source_key)
            if held is None and beside is None:
                break
            newest = held.content_hash if held is not None else beside.content_hash  # type: ignore[union-attr]
            version += 1
        if newest in {content_hash, ERASED_HASH}:
            reversioned(one, version)

    def _decide_one(self, source: Source, one: Prepared, entry: Entry, known: _Known) -> None:
        before = known.get(one.source_key)
        beside = self._accepted.get((source.name, one.source_key))
        if before is not None or beside is not None:
            content_hash = before.content_hash if before is not None else beside.content_hash  # type: ignore[union-attr]
            if content_hash in {one.content_hash, ERASED_HASH}:
                self._repeated[id(one)] = before.record_key if before is not None else _entry_of(beside)
            else:
                self._refuse(one, RULE_CONFLICT, _CONFLICT)
            return
        pair = _foreign_number(entry, source)
        objection = self._rights.objection(source, entry, None if pair is None else pair.system)
        if objection is not None:
            self._refuse(one, *objection)
            return
        if not self._take_number(source, one, entry):
            return
        _renew(entry)
        self.entries.append(entry)
        self._accepted[source.name, one.source_key] = one

    def _take_number(self, source: Source, one: Prepared, entry: Entry) -> bool:
        """Remember the foreign number of a record; False: it stands for another case, and the record is refused."""
        pair = _foreign_number(entry, source)
        if pair is None or entry.facts is None or entry.facts.case_no is None:
            return True
        standing = self._numbers.setdefault(pair, entry.facts.case_no)
        if standing != entry.facts.case_no and not self._is_used(standing):
            self._numbers[pair] = self._fresh_numbers[pair] = entry.facts.case_no
            return True
        if standing != entry.facts.case_no:
            text = f"the number {pair.number} of {pair.system} stands for the case {standing}, not for this one"
            self._refuse(one, RULE_FOREIGN_NUMBER, text)
            return False
        if pair not in self._known_numbers:
            self._fresh_numbers[pair] = standing
        return True

    def _is_used(self, case_no: str) -> bool:
        """Tell whether a record of this case was ever accepted at this node, in this transaction or before."""
        beside = any(entry.facts is not None and entry.facts.case_no == case_no for entry in self.entries)
        return beside or is_used(self._connection, self._stream, case_no)

    def _refuse(self, one: Prepared, rule: str, text: str) -> None:
        candidate = one.candidate
        self._refused[id(one)] = (Problem(rule=rule, text=text, row=candidate.row, line=candidate.line),)

    def keys(self) -> Iterator[SourceKey]:
        """Yield the source keys of what was accepted; the entries have been appended."""
        for (source, key), one in self._accepted.items():
            yield SourceKey(source=source, key=key, content_hash=one.content_hash, record_key=_entry_of(one).key)

    def outcome(self, one: Prepared) -> Outcome:
        """Return what became of a candidate."""
        if id(one) in self._refused:
            return REFUSED
        return REPEATED if id(one) in self._repeated else ACCEPTED

    def problems(self, one: Prepared) -> tuple[Problem, ...]:
        """Return the problems of a refused candidate."""
        return self._refused[id(one)]

    def position(self, one: Prepared) -> int | None:
        """Return where an accepted or repeated candidate stands in the stream, None while it is not written."""
        stands = self._repeated.get(id(one), one.entry)
        key = stands.key if isinstance(stands, Entry) else stands
        return position_of(key) if key else None

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
                outcome=REFUSED,
                record_type=record_type,
                key=one.source_key,
                row=candidate.row,
                line=candidate.line,
                refused_id=refused_id,
                problems=refused,
            )
        return Verdict(
            outcome=REPEATED if id(one) in self._repeated else ACCEPTED,
            record_type=record_type,
            key=one.source_key,
            row=candidate.row,
            line=candidate.line,
            stream=str(self._stream),
            position=self.position(one),
        )


class _Known:
    """What is known of the keys of one source; each is asked for once, many with one statement."""

    def __init__(self, connection: Connection, source: str) -> None:
        self._connection = connection
        self._source = source
        self._has_returned = has_returned(connection)
        self._asked: set[str] = set()
        self._found: dict[str, SourceKey] = {}

    def learn(self, keys: Iterable[str]) -> None:
        """Look up keys that were not asked for yet."""
        fresh = set(keys) - self._asked
        self._asked |= fresh
        self._found |= lookup_many(self._connection, self._source, fresh)
        if self._has_returned:
            self._found |= lookup_many(self._connection, RETURNED, fresh - self._found.keys())

    def was_asked(self, key: str) -> bool:
        """Tell whether this key was looked up."""
        return key in self._asked

    def get(self, key: str) -> SourceKey | None:
        """Return what is known of a key that was looked up, None when it is new."""
        return self._found.get(key)


def _is_counted(one: Prepared) -> bool:
    """Tell whether the node counts the versions of a record; of one whose type has none nobody does."""
    facts = None if one.entry is None else one.entry.facts
    return one.candidate.versioning == AUTOMATIC and facts is not None and facts.data_version > 0


def _versions_from(one: Prepared) -> list[str]:
    """Return the keys of this record's version and of the next ones: as many as a statement asks for at once."""
    stem, _, version = one.source_key.rpartition(":")
    return [f"{stem}:{at}" for at in range(int(version), int(version) + VERSIONS_ASKED)]


_CONFLICT: Final = (
    "the source sent other content under this key before; if the record was corrected at the source, "
    "send it with DataVersion raised by one"
)


def _entry_of(one: Prepared | None) -> Entry:
    if one is None or one.entry is None:
        message = "only candidates with an entry are accepted"
        raise RuntimeError(message)
    return one.entry


def _foreign_number(entry: Entry | None, source: Source) -> ForeignNumber | None:
    facts = entry.facts if entry is not None else None
    if facts is None or facts.orig_case_no is None:
        return None
    return ForeignNumber(facts.orig_system or source.name, facts.orig_case_no)


def _renew(entry: Entry) -> None:
    """Forget what an earlier try of the same transaction wrote into the entry."""
    entry.key = entry.position = 0
    entry.case_id = entry.previous = entry.state_after = None
    entry.held_back = False
