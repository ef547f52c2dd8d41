"""Tables of the cases: narrow rows that change on every record, wide rows that are written once, findings, reference.

Page size decides (docs/performance.md): ``case_state`` is what a batch of records dirties, so it holds a few integers
and two short byte strings and nothing else. A case's history needs no table: ``last_key`` begins a walk over
``record.previous``.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)

from node.journal.tables import BIG_KEY, metadata


def _state_table(name: str) -> Table:
    return Table(
        name,
        metadata,
        Column("id", BIG_KEY, primary_key=True, autoincrement=False),
        Column("state", SmallInteger, nullable=False),
        Column("flags", SmallInteger, nullable=False),
        Column("last_key", BigInteger, nullable=False),
        Column("memory", LargeBinary, nullable=False),
        Column("contribution", LargeBinary, nullable=False),
    )


def _fact_table(name: str, *constraints: UniqueConstraint | Index) -> Table:
    return Table(
        name,
        metadata,
        Column("id", BIG_KEY, primary_key=True, autoincrement=False),
        Column("stream_id", Integer, nullable=False),
        Column("case_no", Text, nullable=False),
        Column("task", Text),
        Column("organisation", Text),
        Column("division", Text),
        Column("channel", Text),
        Column("began_at", BigInteger),
        *constraints,
    )


def _finding_table(name: str) -> Table:
    return Table(
        name,
        metadata,
        Column("case_id", BIG_KEY, primary_key=True, autoincrement=False),
        Column("code", Text, primary_key=True),
        Column("record_key", BigInteger, primary_key=True),
        sqlite_with_rowid=False,
    )


case_state = _state_table("case_state")
"""One row a case: ``state``, ``flags`` and ``memory`` of node.cases.history, and what it adds to counters."""

case_fact = _fact_table(
    "case_fact",
    UniqueConstraint("stream_id", "case_no", name="case_number"),
    Index("case_task", "task", "id"),
)
"""What the first record in effect of a case says; ``began_at`` is its event time in seconds since 1970."""

finding = _finding_table("finding")

penalty_state = _state_table("penalty_state")
penalty_fact = _fact_table(
    "penalty_fact",
    UniqueConstraint("stream_id", "case_no", name="penalty_number"),
    Index("penalty_organisation", "organisation", "began_at"),
)
penalty_finding = _finding_table("penalty_finding")
"""Penalties have tables of their own: a penalty and an approval may bear the same number."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CaseTables:
    """The three tables of one kind of case.

    ``first_id`` is the lowest id that a case gets: the ranges of the kinds do not meet, because a record keeps the id
    of its case whatever the kind.
    """

    state: Table
    fact: Table
    finding: Table
    first_id: int


CASE_TABLES = CaseTables(state=case_state, fact=case_fact, finding=finding, first_id=1)
PENALTY_TABLES = CaseTables(state=penalty_state, fact=penalty_fact, finding=penalty_finding, first_id=1 << 48)

request = Table(
    "request",
    metadata,
    Column("stream_id", Integer, primary_key=True, autoincrement=False),
    Column("type_number", SmallInteger, primary_key=True, autoincrement=False),
    Column("key", Text, primary_key=True),
    Column("record_key", BigInteger, nullable=False),
    Column("data_version", Integer, nullable=False),
    Column("case_no", Text),
    Column("organisation", Text, nullable=False),
    Column("division", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("asked_at", BigInteger, nullable=False),
    Index("request_case", "case_no"),
)
"""Consultations and complaints: the version in effect of each; ``asked_at`` is in seconds since 1970."""

item = Table(
    "item",
    metadata,
    Column("task", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("origin", Text, primary_key=True),
    Column("record_key", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("organisation", Text, nullable=False),
    Column("division", Text, nullable=False),
    Column("valid_from", Text, nullable=False),
    Column("valid_to", Text),
    Column("charges", Boolean, nullable=False),
    Column("required_materials", Integer, nullable=False),
    Column("task_state", Text, nullable=False),
)

organisation = Table(
    "organisation",
    metadata,
    Column("code", Text, primary_key=True),
    Column("origin", Text, primary_key=True),
    Column("valid_from", Text, primary_key=True),
    Column("record_key", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("division", Text, nullable=False),
    Column("parent", Text),
    Column("valid_to", Text),
)
"""``valid_from`` is the empty text where it is not known: held since ever."""

division = Table(
    "division",
    metadata,
    Column("code", Text, primary_key=True),
    Column("valid_from", Text, primary_key=True),
    Column("record_key", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("parent", Text),
    Column("level", SmallInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("valid_to", Text),
    Column("replaced_by", Text),
    Column("business_parent", Text),
)
"""``valid_from`` is the empty text where it is not known; ``business_parent`` is set where it is not the parent."""

calendar = Table(
    "calendar",
    metadata,
    Column("year", Integer, primary_key=True, autoincrement=False),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("record_key", BigInteger, nullable=False),
    Column("official", Boolean, nullable=False),
    Column("source_document", Text),
    Column("off_days", Text, nullable=False),
    Column("work_days", Text, nullable=False),
)
"""``off_days`` and ``work_days`` are dates ``YYYY-MM-DD`` joined by blanks, sorted."""

case_repair = Table(
    "case_repair",
    metadata,
    Column("task", Text, primary_key=True),
    Column("after_id", BigInteger, nullable=False),
)
"""Items that arrived late: cases of ``task`` with an id above ``after_id`` are still to be re-projected."""

division_repair = Table(
    "division_repair",
    metadata,
    Column("division", Text, primary_key=True),
    Column("after_id", BigInteger, nullable=False),
)
"""Divisions whose validity changed: cases of ``division`` with an id above ``after_id`` are to be re-projected."""
