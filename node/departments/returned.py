"""Records of own streams that leave, or come back, when this node returns from doubt (02, R12).

What comes back was taken in by this node before its database became older than it was. What the doors knew of it is
lost with the database: under which key it came, which number a foreign case got, what was published last. All of it can
be read in the records themselves, but for the source; so a source that offers its records again hears *repeated*.

What leaves is kept in ``set_aside_record`` and offered again by ``Reoffering.offer``, once the node is settled:

- what a department had handed in goes through intake, in the name of its source. Its case gets its number anew where it
  has one of its own system, because the number that was given may stand for another case in what came back;
- what this node had written on a person's word (certificates, notices, reference data) is appended as it was;
- what it derives by itself (summaries, verdicts, rejections) is derived again.
"""

from __future__ import annotations

import re
from io import BytesIO
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, insert, select, update

from node.departments.candidates import DEPARTMENT_TYPES
from node.departments.dialects import DialectOptions
from node.departments.numbering import ForeignNumber, forget_numbers, known_numbers, remember_numbers
from node.departments.prepare import content_hash_of
from node.departments.publish import Draft, published_version, remember_version
from node.departments.refused import settle_waiting, waiting_deliveries
from node.departments.serials import raise_serials
from node.departments.sources import IMPORT_SOURCE, find_source
from node.departments.stored_bytes import pressed, unpressed
from node.departments.tables import set_aside_record as table
from node.errors import NotFoundError
from node.exchange.judging import authorised
from node.journal.entries import read_entry
from node.journal.source_keys import RETURNED, SourceKey, lookup_many, remember_many
from node.journal.tables import alarm
from node.standard.compose import content_of
from node.standard.families import KEYED_HEADERS, RECORD_TYPES
from node.standard.seals import StreamName
from node.trust.produce import SOURCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.engine import Connection

    from node.clock import Clock
    from node.departments.accept import Intake
    from node.departments.sources import Source
    from node.journal.entries import Entry
    from node.journal.returning import SetAside
    from node.journal.store import Transaction

DERIVED: Final = frozenset({"StatisticsSummary", "SummaryVerdict", "Rejection", "StreamReturn"})
"""What a node writes again by itself when its cause still stands."""
OFFERED_MAX: Final = 200
"""Records offered again by one call; the next one goes on."""
DIALECT: Final = "standard"

_NUMBER: Final = re.compile(rb"<CaseNo>[^<]*</CaseNo>")
_FOREIGN: Final = re.compile(rb"<OrigCaseNo>[^<]")


class ReturnedRecords:
    """Implements the journal's ``Comeback``: called inside the transaction in which a stream returns."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def set_aside(self, transaction: Transaction, records: Sequence[SetAside]) -> None:
        """Keep records that leave their stream, but for those that are derived again."""
        at = self._clock.now()
        rows = [
            {
                "stream": str(one.stream),
                "position": one.record.position,
                "source": one.known_as.source if one.known_as else None,
                "key": one.known_as.key if one.known_as else None,
                "body": pressed(one.record.body or b""),
                "set_aside_at": at,
            }
            for one in records
            if one.record.body and one.record.record_type not in DERIVED
        ]
        if rows:
            transaction.connection.execute(insert(table), rows)
        forget_numbers(transaction.connection, _begun(records))
        # An alarm whose record has left is told again.
        if any(one.record.record_type == "Alarm" for one in records):
            transaction.connection.execute(update(alarm).values(recorded=False))

    def adopted(self, transaction: Transaction, entries: Sequence[Entry]) -> None:
        """Learn the keys, numbers and versions of records that came back."""
        read = [entry for entry in entries if entry.facts is not None]
        handed_in = [entry for entry in read if entry.record_type in DEPARTMENT_TYPES]
        remember_many(transaction, [_key_of(entry) for entry in read])
        numbers = {
            ForeignNumber(entry.facts.orig_system, entry.facts.orig_case_no): entry.facts.case_no
            for entry in handed_in
            if entry.facts is not None
            and entry.facts.case_no is not None
            and entry.facts.orig_system is not None
            and entry.facts.orig_case_no is not None
        }
        known = known_numbers(transaction.connection, numbers)
        remember_numbers(transaction.connection, {pair: no for pair, no in numbers.items() if pair not in known})
        raise_serials(transaction.connection, _case_numbers(handed_in))
        for entry in read:
            _learn_version(transaction, entry)


class Reoffering:
    """Offers again what was set aside, then what came while this node was in doubt; both oldest first."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    def offer(self) -> int:
        """Offer some of what waits; return how many records and deliveries are done with, 0 when nothing waits.

        Killed in between it offers some of them again, which their keys make harmless.
        """
        with self._intake.store.reading() as connection:
            rows = connection.execute(select(table).order_by(table.c.number).limit(OFFERED_MAX)).all()
        for row in rows:
            self._offer_one(row.number, StreamName.parse(row.stream), row.source, row.key, unpressed(row.body))
        return len(rows) or self._offer_deliveries()

    def _offer_one(self, number: int, stream: StreamName, source: str | None, key: str | None, body: bytes) -> None:
        entry = read_entry(body)
        if entry.record_type in DEPARTMENT_TYPES and source not in {None, SOURCE}:
            self._hand_in(source or "", body)
            self._intake.store.write(lambda transaction: _done(transaction, number))
        else:
            self._intake.store.write(lambda transaction: self._append(transaction, number, stream, key, body))

    def _hand_in(self, source: str, body: bytes) -> None:
        """Give a record to intake again; what is refused now is kept as a refused delivery."""
        intake = self._intake
        markup = _NUMBER.sub(b"", body, count=1) if _FOREIGN.search(body) else body
        with intake.store.reading() as connection:
            known = _source(connection, source)
        candidates = intake.dialects.read(DIALECT, BytesIO(markup), DialectOptions(system=source))
        intake.accept(candidates, source=known, dialect=DIALECT)

    def _append(self, transaction: Transaction, number: int, stream: StreamName, key: str | None, body: bytes) -> None:
        """Append what this node had written, unless the same came back."""
        entry = read_entry(body)
        name = key or (entry.facts.record_key if entry.facts is not None else None)
        if not _came_back(transaction.connection, entry, name):
            # A record that a faulty program wrote without authority stood quarantined everywhere, and does so again.
            entry = authorised(self._intake.tree(transaction.connection), stream, entry)
            self._intake.journal.append(transaction, stream, [entry])
            if name is not None:
                made = SourceKey(source=SOURCE, key=name, content_hash=entry.leaf, record_key=entry.key)
                remember_many(transaction, [made])
        _done(transaction, number)

    def _offer_deliveries(self) -> int:
        """Offer what was received while this node was in doubt."""
        intake = self._intake
        with intake.store.reading() as connection:
            waiting = waiting_deliveries(connection, limit=OFFERED_MAX)
        for one in waiting:
            with intake.store.reading() as connection:
                source = _source(connection, one.source).on_channel(one.channel)
            typed = intake.dialects.find(one.dialect).typed
            options = DialectOptions(record_type=one.record_type if typed else "", system=one.source)
            candidates = intake.dialects.read(one.dialect, BytesIO(one.content or b""), options)
            intake.accept(candidates, source=source, dialect=one.dialect)
            settle_waiting(intake.store, one.id, at=intake.clock.now())
        return len(waiting)


