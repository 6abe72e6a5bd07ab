"""Encodes picture files: embeddings and probabilities of all that can be read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.encoder import Embedding, Encoder
from models.errors import BadLabels, UnreadableImage
from models.evaluation.changes import Change
from models.images import decode_image

_BATCH = 64

OnProgress = Callable[[int, int], None]  # called with how many are done, of how many


@dataclass(frozen=True)
class EncodedPictures:
    """Encoded pictures.

    Attributes:
        names: of those that could be read.
        embeddings: of each.
        probabilities: (n, labels) float32.
        left_out: for each other picture, why.
    """

    names: tuple[str, ...]
    embeddings: tuple[Embedding, ...]
    probabilities: NDArray[np.float32]
    left_out: tuple[str, ...]


def encode_files(
    encoder: Encoder,
    pictures: Sequence[tuple[str, Path]],
    on_progress: OnProgress,
    change: Change | None = None,
) -> EncodedPictures:
    """Encode picture files; one that cannot be read is left out and named.

    Args:
        encoder: the network.
        pictures: name and file.
        on_progress: called after each batch.
        change: applied to each, by random numbers of its place's own.

    Raises:
        BadLabels: none can be read.
    """
    names: list[str] = []
    left_out: list[str] = []
    embeddings: list[Embedding] = []
    probabilities = []
    for start in range(0, len(pictures), _BATCH):
        images: list[Image.Image] = []
        for at, (name, path) in enumerate(pictures[start : start + _BATCH], start):
            try:
                image = decode_image(path.read_bytes(), path.name)
            except (UnreadableImage, OSError) as error:
                left_out.append(f"{name}: {error}")
                continue
            images.append(image if change is None else change(image, np.random.default_rng(at)))
            names.append(name)
        if images:
            encoded = encoder.encode(images)
            embeddings += encoded.embeddings
            probabilities.append(encoded.probabilities)
        on_progress(min(start + _BATCH, len(pictures)), len(pictures))
    if not names:
        raise BadLabels(f"none of {len(pictures)} pictures can be read{_first(left_out)}")
    return EncodedPictures(
        tuple(names),
        tuple(embeddings),
        np.concatenate(probabilities),
        tuple(left_out),
    )


def _first(left_out: Sequence[str]) -> str:
    return f"; {left_out[0]}" if left_out else ""
