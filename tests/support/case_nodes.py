"""A journal with cases and statistics on any store, and what its tables say, free of row numbers: for comparisons."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from node.cases.penalties import penalty_projection
from node.cases.projection import CaseProjection
from node.cases.reference import ReferenceProjection
from node.cases.requests import RequestProjection
from node.cases.tables import CASE_TABLES, PENALTY_TABLES, CaseTables, case_fact, case_state, finding, request
from node.clock import SetClock
from node.journal.entries import Entry, read_entry
from node.journal.merkle import root_of
from node.journal.redactions import RedactionProjection
from node.journal.streams import Journal
from node.journal.tables import position_of, record
from node.journal.tables import stream as stream_table
from node.standard.compose import compose
from node.standard.seals import Checkpoint, StreamName
from node.statistics.comparisons import ComparisonProjection
from node.statistics.counters import Counters, day_text, unpack
from node.statistics.erasure import unsettle
from node.statistics.indicators import INDICATOR_NAMES, contribution
from node.statistics.summaries import SummaryProjection
from node.statistics.tables import counter, dimension

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection

    from node.journal.records import StoredRecord
    from node.journal.store import Store, Transaction
    from node.standard.compose import Content

NOW = datetime(2026, 1, 20, 1, 0, tzinfo=UTC)
SALT = bytes(16)


class CaseNode:
    """One node without exchange: its journal, projections, and streams of others fed by hand."""

    def __init__(self, store: Store, code: str) -> None:
        self.store = store
        self.code = code
        self.clock = SetClock(NOW)
        self.cases = CaseProjection(contribution=contribution, counters=Counters())
        self.reference = ReferenceProjection(self.cases)
        self.summaries = SummaryProjection()
        self.penalties = penalty_projection()
        self.requests = RequestProjection()
        others = (self.cases, self.penalties, self.requests, self.reference, self.summaries, ComparisonProjection())
        redactions = RedactionProjection(others, node_code=code, clock=self.clock, before=unsettle)
        projections = (*others, redactions)
        self.journal = Journal(store, node_code=code, clock=self.clock, projections=projections)
        self.produced: set[tuple[str, str]] = set()

    def append(self, bodies: Sequence[bytes], audience: str = "ancestors") -> None:
        """Append records to an own stream."""
        entries = [read_entry(body) for body in bodies]
        self.store.write(lambda transaction: self.journal.append(transaction, StreamName(self.code, audience), entries))

    def receive(self, entries: Sequence[Entry], origin: str, audience: str = "ancestors") -> None:
        """Take a slice of another node's stream under a checkpoint that fits (unsigned: signatures are not ours)."""
        stream = StreamName(origin, audience)

        def work(transaction: Transaction) -> None:
            held = self.journal.held(transaction.connection, stream)
            size = held.size if held else 0
            leaves = self.journal.leaves(transaction.connection, stream, 1, size) if held else []
            root = root_of([*leaves, *(entry.leaf for entry in entries)])
            checkpoint = Checkpoint(
                stream=stream, size=size + len(entries), root=root, sealed_at=NOW, signer="0" * 64, signature=b"x"
            )
            self.journal.extend(transaction, stream, entries, checkpoint)

        self.store.write(work)

    def copy_from(self, other: CaseNode, cuts: Sequence[int] = (), audience: str = "ancestors") -> None:
        """Receive what another node holds of its own stream beyond what is held here, in slices of these lengths."""
        stream = StreamName(other.code, audience)
        with other.store.reading() as connection:
            held = other.journal.held(connection, stream)
            size = held.size if held else 0
            stored = other.journal.stored(connection, stream, 1, size) if held else []
        with self.store.reading() as connection:
            mine = self.journal.held(connection, stream)
        at = mine.size if mine else 0
        lengths = [*cuts, size]
        for length in lengths:
            chunk = stored[at : at + length]
            if chunk:
                self.receive([_read(one) for one in chunk], other.code, audience)
            at += len(chunk)

    def produce(
        self, transaction: Transaction, stream: StreamName, record_type: str, content: Content, key: str
    ) -> bool:
        """Make a record under a derived key, once: a double of node.trust.produce."""
        if (str(stream), key) in self.produced:
            return False
        self.produced.add((str(stream), key))
        full = {**content, "RecordKey": key, "EventTime": NOW.isoformat()}
        entry = read_entry(compose(record_type, full, salt=SALT))
        assert entry.quarantine is None, entry.detail
        self.journal.append(transaction, stream, [entry])
        return True

    def redact(self, position: int, *, audience: str = "ancestors", **changes: str) -> int:
        """Append the Redaction of a record of an own stream and return its position; ``changes`` make it a bad one."""
        stream = StreamName(self.code, audience)
        with self.store.reading() as connection:
            held = self.journal.held(connection, stream)
            (leaf,) = self.journal.leaves(connection, stream, position, position) or (b"",)
        size = held.size if held else 0
        said = {"Stream": str(stream), "Position": str(position), "ApprovalNo": "赣〔2026〕1号", "LeafHash": leaf.hex()}
        header = {"RecordKey": f"redaction/{size}", "EventTime": NOW.isoformat()}
        self.append([compose("Redaction", {**header, **said, **changes}, salt=SALT)], audience)
        return size + 1

    def tables(self) -> dict[str, Any]:
        """Return everything derived, by names instead of row numbers, sorted: equal for equal contents."""
        return derived_tables(self.store)

    def case(self, case_no: str) -> Any:
        """Return the state row of the one case with this number."""
        with self.store.reading() as connection:
            query = select(case_state).join(case_fact, case_fact.c.id == case_state.c.id)
            return connection.execute(query.where(case_fact.c.case_no == case_no)).one()

    def finding_codes(self, case_no: str) -> list[str]:
        """Return the finding codes of a case, sorted."""
        with self.store.reading() as connection:
            query = select(finding.c.code).join(case_fact, case_fact.c.id == finding.c.case_id)
            return sorted(connection.execute(query.where(case_fact.c.case_no == case_no)).scalars())


