"""Writes marks as rows of their tables, and reads them again."""

import functools
import json
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from indexer.errors import FingerprintMismatch
from indexer.marks import (
    MARK_FIELDS,
    Change,
    EncodedMark,
    FieldKind,
    Mark,
    MarkRecord,
    StoredPrediction,
)
from indexer.matches import Candidate
from indexer.query import DAY_COLUMNS, TEXT_COLUMNS, WORD_COLUMNS
from indexer.register import counters, schema, word_index
from indexer.register.among import among
from indexer.register.bulk import insert
from indexer.register.database import BINARY
from indexer.register.runs import aware
from indexer.register.stored_embeddings import (
    STORED,
    STORED_BOXES,
    stored_boxes,
    stored_embedding,
    stored_vectors,
)
from indexer.words.forms import fold
from models.encoder import Embedding
from models.vienna import PredictedCode, ViennaCode

logger = logging.getLogger(__name__)
LIVE = schema.marks.c.deleted.is_(False)
GIVEN_WORDS = sa.func.nullif(schema.marks.c.text, "")
WORDS = sa.func.coalesce(GIVEN_WORDS, schema.marks.c.words_read)  # that a mark is found by

_PLAIN = tuple(one.name for one in MARK_FIELDS if not one.kind.is_list)  # columns of `marks`
_LISTS = tuple(one for one in MARK_FIELDS if one.kind.is_list)  # what `marks.lists` holds
_ASKED = (*WORD_COLUMNS, *DAY_COLUMNS)  # what filters want to know of a change
_PICTURE = ("image_digest", "media_type", "width", "height")
_PREDICTED = "predicted"  # beside the fields' names in `marks.lists`; a source in `mark_codes`
_SOURCES = {FieldKind.VIENNA: "assigned", FieldKind.US_DESIGN: "us_design"}  # in `mark_codes`
CHILDREN = (schema.mark_codes, schema.mark_classes, schema.mark_embeddings, schema.mark_places)

# Embedding, predicted codes, those that reached their thresholds.
Encoding = tuple[Embedding, tuple[PredictedCode, ...], frozenset[ViennaCode]]


# Writing.


def write(connection: Connection, marks: Sequence[EncodedMark], first: int) -> None:
    """Insert or replace marks with all that hangs on them, under the sequences from ``first`` on.

    A mark that is replaced keeps its `number`.
    """
    now = datetime.now(UTC)
    before = _found_by(connection, [mark.record.id for mark in marks])
    columns = [
        _columns(mark, before.get(mark.record.id), first + at, now) for at, mark in enumerate(marks)
    ]
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    written = dialect.insert(schema.marks)
    replaced = {name: written.excluded[name] for name in columns[0].keys() - {"id", "number"}}
    connection.execute(written.on_conflict_do_update(index_elements=["id"], set_=replaced), columns)
    word_index.update(
        connection,
        [
            (held.number, held.words, one["text"] or one["words_read"])
            for one in columns
            for held in [before.get(one["id"], _FoundBy(one["number"]))]
        ],
    )
    _forget(connection, list(before))
    codes = [row for one in columns for row in codes_of(one["id"], one["lists"])]
    insert(connection, schema.mark_codes, codes)
    _write_children(connection, marks)


def _write_children(connection: Connection, marks: Sequence[EncodedMark]) -> None:
    """Insert classes, vectors and places."""
    classes = [(mark.record.id, number) for mark in marks for number in mark.record.nice]
    insert(connection, schema.mark_classes, classes)
    seen = [(mark.record.id, mark.embedding) for mark in marks if mark.embedding is not None]
    vectors = [(mark_id, one.vectors.astype(STORED).tobytes()) for mark_id, one in seen]
    insert(connection, schema.mark_embeddings, vectors)
    places = [(mark_id, one.places) for mark_id, one in seen if one.places]
    insert(connection, schema.mark_places, places)


def refuse_other_shapes(marks: Sequence[EncodedMark], dimension: int) -> None:
    """Refuse embeddings of another dimension than the register's; 0 takes any.

    Raises:
        FingerprintMismatch: there is one.
    """
    for mark in marks:
        numbers = dimension if mark.embedding is None else mark.embedding.vectors.shape[1]
        if dimension and numbers != dimension:
            raise FingerprintMismatch(
                f"The vectors of {mark.record.id} have {numbers} numbers, the register's "
                f"{dimension}: they come from another network."
            )


def leave_tombstones(connection: Connection, ids: Sequence[str], first: int) -> None:
    """Withdraw live marks, under the sequences from ``first`` on; nothing else of them stays."""
    before = _found_by(connection, ids).values()
    word_index.update(connection, [(held.number, held.words, None) for held in before])
    _forget(connection, ids)
    table = schema.marks
    kept = {"id", "sequence", "number", "deleted", "digest", "updated"}
    nothing: dict[str, Any] = {one.name: None for one in table.columns if one.name not in kept}
    withdrawn = (
        sa.update(table)
        .where(table.c.id == sa.bindparam("withdrawn"))
        .values(
            sequence=sa.bindparam("at"),
            deleted=True,
            digest="",
            updated=datetime.now(UTC),
            **nothing,
        )
    )
    connection.execute(
        withdrawn, [{"withdrawn": mark_id, "at": first + at} for at, mark_id in enumerate(ids)]
    )


