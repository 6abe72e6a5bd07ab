"""Alembic's entry: runs the steps on the connection that the register hands over."""

from alembic import context

from indexer.register.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
