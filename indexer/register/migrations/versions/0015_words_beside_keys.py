"""The words beside their keys, so that a search for similar words reads one table.

Only adds a column that may be empty: code of the version before goes on writing, and the words of
its keys are looked up as before.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, and fill it; registers from before step 0005 have it from there."""
    connection = op.get_bind()
    if "word" in {column["name"] for column in sa.inspect(connection).get_columns("term_keys")}:
        return
    is_sqlite = connection.dialect.name == "sqlite"
    text = sa.Text() if is_sqlite else sa.Text(collation="C")
    op.add_column("term_keys", sa.Column("word", text))
    op.execute(
        "UPDATE term_keys SET word = (SELECT terms.term FROM terms WHERE id = term_keys.term)"
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_column("term_keys", "word")
