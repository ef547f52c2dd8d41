"""Alembic's environment: runs inside the transaction that ``node.journal.schema.upgrade_schema`` opened."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    # Both stores roll schema changes back with the transaction that the journal's lock belongs to.
    transactional_ddl=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
