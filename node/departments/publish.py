"""Publishing: reference data and supervision records that this node writes because a person said so.

Divisions, items, departments and calendars go into ``<node>/descendants`` and arrive at every node below. Each has a
name (the division's code, the item's code and version …); publishing the same under the same name again makes no
record, other content makes one more record whose key carries the next version.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from node.departments.division_files import division_problems
from node.departments.prepare import content_of_candidate
from node.departments.report import problem_json
from node.departments.tables import publication as table
from node.errors import AuthorityError, Problem, RecordRefusedError
from node.journal.entries import Entry, pack
from node.journal.statements import upsert_sql
from node.standard.codec import leaf_hash, parse_record
from node.standard.compose import SALT_BYTES, compose
from node.standard.facts import TREE_ZONE, facts_of
from node.standard.seals import DESCENDANTS, StreamName
from node.trust.authority import check_authority

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy.engine import Connection

    from node.clock import Clock
    from node.departments.accept import TreeLoader
    from node.departments.candidates import Candidate
    from node.journal.store import Store, Transaction
    from node.journal.streams import Journal
    from node.randomness import Randomness

IDENTITIES: Final[Mapping[str, tuple[str, ...]]] = {
    "Division": ("DivisionCode", "ValidFrom"),
    "Organisation": ("OrgCode", "ValidFrom"),
    "Item": ("TaskCode", "TaskVersion"),
    "Calendar": ("Year", "CalendarVersion"),
}
"""What names one thing of each type that can be published from a file: its elements, empty ones left out."""
BATCH_MAX: Final = 500
PROBLEMS_MAX: Final = 1000
RULE_NOT_PUBLISHED: Final = "not-published"
_PLACEHOLDER_TIME: Final = "2000-01-01T00:00:00+08:00"


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One thing to publish: ``name`` is what it is known by, ``content`` goes without RecordKey and EventTime."""

    name: str
    record_type: str
    content: Mapping[str, Any]

    @property
    def content_hash(self) -> bytes:
        """SHA-256 of what it says: its canonical bytes with fixed salt, key and time."""
        header = {"RecordKey": "-", "EventTime": _PLACEHOLDER_TIME}
        body = compose(self.record_type, {**header, **self.content}, salt=bytes(SALT_BYTES))
        return hashlib.sha256(body).digest()


