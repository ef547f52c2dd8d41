"""How far the scrub has read, and what it found."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014_scrub"
down_revision = "0013_erasure"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make both tables, empty: nothing was read yet."""
    op.create_table(
        "scrub_place",
        sa.Column("stream_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("frontier", sa.LargeBinary, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("lost", sa.Boolean, nullable=False),
        sa.Column("done", sa.Boolean, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "damage",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("stream_id", sa.Integer),
        sa.Column("first", sa.BigInteger, nullable=False),
        sa.Column("last", sa.BigInteger, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("found_at", sa.BigInteger, nullable=False),
        sa.Column("mended", sa.Boolean, nullable=False),
        sqlite_with_rowid=False,
    )
