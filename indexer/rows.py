"""Marks, codes and embeddings ↔ rows of their tables."""

import functools
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
US_DESIGN = "us_design"  # a source of codes in `mark_codes`, beside assigned and predicted
_AT_ONCE = 500
_STORED = np.dtype("<f2")


def fold(text: str) -> str:
    """How words are compared: compatibility forms and case do not matter.

    Folding case can leave the compatible form (``İ``) and the other way round, hence twice.
    """
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
    """Turn live marks into tombstones, numbered from ``first``; nothing else of them stays."""
    _forget(connection, ids)
    table = schema.marks
    kept = {"id", "sequence", "deleted", "digest", "updated"}
    nothing: dict[str, Any] = {one.name: None for one in table.columns if one.name not in kept}
    buried = (
        sa.update(table)
        .where(table.c.id == sa.bindparam("buried"))
        .values(
            sequence=sa.bindparam("number"),
            deleted=True,
            digest="",
            updated=datetime.now(UTC),
            **nothing,
        )
    )
    connection.execute(
        buried, [{"buried": mark_id, "number": first + at} for at, mark_id in enumerate(ids)]
    )


def read_marks(connection: Connection, ids: Sequence[str]) -> list[Mark]:
    """Live marks of some ids."""
    table = schema.marks
    wanted = sa.and_(table.c.id.in_(ids), table.c.deleted.is_(False))
    assigned, seen = _codes_of(connection, wanted)
    nice, design = _classes_of(connection, wanted), _us_design_of(connection, wanted)
    return [
        Mark(
            record=MarkRecord(
                **{name: row[name] for name in _PLAIN},
                nice=tuple(nice[row["id"]]),
                vienna=tuple(assigned[row["id"]]),
                us_design=tuple(design[row["id"]]),
            ),
            **{name: row[name] for name in _PICTURE},
            sequence=row["sequence"],
            predicted=tuple(PredictedCode(s.code, s.probability) for s in seen[row["id"]]),
            updated=aware(row["updated"]),
        )
        for row in connection.execute(sa.select(table).where(wanted)).mappings()
    ]


def read_changes(connection: Connection, after: int, limit: int, upto: int | None) -> list[Change]:
    """Rows above a sequence number, in order: three statements, whatever the limit."""
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
    found = connection.execute(wanted).all()
    if not found:
        return []
    span = table.c.sequence.between(found[0].sequence, found[-1].sequence)
    assigned, seen = _codes_of(connection, span)
    nice = _classes_of(connection, span)
    return [
        Change(row.id, row.sequence, deleted=True)
        if row.deleted
        else Change(
            row.id,
            row.sequence,
            deleted=False,
            embedding=None if row.embedding is None else _vector(row.embedding),
            assigned=tuple(assigned[row.id]),
            predicted=tuple(seen[row.id]),
            nice=tuple(nice[row.id]),
            status=row.status,
            office=row.office,
            filed=row.filed,
        )
        for row in found
    ]


def predictions(connection: Connection, ids: Sequence[str]) -> Mapping[str, list[StoredPrediction]]:
    """Predicted codes of some marks, the most probable first."""
    found: dict[str, list[StoredPrediction]] = defaultdict(list)
    for start in range(0, len(ids), _AT_ONCE):
        part = schema.marks.c.id.in_(ids[start : start + _AT_ONCE])
        found.update(_codes_of(connection, part)[1])
    return found


def carriers(
    connection: Connection, pixels_digests: Sequence[str]
) -> dict[str, tuple[str, NDArray[np.float16]]]:
    """One live mark for each picture that has one: its id and embedding (d,) float16."""
    table, embeddings = schema.marks, schema.mark_embeddings
    found: dict[str, tuple[str, NDArray[np.float16]]] = {}
    for start in range(0, len(pixels_digests), _AT_ONCE):
        wanted = (
            sa.select(table.c.pixels_digest, table.c.id, embeddings.c.embedding)
            .join(embeddings, embeddings.c.mark_id == table.c.id)
            .where(table.c.pixels_digest.in_(pixels_digests[start : start + _AT_ONCE]))
        )
        for digest, mark_id, stored in connection.execute(wanted):
            found[digest] = (mark_id, _vector(stored))
    return found


