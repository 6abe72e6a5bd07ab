"""Marks, codes and embeddings ↔ rows of their tables."""

import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from indexer import schema
from indexer.marks import Change, CodeSource, EncodedMark, Mark, MarkRecord, StoredPrediction
from indexer.runs import aware
from models.vienna import PredictedCode, ViennaCode

_CHILDREN = (schema.mark_codes, schema.mark_classes, schema.mark_embeddings)
_AT_ONCE = 500
_STORED = np.dtype("<f2")


def fold(text: str) -> str:
    """How words are compared: compatibility forms and case do not matter."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def write(connection: Connection, marks: Sequence[EncodedMark], first: int) -> None:
    """Insert or replace marks with all that hangs on them, numbered from ``first``."""
    now = datetime.now(UTC)
    columns = [_columns(mark, first + at, now) for at, mark in enumerate(marks)]
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    insert = dialect.insert(schema.marks)
    replaced = {name: insert.excluded[name] for name in columns[0] if name != "id"}
    connection.execute(insert.on_conflict_do_update(index_elements=["id"], set_=replaced), columns)
    _forget(connection, [mark.record.id for mark in marks])
    _insert(connection, schema.mark_codes, [row for mark in marks for row in _codes(mark)])
    _insert(
        connection,
        schema.mark_classes,
        [{"mark_id": mark.record.id, "nice_class": n} for mark in marks for n in mark.record.nice],
    )
    _insert(
        connection,
        schema.mark_embeddings,
        [
            {
                "mark_id": mark.record.id,
                "embedding": np.ascontiguousarray(mark.embedding, _STORED).tobytes(),
            }
            for mark in marks
            if mark.embedding is not None
        ],
    )


def bury(connection: Connection, ids: Sequence[str], first: int) -> None:
    """Turn live marks into tombstones, numbered from ``first``."""
    _forget(connection, ids)
    table = schema.marks
    buried = (
        sa.update(table)
        .where(table.c.id == sa.bindparam("buried"))
        .values(sequence=sa.bindparam("number"), deleted=True, updated=datetime.now(UTC))
    )
    connection.execute(
        buried, [{"buried": mark_id, "number": first + at} for at, mark_id in enumerate(ids)]
    )


def read_marks(connection: Connection, ids: Sequence[str]) -> list[Mark]:
    """Live marks of some ids."""
    table = schema.marks
    wanted = sa.select(table).where(table.c.id.in_(ids), table.c.deleted.is_(False))
    found = connection.execute(wanted).mappings().all()
    live = [row["id"] for row in found]
    assigned, seen = _assigned(connection, live), predictions(connection, live)
    nice = _classes(connection, live)
    return [
        Mark(
            record=MarkRecord(
                **{name: row[name] for name in _PLAIN},
                nice=tuple(nice[row["id"]]),
                vienna=tuple(assigned[row["id"]]),
            ),
            **{name: row[name] for name in _PICTURE},
            sequence=row["sequence"],
            predicted=tuple(PredictedCode(s.code, s.probability) for s in seen[row["id"]]),
            updated=aware(row["updated"]),
        )
        for row in found
    ]


def read_changes(connection: Connection, after: int, limit: int, upto: int | None) -> list[Change]:
    """Rows above a sequence number, in order."""
    table, embeddings = schema.marks, schema.mark_embeddings
    wanted = (
        sa.select(
            *(table.c[name] for name in ("id", "sequence", "deleted", "status", "office", "filed")),
            embeddings.c.embedding,
        )
        .outerjoin(embeddings, embeddings.c.mark_id == table.c.id)
        .where(table.c.sequence > after)
        .order_by(table.c.sequence)
        .limit(limit)
    )
    if upto is not None:
        wanted = wanted.where(table.c.sequence <= upto)
    found = connection.execute(wanted).mappings().all()
    live = [row["id"] for row in found if not row["deleted"]]
    assigned, seen = _assigned(connection, live), predictions(connection, live)
    nice = _classes(connection, live)
    return [
        Change(row["id"], row["sequence"], deleted=True)
        if row["deleted"]
        else Change(
            **{name: row[name] for name in ("id", "sequence", "deleted")},
            embedding=None if row["embedding"] is None else _vector(row["embedding"]),
            assigned=tuple(assigned[row["id"]]),
            predicted=tuple(seen[row["id"]]),
            nice=tuple(nice[row["id"]]),
            **{name: row[name] for name in ("status", "office", "filed")},
        )
        for row in found
    ]


def predictions(connection: Connection, ids: Sequence[str]) -> Mapping[str, list[StoredPrediction]]:
    """Predicted codes of some marks, the most probable first."""
    codes = schema.mark_codes
    wanted = sa.select(codes.c.mark_id, codes.c.code, codes.c.probability, codes.c.confident).where(
        codes.c.source == "predicted"
    )
    found: dict[str, list[StoredPrediction]] = defaultdict(list)
    for mark_id, code, probability, confident in _of_marks(connection, codes, wanted, ids):
        found[mark_id].append(StoredPrediction(ViennaCode.parse(code), probability, confident))
    for seen in found.values():
        seen.sort(key=lambda one: (-one.probability, one.code))
    return found


def carriers(
    connection: Connection, image_digests: Sequence[str]
) -> dict[str, tuple[str, NDArray[np.float16]]]:
    """One live mark for each picture that has one: its id and embedding (d,) float16."""
    table, embeddings = schema.marks, schema.mark_embeddings
    found: dict[str, tuple[str, NDArray[np.float16]]] = {}
    for start in range(0, len(image_digests), _AT_ONCE):
        wanted = (
            sa.select(table.c.image_digest, table.c.id, embeddings.c.embedding)
            .join(embeddings, embeddings.c.mark_id == table.c.id)
            .where(table.c.image_digest.in_(image_digests[start : start + _AT_ONCE]))
        )
        for digest, mark_id, stored in connection.execute(wanted):
            found[digest] = (mark_id, _vector(stored))
    return found


def count_codes(connection: Connection, source: CodeSource) -> dict[ViennaCode, int]:
    """Marks that bear each code or anything below it; only live marks have codes."""
    codes = schema.mark_codes
    borne: sa.ColumnElement[bool] = codes.c.confident.is_(True)
    if source != "either":
        borne = sa.and_(borne, codes.c.source == source)
    counts: dict[ViennaCode, int] = {}
    # The first 2, 5 and 8 characters of a code name its category, division and section.
    for length in (2, 5, 8):
        above = sa.func.substr(codes.c.code, 1, length).label("above")
        counted = (
            sa.select(above, sa.func.count(codes.c.mark_id.distinct()))
            .where(borne, sa.func.length(codes.c.code) >= length)
            .group_by(above)
        )
        for code, n in connection.execute(counted):
            counts[ViennaCode.parse(code)] = n
    return counts


_PLAIN = ("id", "text", "owner", "office", "status", "filed", "registered", "image_name")
_PICTURE = ("image_digest", "media_type", "width", "height")


def _columns(mark: EncodedMark, sequence: int, now: datetime) -> dict[str, Any]:
    record = mark.record
    return {
        **{name: getattr(record, name) for name in _PLAIN},
        **{name: getattr(mark, name) for name in _PICTURE},
        "sequence": sequence,
        "deleted": False,
        "digest": mark.digest,
        "text_folded": None if record.text is None else fold(record.text),
        "updated": now,
    }


def _codes(mark: EncodedMark) -> list[dict[str, Any]]:
    key = {"mark_id": mark.record.id}
    assigned = [
        {**key, "source": "assigned", "code": str(code), "probability": None, "confident": True}
        for code in mark.record.vienna
    ]
    predicted = [
        {
            **key,
            "source": "predicted",
            "code": str(seen.code),
            "probability": seen.probability,
            "confident": seen.code in mark.confident,
        }
        for seen in mark.predicted
    ]
    return assigned + predicted


def _forget(connection: Connection, ids: Sequence[str]) -> None:
    for start in range(0, len(ids), _AT_ONCE):
        part = ids[start : start + _AT_ONCE]
        for table in _CHILDREN:
            connection.execute(sa.delete(table).where(table.c.mark_id.in_(part)))


def _insert(connection: Connection, table: sa.Table, made: list[dict[str, Any]]) -> None:
    if made:
        connection.execute(sa.insert(table), made)


def _assigned(connection: Connection, ids: Sequence[str]) -> Mapping[str, list[ViennaCode]]:
    codes = schema.mark_codes
    wanted = (
        sa.select(codes.c.mark_id, codes.c.code)
        .where(codes.c.source == "assigned")
        .order_by(codes.c.code)
    )
    found: dict[str, list[ViennaCode]] = defaultdict(list)
    for mark_id, code in _of_marks(connection, codes, wanted, ids):
        found[mark_id].append(ViennaCode.parse(code))
    return found


def _classes(connection: Connection, ids: Sequence[str]) -> Mapping[str, list[int]]:
    classes = schema.mark_classes
    wanted = sa.select(classes.c.mark_id, classes.c.nice_class).order_by(classes.c.nice_class)
    found: dict[str, list[int]] = defaultdict(list)
    for mark_id, number in _of_marks(connection, classes, wanted, ids):
        found[mark_id].append(number)
    return found


def _of_marks(
    connection: Connection, table: sa.Table, wanted: sa.Select[Any], ids: Sequence[str]
) -> Sequence[Any]:
    found: list[Any] = []
    for start in range(0, len(ids), _AT_ONCE):
        part = ids[start : start + _AT_ONCE]
        found += connection.execute(wanted.where(table.c.mark_id.in_(part))).all()
    return found


def _vector(stored: bytes) -> NDArray[np.float16]:
    return np.frombuffer(stored, _STORED).astype(np.float16, copy=False)
