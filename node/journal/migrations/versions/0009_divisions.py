"""Who directs a division's business; divisions whose validity changed after cases had begun under them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009_divisions"
down_revision = "0008_penalties"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, empty: no record of an older program says anything of it; make the queue of repairs."""
    op.add_column("division", sa.Column("business_parent", sa.Text))
    op.create_table(
        "division_repair",
        sa.Column("division", sa.Text, primary_key=True),
        sa.Column("after_id", sa.BigInteger, nullable=False),
    )
