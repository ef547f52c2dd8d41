"""The journal's tables, and the one metadata object that every package's ``tables.py`` adds to.

Key design (docs/performance.md says what it buys): a record's key is one integer, ``stream_id << 40 | position``, so
the primary key is the de-duplication and a stream lies in one range of it; there is no text key and no unique index on
hashes. What changes on every record lives in narrow integer rows of the projections, not here: a record row is written
once. A case's history costs no table, because each row carries the key of the case's previous record.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

POSITION_BITS: Final = 40
"""A stream holds at most 2**40 - 1 records, a node 2**23 streams: both beyond what a province can produce."""

QUARANTINED: Final = 1
"""Flag of a record that holds its position but is not applied (02, R8)."""
HELD_BACK: Final = 2
"""Flag of an applicable record whose case has a quarantined record before it."""
REDACTED: Final = 4
"""Flag of a record whose bytes were replaced by its leaf hash."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Moment(TypeDecorator[datetime]):
    """An aware UTC datetime kept as integer microseconds since 1970: exact, and the same on both stores."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002 - given.
        """Return the integer to store; a naive datetime raises ValueError."""
        return None if value is None else moment_number(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - given.
        """Return the aware UTC datetime that was stored."""
        return None if value is None else moment_of(value)


def moment_number(moment: datetime) -> int:
    """Return microseconds since 1970 for hot statements that bypass ``Moment``; ValueError for a naive datetime."""
    if moment.tzinfo is None:
        message = "the journal stores aware times only"
        raise ValueError(message)
    return (moment - _EPOCH) // _MICROSECOND


def moment_of(number: int) -> datetime:
    """Return the aware UTC datetime that ``moment_number`` numbered."""
    return _EPOCH + timedelta(microseconds=number)


def record_key(stream_id: int, position: int) -> int:
    """Return the primary key of the record at ``position`` (from 1) of the stream."""
    return stream_id << POSITION_BITS | position


def stream_id_of(key: int) -> int:
    """Return the stream's id out of a record key."""
    return key >> POSITION_BITS


def position_of(key: int) -> int:
    """Return the position (from 1) out of a record key."""
    return key & ((1 << POSITION_BITS) - 1)


BIG_KEY = BigInteger().with_variant(Integer(), "sqlite")
"""A 64-bit integer primary key that SQLite takes for its row id."""

metadata = MetaData()

stream = Table(
    "stream",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("origin", Text, nullable=False),
    Column("audience", Text, nullable=False),
    Column("own", Boolean, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("sealed", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("frontier", LargeBinary, nullable=False),
    UniqueConstraint("origin", "audience", name="stream_name"),
)
"""One row a stream: records held, records under a checkpoint, raw bytes held, and the Merkle frontier at ``size``."""

record = Table(
    "record",
    metadata,
    Column("key", BIG_KEY, primary_key=True, autoincrement=False),
    Column("type_number", SmallInteger, nullable=False),
    Column("length", Integer, nullable=False),
    Column("body", LargeBinary),
    Column("leaf", LargeBinary, nullable=False),
    Column("case_id", BigInteger),
    Column("previous", BigInteger),
    Column("state_after", SmallInteger),
    Column("flags", SmallInteger, nullable=False),
)
"""One row a record: ``length`` counts raw bytes, ``body`` is zstd (NULL when redacted), type number 0 is unknown."""

tile = Table(
    "tile",
    metadata,
    Column("stream_id", Integer, primary_key=True, autoincrement=False),
    Column("level", SmallInteger, primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
"""Roots of complete subtrees of ``256 ** level`` leaves (level from 1, number from 0, left to right)."""

arrival = Table(
    "arrival",
    metadata,
    Column("number", BIG_KEY, primary_key=True, autoincrement=True),
    Column("stream_id", Integer, nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("arrived_at", Moment, nullable=False),
)
"""The order in which this node appended, over all streams: what ``rebuild`` replays."""

checkpoint = Table(
    "checkpoint",
    metadata,
    Column("stream_id", Integer, primary_key=True, autoincrement=False),
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, nullable=False),
    Column("sealed_at", Moment, nullable=False),
    Column("signer", Text, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    Column("bytes", BigInteger),
    sqlite_with_rowid=False,
)
"""Checkpoints held and announced; ``bytes`` counts the stream's raw bytes up to ``size`` (NULL while announced)."""

receipt = Table(
    "receipt",
    metadata,
    Column("stream_id", Integer, primary_key=True, autoincrement=False),
    Column("holder", Text, primary_key=True),
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("signer", Text, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

cursor = Table(
    "cursor",
    metadata,
    Column("peer", Text, primary_key=True),
    Column("stream_id", Integer, primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False),
    Column("shown_at", Moment),
    sqlite_with_rowid=False,
)
"""How much of a stream a neighbour has receipted; ``shown_at``: time of the newest checkpoint that it was shown."""

link = Table(
    "link",
    metadata,
    Column("peer", Text, primary_key=True),
    Column("role", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("since", Moment),
    Column("failures", Integer, nullable=False),
    Column("next_attempt_at", Moment),
    Column("contact_at", Moment),
    Column("note", Text, nullable=False),
    Column("start_id", Text),
    Column("clock_offset_s", Integer),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("key", BIG_KEY, primary_key=True, autoincrement=False),
    Column("reason", Text, nullable=False),
    Column("record_type", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("quarantined_at", Moment, nullable=False),
)

hash_only = Table(
    "hash_only",
    metadata,
    Column("record_key", BIG_KEY, primary_key=True, autoincrement=False),
    Column("since", Moment, nullable=False),
    Column("redaction", BigInteger),
    Column("case_no", Text),
    Index("hash_only_case", "case_no"),
)
"""Records of which only the leaf hash is here. ``redaction`` is the key of the Redaction that took the bytes, NULL
while none is held; ``case_no`` is the case that it names. Not derived: what is gone cannot be replayed."""

redaction_order = Table(
    "redaction_order",
    metadata,
    Column("record_key", BIG_KEY, primary_key=True, autoincrement=False),
)
"""Redactions that ancestors direct to this node about its own streams, until it has carried them out."""

alarm = Table(
    "alarm",
    metadata,
    Column("key", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("stream", Text),
    Column("subject", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("raised_at", Moment),
    Column("recorded", Boolean, nullable=False),
    Index("alarm_recorded", "recorded"),
)
"""Alarms of this node; ``recorded`` turns true when a job has written the ``Alarm`` record."""

setting = Table(
    "setting",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

source_key = Table(
    "source_key",
    metadata,
    Column("source", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("content_hash", LargeBinary, nullable=False),
    Column("record_key", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""The sources' own keys: repeated deliveries are known by them (02, R15)."""

fork = Table(
    "fork",
    metadata,
    Column("stream_id", Integer, primary_key=True, autoincrement=False),
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, primary_key=True),
    Column("sealed_at", Moment, nullable=False),
    Column("signer", Text, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    Column("position", BigInteger),
    Column("body", LargeBinary),
    Column("found_at", Moment),
    Column("resolved_at", Moment),
    sqlite_with_rowid=False,
)
"""Checkpoints that contradict what is held (02, R7); one that is not resolved stops its stream. ``body`` is zstd."""

fork_resolution = Table(
    "fork_resolution",
    metadata,
    Column("stream_id", Integer, primary_key=True, autoincrement=False),
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, primary_key=True),
    Column("stands", Boolean, nullable=False),
    sqlite_with_rowid=False,
)
"""Checkpoints that were decided about: by the root (``stands``), or abandoned by their origin (not)."""
