"""Rows that a disk or a hand has damaged: all other marks stay found, and the row can be mended."""

import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from PIL import Image

from indexer.index.follower import Follower
from indexer.index.vectors import IndexChoice
from indexer.ingest.reencode import encode_again
from indexer.marks import EncodedMark
from indexer.register import Register, schema
from indexer.register.image_store import ImageStore
from indexer.register.remote import RemoteIndexing
from models.encoder import Encoder

Mark = Callable[..., EncodedMark]
Draw = Callable[..., Image.Image]
DIMENSION = 16  # of the marks of `mark`
EMBEDDINGS = schema.mark_embeddings
# Of the embedding: odd bytes, none, one number too few, another network's. Of boxes and lists.
DAMAGE: list[tuple[str, Any]] = [
    ("embedding", b"12345"),
    ("embedding", b""),
    ("embedding", bytes(2 * 2 * DIMENSION - 2)),
    ("embedding", bytes(2 * 2 * DIMENSION + 4)),
    ("boxes", b"\0"),
    ("boxes", b""),
    ("lists", sa.null()),
]


def damage(register: Register, mark_id: str, name: str, value: Any) -> None:
    if name == "embedding":
        change = sa.update(EMBEDDINGS).where(EMBEDDINGS.c.mark_id == mark_id)
    else:
        change = sa.update(schema.marks).where(schema.marks.c.id == mark_id)
    with register._engine.begin() as connection:
        connection.execute(change.values({name: value}))


def bound(register: Register, mark: Mark) -> Register:
    """A register of marks a and b, each of two vectors, bound to a network."""
    register.bind_fingerprint("tiny", DIMENSION)
    register.add([mark("a", 1), mark("b", 5)])
    return register


@pytest.mark.parametrize(("name", "value"), DAMAGE)
def test_a_damaged_row_keeps_no_server_from_the_others(
    register: Register, mark: Mark, name: str, value: Any, caplog: pytest.LogCaptureFixture
) -> None:
    damage(bound(register, mark), "a", name, value)
    follower = Follower(register, None, DIMENSION, "tiny", IndexChoice("cpu"))
    with caplog.at_level(logging.WARNING):
        assert follower.refresh().total == (2 if name == "lists" else 1)
    if name != "lists":
        assert "mark a has a damaged embedding: left out" in caplog.text
        assert register.embedding("a") is None
        assert not register.encodings([f"{1 + 7:032x}"])
        assert list(RemoteIndexing(register).vectors_numbered([1, 2])) == [2]
    assert register.embedding("b") is not None
    assert list(register.marks(["a", "b"])) == ["a", "b"]
    register.delete(["a"])
    assert [one.record.id for one in register.every_mark()] == ["b"]


@pytest.mark.parametrize(("name", "value"), DAMAGE)
def test_encoding_anew_mends_it(
    register: Register,
    encoder: Encoder,
    draw_mark: Draw,
    as_png: Callable[[Image.Image], bytes],
    mark: Mark,
    tmp_path: Path,
    name: str,
    value: Any,
) -> None:
    images = ImageStore(tmp_path)
    digest = images.put(as_png(draw_mark(1)))
    register.bind_fingerprint("tiny", DIMENSION)
    register.add([dataclasses.replace(mark("a", 1), image_digest=digest)])
    damage(register, "a", name, value)
    assert encode_again(register, images, encoder) == (1, ())
    (change,) = register.changes(0, 9)
    assert change.embedding is not None
    assert change.embedding.shape[1] == encoder.dimension
