"""Boxes of the sign and its parts, as many as a mark's embedding has vectors.

Marks written before have one vector, of the whole, and no boxes, until they are encoded again.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add boxes."""
    op.add_column("marks", sa.Column("boxes", sa.LargeBinary))


def downgrade() -> None:
    """Keep of each embedding the vector of the whole, which is all that there was."""
    op.execute(
        "UPDATE mark_embeddings SET embedding = substr(embedding, 1, length(embedding) * 16 / "
        "(SELECT length(boxes) FROM marks WHERE id = mark_id)) "
        "WHERE mark_id IN (SELECT id FROM marks WHERE length(boxes) > 16)"
    )
    op.drop_column("marks", "boxes")
