"""Case numbers of other systems, and the serials of those that the node gives out itself."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007_case_numbers"
down_revision = "0006_issued_certificates"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make both tables, empty: a case taken in before is known by its foreign number from its next record on."""
    op.create_table(
        "foreign_number",
        sa.Column("system", sa.Text, primary_key=True),
        sa.Column("number", sa.Text, primary_key=True),
        sa.Column("case_no", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "case_serial",
        sa.Column("division", sa.Text, primary_key=True),
        sa.Column("organisation", sa.Text, primary_key=True),
        sa.Column("item", sa.Text, primary_key=True),
        sa.Column("day", sa.Text, primary_key=True),
        sa.Column("serial", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