@dataclass(slots=True)
class PublishReport:
    """What publishing did: new records, things that were published before, and what could not be published."""

    published: int = 0
    unchanged: int = 0
    refused: int = 0
    problems: list[Problem] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return the document ``yizhan.publish/1``."""
        return {
            "schema": "yizhan.publish/1",
            "published": self.published,
            "unchanged": self.unchanged,
            "refused": self.refused,
            "problems": [problem_json(problem) for problem in self.problems],
        }


class Publisher:
    """Writes records into own streams on a person's word. Any process of the home may hold one."""

    def __init__(
        self,
        store: Store,
        journal: Journal,
        load_tree: TreeLoader,
        *,
        clock: Clock,
        randomness: Randomness,
        node_code: str,
    ) -> None:
        self.store = store
        self.journal = journal
        self.load_tree = load_tree
        self.clock = clock
        self.randomness = randomness
        self.node_code = node_code

    def publish(self, candidates: Iterable[Candidate], record_type: str) -> PublishReport:
        """Publish the records of one type that a file offers, to every node below.

        What is wrong with one record is reported and costs that record. Raises AuthorityError, with nothing of the
        batch written, when this node may not publish such records.
        """
        report = PublishReport()
        for batch in _batches(self._drafts(candidates, record_type, report)):
            published = self.write(StreamName(self.node_code, DESCENDANTS), batch)
            report.published += published
            report.unchanged += len(batch) - published
        return report

    def write(self, stream: StreamName, drafts: Sequence[Draft]) -> int:
        """Append what is new among ``drafts`` in one transaction; return how many records that made."""
        return self.store.write(lambda transaction: self.write_in(transaction, stream, drafts))

    def write_in(self, transaction: Transaction, stream: StreamName, drafts: Sequence[Draft]) -> int:
        """Do what ``write`` does, inside a transaction of the caller."""
        connection = transaction.connection
        tree = self.load_tree(connection)
        entries: list[Entry] = []
        for draft in drafts:
            version, known_hash = published_version(connection, draft.name)
            content_hash = draft.content_hash
            if content_hash == known_hash:
                continue
            entry = self._entry(draft, version + 1)
            reason = check_authority(tree, stream, entry.record_type, entry.facts, entry.element)
            if reason is not None:
                raise AuthorityError(
                    f"This node may not publish {entry.record_type} into {stream}",
                    why=reason,
                    action="publish it at the node that may",
                )
            entries.append(entry)
            remember_version(transaction, draft.name, version + 1, content_hash)
        pack(entries)
        if entries:
            self.journal.append(transaction, stream, entries)
        return len(entries)

    def _entry(self, draft: Draft, version: int) -> Entry:
        event_time = self.clock.now().astimezone(TREE_ZONE).isoformat(timespec="seconds")
        header = {"RecordKey": f"{draft.name}:{version}", "EventTime": event_time}
        body = compose(draft.record_type, {**header, **draft.content}, salt=self.randomness.token(SALT_BYTES))
        element = parse_record(body)
        facts = facts_of(element)
        return Entry(record_type=draft.record_type, body=body, leaf=leaf_hash(body), facts=facts, element=element)

    def _drafts(self, candidates: Iterable[Candidate], record_type: str, report: PublishReport) -> Iterator[Draft]:
        for candidate in candidates:
            try:
                yield self._draft(candidate, record_type)
            except RecordRefusedError as error:
                report.refused += 1
                report.problems += error.problems[: max(0, PROBLEMS_MAX - len(report.problems))]

    def _draft(self, candidate: Candidate, record_type: str) -> Draft:
        """Return the draft of a candidate; raises RecordRefusedError, after trying that it is a valid record."""
        content = content_of_candidate(candidate)
        if candidate.record_type != record_type:
            text = f"{candidate.record_type[:64]} stands among {record_type}"
            problem = Problem(rule=RULE_NOT_PUBLISHED, row=candidate.row, line=candidate.line, text=text)
            raise RecordRefusedError("the record is not published", (problem,))
        content = {name: value for name, value in content.items() if name not in {"RecordKey", "EventTime"}}
        problems = division_problems(content) if record_type == "Division" else ()
        if problems:
            raise RecordRefusedError("the record is not published", candidate.located(problems))
        names = [content.get(name) for name in IDENTITIES[record_type]]
        name = ":".join([record_type.lower(), *(str(part) for part in names if part)])
        draft = Draft(name=name, record_type=record_type, content=content)
        try:
            self._entry(draft, 1)
        except RecordRefusedError as error:
            raise RecordRefusedError(error.what, candidate.located(error.problems)) from error
        return draft


def published_version(connection: Connection, name: str) -> tuple[int, bytes]:
    """Return the newest version published under ``name`` and its content hash; 0 and nothing when there is none."""
    row = connection.execute(select(table.c.version, table.c.content_hash).where(table.c.name == name)).first()
    return (0, b"") if row is None else (row.version, bytes(row.content_hash))


def remember_version(transaction: Transaction, name: str, version: int, content_hash: bytes = b"") -> None:
    """Store the newest version under ``name``, in the transaction that appends its record."""
    statement = upsert_sql(table, transaction.dialect, put=("version", "content_hash"))
    transaction.connection.exec_driver_sql(statement, (name, version, content_hash))


def _batches(drafts: Iterator[Draft]) -> Iterator[list[Draft]]:
    while batch := list(islice(drafts, BATCH_MAX)):
        yield batch
