"""Records that left an own stream when this node came back from doubt; forks, and what was decided about them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012_returning"
down_revision = "0011_clock_offsets"
branch_labels = None
depends_on = None

_BIG_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "set_aside_record",
        sa.Column("number", _BIG_KEY, primary_key=True, autoincrement=True),
        sa.Column("stream", sa.Text, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("source", sa.Text),
        sa.Column("key", sa.Text),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("set_aside_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "fork",
        sa.Column("stream_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("size", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("root", sa.LargeBinary, primary_key=True),
        sa.Column("sealed_at", sa.BigInteger, nullable=False),
        sa.Column("signer", sa.Text, nullable=False),
        sa.Column("signature", sa.LargeBinary, nullable=False),
        sa.Column("position", sa.BigInteger),
        sa.Column("body", sa.LargeBinary),
        sa.Column("found_at", sa.BigInteger),
        sa.Column("resolved_at", sa.BigInteger),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "fork_resolution",
        sa.Column("stream_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("size", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("root", sa.LargeBinary, primary_key=True),
        sa.Column("stands", sa.Boolean, nullable=False),
        sqlite_with_rowid=False,
    )
