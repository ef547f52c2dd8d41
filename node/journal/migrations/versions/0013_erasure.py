"""Records of which only the leaf hash is held, and redactions that this node is asked to carry out."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013_erasure"
down_revision = "0012_returning"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables, empty: no version before this one took a record without its bytes."""
    op.create_table(
        "hash_only",
        sa.Column("record_key", KEY, primary_key=True, autoincrement=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("redaction", sa.BigInteger),
        sa.Column("case_no", sa.Text),
    )
    op.create_index("hash_only_case", "hash_only", ["case_no"])
    op.create_table("redaction_order", sa.Column("record_key", KEY, primary_key=True, autoincrement=False))
