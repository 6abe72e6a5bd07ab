"""Places of the sign and its parts, which the first candidates of a search are ranked again by.

Marks written before have none, until they are encoded again.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a table of places."""
    op.create_table(
        "mark_places",
        sa.Column(
            "mark_id",
            sa.String(128),
            sa.ForeignKey("marks.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("places", sa.LargeBinary, nullable=False),
    )
    if op.get_bind().dialect.name == "postgresql":
        # They do not get smaller: compressing them would only take time.
        op.execute("ALTER TABLE mark_places ALTER COLUMN places SET STORAGE EXTERNAL")


def downgrade() -> None:
    """Forget places."""
    op.drop_table("mark_places")
