"""How far a neighbour's clock is from ours, as its link shows it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011_clock_offsets"
down_revision = "0010_source_systems"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, empty: nothing was measured yet."""
    op.add_column("link", sa.Column("clock_offset_s", sa.Integer))
