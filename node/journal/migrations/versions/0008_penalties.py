"""Penalties with their findings; consultations and complaints."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008_penalties"
down_revision = "0007_case_numbers"
branch_labels = None
depends_on = None

_BIG_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables of penalties and of requests."""
    _make_penalties()
    op.create_table(
        "request",
        sa.Column("stream_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("type_number", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("record_key", sa.BigInteger, nullable=False),
        sa.Column("data_version", sa.Integer, nullable=False),
        sa.Column("case_no", sa.Text),
        sa.Column("organisation", sa.Text, nullable=False),
        sa.Column("division", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("asked_at", sa.BigInteger, nullable=False),
    )
    op.create_index("request_case", "request", ["case_no"])


def _make_penalties() -> None:
    op.create_table(
        "penalty_state",
        sa.Column("id", _BIG_KEY, primary_key=True, autoincrement=False),
        sa.Column("state", sa.SmallInteger, nullable=False),
        sa.Column("flags", sa.SmallInteger, nullable=False),
        sa.Column("last_key", sa.BigInteger, nullable=False),
        sa.Column("memory", sa.LargeBinary, nullable=False),
        sa.Column("contribution", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "penalty_fact",
        sa.Column("id", _BIG_KEY, primary_key=True, autoincrement=False),
        sa.Column("stream_id", sa.Integer, nullable=False),
        sa.Column("case_no", sa.Text, nullable=False),
        sa.Column("task", sa.Text),
        sa.Column("organisation", sa.Text),
        sa.Column("division", sa.Text),
        sa.Column("channel", sa.Text),
        sa.Column("began_at", sa.BigInteger),
        sa.UniqueConstraint("stream_id", "case_no", name="penalty_number"),
    )
    op.create_index("penalty_organisation", "penalty_fact", ["organisation", "began_at"])
    op.create_table(
        "penalty_finding",
        sa.Column("case_id", _BIG_KEY, primary_key=True, autoincrement=False),
        sa.Column("code", sa.Text, primary_key=True),
        sa.Column("record_key", sa.BigInteger, primary_key=True),
        sqlite_with_rowid=False,
    )
