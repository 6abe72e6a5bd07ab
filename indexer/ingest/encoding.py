"""From a record and the bytes of its picture to a row ready for the register."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from indexer.marks import MARK_FIELDS, EncodedMark, MarkRecord
from models.encoder import Encoder
from models.images import decode_image, full_size, media_type, refuse_blank
from models.vienna import PredictedCode, ViennaCode

_PIXELS_DIGEST_BYTES = 16  # chance meetings among a hundred million pictures: 1 in 10^22
LEAST_PROBABILITY = 0.05  # predicted codes below are not kept: filters never ask for them


def mark_digest(record: MarkRecord, image_digest: str | None, fingerprint: str) -> str:
    """SHA-256 (hex) of all that decides what the register holds of a mark.

    Equal digests mean that writing the mark again would change nothing.
    """
    placed = [one.as_json(record) for one in MARK_FIELDS if one.in_digest == "always"]
    values: list[object] = [*placed, image_digest, fingerprint]
    for one in MARK_FIELDS:
        value = one.as_json(record)
        if one.in_digest != "always" and value:
            values.append(value if one.in_digest == "given" else [one.name, value])
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()


def encode_marks(encoder: Encoder, marks: Sequence[tuple[MarkRecord, bytes]]) -> list[EncodedMark]:
    """Marks with the bytes of their pictures, ready for `Register.add`.

    Raises:
        UnreadableImage: one of the pictures cannot be decoded.
    """
    return encode(encoder, [look(encoder, record, content) for record, content in marks], {})


Encoding = tuple[NDArray[np.float16], tuple[PredictedCode, ...], frozenset[ViennaCode]]


@dataclass(frozen=True, slots=True)
class Looked:
    """A mark whose picture is decoded and ready for the network.

    Attributes:
        mark: complete but for what the network says.
        pixels: (1, size, size, 3) uint8, small whatever the size of the picture was; None for a
            mark without picture, which no network sees. Their digest is the mark's
            `pixels_digest`.
        is_new: the register holds no mark of this id.
    """

    mark: EncodedMark
    pixels: NDArray[np.uint8] | None
    is_new: bool = True


def look(encoder: Encoder, record: MarkRecord, content: bytes) -> Looked:
    """Decode and preprocess one picture: the part of encoding that needs no network."""
    name = record.image_name or record.id
    image = decode_image(content, name)
    refuse_blank(image, name)
    width, height = full_size(image)
    image_digest = hashlib.sha256(content).hexdigest()
    pixels = encoder.preprocess([image])
    mark = EncodedMark(
        record=record,
        digest=mark_digest(record, image_digest, encoder.fingerprint),
        image_digest=image_digest,
        pixels_digest=pixels_digest(pixels),
        media_type=media_type(content),
        width=width,
        height=height,
        embedding=None,
        predicted=(),
    )
    return Looked(mark, pixels)


def pixels_digest(pixels: NDArray[np.uint8]) -> str:
    """BLAKE2b (hex) of what the network gets to see: one for a PNG and a BMP of one drawing."""
    content = np.ascontiguousarray(pixels).data
    return hashlib.blake2b(content, digest_size=_PIXELS_DIGEST_BYTES).hexdigest()


def look_without_picture(encoder: Encoder, record: MarkRecord) -> Looked:
    """A mark that only its words, codes and dates can find."""
    return Looked(EncodedMark(record, mark_digest(record, None, encoder.fingerprint)), None)


def encode(
    encoder: Encoder, looked: Sequence[Looked], known: Mapping[str, Encoding]
) -> list[EncodedMark]:
    """Run the network once for each different picture that `known` does not hold.

    Args:
        encoder: the network.
        looked: marks, with and without pictures.
        known: what the network said of pictures before, by the digest of their pixels.
    """
    fresh = {
        one.mark.pixels_digest: one.pixels
        for one in looked
        if one.pixels is not None and one.mark.pixels_digest not in known
    }
    encodings = {**known, **run_network(encoder, fresh)}
    return [told(one, encodings) for one in looked]


def run_network(
    encoder: Encoder, pixels: Mapping[str | None, NDArray[np.uint8]]
) -> dict[str, Encoding]:
    """What the network says of pictures, by the digest of their pixels.

    Args:
        encoder: the network.
        pixels: digest to (1, size, size, 3) uint8.
    """
    if not pixels:
        return {}
    encoded = encoder.encode_pixels(np.concatenate(list(pixels.values())))
    return {
        digest or "": (
            embedding,
            encoder.predicted(seen, LEAST_PROBABILITY),
            frozenset(one.code for one in encoder.predicted(seen)),
        )
        for digest, embedding, seen in zip(
            pixels, encoded.embeddings, encoded.probabilities, strict=True
        )
    }


def told(looked: Looked, encodings: Mapping[str, Encoding]) -> EncodedMark:
    """A mark with what the network said of its picture, by the digest of its pixels."""
    if looked.pixels is None:
        return looked.mark
    embedding, codes, confident = encodings[looked.mark.pixels_digest or ""]
    return replace(looked.mark, embedding=embedding, predicted=codes, confident=confident)