def lists_of(mark: EncodedMark) -> dict[str, list[Any]]:
    """Classes and codes of a mark as `marks.lists` holds them, those it has.

    Fields by their names, as JSON has them; predicted codes, the most probable first, as code,
    probability and whether it reached its threshold.
    """
    lists: dict[str, Any] = {one.name: one.as_json(mark.record) for one in _LISTS}
    seen = sorted(mark.predicted, key=lambda one: (-one.probability, one.code))
    lists[_PREDICTED] = [
        [str(one.code), float(one.probability), one.code in mark.confident] for one in seen
    ]
    return {name: held for name, held in lists.items() if held}


def codes_of(mark_id: str, lists: Mapping[str, Sequence[Any]]) -> list[tuple[Any, ...]]:
    """Rows of `mark_codes`, from what `lists_of` returned."""
    given = [
        (mark_id, _SOURCES[one.kind], code, None, True)
        for one in _LISTS
        if one.kind in _SOURCES
        for code in lists.get(one.name, ())
    ]
    return given + [(mark_id, _PREDICTED, *seen) for seen in lists.get(_PREDICTED, ())]


def _columns(
    mark: EncodedMark, before: "_FoundBy | None", sequence: int, now: datetime
) -> dict[str, Any]:
    record = mark.record
    read = mark.words_read
    if read is None and before is not None and before.image_digest == mark.image_digest:
        read = before.read
    if record.text:
        read = None
    folded = {f"{name}_folded": _folded(getattr(record, name)) for name in TEXT_COLUMNS}
    return {
        **{name: getattr(record, name) for name in _PLAIN},
        **{name: getattr(mark, name) for name in _PICTURE},
        "boxes": None
        if mark.embedding is None
        else mark.embedding.boxes.astype(STORED_BOXES).tobytes(),
        "sequence": sequence,
        "number": sequence,
        "deleted": False,
        "digest": mark.digest,
        "pixels_digest": mark.pixels_digest,
        **folded,
        "text_folded": _folded(record.text or read or record.text),
        "words_read": read,
        "lists": lists_of(mark),
        "updated": now,
    }


def _folded(text: str | None) -> str | None:
    return None if text is None else fold(text)


class _FoundBy(NamedTuple):
    """What the index of words has of a mark, and what of it was read in which picture."""

    number: int
    words: str | None = None
    read: str | None = None
    image_digest: str | None = None


def _found_by(connection: Connection, ids: Sequence[str]) -> dict[str, _FoundBy]:
    """The same of the marks, withdrawn ones too, that have some ids."""
    table = schema.marks.c
    wanted = sa.select(table.id, table.number, WORDS, table.words_read, table.image_digest)
    found = connection.execute(wanted.where(among(table.id, ids)))
    return {row[0]: _FoundBy(*row[1:]) for row in found}


def _forget(connection: Connection, ids: Sequence[str]) -> None:
    for table in CHILDREN:
        connection.execute(sa.delete(table).where(among(table.c.mark_id, ids)))


# Reading.


def read_marks(connection: Connection, wanted: sa.ColumnElement[bool]) -> dict[int, Mark]:
    """Live marks that meet a condition on `marks`, by number, in no order: one statement."""
    table = schema.marks
    names = ("number", "sequence", "updated", "lists", "boxes", "words_read", *_PICTURE, *_PLAIN)
    found = connection.execute(sa.select(*(table.c[name] for name in names)).where(LIVE, wanted))
    marks = {}
    for number, sequence, updated, held, boxes, read, *values in found.all():
        lists = held or {}
        picture, plain = values[: len(_PICTURE)], values[len(_PICTURE) :]
        marks[number] = Mark(
            record=_record(plain, lists),
            sequence=sequence,
            **dict(zip(_PICTURE, picture, strict=True)),
            predicted=_named(lists),
            updated=aware(updated),
            boxes=stored_boxes(boxes),
            words_read=read,
        )
    return marks


def _record(plain: Sequence[Any], lists: dict[str, list[Any]]) -> MarkRecord:
    """A record of what was checked when it was written: checking again takes a third of reading."""
    record = object.__new__(MarkRecord)
    for name, value in zip(_PLAIN, plain, strict=True):
        object.__setattr__(record, name, value)
    for one in _LISTS:
        held = lists.get(one.name, ())
        codes = map(_code, held) if one.kind is FieldKind.VIENNA else held
        object.__setattr__(record, one.name, tuple(codes))
    return record


