"""Marks, codes and embeddings ↔ rows of their tables."""

import functools
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from indexer.marks import (
    MARK_FIELDS,
    Change,
    CodeSource,
    EncodedMark,
    Mark,
    MarkRecord,
    StoredPrediction,
)
from indexer.register import schema
from indexer.register.runs import aware
from models.vienna import PredictedCode, ViennaCode

_CHILDREN = (schema.mark_codes, schema.mark_classes, schema.mark_embeddings)
US_DESIGN = "us_design"  # a source of codes in `mark_codes`, beside assigned and predicted
_AT_ONCE = 500
_STORED = np.dtype("<f2")
_Ids = Sequence[str] | sa.Select[tuple[str]]  # given, or still to be found


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
    names = (*_PLAIN, *_PICTURE, "sequence", "updated")
    wanted = sa.select(*(table.c[name] for name in names)).where(
        table.c.id.in_(ids), table.c.deleted.is_(False)
    )
    codes, nice = _codes_of(connection, ids), _classes_of(connection, ids)
    marks = []
    for found in _fetched(connection, wanted):
        row = dict(zip(names, found, strict=True))
        of_mark = codes[row["id"]]
        record = MarkRecord(
            **{name: row[name] for name in _PLAIN},
            nice=tuple(nice[row["id"]]),
            vienna=tuple(of_mark.assigned),
            us_design=tuple(of_mark.us_design),
        )
        seen = tuple(PredictedCode(one.code, one.probability) for one in of_mark.predicted)
        picture = {name: row[name] for name in _PICTURE}
        updated = aware(row["updated"])
        marks.append(Mark(record, row["sequence"], **picture, predicted=seen, updated=updated))
    return marks


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
    these = sa.select(table.c.id).where(span)
    codes, nice = _codes_of(connection, these), _classes_of(connection, these)
    return [
        Change(row.id, row.sequence, deleted=True)
        if row.deleted
        else Change(
            row.id,
            row.sequence,
            deleted=False,
            embedding=None if row.embedding is None else _vector(row.embedding),
            assigned=tuple(codes[row.id].assigned),
            predicted=tuple(codes[row.id].predicted),
            nice=tuple(sorted(nice[row.id])),
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
        codes = _codes_of(connection, ids[start : start + _AT_ONCE])
        found.update({mark_id: borne.predicted for mark_id, borne in codes.items()})
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


_PLAIN = tuple(one.name for one in MARK_FIELDS if not one.kind.is_list)  # columns of `marks`
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
    # Another scheme: its rows are no Vienna codes, and `_codes_of` keeps them apart.
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


@dataclass(slots=True)
class _Borne:
    """Codes of a mark: assigned ones in order, predicted ones by probability."""

    assigned: list[ViennaCode] = field(default_factory=list)
    predicted: list[StoredPrediction] = field(default_factory=list)
    us_design: list[str] = field(default_factory=list)


def _codes_of(connection: Connection, marks: _Ids) -> Mapping[str, _Borne]:
    """Codes of some marks; nothing for a mark without."""
    codes = schema.mark_codes.c
    columns = (codes.mark_id, codes.source, codes.code, codes.probability, codes.confident)
    wanted = sa.select(*columns).where(codes.mark_id.in_(marks))
    found: dict[str, _Borne] = defaultdict(_Borne)
    predicted: dict[str, list[tuple[float, str, bool]]] = defaultdict(list)
    for mark_id, source, code, probability, confident in _fetched(connection, wanted):
        if source == "assigned":
            found[mark_id].assigned.append(_code(code))
        elif source == US_DESIGN:
            found[mark_id].us_design.append(code)
        else:
            predicted[mark_id].append((-probability, code, confident))
    for mark_id, seen in predicted.items():
        seen.sort()  # codes as they are written sort as the classification does
        found[mark_id].predicted = [
            StoredPrediction(_code(code), -negative, confident)
            for negative, code, confident in seen
        ]
    for borne in found.values():
        borne.assigned.sort()
    return found


def _classes_of(connection: Connection, marks: _Ids) -> Mapping[str, list[int]]:
    classes = schema.mark_classes.c
    wanted = sa.select(classes.mark_id, classes.nice_class).where(classes.mark_id.in_(marks))
    found: dict[str, list[int]] = defaultdict(list)
    for mark_id, number in _fetched(connection, wanted):
        found[mark_id].append(number)
    return found


def _fetched(connection: Connection, wanted: sa.Select[Any]) -> Iterator[Any]:
    """Rows, some hundreds at a time: one by one takes longer, as does a list of all."""
    for part in connection.execute(wanted).partitions(_AT_ONCE):
        yield from part


@functools.lru_cache(maxsize=4096)  # the classification has fewer codes
def _code(text: str) -> ViennaCode:
    return ViennaCode.parse(text)


def _vector(stored: bytes) -> NDArray[np.float16]:
    return np.frombuffer(stored, _STORED).astype(np.float16, copy=False)
