"""Tables of trust: certificates, the tree, what the root must repeat, invitations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002_trust"
down_revision = "0001_journal"
branch_labels = None
depends_on = None

_BIG_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the four tables of trust."""
    op.create_table(
        "certificate",
        sa.Column("fingerprint", sa.Text, primary_key=True),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("der", sa.LargeBinary, nullable=False),
        sa.Column("issuer", sa.Text),
        sa.Column("not_before", sa.BigInteger, nullable=False),
        sa.Column("not_after", sa.BigInteger, nullable=False),
        sa.Column("learned_at", sa.BigInteger, nullable=False),
    )
    op.create_index("certificate_code", "certificate", ["code"])
    op.create_index("certificate_key_id", "certificate", ["key_id"])
    op.create_table(
        "node_tree",
        sa.Column("code", sa.Text, primary_key=True),
        sa.Column("from_trust", sa.Boolean, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("level", sa.Text, nullable=False),
        sa.Column("parent", sa.Text),
        sa.Column("divisions", sa.Text, nullable=False),
        sa.Column("certificate", sa.Text, nullable=False),
    )
    op.create_table(
        "certificate_notice",
        sa.Column("record_key", _BIG_KEY, primary_key=True, autoincrement=False),
    )
    op.create_table(
        "invitation",
        sa.Column("code_hash", sa.LargeBinary, primary_key=True),
        sa.Column("node_code", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("level", sa.Text, nullable=False),
        sa.Column("children_depth", sa.SmallInteger, nullable=False),
        sa.Column("divisions", sa.Text, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("used_key", sa.LargeBinary),
        sa.Column("certificate", sa.LargeBinary),
        sa.Column("issuing_certificate", sa.LargeBinary),
    )
    op.create_index("invitation_node_code", "invitation", ["node_code"])
