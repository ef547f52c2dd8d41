"""What goes down to departments through their adapters."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017_delivering"
down_revision = "0016_adapters"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables, empty: a route that has no place yet looks at everything that this node holds."""
    op.create_table(
        "delivery_route",
        sa.Column("adapter", sa.Text, primary_key=True),
        sa.Column("arrival", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "downward_delivery",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        sa.Column("adapter", sa.Text, nullable=False),
        sa.Column("record_key", sa.BigInteger, nullable=False),
        sa.Column("organisation", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.UniqueConstraint("adapter", "record_key", name="downward_delivery_record"),
    )
    op.create_index("downward_delivery_state", "downward_delivery", ["adapter", "state", "number"])
    op.create_index("downward_delivery_subject", "downward_delivery", ["subject"])
