"""The register of MarkLens 0.1: marks, embeddings, codes, classes, counter, meta, runs."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create every table. Spelt out, since the schema moves on and this step must not."""
    op.create_table(
        "marks",
        sa.Column("id", sa.String(128), primary_key=True),
        sa.Column("sequence", sa.BigInteger, nullable=False, unique=True),
        sa.Column("deleted", sa.Boolean, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        *(
            sa.Column(name, sa.Text)
            for name in ("text", "text_folded", "owner", "office", "status")
        ),
        sa.Column("filed", sa.Date),
        sa.Column("registered", sa.Date),
        sa.Column("image_name", sa.Text),
        sa.Column("image_digest", sa.String(64)),
        sa.Column("media_type", sa.Text),
        sa.Column("width", sa.Integer),
        sa.Column("height", sa.Integer),
        sa.Column("updated", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("marks_by_image", "marks", ["image_digest"])
    op.create_table(
        "mark_embeddings",
        _mark_id(),
        sa.Column("embedding", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "mark_codes",
        _mark_id(),
        sa.Column("source", sa.String(9), primary_key=True),
        sa.Column("code", sa.String(8), primary_key=True),
        sa.Column("probability", sa.Float),
        sa.Column("confident", sa.Boolean, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "mark_classes",
        _mark_id(),
        sa.Column("nice_class", sa.Integer, primary_key=True),
        sqlite_with_rowid=False,
    )
    counter = op.create_table(
        "counter",
        sa.Column("name", sa.String(16), primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(counter, [{"name": "sequence", "value": 0}])
    op.create_table(
        "meta",
        sa.Column("key", sa.String(32), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    _create_runs()


def downgrade() -> None:
    """Drop every table."""
    for table in ("runs", "meta", "counter", "mark_classes", "mark_codes", "mark_embeddings"):
        op.drop_table(table)
    op.drop_table("marks")


def _mark_id() -> sa.Column[str]:
    return sa.Column(
        "mark_id", sa.String(128), sa.ForeignKey("marks.id", ondelete="CASCADE"), primary_key=True
    )


def _create_runs() -> None:
    counts = ("position", "read", "indexed", "updated", "unchanged", "rejected")
    op.create_table(
        "runs",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("mtime_ns", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in counts),
        sa.Column("state", sa.String(11), nullable=False),
        sa.Column("started", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished", sa.DateTime(timezone=True)),
        sa.Column("rejects_file", sa.Text),
    )
    op.create_index("runs_by_source", "runs", ["source"])
