"""Adapters: how each is, and how far it has come."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016_adapters"
down_revision = "0015_comparisons"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table, empty: no adapter ever ran."""
    op.create_table(
        "adapter",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("cursor", sa.Text),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("next_at", sa.BigInteger),
        sa.Column("paused_at", sa.BigInteger),
        sa.Column("run_asked_at", sa.BigInteger),
        sa.Column("run_done_at", sa.BigInteger),
        sa.Column("last_run", sa.Text, nullable=False),
        sa.Column("answered_at", sa.BigInteger),
        sa.Column("deliveries", sa.BigInteger, nullable=False),
        sa.Column("rejected", sa.BigInteger, nullable=False),
        sa.Column("accepted", sa.BigInteger, nullable=False),
        sa.Column("repeated", sa.BigInteger, nullable=False),
        sa.Column("refused", sa.BigInteger, nullable=False),
    )
