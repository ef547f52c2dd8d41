"""Tables of the statistics: interned keys, counters, summaries held, verdicts, comparisons, days to look at again."""

from __future__ import annotations

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

dimension = Table(
    "dimension",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("division", Text, nullable=False),
    Column("organisation", Text, nullable=False),
    Column("task", Text, nullable=False),
    Column("channel", Text, nullable=False),
    UniqueConstraint("division", "organisation", "task", "channel", name="dimension_key"),
)
"""Division × department × item × channel, interned; rows are never removed, not even by a rebuild."""

counter = Table(
    "counter",
    metadata,
    Column("stream_id", Integer, primary_key=True, autoincrement=False),
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("dimension_id", Integer, primary_key=True, autoincrement=False),
    Column("indicator", SmallInteger, primary_key=True, autoincrement=False),
    Column("amount", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""Sums of contributions per stream; ``day`` is a proleptic Gregorian ordinal (datetime.date.toordinal)."""

changed_day = Table(
    "changed_day",
    metadata,
    Column("day", Integer, primary_key=True, autoincrement=False),
)
"""Days whose own or child figures may differ from what this node published last."""

comparison = Table(
    "comparison",
    metadata,
    Column("asker", Text, primary_key=True),
    Column("origin", Text, primary_key=True),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("day", Integer, nullable=False),
    Column("asked_number", Integer, nullable=False),
    Column("asked_key", BigInteger, nullable=False),
    Column("answer_number", Integer, nullable=False),
    Column("answer_key", BigInteger, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("found", Text, nullable=False),
    Index("comparison_open", "outcome", "asker"),
)
"""Comparisons of disputed figures, as their records say: who asks whom about the summary at ``position``.

The newest question and answer are named by number and record key (0: none held); ``outcome`` is empty while it goes on;
``found`` is a JSON list of differences, ordered by case and figure.
"""

summary = Table(
    "summary",
    metadata,
    Column("last_key", BIG_KEY, primary_key=True, autoincrement=False),
    Column("first_key", BigInteger, nullable=False),
    Column("stream_id", Integer, nullable=False),
    Column("own", Boolean, nullable=False),
    Column("day", Integer, nullable=False),
    Column("definition_version", Integer, nullable=False),
    Column("content_hash", LargeBinary, nullable=False),
    Column("own_verdict", SmallInteger, nullable=False),
    Column("own_differing", Text, nullable=False),
    Column("verdict", SmallInteger, nullable=False),
    Column("differing", Text, nullable=False),
    Column("recorded", Boolean, nullable=False),
    Index("summary_day", "stream_id", "day", "last_key"),
    Index("summary_open", "recorded", "last_key"),
)
"""Every complete summary held, own ones included, named by the key of its last part.

``own_verdict`` compares own figures with the counters at exactly its position (node.statistics.verdict names the
numbers), ``verdict`` is final; ``differing`` is a JSON list; ``recorded`` tells that the SummaryVerdict is written (or
that none is due).
"""
