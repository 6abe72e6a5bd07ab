"""Makes searches quicker: a mark's codes in its row, an index of words, a count of live marks.

SQLite's words are indexed by FTS5 with trigrams, PostgreSQL's by pg_trgm. Where the database has
neither, searches by words read all marks, as before, and a warning says so.
"""

import logging
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

logger = logging.getLogger(__name__)

_AT_ONCE = 5_000  # marks brought along at once

# Marks are found by `number`, which never changes. Triggers keep the index, whoever writes.
_SQLITE = (
    """
    CREATE VIRTUAL TABLE mark_words USING fts5(
        text_folded, content='marks', content_rowid='number',
        tokenize='trigram case_sensitive 1', columnsize=0
    )
    """,
    """
    CREATE TRIGGER mark_words_added AFTER INSERT ON marks WHEN new.text_folded IS NOT NULL BEGIN
        INSERT INTO mark_words (rowid, text_folded) VALUES (new.number, new.text_folded);
    END
    """,
    """
    CREATE TRIGGER mark_words_changed AFTER UPDATE OF text_folded ON marks
    WHEN old.text_folded IS NOT new.text_folded BEGIN
        INSERT INTO mark_words (mark_words, rowid, text_folded)
        SELECT 'delete', old.number, old.text_folded WHERE old.text_folded IS NOT NULL;
        INSERT INTO mark_words (rowid, text_folded)
        SELECT new.number, new.text_folded WHERE new.text_folded IS NOT NULL;
    END
    """,
    "INSERT INTO mark_words (mark_words) VALUES ('rebuild')",
)
_POSTGRESQL = (
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    "CREATE INDEX marks_by_words ON marks USING gin (text_folded gin_trgm_ops)",
)


def upgrade() -> None:
    """Number the marks by when they came, copy their codes, count them, and index their words."""
    op.add_column("marks", sa.Column("number", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("marks", sa.Column("lists", sa.JSON(none_as_null=True)))
    op.execute("UPDATE marks SET number = sequence")
    op.create_index("marks_by_number", "marks", ["number"], unique=True)
    _copy_codes(op.get_bind())
    op.execute(
        "INSERT INTO counter (name, value) "
        "SELECT 'marks', count(*) FROM marks WHERE deleted IS FALSE"
    )
    connection = op.get_bind()
    statements = _SQLITE if connection.dialect.name == "sqlite" else _POSTGRESQL
    try:
        with connection.begin_nested():
            for statement in statements:
                connection.exec_driver_sql(statement)
    except sa.exc.DBAPIError as error:
        logger.warning(
            "words of marks cannot be indexed, so that searches by words read all marks: %s",
            error.orig,
        )


def downgrade() -> None:
    """Go back to reading all marks; pg_trgm stays, others may use it."""
    if op.get_bind().dialect.name == "sqlite":
        for name in ("TRIGGER IF EXISTS mark_words_added", "TRIGGER IF EXISTS mark_words_changed"):
            op.execute(f"DROP {name}")
        op.execute("DROP TABLE IF EXISTS mark_words")
    else:
        op.execute("DROP INDEX IF EXISTS marks_by_words")
    op.execute("DELETE FROM counter WHERE name = 'marks'")
    op.drop_index("marks_by_number", "marks")
    op.drop_column("marks", "lists")
    op.drop_column("marks", "number")


def _copy_codes(connection: sa.Connection) -> None:
    """Fill `lists` of the live marks, some thousands at a time.

    In Python, since SQLite writes probabilities as JSON with 15 digits, which are not all of them.
    """
    marks = sa.table("marks", sa.column("id"), sa.column("deleted"), sa.column("lists", sa.JSON))
    filled = (
        sa.update(marks)
        .where(marks.c.id == sa.bindparam("mark"))
        .values(lists=sa.bindparam("held", type_=sa.JSON))
    )
    page = sa.select(marks.c.id).where(marks.c.deleted.is_(sa.false())).order_by(marks.c.id)
    last = ""
    while ids := list(connection.scalars(page.where(marks.c.id > last).limit(_AT_ONCE))):
        lists = _lists(connection, ids[0], ids[-1])
        connection.execute(filled, [{"mark": one, "held": lists.get(one, {})} for one in ids])
        last = ids[-1]


def _lists(connection: sa.Connection, first: str, last: str) -> Mapping[str, dict[str, list[Any]]]:
    """Classes and codes of the marks with ids of a span."""
    span = {"first": first, "last": last}
    lists: dict[str, dict[str, list[Any]]] = defaultdict(dict)
    classes = sa.text(
        "SELECT mark_id, nice_class FROM mark_classes WHERE mark_id BETWEEN :first AND :last "
        "ORDER BY mark_id, nice_class"
    )
    for mark_id, number in connection.execute(classes, span):
        lists[mark_id].setdefault("nice", []).append(number)
    codes = sa.text(
        "SELECT mark_id, source, code, probability, confident FROM mark_codes "
        "WHERE mark_id BETWEEN :first AND :last ORDER BY mark_id, probability DESC, code"
    )
    for mark_id, source, code, probability, confident in connection.execute(codes, span):
        name = "vienna" if source == "assigned" else source
        held = [code, probability, bool(confident)] if source == "predicted" else code
        lists[mark_id].setdefault(name, []).append(held)
    return lists