def count_waiting(connection: Connection) -> int:
    """Return how many records and deliveries wait to be offered again, at most OFFERED_MAX of each."""
    rows = connection.execute(select(table.c.number).limit(OFFERED_MAX)).all()
    return len(rows) + len(waiting_deliveries(connection, limit=OFFERED_MAX, content=False))


def _came_back(connection: Connection, entry: Entry, name: str | None) -> bool:
    """Tell whether the record that this node had written under ``name`` stands again.

    Reference data come back under the key that a department's record of that type would have.
    """
    if name is not None and lookup_many(connection, SOURCE, (name,)):
        return True
    return entry.facts is not None and bool(lookup_many(connection, RETURNED, (entry.facts.source_key,)))


def _source(connection: Connection, name: str) -> Source:
    try:
        return find_source(connection, name)
    except NotFoundError:
        # It was added after the backup, or disabled since: what it handed in before stands all the same.
        return find_source(connection, IMPORT_SOURCE)


def _begun(records: Sequence[SetAside]) -> list[ForeignNumber]:
    """Return the foreign numbers of the cases that began with one of these records."""
    found = []
    for one in records:
        if one.record.previous is None and one.record.case_id is not None and one.record.body:
            facts = read_entry(one.record.body, leaf=one.record.leaf).facts
            if facts is not None and facts.orig_system is not None and facts.orig_case_no is not None:
                found.append(ForeignNumber(facts.orig_system, facts.orig_case_no))
    return found


def _key_of(entry: Entry) -> SourceKey:
    facts = entry.facts
    if entry.record_type in DEPARTMENT_TYPES or facts is None or facts.record_key is None:
        key = entry.record_type if facts is None else facts.source_key
        return SourceKey(source=RETURNED, key=key, content_hash=content_hash_of(entry.body), record_key=entry.key)
    return SourceKey(source=SOURCE, key=facts.record_key, content_hash=entry.leaf, record_key=entry.key)


def _case_numbers(entries: Iterable[Entry]) -> set[str]:
    return {entry.facts.case_no for entry in entries if entry.facts is not None and entry.facts.case_no is not None}


def _learn_version(transaction: Transaction, entry: Entry) -> None:
    """Learn what was published last under a name: the record's key is the name and its version."""
    facts = entry.facts
    if facts is None or facts.record_key is None or RECORD_TYPES[entry.record_type].header not in KEYED_HEADERS:
        return
    name, _, version = facts.record_key.rpartition(":")
    if not name or not version.isdigit() or entry.element is None:
        return
    if published_version(transaction.connection, name)[0] < int(version):
        content = {
            part: value for part, value in content_of(entry.element).items() if part not in {"RecordKey", "EventTime"}
        }
        draft = Draft(name=name, record_type=entry.record_type, content=content)
        remember_version(transaction, name, int(version), draft.content_hash)


def _done(transaction: Transaction, number: int) -> None:
    transaction.connection.execute(delete(table).where(table.c.number == number))
