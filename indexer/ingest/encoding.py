"""From a record and the bytes of its picture to a row ready for the register."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from indexer.ingest.workers import LocalWorkers, Workers
from indexer.marks import MARK_FIELDS, EncodedMark, MarkRecord
from indexer.register.rows import Encoding
from models.encoder import Encoder


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
    workers = LocalWorkers(encoder)
    return encode(workers, [prepare(workers, record, content) for record, content in marks])


@dataclass(frozen=True, slots=True)
class Filling:
    """What a mark was filled from, where its source leaves something to the register.

    Attributes:
        sequence: of the mark that the register held; 0 where it held none.
        again: fills it from what the register holds now; None where that is the mark just so.
    """

    sequence: int
    again: "Callable[[], PreparedMark | None]"


@dataclass(frozen=True, slots=True)
class PreparedMark:
    """A mark whose picture is decoded and ready for the network.

    Attributes:
        mark: complete but for what the network says.
        picture: what the workers that decoded it encode; None for a mark without picture, which
            no network sees. Its digest is the mark's `pixels_digest`.
        is_new: the register holds no mark of this id.
        pages: of the picture's file; the first is what is indexed.
        filling: of a mark whose source does not say all of it.
    """

    mark: EncodedMark
    picture: Any
    is_new: bool = True
    pages: int = 1
    filling: Filling | None = None


def prepare(
    workers: Workers, record: MarkRecord, content: bytes | None, *, read_words: bool = False
) -> PreparedMark:
    """Have one picture decoded and made ready: the part of encoding that needs no network.

    Args:
        workers: that decode it.
        record: the mark.
        content: the bytes of its picture; None for a mark that has none.
        read_words: read the words in it, where the record has none.

    Raises:
        UnreadableImage: the picture cannot be decoded, or is blank.
    """
    if content is None:
        return PreparedMark(
            EncodedMark(record, mark_digest(record, None, workers.fingerprint)), None
        )
    name = record.image_name or record.id
    seen = workers.decode(content, name, read_words=read_words and not record.text)
    image_digest = hashlib.sha256(content).hexdigest()
    mark = EncodedMark(
        record=record,
        digest=mark_digest(record, image_digest, workers.fingerprint),
        image_digest=image_digest,
        pixels_digest=seen.pixels_digest,
        media_type=seen.media_type,
        width=seen.width,
        height=seen.height,
        words_read=seen.words,
    )
    return PreparedMark(mark, seen.picture, pages=seen.pages)


def encode(workers: Workers, marks: Sequence[PreparedMark]) -> list[EncodedMark]:
    """Run the network once for each different picture of some marks."""
    encodings = run_network(workers, pictures_of(marks))
    return [with_encoding(one, encodings) for one in marks]


def pictures_of(marks: Sequence[PreparedMark]) -> dict[str, Any]:
    """The different pictures of some marks, by the digest of their pixels."""
    return {one.mark.pixels_digest or "": one.picture for one in marks if one.picture is not None}


def run_network(workers: Workers, pictures: Mapping[str, Any]) -> dict[str, Encoding]:
    """What the network says of pictures, by the digest of their pixels.

    Args:
        workers: that decoded them.
        pictures: digest to picture.
    """
    return dict(zip(pictures, workers.encode(list(pictures.values())), strict=True))


def with_encoding(prepared: PreparedMark, encodings: Mapping[str, Encoding]) -> EncodedMark:
    """A mark with what the network said of its picture, by the digest of its pixels."""
    if prepared.picture is None:
        return prepared.mark
    embedding, codes, confident = encodings[prepared.mark.pixels_digest or ""]
    return replace(prepared.mark, embedding=embedding, predicted=codes, confident=confident)