def _read(one: StoredRecord) -> Entry:
    """Return a record as it travels: one without bytes by its leaf hash alone."""
    return Entry(record_type="", body=b"", leaf=one.leaf) if one.body is None else read_entry(one.body)


def derived_tables(store: Store) -> dict[str, Any]:
    """Return everything that a node has derived about cases, free of row numbers and sorted."""
    with store.reading() as connection:
        return {
            "cases": _cases(connection, CASE_TABLES),
            "findings": _findings(connection, CASE_TABLES),
            "penalties": _cases(connection, PENALTY_TABLES),
            "penalty findings": _findings(connection, PENALTY_TABLES),
            "requests": _requests(connection),
            "counters": counters(connection),
            "records": _records(connection),
        }


def counters(connection: Connection) -> dict[tuple[Any, ...], int]:
    """Return every counter that is not zero: (origin, day, division, department, item, channel, indicator)."""
    query = (
        select(stream_table.c.origin, counter.c.day, dimension, counter.c.indicator, counter.c.amount)
        .join(stream_table, stream_table.c.id == counter.c.stream_id)
        .join(dimension, dimension.c.id == counter.c.dimension_id)
        .where(counter.c.amount != 0)
    )
    return {
        (origin, day_text(day), *key, INDICATOR_NAMES[indicator]): int(amount)
        for origin, day, _, *key, indicator, amount in connection.execute(query)
    }


def _names(connection: Connection) -> dict[int, str]:
    return {row.id: f"{row.origin}/{row.audience}" for row in connection.execute(select(stream_table))}


def _place(names: dict[int, str], key: int | None) -> tuple[str, int] | None:
    return None if not key else (names[key >> 40], position_of(key))


def _cases(connection: Connection, tables: CaseTables) -> list[Any]:
    names = _names(connection)
    dimensions = {row.id: tuple(row)[1:] for row in connection.execute(select(dimension))}
    query = select(tables.fact, tables.state).join(tables.state, tables.state.c.id == tables.fact.c.id)
    found = []
    for row in connection.execute(query):
        number, stream_id, *facts = tuple(row)[:8]
        assert number == row[8]
        state, flags, last_key, memory, packed = tuple(row)[9:]
        contributed = [(day, dimensions[one], what, amount) for (day, one, what), amount in unpack(bytes(packed))]
        found.append((names[stream_id], *facts, state, flags, _place(names, last_key), bytes(memory), contributed))
    return sorted(found, key=repr)


def _findings(connection: Connection, tables: CaseTables) -> list[Any]:
    names = _names(connection)
    numbers = {row.id: row.case_no for row in connection.execute(select(tables.fact))}
    rows = connection.execute(select(tables.finding))
    return sorted((numbers[row.case_id], row.code, _place(names, row.record_key)) for row in rows)


def _requests(connection: Connection) -> list[Any]:
    names = _names(connection)
    rows = connection.execute(select(request))
    return sorted(((_place(names, row.record_key), *tuple(row)[1:3], *tuple(row)[4:]) for row in rows), key=repr)


def _records(connection: Connection) -> list[Any]:
    names = _names(connection)
    facts = (CASE_TABLES.fact, PENALTY_TABLES.fact)
    numbers = {row.id: (fact.name, row.case_no) for fact in facts for row in connection.execute(select(fact))}
    rows = connection.execute(select(record))
    return sorted(
        (
            (_place(names, row.key), numbers.get(row.case_id), _place(names, row.previous), row.state_after, row.flags)
            for row in rows
        ),
        key=repr,
    )
