"""Make the tables of the doors: sources, refused deliveries, stored answers, publications.

The tables are written out here and not taken from ``node.departments.tables``: a version of the schema stays what it
was, while the program's tables move on.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003_departments"
down_revision = "0002_trust"
branch_labels = None
depends_on = None

_BIG_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    _make_sources()
    _make_refused_deliveries()
    _make_memories()


def _make_sources() -> None:
    op.create_table(
        "source",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("key_hash", sa.LargeBinary, nullable=False),
        sa.Column("divisions", sa.Text, nullable=False),
        sa.Column("organisations", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("disabled_at", sa.BigInteger),
        sa.UniqueConstraint("key_hash", name="source_key_hash"),
    )
    op.create_table(
        "source_activity",
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("accepted", sa.Integer, nullable=False),
        sa.Column("repeated", sa.Integer, nullable=False),
        sa.Column("refused", sa.Integer, nullable=False),
    )


def _make_refused_deliveries() -> None:
    op.create_table(
        "refused_delivery",
        sa.Column("id", _BIG_KEY, primary_key=True, autoincrement=True),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("dialect", sa.Text, nullable=False),
        sa.Column("record_type", sa.Text, nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.Column("times", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("content", sa.LargeBinary),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("complete", sa.Integer, nullable=False),
        sa.Column("problems", sa.Text, nullable=False),
        sa.Column("settled_at", sa.BigInteger),
        sa.Column("settled_by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.UniqueConstraint("fingerprint", name="refused_delivery_fingerprint"),
    )
    op.create_index("refused_delivery_state", "refused_delivery", ["state", "id"])


def _make_memories() -> None:
    op.create_table(
        "stored_answer",
        sa.Column("number", _BIG_KEY, primary_key=True, autoincrement=True),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("body_hash", sa.LargeBinary, nullable=False),
        sa.Column("answer", sa.LargeBinary, nullable=False),
        sa.Column("answered_at", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("source", "key", name="stored_answer_key"),
    )
    op.create_index("stored_answer_at", "stored_answer", ["answered_at"])
    op.create_table(
        "publication",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("content_hash", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    """Drop the tables."""
    for name in ("publication", "stored_answer", "refused_delivery", "source_activity", "source"):
        op.drop_table(name)
