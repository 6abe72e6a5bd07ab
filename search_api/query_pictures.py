"""From what a user points at, a picture or a mark of the register, to what a search compares."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import numpy.typing as npt
from PIL import Image

from indexer.errors import BadQuery
from indexer.marks import Mark
from indexer.query import SearchResult
from indexer.register import Register
from models.encoder import Encoder
from models.errors import UnreadableImage
from models.images import crop_image, decode_image
from models.vienna import PredictedCode, ViennaCode
from search_api.answers import Answer
from search_api.places import Places

Picture = Image.Image | bytes | Path
Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Looked:
    """What looking at a query gave.

    Attributes:
        embedding: (d,) float16, unit-length blocks.
        vienna: the codes seen, most probable first.
        decode_ms: milliseconds spent on decoding and cropping.
        encode_ms: milliseconds spent in the network, waiting for a place included.
    """

    embedding: npt.NDArray[np.float16]
    vienna: tuple[PredictedCode, ...]
    decode_ms: float = 0.0
    encode_ms: float = 0.0

    def answer(self, result: SearchResult) -> Answer:
        """Join what the picture told and what the search found."""
        spent = {"decode": self.decode_ms, "encode": self.encode_ms}
        return Answer(result, self.vienna, {**spent, **result.plan.milliseconds})


def look(encoder: Encoder, places: Places, picture: Picture, crop: Box | None) -> Looked:
    """Decode a picture, cut out `crop` (x, y, width, height in pixels) and encode it.

    Raises:
        UnreadableImage: it cannot be decoded, or `crop` lies outside of it.
        TooBusy: every place in the queue is taken.
    """
    began = perf_counter()
    with places.place():
        placed = perf_counter()
        image = opened(picture, crop)
        decoded = perf_counter()
        encoded = encoder.encode([image])
    ended = perf_counter()
    return Looked(
        embedding=encoded.embeddings[0],
        vienna=encoder.predicted(encoded.probabilities[0]),
        decode_ms=1000 * (decoded - placed),
        encode_ms=1000 * (ended - decoded + placed - began),
    )


def stored_look(register: Register, thresholds: Mapping[ViennaCode, float], mark: Mark) -> Looked:
    """Read a mark's stored embedding, and those of its codes that reach their threshold.

    Raises:
        BadQuery: the mark has no embedding.
    """
    changes = register.changes(mark.sequence - 1, 1, mark.sequence)
    embedding = changes[0].embedding if changes else None
    if embedding is None:
        raise BadQuery(f"The mark {mark.record.id!r} has no picture to compare.")
    seen = (code for code in mark.predicted if code.probability >= thresholds.get(code.code, 2.0))
    return Looked(embedding, tuple(sorted(seen, key=lambda code: (-code.probability, code.code))))


def opened(picture: Picture, crop: Box | None) -> Image.Image:
    """Decode a picture and cut out `crop`.

    Raises:
        UnreadableImage: it cannot be decoded, or `crop` lies outside of it.
    """
    image = _decoded(picture)
    return image if crop is None else crop_image(image, crop)


def _decoded(picture: Picture) -> Image.Image:
    match picture:
        case Image.Image():
            return picture
        case bytes():
            return decode_image(picture)
        case Path():
            try:
                content = picture.read_bytes()
            except OSError as error:
                reason = error.strerror or type(error).__name__
                raise UnreadableImage(f"{picture}: cannot be read: {reason}.") from error
            return decode_image(content, picture.name)
