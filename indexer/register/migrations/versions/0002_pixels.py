"""Pictures known by their pixels: one drawing in two files is encoded once.

Nothing else looks marks up by the digest of their file, so that index goes.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add digests of pixels; marks written before have none, and count as not encoded yet."""
    op.add_column("marks", sa.Column("pixels_digest", sa.String(32)))
    op.create_index("marks_by_pixels", "marks", ["pixels_digest"])
    op.drop_index("marks_by_image", "marks")


def downgrade() -> None:
    """Go back to looking pictures up by their files."""
    op.create_index("marks_by_image", "marks", ["image_digest"])
    op.drop_index("marks_by_pixels", "marks")
    op.drop_column("marks", "pixels_digest")
