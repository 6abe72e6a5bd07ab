"""Words that were read in the pictures of marks without words; nobody has looked yet."""

import sqlalchemy as sa
from alembic import op

from indexer.register import schema, word_index

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column for them."""
    op.add_column("marks", sa.Column("words_read", sa.Text))


def downgrade() -> None:
    """Forget them, also in the index of words."""
    marks = schema.marks.c
    connection = op.get_bind()
    wanted = sa.select(marks.number, marks.words_read).where(marks.words_read != "")
    for number, read in connection.execute(wanted).all():
        word_index.update(connection, [(number, read, None)])
        forgotten = sa.update(schema.marks).where(marks.number == number)
        connection.execute(forgotten.values(text_folded=None))
    op.drop_column("marks", "words_read")
