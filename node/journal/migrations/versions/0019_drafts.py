"""Drafts of second entry."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019_drafts"
down_revision = "0018_source_credentials"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table, empty."""
    op.create_table(
        "draft",
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("record_type", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("filled", sa.LargeBinary, nullable=False),
        sa.Column("saved_at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("draft_saved_at", "draft", ["saved_at"])
