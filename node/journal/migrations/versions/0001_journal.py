"""The journal's first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001_journal"
down_revision = None
branch_labels = None
depends_on = None

_BIG_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make streams and records, seals, links, and what keeps them in order."""
    _make_streams()
    _make_seals()
    _make_links()
    _make_notes()


def _make_streams() -> None:
    op.create_table(
        "stream",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("audience", sa.Text, nullable=False),
        sa.Column("own", sa.Boolean, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("sealed", sa.BigInteger, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("frontier", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("origin", "audience", name="stream_name"),
    )
    op.create_table(
        "record",
        sa.Column("key", _BIG_KEY, primary_key=True, autoincrement=False),
        sa.Column("type_number", sa.SmallInteger, nullable=False),
        sa.Column("length", sa.Integer, nullable=False),
        sa.Column("body", sa.LargeBinary),
        sa.Column("leaf", sa.LargeBinary, nullable=False),
        sa.Column("case_id", sa.BigInteger),
        sa.Column("previous", sa.BigInteger),
        sa.Column("state_after", sa.SmallInteger),
        sa.Column("flags", sa.SmallInteger, nullable=False),
    )
    op.create_table(
        "tile",
        sa.Column("stream_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("level", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("root", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "arrival",
        sa.Column("number", _BIG_KEY, primary_key=True, autoincrement=True),
        sa.Column("stream_id", sa.Integer, nullable=False),
        sa.Column("first", sa.BigInteger, nullable=False),
        sa.Column("last", sa.BigInteger, nullable=False),
        sa.Column("arrived_at", sa.BigInteger, nullable=False),
    )


def _make_seals() -> None:
    op.create_table(
        "checkpoint",
        sa.Column("stream_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("size", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("root", sa.LargeBinary, nullable=False),
        sa.Column("sealed_at", sa.BigInteger, nullable=False),
        sa.Column("signer", sa.Text, nullable=False),
        sa.Column("signature", sa.LargeBinary, nullable=False),
        sa.Column("bytes", sa.BigInteger),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "receipt",
        sa.Column("stream_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("holder", sa.Text, primary_key=True),
        sa.Column("size", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("root", sa.LargeBinary, nullable=False),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.Column("signer", sa.Text, nullable=False),
        sa.Column("signature", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )


def _make_links() -> None:
    op.create_table(
        "cursor",
        sa.Column("peer", sa.Text, primary_key=True),
        sa.Column("stream_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("shown_at", sa.BigInteger),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "link",
        sa.Column("peer", sa.Text, primary_key=True),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("since", sa.BigInteger),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("next_attempt_at", sa.BigInteger),
        sa.Column("contact_at", sa.BigInteger),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("start_id", sa.Text),
    )


def _make_notes() -> None:
    op.create_table(
        "quarantine",
        sa.Column("key", _BIG_KEY, primary_key=True, autoincrement=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("record_type", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("quarantined_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "alarm",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("stream", sa.Text),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("raised_at", sa.BigInteger),
        sa.Column("recorded", sa.Boolean, nullable=False),
    )
    op.create_index("alarm_recorded", "alarm", ["recorded"])
    op.create_table(
        "setting",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    op.create_table(
        "source_key",
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("content_hash", sa.LargeBinary, nullable=False),
        sa.Column("record_key", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
