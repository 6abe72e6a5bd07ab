"""Who decodes pictures and runs the network: this process, or others (`ray_workers`)."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from indexer.register.rows import Encoding
from models.encoder import Encoded, Encoder, Prepared
from models.images import decode_image, full_size, media_type, page_count, refuse_blank
from models.reading import READER, joined

_PIXELS_DIGEST_BYTES = 16  # chance meetings among a hundred million pictures: 1 in 10^22
_CORES = max(2, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2)
LEAST_PROBABILITY = 0.05  # predicted codes below are not kept: filters never ask for them


@dataclass(frozen=True, slots=True)
class DecodedPicture:
    """One picture, ready for the network.

    Attributes:
        picture: what `Workers.encode` of the same workers takes, small whatever its size was.
        pixels_digest: of all that decides its embedding.
        media_type: of its file.
        width, height: of the whole picture, pixels.
        pages: of its file; the first is what is indexed.
        words: read in it; None where nobody was to read them.
    """

    picture: Any
    pixels_digest: str
    media_type: str
    width: int
    height: int
    pages: int
    words: str | None


class Workers(Protocol):
    """Decode pictures and run one network on them; safe to share by threads."""

    @property
    def fingerprint(self) -> str:
        """Of the network."""

    @property
    def decoding(self) -> int:
        """How many pictures may be decoded at once."""

    @property
    def encoding(self) -> int:
        """How many batches may be encoded at once."""

    def decode(self, content: bytes, name: str, *, read_words: bool) -> DecodedPicture:
        """Decode and preprocess one picture.

        Args:
            content: the bytes of its file.
            name: what to call it in errors.
            read_words: read the words in it.

        Raises:
            UnreadableImage: it cannot be decoded, or is blank.
            MissingReader: words are to be read where the extra `words` is not installed.
        """

    def encode(self, pictures: Sequence[Any]) -> list[Encoding]:
        """Run the network on pictures that `decode` has made ready: a batch."""


class LocalWorkers:
    """This process: threads decode, and one batch at a time is encoded, by all cores or a GPU."""

    encoding = 1

    def __init__(self, encoder: Encoder, threads: int = _CORES) -> None:
        """Set up.

        Args:
            encoder: the network.
            threads: that decode.
        """
        self.fingerprint = encoder.fingerprint
        self.decoding = threads
        self._encoder = encoder

    def decode(self, content: bytes, name: str, *, read_words: bool) -> DecodedPicture:
        """See `Workers`."""
        image = decode_image(content, name)
        refuse_blank(image, name)
        width, height = full_size(image)
        picture = self._encoder.prepare(image)
        return DecodedPicture(
            picture,
            pixels_digest(picture),
            media_type(content),
            width,
            height,
            page_count(image),
            joined(READER.read(image)) if read_words else None,
        )

    def encode(self, pictures: Sequence[Prepared]) -> list[Encoding]:
        """See `Workers`."""
        return named(self._encoder, self._encoder.encode_prepared(pictures))


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


def pixels_digest(picture: Prepared) -> str:
    """BLAKE2b (hex) of all that decides an embedding: one for a PNG and a BMP of one drawing.

    Where the sign stands in the picture is part of it, since an embedding says where its parts are.
    """
    digest = hashlib.blake2b(picture.pixels.tobytes(), digest_size=_PIXELS_DIGEST_BYTES)
    digest.update(np.array([picture.square, picture.sign], "<f8").tobytes())
    digest.update(picture.parts.pixels.tobytes())
    digest.update(picture.parts.boxes.astype("<f4").tobytes())
    return digest.hexdigest()
