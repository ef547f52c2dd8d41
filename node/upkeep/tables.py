"""Tables of the scrub: how far each stream was read in this pass, and what was found damaged."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, Table, Text

from node.journal.tables import Moment, metadata

scrub_place = Table(
    "scrub_place",
    metadata,
    Column("stream_id", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, nullable=False),
    Column("frontier", LargeBinary, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("lost", Boolean, nullable=False),
    Column("done", Boolean, nullable=False),
    sqlite_with_rowid=False,
)
"""One row a stream of which something was read in this pass: ``frontier`` and ``bytes`` are computed from what was
read up to ``position``, never copied. ``lost``: the roots do not fit any more, so only rows are compared."""

damage = Table(
    "damage",
    metadata,
    Column("key", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("stream_id", Integer),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("subject", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("found_at", Moment, nullable=False),
    Column("mended", Boolean, nullable=False),
    sqlite_with_rowid=False,
)
"""What was found; ``first`` … ``last`` are positions where the kind is of records, 0 elsewhere."""
