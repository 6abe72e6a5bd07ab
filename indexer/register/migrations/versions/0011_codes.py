"""Marks by their codes: without an index, a page of a rare code reads the codes of all marks.

Only adds an index, and says that code of the step before can use the register.
"""

import sqlalchemy as sa
from alembic import op

from indexer.register.schema_steps import OLDEST_USER

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_NAME, _COLUMNS = "mark_codes_by_code", ["code", "mark_id", "source", "confident"]
_FACT = sa.table("meta", sa.column("key"), sa.column("value"))


def upgrade() -> None:
    """Index codes, in PostgreSQL beside those who write."""
    op.execute(sa.delete(_FACT).where(_FACT.c.key == OLDEST_USER))
    op.execute(sa.insert(_FACT).values(key=OLDEST_USER, value=down_revision))
    if op.get_bind().dialect.name == "sqlite":
        op.create_index(_NAME, "mark_codes", _COLUMNS)
        return
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")  # it waits for transactions, and nobody waits for it
        op.drop_index(_NAME, if_exists=True, postgresql_concurrently=True)
        op.create_index(
            _NAME,
            "mark_codes",
            _COLUMNS,
            postgresql_ops={"code": "varchar_pattern_ops"},
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    """Drop the index."""
    op.execute(sa.delete(_FACT).where(_FACT.c.key == OLDEST_USER))
    op.drop_index(_NAME, "mark_codes")
