"""A random number for each writing, by which a register is told from itself restored from a backup.

Only adds a table: servers of the version before go on writing, without such numbers.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# SQLite numbers rows only in a column of type INTEGER.
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the table: of what was written before nothing is known."""
    op.create_table(
        "stamps",
        sa.Column("sequence", _NUMBER, primary_key=True, autoincrement=False),
        sa.Column("stamp", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("stamps")
