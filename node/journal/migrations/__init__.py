"""The database's versions, as Alembic migrations; ``node.journal.schema`` runs them."""
