"""Which sources speak for which systems: a source's own name is a system of its own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010_source_systems"
down_revision = "0009_divisions"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table; every source that is there speaks for the system of its own name."""
    op.create_table(
        "source_system",
        sa.Column("system", sa.Text, primary_key=True),
        sa.Column("source", sa.Text, primary_key=True),
        sqlite_with_rowid=False,
    )
    op.execute("INSERT INTO source_system (system, source) SELECT name, name FROM source")
