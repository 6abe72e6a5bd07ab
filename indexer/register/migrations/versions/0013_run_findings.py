"""What a run found, kept with its position, so that a resumed run tells all of it.

Only adds a column that may be empty: indexers of the version before go on writing.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column for it."""
    op.add_column("runs", sa.Column("found", sa.JSON))


def downgrade() -> None:
    """Forget it."""
    op.drop_column("runs", "found")
