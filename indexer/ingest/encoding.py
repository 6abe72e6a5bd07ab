"""From a record and the bytes of its picture to a row ready for the register."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from indexer.marks import MARK_FIELDS, EncodedMark, MarkRecord
from models.encoder import Embedding, Encoded, Encoder, Prepared
from models.images import decode_image, full_size, media_type, page_count, refuse_blank
from models.reading import WordReader, joined
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
    return encode(encoder, [prepare(encoder, record, content) for record, content in marks])


Encoding = tuple[Embedding, tuple[PredictedCode, ...], frozenset[ViennaCode]]


@dataclass(frozen=True, slots=True)
class PreparedMark:
    """A mark whose picture is decoded and ready for the network.

    Attributes:
        mark: complete but for what the network says.
        picture: ready for the network, small whatever its size was; None for a mark without
            picture, which no network sees. Its digest is the mark's `pixels_digest`.
        is_new: the register holds no mark of this id.
        pages: of the picture's file; the first is what is indexed.
    """

    mark: EncodedMark
    picture: Prepared | None
    is_new: bool = True
    pages: int = 1


def prepare(
    encoder: Encoder, record: MarkRecord, content: bytes | None, reader: WordReader | None = None
) -> PreparedMark:
    """Decode and preprocess one picture: the part of encoding that needs no network.

    Args:
        encoder: the network.
        record: the mark.
        content: the bytes of its picture; None for a mark that has none.
        reader: reads the words in it, where the record has none; None leaves them unread.

    Raises:
        UnreadableImage: the picture cannot be decoded, or is blank.
    """
    if content is None:
        return PreparedMark(
            EncodedMark(record, mark_digest(record, None, encoder.fingerprint)), None
        )
    name = record.image_name or record.id
    image = decode_image(content, name)
    refuse_blank(image, name)
    width, height = full_size(image)
    image_digest = hashlib.sha256(content).hexdigest()
    picture = encoder.prepare(image)
    mark = EncodedMark(
        record=record,
        digest=mark_digest(record, image_digest, encoder.fingerprint),
        image_digest=image_digest,
        pixels_digest=pixels_digest(picture),
        media_type=media_type(content),
        width=width,
        height=height,
        words_read=joined(reader.read(image)) if reader and not record.text else None,
    )
    return PreparedMark(mark, picture, pages=page_count(image))


def pixels_digest(picture: Prepared) -> str:
    """BLAKE2b (hex) of all that decides an embedding: one for a PNG and a BMP of one drawing.

    Where the sign stands in the picture is part of it, since an embedding says where its parts are.
    """
    digest = hashlib.blake2b(picture.pixels.tobytes(), digest_size=_PIXELS_DIGEST_BYTES)
    digest.update(np.array([picture.square, picture.sign], "<f8").tobytes())
    digest.update(picture.parts.pixels.tobytes())
    digest.update(picture.parts.boxes.astype("<f4").tobytes())
    return digest.hexdigest()


def encode(encoder: Encoder, marks: Sequence[PreparedMark]) -> list[EncodedMark]:
    """Run the network once for each different picture of some marks."""
    pictures = {one.mark.pixels_digest: one.picture for one in marks if one.picture is not None}
    encodings = run_network(encoder, pictures)
    return [with_encoding(one, encodings) for one in marks]


def run_network(encoder: Encoder, pictures: Mapping[str | None, Prepared]) -> dict[str, Encoding]:
    """What the network says of pictures, by the digest of their pixels.

    Args:
        encoder: the network.
        pictures: digest to picture.
    """
    encoded = encoder.encode_prepared(list(pictures.values()))
    return {
        digest or "": one for digest, one in zip(pictures, named(encoder, encoded), strict=True)
    }


def named(encoder: Encoder, encoded: Encoded) -> list[Encoding]:
    """What is kept of n pictures that the network has seen."""
    return [
        (
            embedding,
            encoder.predicted(seen, LEAST_PROBABILITY),
            frozenset(one.code for one in encoder.predicted(seen)),
        )
        for embedding, seen in zip(encoded.embeddings, encoded.probabilities, strict=True)
    ]


def with_encoding(prepared: PreparedMark, encodings: Mapping[str, Encoding]) -> EncodedMark:
    """A mark with what the network said of its picture, by the digest of its pixels."""
    if prepared.picture is None:
        return prepared.mark
    embedding, codes, confident = encodings[prepared.mark.pixels_digest or ""]
    return replace(prepared.mark, embedding=embedding, predicted=codes, confident=confident)
