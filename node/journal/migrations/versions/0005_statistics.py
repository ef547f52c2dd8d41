"""Counters, summaries and verdicts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005_statistics"
down_revision = "0004_cases"
branch_labels = None
depends_on = None

_BIG_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables of node.statistics."""
    _make_counters()
    _make_summaries()


def _make_counters() -> None:
    op.create_table(
        "dimension",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("division", sa.Text, nullable=False),
        sa.Column("organisation", sa.Text, nullable=False),
        sa.Column("task", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.UniqueConstraint("division", "organisation", "task", "channel", name="dimension_key"),
    )
    op.create_table(
        "counter",
        sa.Column("stream_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("dimension_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("indicator", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )


def _make_summaries() -> None:
    op.create_table(
        "changed_day",
        sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
    )
    op.create_table(
        "summary",
        sa.Column("last_key", _BIG_KEY, primary_key=True, autoincrement=False),
        sa.Column("first_key", sa.BigInteger, nullable=False),
        sa.Column("stream_id", sa.Integer, nullable=False),
        sa.Column("own", sa.Boolean, nullable=False),
        sa.Column("day", sa.Integer, nullable=False),
        sa.Column("definition_version", sa.Integer, nullable=False),
        sa.Column("content_hash", sa.LargeBinary, nullable=False),
        sa.Column("own_verdict", sa.SmallInteger, nullable=False),
        sa.Column("own_differing", sa.Text, nullable=False),
        sa.Column("verdict", sa.SmallInteger, nullable=False),
        sa.Column("differing", sa.Text, nullable=False),
        sa.Column("recorded", sa.Boolean, nullable=False),
    )
    op.create_index("summary_day", "summary", ["stream_id", "day", "last_key"])
    op.create_index("summary_open", "summary", ["recorded", "last_key"])
