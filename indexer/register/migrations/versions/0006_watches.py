"""Watches: lists of signs, what they are compared with, and what came near."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_identity = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "watches",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("threshold", sa.Float, nullable=False),
        sa.Column("asked", sa.JSON, nullable=False),
        sa.Column("webhook", sa.Text),
        sa.Column("feed_key", sa.String(64), nullable=False),
        sa.Column("checked", sa.BigInteger, nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("next_try", sa.DateTime(timezone=True)),
        sa.Column("last_error", sa.Text),
    )
    op.create_table(
        "watched_signs",
        sa.Column("id", _identity, primary_key=True, autoincrement=True),
        sa.Column(
            "watch",
            sa.String(64),
            sa.ForeignKey("watches.name", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("mark_id", sa.String(128)),
        sa.Column("image_digest", sa.String(64), nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("vectors", sa.LargeBinary, nullable=False),
        sa.Column("boxes", sa.LargeBinary, nullable=False),
        sa.Column("places", sa.LargeBinary, nullable=False),
    )
    op.create_index("watched_signs_by_watch", "watched_signs", ["watch"])
    op.create_table(
        "watch_events",
        sa.Column("id", _identity, primary_key=True, autoincrement=True),
        sa.Column(
            "watch",
            sa.String(64),
            sa.ForeignKey("watches.name", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column(
            "sign",
            _identity,
            sa.ForeignKey("watched_signs.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("mark_id", sa.String(128), nullable=False),
        sa.Column("image_digest", sa.String(64), nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("score", sa.Float, nullable=False),
        sa.Column("found", sa.DateTime(timezone=True), nullable=False),
        sa.Column("delivered", sa.Boolean, nullable=False),
        sa.UniqueConstraint("sign", "mark_id", "image_digest", name="watch_events_once"),
    )
    op.create_index("watch_events_by_watch", "watch_events", ["watch", "id"])


def downgrade() -> None:
    """Drop the tables, and all watches with them."""
    for table in ("watch_events", "watched_signs", "watches"):
        op.drop_table(table)
