"""Comparisons of disputed figures."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015_comparisons"
down_revision = "0014_scrub"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table, empty: no record of these types was ever applied."""
    op.create_table(
        "comparison",
        sa.Column("asker", sa.Text, primary_key=True),
        sa.Column("origin", sa.Text, primary_key=True),
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("day", sa.Integer, nullable=False),
        sa.Column("asked_number", sa.Integer, nullable=False),
        sa.Column("asked_key", sa.BigInteger, nullable=False),
        sa.Column("answer_number", sa.Integer, nullable=False),
        sa.Column("answer_key", sa.BigInteger, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("found", sa.Text, nullable=False),
    )
    op.create_index("comparison_open", "comparison", ["outcome", "asker"])
