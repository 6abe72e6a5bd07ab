"""The register's tables, the same in SQLite and PostgreSQL.

Beside them the database keeps an index of parts of texts where it can: see `word_search`.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from indexer.marks import MARK_FIELDS, FieldKind
from indexer.pages import DAYS
from indexer.query import TEXT_COLUMNS

metadata = MetaData()

# SQLite numbers rows only in a column of type INTEGER.
_Identity = BigInteger().with_variant(Integer(), "sqlite")

# Columns of `marks`; lists of values are rows of tables of their own.
_TYPES = {FieldKind.TEXT: Text, FieldKind.WORD: Text, FieldKind.DAY: Date}

marks = Table(
    "marks",
    metadata,
    Column("id", String(128), primary_key=True),
    # Rising over the whole register; a rewritten or deleted mark gets a new one.
    Column("sequence", BigInteger, nullable=False, unique=True),
    # The sequence number of the mark's first writing, which it keeps: what views know it by.
    Column("number", BigInteger, nullable=False, server_default="0"),
    Column("deleted", Boolean, nullable=False, default=False),
    Column("digest", String(64), nullable=False),
    *(Column(field.name, _TYPES[field.kind]) for field in MARK_FIELDS if field.kind in _TYPES),
    # Without case, accents and width (`indexer.words.forms.fold`): what texts are looked for in;
    # of a mark without words those read in its picture.
    *(Column(f"{name}_folded", Text) for name in TEXT_COLUMNS),
    # Classes and codes once more (see `rows.lists_of`), so that reading a mark reads one row: from
    # their own tables, fifty hits of a search took 9 to 15 ms at a million marks.
    Column("lists", JSON(none_as_null=True)),
    Column("image_digest", String(64)),
    # Of what the network sees, so that one picture in two files is encoded once.
    Column("pixels_digest", String(32)),
    Column("media_type", Text),
    Column("width", Integer),
    Column("height", Integer),
    # In the picture of a mark without words (empty: none are there); NULL where nobody looked.
    Column("words_read", Text),
    # Where the sign and its parts are: 4 little-endian float32 for each vector of the embedding.
    Column("boxes", LargeBinary),
    Column("updated", DateTime(timezone=True), nullable=False),
    Index("marks_by_number", "number", unique=True),
    Index("marks_by_pixels", "pixels_digest"),
    *(Index(f"marks_by_{name}", name, "id") for name in DAYS),
)

# Apart from `marks`, so that reading marks does not drag a kilobyte of numbers along.
mark_embeddings = Table(
    "mark_embeddings",
    metadata,
    Column("mark_id", ForeignKey("marks.id", ondelete="CASCADE"), primary_key=True),
    # Little-endian float16: the vector of the whole sign, then those of its parts.
    Column("embedding", LargeBinary, nullable=False),
)

# Read for the few candidates that are ranked again: see `models.network.places`.
mark_places = Table(
    "mark_places",
    metadata,
    Column("mark_id", ForeignKey("marks.id", ondelete="CASCADE"), primary_key=True),
    Column("places", LargeBinary, nullable=False),
)

# What SQL filters and counts by, where no view in RAM does; the key is the table: half the size.
mark_codes = Table(
    "mark_codes",
    metadata,
    Column("mark_id", ForeignKey("marks.id", ondelete="CASCADE"), primary_key=True),
    Column("source", String(9), primary_key=True),  # 'assigned', 'predicted', 'us_design'
    Column("code", String(8), primary_key=True),
    Column("probability", Float),  # of predicted codes
    Column("confident", Boolean, nullable=False),  # at least the code's calibrated threshold
    # All that is asked of a code. PostgreSQL then compares sign by sign, whatever its language.
    Index(
        "mark_codes_by_code",
        *("code", "mark_id", "source", "confident"),
        postgresql_ops={"code": "varchar_pattern_ops"},
    ),
    sqlite_with_rowid=False,
)

mark_classes = Table(
    "mark_classes",
    metadata,
    Column("mark_id", ForeignKey("marks.id", ondelete="CASCADE"), primary_key=True),
    Column("nice_class", Integer, primary_key=True),
    sqlite_with_rowid=False,
)

# The index of words: see `word_index`. Texts sort by their code points, in both databases.
_Term = Text().with_variant(Text(collation="C"), "postgresql")

terms = Table(
    "terms",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("term", _Term, nullable=False, unique=True),
)

term_keys = Table(
    "term_keys",
    metadata,
    Column("key", Integer, primary_key=True, autoincrement=False),
    Column("term", Integer, primary_key=True, autoincrement=False),
    Column("word", _Term),  # the term itself: looking up hundreds of them takes three times as long
    sqlite_with_rowid=False,
)

mark_terms = Table(
    "mark_terms",
    metadata,
    Column("term", Integer, primary_key=True, autoincrement=False),
    Column("letters", Integer, primary_key=True, autoincrement=False),  # of all the mark's words
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

counter = Table(
    "counter",
    metadata,
    Column("name", String(16), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

# One row for each transaction that took sequence numbers: see `counters.stamp`.
stamps = Table(
    "stamps",
    metadata,
    Column("sequence", _Identity, primary_key=True, autoincrement=False),  # the last one taken
    Column("stamp", BigInteger, nullable=False),
)

meta = Table(
    "meta",
    metadata,
    Column("key", String(32), primary_key=True),
    Column("value", Text, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("id", _Identity, primary_key=True, autoincrement=True),
    Column("source", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False, default=0),
    Column("read", BigInteger, nullable=False, default=0),
    Column("indexed", BigInteger, nullable=False, default=0),
    Column("updated", BigInteger, nullable=False, default=0),
    Column("unchanged", BigInteger, nullable=False, default=0),
    Column("rejected", BigInteger, nullable=False, default=0),
    # What is to be told at its end: kind → how often, where first.
    Column("found", JSON(none_as_null=True)),
    Column("state", String(11), nullable=False),
    Column("started", DateTime(timezone=True), nullable=False),
    Column("finished", DateTime(timezone=True)),
    Column("rejects_file", Text),
    Index("runs_by_source", "source"),
)

watches = Table(
    "watches",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("threshold", Float, nullable=False),
    Column("asked", JSON, nullable=False),  # filter and weights as a form's fields
    Column("webhook", Text),
    Column("feed_key", String(64), nullable=False),
    Column("checked", BigInteger, nullable=False),  # marks up to this sequence were compared
    Column("created", DateTime(timezone=True), nullable=False),
    Column("failures", Integer, nullable=False),  # of the webhook, one after the other
    Column("next_try", DateTime(timezone=True)),
    Column("last_error", Text),
    # What came near up to this event was read.
    Column("read_upto", BigInteger, nullable=False, default=0, server_default="0"),
)

watched_signs = Table(
    "watched_signs",
    metadata,
    Column("id", _Identity, primary_key=True, autoincrement=True),
    Column("watch", ForeignKey("watches.name", ondelete="CASCADE"), nullable=False),
    Column("label", Text, nullable=False),
    Column("mark_id", String(128)),  # no reference: a withdrawn mark may still be watched
    Column("image_digest", String(64), nullable=False),
    Column("fingerprint", Text, nullable=False),  # of the network that made the embedding
    Column("vectors", LargeBinary, nullable=False),  # little-endian float16
    Column("boxes", LargeBinary, nullable=False),  # little-endian float32
    Column("places", LargeBinary, nullable=False),
    Column("codes", JSON),  # that it shows, how surely; NULL where that was never noted
    Index("watched_signs_by_watch", "watch"),
)

watch_events = Table(
    "watch_events",
    metadata,
    Column("id", _Identity, primary_key=True, autoincrement=True),
    Column("watch", ForeignKey("watches.name", ondelete="CASCADE"), nullable=False),
    Column("sign", ForeignKey("watched_signs.id", ondelete="CASCADE"), nullable=False),
    Column("mark_id", String(128), nullable=False),
    Column("image_digest", String(64), nullable=False),  # the same picture is reported once
    Column("sequence", BigInteger, nullable=False),
    Column("score", Float, nullable=False),
    Column("found", DateTime(timezone=True), nullable=False),
    Column("delivered", Boolean, nullable=False),
    UniqueConstraint("sign", "mark_id", "image_digest", name="watch_events_once"),
    Index("watch_events_by_watch", "watch", "id"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("scope", String(5), nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    Column("created", DateTime(timezone=True), nullable=False),
    Column("expires", DateTime(timezone=True)),
    Column("revoked", DateTime(timezone=True)),
    Column("used", DateTime(timezone=True)),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("id", _Identity, primary_key=True, autoincrement=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("who", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("request", String(64)),
)
