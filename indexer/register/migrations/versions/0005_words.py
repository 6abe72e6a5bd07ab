"""Words found by spelling and sound; owners and numbers by a part of them; lists by date.

Texts are folded anew, without accents. The database's own index of trigrams covers owners and
numbers, too; where there is none, searches by a part of a text read all marks, and a warning says
so. The index of words (`indexer.register.word_index`) is filled by the code that reads it.
"""

import logging
from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

from indexer.register import word_index
from indexer.words.forms import fold

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

logger = logging.getLogger(__name__)

_AT_ONCE = 5_000  # marks brought along at once
_FOLDED = {"text": "text_folded", "owner": "owner_folded", "id": "id_folded"}
_DAYS = ("filed", "registered")
_COLUMNS = ", ".join(_FOLDED.values())
_NEW, _OLD = (", ".join(f"{row}.{name}" for name in _FOLDED.values()) for row in ("new", "old"))

# Marks are found by `number`, which never changes. Triggers keep the index, whoever writes; a
# withdrawn mark has no folded texts.
_SQLITE = (
    f"""
    CREATE VIRTUAL TABLE mark_words USING fts5(
        {_COLUMNS}, content='marks', content_rowid='number',
        tokenize='trigram case_sensitive 1', columnsize=0
    )
    """,
    f"""
    CREATE TRIGGER mark_words_added AFTER INSERT ON marks WHEN new.id_folded IS NOT NULL BEGIN
        INSERT INTO mark_words (rowid, {_COLUMNS}) VALUES (new.number, {_NEW});
    END
    """,  # noqa: S608 - names of ours
    f"""
    CREATE TRIGGER mark_words_changed AFTER UPDATE OF {_COLUMNS} ON marks
    WHEN ({_OLD}) IS NOT ({_NEW}) BEGIN
        INSERT INTO mark_words (mark_words, rowid, {_COLUMNS})
        SELECT 'delete', old.number, {_OLD} WHERE old.id_folded IS NOT NULL;
        INSERT INTO mark_words (rowid, {_COLUMNS})
        SELECT new.number, {_NEW} WHERE new.id_folded IS NOT NULL;
    END
    """,
    "INSERT INTO mark_words (mark_words) VALUES ('rebuild')",
)
_POSTGRESQL = tuple(
    f"CREATE INDEX marks_by_words_of_{name} ON marks USING gin ({name} gin_trgm_ops)"
    for name in ("owner_folded", "id_folded")
)


def upgrade() -> None:
    """Fold texts anew, index them and their words, and list by date."""
    connection = op.get_bind()
    is_sqlite = connection.dialect.name == "sqlite"
    if is_sqlite:
        _drop_trigrams()
    for name in ("owner_folded", "id_folded"):
        op.add_column("marks", sa.Column(name, sa.Text))
    for name in _DAYS:
        op.create_index(f"marks_by_{name}", "marks", [name, "id"])
    _create_terms(is_sqlite)
    for marks in _pages(connection):
        _set_folded(
            connection,
            [
                {"mark": mark_id, "text": _fold(text), "owner": _fold(owner), "id": _fold(mark_id)}
                for mark_id, _, text, owner in marks
            ],
        )
        word_index.update(connection, [(number, None, text) for _, number, text, _ in marks])
    try:
        with connection.begin_nested():
            for statement in _SQLITE if is_sqlite else _POSTGRESQL:
                connection.exec_driver_sql(statement)
    except sa.exc.DBAPIError as error:
        logger.warning(
            "texts of marks cannot be indexed, so that searches by a part of one read all marks: "
            "%s",
            error.orig,
        )


def downgrade() -> None:
    """Drop what was added; searches by a part of the words then read all marks."""
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    if is_sqlite:
        _drop_trigrams()
    for table in ("mark_terms", "term_keys", "terms"):
        op.drop_table(table)
    for name in _DAYS:
        op.drop_index(f"marks_by_{name}", "marks")
    for name in ("owner_folded", "id_folded"):
        if not is_sqlite:
            op.execute(f"DROP INDEX IF EXISTS marks_by_words_of_{name}")
        op.drop_column("marks", name)


def _drop_trigrams() -> None:
    for name in ("TRIGGER IF EXISTS mark_words_added", "TRIGGER IF EXISTS mark_words_changed"):
        op.execute(f"DROP {name}")
    op.execute("DROP TABLE IF EXISTS mark_words")


def _create_terms(is_sqlite: bool) -> None:
    text = sa.Text() if is_sqlite else sa.Text(collation="C")
    op.create_table(
        "terms",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("term", text, nullable=False, unique=True),
    )
    op.create_table(
        "term_keys",
        *(
            sa.Column(name, sa.Integer, primary_key=True, autoincrement=False)
            for name in ("key", "term")
        ),
        sa.Column("word", text),  # of step 0015: the code of today fills the table
        sqlite_with_rowid=False,
    )
    op.create_table(
        "mark_terms",
        *(
            sa.Column(name, sa.Integer, primary_key=True, autoincrement=False)
            for name in ("term", "letters")
        ),
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )


def _pages(connection: sa.Connection) -> Iterator[list[tuple[str, int, str | None, str | None]]]:
    """Id, number, words and owner of the live marks, some thousands at a time."""
    page = sa.text(
        "SELECT id, number, text, owner FROM marks WHERE deleted IS FALSE AND id > :last "
        "ORDER BY id LIMIT :many"
    )
    last = ""
    while found := connection.execute(page, {"last": last, "many": _AT_ONCE}).all():
        yield [(row.id, row.number, row.text, row.owner) for row in found]
        last = found[-1].id


def _set_folded(connection: sa.Connection, rows: list[dict[str, str | None]]) -> None:
    connection.execute(
        sa.text(
            "UPDATE marks SET text_folded = :text, owner_folded = :owner, id_folded = :id "
            "WHERE id = :mark"
        ),
        rows,
    )


def _fold(text: str | None) -> str | None:
    return None if text is None else fold(text)
