"""How surely a watched sign shows each Vienna code; of those that are there nobody noted it.

Only adds a column that may be empty: servers of the versions before go on writing.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column for them."""
    op.add_column("watched_signs", sa.Column("codes", sa.JSON))


def downgrade() -> None:
    """Forget them."""
    op.drop_column("watched_signs", "codes")
