"""Cases, findings and reference data."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004_cases"
down_revision = "0003_departments"
branch_labels = None
depends_on = None

_BIG_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables of node.cases."""
    _make_cases()
    _make_reference()


def _make_cases() -> None:
    op.create_table(
        "case_state",
        sa.Column("id", _BIG_KEY, primary_key=True, autoincrement=False),
        sa.Column("state", sa.SmallInteger, nullable=False),
        sa.Column("flags", sa.SmallInteger, nullable=False),
        sa.Column("last_key", sa.BigInteger, nullable=False),
        sa.Column("memory", sa.LargeBinary, nullable=False),
        sa.Column("contribution", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "case_fact",
        sa.Column("id", _BIG_KEY, primary_key=True, autoincrement=False),
        sa.Column("stream_id", sa.Integer, nullable=False),
        sa.Column("case_no", sa.Text, nullable=False),
        sa.Column("task", sa.Text),
        sa.Column("organisation", sa.Text),
        sa.Column("division", sa.Text),
        sa.Column("channel", sa.Text),
        sa.Column("began_at", sa.BigInteger),
        sa.UniqueConstraint("stream_id", "case_no", name="case_number"),
    )
    op.create_index("case_task", "case_fact", ["task", "id"])
    op.create_table(
        "finding",
        sa.Column("case_id", _BIG_KEY, primary_key=True, autoincrement=False),
        sa.Column("code", sa.Text, primary_key=True),
        sa.Column("record_key", sa.BigInteger, primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "item",
        sa.Column("task", sa.Text, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("origin", sa.Text, primary_key=True),
        sa.Column("record_key", sa.BigInteger, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("organisation", sa.Text, nullable=False),
        sa.Column("division", sa.Text, nullable=False),
        sa.Column("valid_from", sa.Text, nullable=False),
        sa.Column("valid_to", sa.Text),
        sa.Column("charges", sa.Boolean, nullable=False),
        sa.Column("required_materials", sa.Integer, nullable=False),
        sa.Column("task_state", sa.Text, nullable=False),
    )


def _make_reference() -> None:
    op.create_table(
        "organisation",
        sa.Column("code", sa.Text, primary_key=True),
        sa.Column("origin", sa.Text, primary_key=True),
        sa.Column("valid_from", sa.Text, primary_key=True),
        sa.Column("record_key", sa.BigInteger, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("division", sa.Text, nullable=False),
        sa.Column("parent", sa.Text),
        sa.Column("valid_to", sa.Text),
    )
    op.create_table(
        "division",
        sa.Column("code", sa.Text, primary_key=True),
        sa.Column("valid_from", sa.Text, primary_key=True),
        sa.Column("record_key", sa.BigInteger, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("parent", sa.Text),
        sa.Column("level", sa.SmallInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("valid_to", sa.Text),
        sa.Column("replaced_by", sa.Text),
    )
    op.create_table(
        "calendar",
        sa.Column("year", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("record_key", sa.BigInteger, nullable=False),
        sa.Column("official", sa.Boolean, nullable=False),
        sa.Column("source_document", sa.Text),
        sa.Column("off_days", sa.Text, nullable=False),
        sa.Column("work_days", sa.Text, nullable=False),
    )
    op.create_table(
        "case_repair",
        sa.Column("task", sa.Text, primary_key=True),
        sa.Column("after_id", sa.BigInteger, nullable=False),
    )