def count_codes(connection: Connection, source: CodeSource) -> dict[ViennaCode, int]:
    """Marks that bear each code or anything below it; only live marks have codes."""
    codes = schema.mark_codes
    borne: sa.ColumnElement[bool] = codes.c.confident.is_(True)
    sources = ("assigned", "predicted") if source == "either" else (source,)
    borne = sa.and_(borne, codes.c.source.in_(sources))
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
        "pixels_digest": mark.pixels_digest,
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
            "probability": float(seen.probability),  # SQLite refuses NumPy's
            "confident": seen.code in mark.confident,
        }
        for seen in mark.predicted
    ]
    # Another scheme: its rows are no Vienna codes, and only `_us_design_of` reads them.
    design = [
        {**key, "source": US_DESIGN, "code": code, "probability": None, "confident": True}
        for code in mark.record.us_design
    ]
    return assigned + predicted + design


def _forget(connection: Connection, ids: Sequence[str]) -> None:
    for start in range(0, len(ids), _AT_ONCE):
        part = ids[start : start + _AT_ONCE]
        for table in _CHILDREN:
            connection.execute(sa.delete(table).where(table.c.mark_id.in_(part)))


def _insert(connection: Connection, table: sa.Table, made: list[dict[str, Any]]) -> None:
    if made:
        connection.execute(sa.insert(table), made)


def _codes_of(
    connection: Connection, marks: sa.ColumnElement[bool]
) -> tuple[Mapping[str, list[ViennaCode]], Mapping[str, list[StoredPrediction]]]:
    """Assigned codes in order, and predicted ones by probability, of the marks of a condition."""
    codes = schema.mark_codes
    columns = (codes.c.mark_id, codes.c.source, codes.c.code, codes.c.probability)
    wanted = (
        sa.select(*columns, codes.c.confident)
        .join(schema.marks, schema.marks.c.id == codes.c.mark_id)
        .where(marks, codes.c.source != US_DESIGN)
    )
    assigned: dict[str, list[ViennaCode]] = defaultdict(list)
    seen: dict[str, list[StoredPrediction]] = defaultdict(list)
    for mark_id, source, code, probability, confident in connection.execute(wanted):
        if source == "assigned":
            assigned[mark_id].append(_code(code))
        else:
            seen[mark_id].append(StoredPrediction(_code(code), probability, confident))
    for borne in assigned.values():
        borne.sort()
    for predicted in seen.values():
        predicted.sort(key=lambda one: (-one.probability, one.code))
    return assigned, seen


def _us_design_of(connection: Connection, marks: sa.ColumnElement[bool]) -> Mapping[str, list[str]]:
    codes = schema.mark_codes
    wanted = (
        sa.select(codes.c.mark_id, codes.c.code)
        .join(schema.marks, schema.marks.c.id == codes.c.mark_id)
        .where(marks, codes.c.source == US_DESIGN)
        .order_by(codes.c.code)
    )
    found: dict[str, list[str]] = defaultdict(list)
    for mark_id, code in connection.execute(wanted):
        found[mark_id].append(code)
    return found


def _classes_of(connection: Connection, marks: sa.ColumnElement[bool]) -> Mapping[str, list[int]]:
    classes = schema.mark_classes
    wanted = (
        sa.select(classes.c.mark_id, classes.c.nice_class)
        .join(schema.marks, schema.marks.c.id == classes.c.mark_id)
        .where(marks)
        .order_by(classes.c.nice_class)
    )
    found: dict[str, list[int]] = defaultdict(list)
    for mark_id, number in connection.execute(wanted):
        found[mark_id].append(number)
    return found


@functools.lru_cache(maxsize=4096)  # the classification has fewer codes
def _code(text: str) -> ViennaCode:
    return ViennaCode.parse(text)


def _vector(stored: bytes) -> NDArray[np.float16]:
    return np.frombuffer(stored, _STORED).astype(np.float16, copy=False)
