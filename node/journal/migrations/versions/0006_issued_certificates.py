"""Every certificate that a record names, so that a node's newest counts from issue on; notices that wait."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006_issued_certificates"
down_revision = "0005_statistics"
branch_labels = None
depends_on = None

_CONTENT = ("name", "level", "parent", "divisions")


def upgrade() -> None:
    """Make the table of certificates out of the tree's rows; where these rows come from is said there from now on."""
    op.create_table(
        "issued_certificate",
        sa.Column("code", sa.Text, primary_key=True),
        sa.Column("certificate", sa.Text, primary_key=True),
        sa.Column("own_position", sa.BigInteger),
        sa.Column("trust_position", sa.BigInteger),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("level", sa.Text, nullable=False),
        sa.Column("parent", sa.Text),
        sa.Column("divisions", sa.Text, nullable=False),
    )
    names = ", ".join(_CONTENT)
    op.execute(
        f"INSERT INTO issued_certificate (code, certificate, own_position, trust_position, {names}) "  # noqa: S608 - names are ours.
        f"SELECT code, certificate, CASE WHEN from_trust THEN NULL ELSE position END, "
        f"CASE WHEN from_trust THEN position END, {names} FROM node_tree"
    )
    op.add_column("certificate_notice", sa.Column("waiting_for", sa.Text))
    op.drop_column("node_tree", "from_trust")
    op.drop_column("node_tree", "position")