def read_changes(connection: Connection, after: int, limit: int, upto: int | None) -> list[Change]:
    """Rows above a sequence number, in order; damaged ones without what cannot be read of them."""
    table, embeddings = schema.marks, schema.mark_embeddings
    lists = sa.cast(table.c.lists, sa.Text)  # read at once: one by one takes half as long again
    names = ("id", "number", "sequence", "deleted", "boxes", *_ASKED)
    wanted = (
        sa.select(lists, *(table.c[name] for name in names), embeddings.c.embedding)
        .outerjoin(embeddings, embeddings.c.mark_id == table.c.id)
        .where(table.c.sequence > after)
        .order_by(table.c.sequence)
        .limit(limit)
        .execution_options(**BINARY)
    )
    if upto is not None:
        wanted = wanted.where(table.c.sequence <= upto)
    dimension = counters.dimension(connection)
    found = connection.execute(wanted).all()
    every = json.loads(f"[{','.join(row[0] or '{}' for row in found)}]")
    return [
        Change(mark_id, sequence, deleted=True, number=number)
        if deleted
        else Change(
            mark_id,
            sequence,
            deleted=False,
            number=number,
            embedding=_vectors(mark_id, stored, boxes, dimension),
            assigned=tuple(map(_code, held.get("vienna", ()))),
            predicted=_predicted(held),
            nice=tuple(held.get("nice", ())),
            **dict(zip(_ASKED, asked, strict=True)),
        )
        for held, (_, mark_id, number, sequence, deleted, boxes, *asked, stored) in zip(
            every, found, strict=True
        )
    ]


def read_embedding(connection: Connection, mark_id: str) -> Embedding | None:
    """The embedding of a live mark; None if it has none or a damaged one, or there is no mark."""
    table, embeddings = schema.marks, schema.mark_embeddings
    places = schema.mark_places
    wanted = (
        sa.select(embeddings.c.embedding, table.c.boxes, places.c.places)
        .join(table, embeddings.c.mark_id == table.c.id)
        .outerjoin(places, places.c.mark_id == table.c.id)
        .where(table.c.id == mark_id)
    )
    stored = connection.execute(wanted).one_or_none()
    return None if stored is None else stored_embedding(counters.dimension(connection), *stored)


def read_encodings(connection: Connection, pixels_digests: Sequence[str]) -> dict[str, Encoding]:
    """What the network said of pictures that live marks have, by the digest of their pixels.

    What is damaged is left out, so that the network looks again.
    """
    table, embeddings, places = schema.marks, schema.mark_embeddings, schema.mark_places
    held = (embeddings.c.embedding, table.c.boxes, places.c.places)
    wanted = (
        sa.select(table.c.pixels_digest, table.c.lists, *held)
        .join(embeddings, embeddings.c.mark_id == table.c.id)
        .outerjoin(places, places.c.mark_id == table.c.id)
        .where(among(table.c.pixels_digest, pixels_digests))
        .execution_options(**BINARY)
    )
    dimension = counters.dimension(connection)
    found = {}
    for digest, lists, *stored in connection.execute(wanted):
        embedding = stored_embedding(dimension, *stored)
        if embedding is None or lists is None:
            continue
        confident = frozenset(one.code for one in _predicted(lists) if one.confident)
        found[digest] = (embedding, _named(lists), confident)
    return found


def read_candidates(connection: Connection, sequences: Sequence[int]) -> dict[int, Candidate]:
    """What the live marks with some sequences are ranked again by, by sequence."""
    table, places = schema.marks, schema.mark_places
    wanted = (
        sa.select(table.c.sequence, sa.cast(table.c.lists, sa.Text), places.c.places)
        .outerjoin(places, places.c.mark_id == table.c.id)
        .where(LIVE, among(table.c.sequence, sequences))
        .execution_options(**BINARY)
    )
    held = connection.execute(wanted).all()
    every = json.loads(f"[{','.join(lists or '{}' for _, lists, _ in held)}]")
    return {
        sequence: Candidate(coded or b"", _borne(lists))
        for (sequence, _, coded), lists in zip(held, every, strict=True)
    }


def _borne(lists: dict[str, list[Any]]) -> tuple[ViennaCode, ...]:
    given = lists.get("vienna") or [code for code, _, sure in lists.get(_PREDICTED, ()) if sure]
    return tuple(map(_code, given))


def _named(lists: dict[str, list[Any]]) -> tuple[PredictedCode, ...]:
    return tuple(PredictedCode(_code(code), share) for code, share, _ in lists.get(_PREDICTED, ()))


def _predicted(lists: dict[str, list[Any]] | None) -> tuple[StoredPrediction, ...]:
    seen = (lists or {}).get(_PREDICTED, ())
    return tuple([StoredPrediction(_code(code), *said) for code, *said in seen])


@functools.lru_cache(maxsize=4096)  # the classification has fewer codes
def _code(text: str) -> ViennaCode:
    return ViennaCode.parse(text)


def _vectors(
    mark_id: str, stored: bytes | None, boxes: bytes | None, dimension: int
) -> NDArray[np.float16] | None:
    """Vectors of a mark; with a warning none of damaged ones: the mark is found without them."""
    if stored is None:
        return None
    vectors = stored_vectors(stored, boxes, dimension)
    if vectors is None:
        logger.warning("mark %s has a damaged embedding: left out; see marklens verify", mark_id)
    return vectors
