"""One row of a watch, of its signs and of what came near, and what it is read into."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import sqlalchemy as sa

from indexer.register.runs import aware
from indexer.register.stored_embeddings import STORED, STORED_BOXES
from models.encoder import Embedding
from models.vienna import ViennaCode


@dataclass(frozen=True)
class WatchedSign:
    """One sign of a watch.

    Attributes:
        id: its number.
        label: a mark's id, or a picture's name.
        mark_id: of a mark of the register, which does not come near itself; None for a picture.
        image_digest: of its picture in the image store.
        fingerprint: of the network that made the embedding.
        embedding: what marks are compared with.
        shown: how surely it shows each Vienna code, 0 to 1; None where that was never noted.
    """

    id: int
    label: str
    mark_id: str | None
    image_digest: str
    fingerprint: str
    embedding: Embedding
    shown: Mapping[ViennaCode, float] | None = None


@dataclass(frozen=True)
class Watch:
    """A named list of signs.

    Attributes:
        name: of the list.
        threshold: score from which a mark is near.
        asked: filter and weights, as the fields of a form.
        webhook: address that is told; None without.
        feed_key: secret part of the feed's address.
        checked: marks written up to this sequence were compared.
        created: when it was made.
        failures: of the webhook since it was last reached.
        next_try: when the webhook is tried again.
        last_error: why it was not reached.
        signs: what is watched.
        read_upto: number of the last event that somebody read.
        unread: how many came after it.
    """

    name: str
    threshold: float
    asked: Mapping[str, Any]
    webhook: str | None
    feed_key: str
    checked: int
    created: datetime
    failures: int
    next_try: datetime | None
    last_error: str | None
    signs: tuple[WatchedSign, ...]
    read_upto: int = 0
    unread: int = 0


@dataclass(frozen=True)
class NearMark:
    """A mark that scores at least the threshold.

    Attributes:
        sign: number of the watched sign.
        mark_id: of the mark.
        image_digest: of the mark's picture.
        sequence: of the change that wrote the mark.
        score: as the ranking gives it.
    """

    sign: int
    mark_id: str
    image_digest: str
    sequence: int
    score: float


@dataclass(frozen=True)
class WatchEvent:
    """A mark that came near a watched sign.

    Attributes:
        id: rising number, which no other event ever gets.
        watch: name of the list.
        sign: label of the watched sign.
        mark_id: of the mark.
        sequence: of the change that wrote the mark.
        score: as the ranking gives it.
        found: when it was compared.
        is_read: whether somebody read it.
    """

    id: int
    watch: str
    sign: str
    mark_id: str
    sequence: int
    score: float
    found: datetime
    is_read: bool


def columns_of(sign: WatchedSign) -> dict[str, Any]:
    """The columns of a sign, but its number and its watch."""
    embedding = sign.embedding
    return {
        "label": sign.label,
        "mark_id": sign.mark_id,
        "image_digest": sign.image_digest,
        "fingerprint": sign.fingerprint,
        "vectors": np.ascontiguousarray(embedding.vectors, STORED).tobytes(),
        "boxes": np.ascontiguousarray(embedding.boxes, STORED_BOXES).tobytes(),
        "places": embedding.places,
        "codes": sign.shown and {str(code): share for code, share in sign.shown.items()},
    }


def sign_of(row: sa.RowMapping) -> WatchedSign:
    """Read a sign."""
    boxes = np.frombuffer(row["boxes"], STORED_BOXES).reshape(-1, 4).astype(np.float32)
    vectors = np.frombuffer(row["vectors"], STORED).reshape(len(boxes), -1).astype(np.float16)
    names = ("id", "label", "mark_id", "image_digest", "fingerprint")
    embedding = Embedding(vectors, boxes, row["places"])
    held = row["codes"]
    shown = held and {ViennaCode.parse(code): share for code, share in held.items()}
    return WatchedSign(**{name: row[name] for name in names}, embedding=embedding, shown=shown)


def watch_of(row: sa.RowMapping, signs: Sequence[WatchedSign]) -> Watch:
    """Read a watch, whose signs are read already."""
    next_try = row["next_try"]
    return Watch(
        **{
            **row,
            "created": aware(row["created"]),
            "next_try": None if next_try is None else aware(next_try),
            "signs": tuple(signs),
        }
    )


def event_of(row: sa.RowMapping) -> WatchEvent:
    """Read an event, with its sign's label."""
    names = ("id", "watch", "mark_id", "sequence", "score", "is_read")
    values = {name: row[name] for name in names}
    return WatchEvent(**values, sign=row["label"], found=aware(row["found"]))
