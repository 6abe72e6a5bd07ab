"""Encoding of a query: from the picture or mark that a user points at to its embedding."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import BoundedSemaphore
from time import perf_counter
from types import TracebackType

import numpy as np
from PIL import Image

from indexer.errors import BadQuery
from indexer.marks import Box, Mark
from indexer.register import Register
from models.encoder import Embedding, Encoder
from models.errors import UnreadableImage
from models.images import (
    crop_image,
    decode_image,
    full_size,
    page_count,
    refuse_blank,
    turn_image,
)
from models.network.places import from_bytes, to_bytes
from models.vienna import PredictedCode
from search_api.errors import TooBusy
from search_api.request import Picture, View


class EncodingSemaphore:
    """Lets `running` callers encode at once and `waiting` more wait; the next is turned away.

    Without it a burst of queries would hold one decoded picture each in memory and fill the
    thread pool, so that not even health checks were answered.
    """

    def __init__(self, running: int, waiting: int) -> None:
        self._running = BoundedSemaphore(running)
        self._admitted = BoundedSemaphore(running + waiting)

    def __enter__(self) -> None:
        """Wait for a turn.

        Raises:
            TooBusy: `waiting` callers wait already.
        """
        if not self._admitted.acquire(blocking=False):
            raise TooBusy("Too many pictures wait to be encoded: try again in a few seconds.")
        try:
            self._running.acquire()
        except BaseException:  # a signal: who waits no longer must not be counted
            self._admitted.release()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let the next one in."""
        self._running.release()
        self._admitted.release()


@dataclass(frozen=True, slots=True)
class EncodedQuery:
    """What a search compares, and what the network sees in it.

    Attributes:
        embedding: of the whole sign and of its parts; boxes and places are shares of the picture
            that a crop is measured in, the turned page.
        vienna: the codes seen, most probable first.
        perhaps: those that may be there, less certain.
        pages: of the file that the picture comes from.
        milliseconds: spent on ``decode`` (and cropping) and on ``encode`` (waiting included).
    """

    embedding: Embedding
    vienna: tuple[PredictedCode, ...]
    perhaps: tuple[PredictedCode, ...]
    pages: int = 1
    milliseconds: Mapping[str, float] = field(default_factory=lambda: {"decode": 0, "encode": 0})

    @property
    def boxes(self) -> tuple[Box, ...]:
        """Of the whole sign and its parts."""
        return tuple((*map(float, box),) for box in self.embedding.boxes)  # type: ignore[misc]


def encode_picture(
    encoder: Encoder, semaphore: EncodingSemaphore, picture: Picture, view: View
) -> EncodedQuery:
    """Decode a picture and encode what is looked at of it.

    Raises:
        UnreadableImage: it cannot be decoded, lacks the page, or the crop lies outside of it.
        TooBusy: too many pictures wait already.
    """
    began = perf_counter()
    with semaphore:
        admitted = perf_counter()
        page = _page(picture, view)
        image = _looked_at(page, picture, view)
        ready = perf_counter()
        encoded = encoder.encode([image])
    ended = perf_counter()
    return EncodedQuery(
        embedding=_within(encoded.embeddings[0], page, view),
        vienna=encoder.predicted(encoded.probabilities[0]),
        perhaps=encoder.perhaps(encoded.probabilities[0]),
        pages=page_count(page),
        milliseconds={
            "decode": 1000 * (ready - admitted),
            "encode": 1000 * (ended - ready + admitted - began),
        },
    )


def stored_query(register: Register, encoder: Encoder, mark: Mark) -> EncodedQuery:
    """Read a mark's stored embedding, and those of its codes that reach their thresholds.

    Raises:
        BadQuery: the mark has no embedding.
    """
    # By its id: under the sequence number that `mark` has nothing is left if it was written since.
    embedding = register.embedding(mark.record.id)
    if embedding is None:
        raise BadQuery(f"The mark {mark.record.id!r} has no picture to compare.")
    probabilities = encoder.probabilities_of(mark.predicted)
    return EncodedQuery(embedding, encoder.predicted(probabilities), encoder.perhaps(probabilities))


def decoded(picture: Picture, view: View) -> Image.Image:
    """Decode what is looked at of a picture.

    Raises:
        UnreadableImage: it cannot be decoded, lacks the page, the crop lies outside of it, or all
            is white.
    """
    return _looked_at(_page(picture, view), picture, view)


def _page(picture: Picture, view: View) -> Image.Image:
    """The page that is looked at, turned."""
    image = picture
    if not isinstance(image, Image.Image):
        content = _read(image) if isinstance(image, Path) else image
        image = decode_image(content, _name(picture), view.page)
    return turn_image(image, view.turn)


def _looked_at(page: Image.Image, picture: Picture, view: View) -> Image.Image:
    """What a view leaves of a page."""
    if view.crop is None:
        refuse_blank(page, _name(picture))
        return page
    part = crop_image(page, view.crop)
    refuse_blank(part, f"{_name(picture)}, cropped")
    return part


def _name(picture: Picture) -> str:
    return picture.name if isinstance(picture, Path) else "image"


def _within(embedding: Embedding, page: Image.Image, view: View) -> Embedding:
    """Say where all of it is in the page of which a part may have been encoded."""
    if view.crop is None:
        return embedding
    whole = np.tile(full_size(page), 2)
    corner, side = np.tile(view.crop[:2], 2) / whole, np.tile(view.crop[2:], 2) / whole
    boxes = (corner + embedding.boxes * side).astype(np.float32)
    places = [
        one._replace(square=tuple((corner + np.array(one.square) * side).tolist()))
        for one in from_bytes(embedding.places)
    ]
    return Embedding(embedding.vectors, boxes, to_bytes(places))


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UnreadableImage(f"{file}: cannot be read: {reason}.") from error
