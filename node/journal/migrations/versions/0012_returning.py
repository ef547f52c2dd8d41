"""Records that left an own stream when this node came back from doubt, until they are offered again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012_returning"
down_revision = "0011_clock_offsets"
branch_labels = None
depends_on = None

_BIG_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the table."""
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
