"""Alembic's entry: runs the steps on the connection that the register hands over."""

from alembic import context

from indexer.register.schema import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    # PostgreSQL's locks then are those of one step; a step may end its transaction to make an
    # index concurrently.
    transaction_per_migration=connection.dialect.name == "postgresql",
)
with context.begin_transaction():
    context.run_migrations()
