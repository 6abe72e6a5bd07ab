"""Up to which event somebody read what came near a watch.

Only adds a column that has a value of its own: servers of the version before go on writing.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column for its number: of what is there nothing was read."""
    op.add_column(
        "watches", sa.Column("read_upto", sa.BigInteger, nullable=False, server_default="0")
    )


def downgrade() -> None:
    """Forget what was read."""
    op.drop_column("watches", "read_upto")
