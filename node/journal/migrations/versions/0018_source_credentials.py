"""Several ways for a source to prove itself, keys that end, limits for each source, and nonces of signatures."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018_source_credentials"
down_revision = "0017_delivering"
branch_labels = None
depends_on = None

_BIG_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_LIMITS = ("requests_per_minute", "records_per_minute", "records_per_day", "bytes_per_day")


def upgrade() -> None:
    """Move the hash of each source's key into the table of credentials; nothing is limited."""
    op.create_table(
        "source_credential",
        sa.Column("number", _BIG_KEY, primary_key=True, autoincrement=True),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("mode", sa.Text, nullable=False),
        sa.Column("value", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("ends_at", sa.BigInteger),
        sa.UniqueConstraint("mode", "value", name="source_credential_value"),
        sqlite_autoincrement=True,
    )
    op.create_index("source_credential_source", "source_credential", ["source"])
    op.execute(
        "INSERT INTO source_credential (source, mode, value, created_at) "
        "SELECT name, 'key', key_hash, created_at FROM source ORDER BY created_at, name"
    )
    op.create_table(
        "signature_nonce",
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("nonce", sa.Text, primary_key=True),
        sa.Column("kept_until", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("signature_nonce_until", "signature_nonce", ["kept_until"])
    with op.batch_alter_table("source") as batch:
        batch.add_column(sa.Column("modes", sa.Text, nullable=False, server_default="key"))
        for name in _LIMITS:
            batch.add_column(sa.Column(name, sa.BigInteger, nullable=False, server_default="0"))
        batch.drop_constraint("source_key_hash", type_="unique")
        batch.drop_column("key_hash")
    # What stood there has its values: from now on the program gives them.
    with op.batch_alter_table("source") as batch:
        for name in ("modes", *_LIMITS):
            batch.alter_column(name, server_default=None)
