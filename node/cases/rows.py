"""Rows of cases: read many at once, remembered while a batch moves them, written once. Plain work for the projection.

Everything here is SQL as tuples (docs/performance.md); the decisions stand in ``node.cases.projection`` and the rules
in ``node.cases.history``.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import delete, func, select

from node.cases.findings import NO_CONTENT
from node.cases.history import CaseMemory, Outcome, Recorded
from node.errors import RecordRefusedError
from node.journal.statements import in_parameter, insert_many, update_many
from node.journal.tables import HELD_BACK, QUARANTINED, record, stream
from node.standard.codec import parse_unvalidated
from node.standard.compose import content_of
from node.standard.compression import expand_record
from node.standard.facts import case_number_of, facts_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from sqlalchemy.engine import Connection

    from node.cases.findings import Finding
    from node.cases.tables import CaseTables
    from node.journal.entries import Entry
    from node.journal.store import Transaction
    from node.standard.facts import Facts

_COLUMNS = (
    'f."stream_id", f."case_no", s."id", s."state", s."flags", s."last_key", s."memory", s."contribution", f."task"'
)
# One JSON object of streams with their numbers, and one range of rows. CROSS JOIN keeps SQLite from another order.
_BY_NUMBER = {
    "sqlite": "FROM json_each(?) j CROSS JOIN json_each(j.value) n CROSS JOIN {fact} f "
    'ON f."stream_id" = CAST(j.key AS INTEGER) AND f."case_no" = n.value CROSS JOIN {state} s ON s."id" = f."id"',
    "postgresql": "FROM unnest(%s::int[], %s::text[]) n(stream_id, case_no) JOIN {fact} f "
    'ON f."stream_id" = n.stream_id AND f."case_no" = n.case_no JOIN {state} s ON s."id" = f."id"',
}
_BY_ID = {
    "sqlite": 'FROM {fact} f JOIN {state} s ON s."id" = f."id" WHERE f."id" IN (SELECT value FROM json_each(?))',
    "postgresql": 'FROM {fact} f JOIN {state} s ON s."id" = f."id" WHERE f."id" = ANY(%s)',
}
# UNION and not UNION ALL: a chain that some fault had closed into a ring must not run for ever.
_WALK = (
    'WITH RECURSIVE h("start", "key") AS ({start} UNION SELECT h."start", r."previous" FROM h JOIN "record" r '
    'ON r."key" = h."key" WHERE r."previous" IS NOT NULL) SELECT h."start", r."key", r."body", r."flags", '
    'r."state_after", r."previous" FROM h JOIN "record" r ON r."key" = h."key" ORDER BY r."key"'
)
_HISTORY = {
    "sqlite": _WALK.format(start="SELECT j.value, j.value FROM json_each(?) j"),
    "postgresql": _WALK.format(start="SELECT j.value, j.value FROM unnest(%s::bigint[]) j(value)"),
}
_FACT_COLUMNS = ("task", "organisation", "division", "channel", "began_at")
_STATE_COLUMNS = ("state", "flags", "last_key", "memory", "contribution")


CaseName = tuple[int, str]
"""What names a case: the id of its stream, and its number."""


@cache
def _select_sql(tables: CaseTables, origin: str) -> str:
    return f"SELECT {_COLUMNS} {origin.format(fact=tables.fact.name, state=tables.state.name)}"


def _names_parameter(dialect: str, names: Collection[CaseName]) -> tuple[Any, ...]:
    """Return the parameters that find cases by name, sorted, so that the table is read in its own order."""
    ordered = sorted(names)
    if dialect == "postgresql":
        return [stream_id for stream_id, _ in ordered], [number for _, number in ordered]
    by_stream: dict[int, list[str]] = {}
    for stream_id, number in ordered:
        by_stream.setdefault(stream_id, []).append(number)
    return (json.dumps(by_stream),)


class StoredStep(NamedTuple):
    """One record of a case in the journal: what a walk over its history reads."""

    key: int
    body: bytes | None
    flags: int
    state_after: int | None
    previous: int | None


class CaseRow:
    """One case while a batch moves it."""

    __slots__ = (
        "begun",
        "case_no",
        "changed",
        "contribution",
        "facts",
        "findings",
        "id",
        "is_new",
        "last_key",
        "memory",
        "stored_last",
        "stream_id",
        "task",
    )

    def __init__(self, number: int, name: CaseName) -> None:
        self.id = number
        self.stream_id, self.case_no = name
        self.memory = CaseMemory()
        self.contribution = b""
        self.last_key = 0
        self.stored_last = 0
        self.task: str | None = None
        self.facts: tuple[object, ...] = (None,) * len(_FACT_COLUMNS)
        self.findings: Sequence[Finding] | None = None
        self.is_new = True
        self.begun = False
        self.changed = False

    @property
    def name(self) -> CaseName:
        """What names the case."""
        return self.stream_id, self.case_no

    def begin(self, facts: Facts | None) -> None:
        """Take what the first record in effect says (None: no record is in effect)."""
        self.begun = True
        if facts is None:
            self.task = None
            self.facts = (None,) * len(_FACT_COLUMNS)
            return
        self.task = facts.task
        began_s = None if facts.event_text is None else facts.event_s
        self.facts = (facts.task, facts.organisation, facts.division, facts.channel, began_s)

    def adopt(self, outcome: Outcome) -> None:
        """Take over what a replay found."""
        self.memory = outcome.memory
        self.findings = outcome.findings
        self.changed = True
        self.begin(outcome.steps[0].facts if outcome.steps else None)


class CaseRows:
    """The cases of one kind that a transaction touches."""

    def __init__(self, transaction: Transaction, tables: CaseTables) -> None:
        self._tables = tables
        self._connection = transaction.connection
        self._dialect = transaction.dialect
        self._rows: dict[CaseName, CaseRow] = {}
        self._next_id = 0

    def load(self, names: Collection[CaseName]) -> None:
        """Read the cases with these names, as far as they exist."""
        sql = _select_sql(self._tables, _BY_NUMBER[self._dialect])
        self._keep(self._connection.exec_driver_sql(sql, _names_parameter(self._dialect, names)).all())

    def load_ids(self, ids: Iterable[int]) -> dict[int, CaseName]:
        """Read the cases with these ids and return their names by id, as far as they exist."""
        wanted = set(ids)
        sql = _select_sql(self._tables, _BY_ID[self._dialect])
        self._keep(self._connection.exec_driver_sql(sql, in_parameter(self._dialect, sorted(wanted))).all())
        return {row.id: row.name for row in self._rows.values() if row.id in wanted}

    def _keep(self, found: Iterable[Any]) -> None:
        for stream_id, case_no, number, state, flags, last_key, memory, contribution, task in found:
            row = CaseRow.__new__(CaseRow)
            row.id = number
            row.stream_id = stream_id
            row.case_no = case_no
            row.memory = CaseMemory.unpack(state, flags, memory)
            row.contribution = contribution
            row.last_key = row.stored_last = last_key
            row.task = task
            row.findings = None
            row.is_new = row.begun = row.changed = False
            self._rows[stream_id, case_no] = row

    def tasks(self) -> set[str]:
        """Return the item codes of the cases read so far."""
        return {row.task for row in self._rows.values() if row.task is not None}

    def case(self, name: CaseName) -> CaseRow:
        """Return the case with this name, made new when there is none; ids follow the order of asking."""
        row = self._rows.get(name)
        if row is None:
            if not self._next_id:
                highest = self._connection.execute(select(func.max(self._tables.fact.c.id))).scalar()
                self._next_id = self._tables.first_id if highest is None else highest + 1
            row = self._rows[name] = CaseRow(self._next_id, name)
            self._next_id += 1
        return row

    def histories(self, rows: Iterable[CaseRow]) -> dict[CaseName, list[StoredStep]]:
        """Return what the journal holds of each case, in stream order: a walk by primary key."""
        starts = {row.stored_last: row.name for row in rows if row.stored_last}
        steps: dict[CaseName, list[StoredStep]] = {}
        if starts:
            parameter = in_parameter(self._dialect, sorted(starts))
            for start, *values in self._connection.exec_driver_sql(_HISTORY[self._dialect], parameter):
                steps.setdefault(starts[start], []).append(StoredStep(*values))
        return steps

    def splice(
        self, row: CaseRow, steps: Sequence[StoredStep], joining: Sequence[Entry], leaving: Collection[int]
    ) -> bool:
        """Put records into the chain of ``steps`` and take others (keys) out; False: none is left, the case is gone."""
        links = {step.key: step.previous for step in steps}
        keys = sorted({*links, *(entry.key for entry in joining)}.difference(leaving))
        previous = dict(zip(keys[1:], keys[:-1], strict=True))
        for entry in joining:
            entry.case_id = row.id
            entry.previous = previous.get(entry.key)
            # Its row is written whatever it held.
            links.pop(entry.key, None)
        changed = [
            (row.id, previous.get(key), key) for key in keys if key not in links or links[key] != previous.get(key)
        ]
        update_many(self._connection, record, ("case_id", "previous"), changed)
        if not keys:
            self._drop(row)
            return False
        row.last_key = row.stored_last = keys[-1]
        row.changed = True
        return True

    def correct(self, steps: Sequence[StoredStep], outcome: Outcome) -> None:
        """Write state and held-back mark where a replay changed those of records that are in the journal already."""
        changed = []
        for step in steps:
            flags = step.flags | HELD_BACK if step.key in outcome.held_back else step.flags & ~HELD_BACK
            if (flags, outcome.states[step.key]) != (step.flags, step.state_after):
                changed.append((flags, outcome.states[step.key], step.key))
        update_many(self._connection, record, ("flags", "state_after"), changed)

    def _drop(self, row: CaseRow) -> None:
        for table in (self._tables.state, self._tables.fact):
            self._connection.execute(delete(table).where(table.c.id == row.id))
        self._connection.execute(delete(self._tables.finding).where(self._tables.finding.c.case_id == row.id))
        del self._rows[row.name]

    def write(self) -> None:
        """Insert the new cases and update the changed ones, one executemany per table, sorted by id."""
        rows = sorted((row for row in self._rows.values() if row.changed), key=lambda row: row.id)
        new = [row for row in rows if row.is_new]
        moved = [row for row in rows if not row.is_new]
        state, fact = self._tables.state, self._tables.fact
        begun = [row for row in moved if row.begun]
        insert_many(self._connection, state, [(row.id, *_state_values(row)) for row in new])
        insert_many(self._connection, fact, [(row.id, row.stream_id, row.case_no, *row.facts) for row in new])
        update_many(self._connection, state, _STATE_COLUMNS, [(*_state_values(row), row.id) for row in moved])
        update_many(self._connection, fact, _FACT_COLUMNS, [(*row.facts, row.id) for row in begun])
        self._write_findings([row for row in rows if row.findings is not None])

    def _write_findings(self, rows: Sequence[CaseRow]) -> None:
        old = [row.id for row in rows if not row.is_new]
        if old:
            table = self._tables.finding
            self._connection.execute(delete(table).where(table.c.case_id.in_(old)))
        found = [(row.id, code, key) for row in rows for code, key in row.findings or ()]
        insert_many(self._connection, self._tables.finding, found)


def _state_values(row: CaseRow) -> tuple[object, ...]:
    memory = row.memory
    return memory.state, memory.flags, row.last_key, memory.pack(), row.contribution


def recorded_steps(steps: Iterable[StoredStep], *, with_content: bool = False) -> list[Recorded]:
    """Read the facts of stored records; quarantined and redacted ones have none, nor what comes after the first."""
    records = []
    blocked = False
    for step in steps:
        quarantined = bool(step.flags & QUARANTINED)
        blocked = blocked or quarantined
        if blocked or step.body is None:
            records.append(Recorded(step.key, None, quarantined=quarantined))
            continue
        # It was validated when it was applied, so it is only parsed.
        element = parse_unvalidated(expand_record(step.body))
        content = content_of(element) if with_content else NO_CONTENT
        records.append(Recorded(step.key, facts_of(element), quarantined=quarantined, content=content))
    return records


def recorded_entry(entry: Entry, *, with_content: bool) -> Recorded:
    """Return a record of a batch as a replay reads it."""
    content: Mapping[str, Any] = NO_CONTENT
    quarantined = entry.quarantine is not None
    if with_content and entry.facts is not None and not quarantined:
        content = content_of(entry.element if entry.element is not None else parse_unvalidated(entry.body))
    return Recorded(entry.key, entry.facts, quarantined=quarantined, content=content)


def case_number_of_body(body: bytes) -> str | None:
    """Search a record that may be of an unknown type or invalid for its CaseNo; None when it shows none."""
    try:
        return case_number_of(parse_unvalidated(body))
    except RecordRefusedError:
        return None


def places(connection: Connection, tables: CaseTables, case_ids: Iterable[int]) -> list[tuple[int, int, bool]]:
    """Return (case id, stream id, whether the stream is this node's own) for those of the cases that exist."""
    fact = tables.fact
    query = (
        select(fact.c.id, fact.c.stream_id, stream.c.own)
        .join(stream, stream.c.id == fact.c.stream_id)
        .where(fact.c.id.in_(list(case_ids)))
        .order_by(fact.c.id)
    )
    return [(row.id, row.stream_id, bool(row.own)) for row in connection.execute(query)]


def clear_cases(connection: Connection, tables: CaseTables) -> None:
    """Drop all cases of a kind and their findings."""
    for table in (tables.state, tables.fact, tables.finding):
        connection.execute(delete(table))
