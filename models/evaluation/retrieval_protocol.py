"""`marklens evaluate retrieve`: does a network find what belongs together?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.encoder import Encoder
from models.errors import BadLabels
from models.evaluation.changes import TRANSFORMATIONS, UNDONE
from models.evaluation.encoded_pictures import EncodedPictures, OnProgress, encode_files
from models.evaluation.groups import Groups, Named
from models.evaluation.intervals import Interval
from models.evaluation.retrieval_metrics import (
    Rankings,
    changed_ranks,
    relevant_ranks,
    retrieval_intervals,
)
from models.images import decode_image
from models.images.picture_folder import PictureFolder

_OWN = 5000  # pictures that are their own query, evenly chosen from larger galleries
_BLOCK = 256
_ROUNDING = 1e-3  # of float16 embeddings: scores nearer than this are equal


@dataclass(frozen=True)
class SelfRetrieval:
    """Whether pictures come first for themselves.

    Attributes:
        asked: how many were their own query.
        duplicates: pictures, and another that scores as high and shows the very same pixels.
        failures: pictures, and a different picture that scores as high.
    """

    asked: int
    duplicates: Sequence[tuple[str, str]]
    failures: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class RetrievalResult:
    """What the queries say of the network.

    Attributes:
        metrics: each query left out of its own results.
        counted: the query counted as relevant, as METU's official code does.
        transformations: each changed picture must find its original.
        itself: see :class:`SelfRetrieval`.
        queries: how many.
        gallery: pictures searched.
        left_out: for each other picture, why.
    """

    metrics: Mapping[str, Interval]
    counted: Mapping[str, Interval]
    transformations: Mapping[str, Mapping[str, Interval]]
    itself: SelfRetrieval
    queries: int
    gallery: int
    left_out: Sequence[str]


def measure_retrieval(
    encoder: Encoder,
    groups: Groups,
    distractors: Path | None,
    on_progress: OnProgress,
    transformations: bool = False,
) -> RetrievalResult:
    """Query with every picture of a group for the others, among all pictures.

    Args:
        encoder: the network.
        groups: the pictures, and which belong together.
        distractors: folder of further pictures, relevant to no query.
        on_progress: called with how many pictures are encoded, of how many.
        transformations: also query with each picture changed, for its original.

    Raises:
        BadLabels: no group keeps two readable members.
    """
    further = PictureFolder(distractors).pictures() if distractors else []
    pictures = [*groups.pictures, *((f"distractor:{name}", path) for name, path in further)]
    encoded = encode_files(encoder, pictures, on_progress)
    row_of = {name: row for row, name in enumerate(encoded.names)}
    rows = [[row_of[one] for one in names if one in row_of] for names in groups.members.values()]
    rows = [group for group in rows if len(group) >= 2]
    if not rows:
        raise BadLabels("no group keeps two members that can be read; nothing can be found")
    n = len(encoded.names)
    apart = relevant_ranks(encoded.embeddings, rows, range(n))
    counted = relevant_ranks(encoded.embeddings, rows, range(n), count_query=True)
    return RetrievalResult(
        metrics=retrieval_intervals(apart, n - 1),
        counted=retrieval_intervals(counted, n),
        transformations=(
            _transformed(encoder, groups.pictures, encoded, on_progress) if transformations else {}
        ),
        itself=_itself(encoder, dict(pictures), encoded),
        queries=sum(map(len, rows)),
        gallery=n,
        left_out=(*(f"{name}: no such picture" for name in groups.missing), *encoded.left_out),
    )


def _transformed(
    encoder: Encoder, pictures: Sequence[Named], encoded: EncodedPictures, on_progress: OnProgress
) -> dict[str, dict[str, Interval]]:
    """Each changed picture must find its original; and the other way round where that differs."""
    row_of = {name: row for row, name in enumerate(encoded.names)}
    readable = [one for one in pictures if one[0] in row_of]
    rankings: dict[str, Rankings] = {}
    for name, change in TRANSFORMATIONS.items():
        changed = encode_files(encoder, readable, on_progress, change)
        rows = np.array([row_of[one] for one in changed.names])
        rankings[name] = changed_ranks(encoded.embeddings, rows, changed.embeddings)
        if name in UNDONE:
            rankings[UNDONE[name]] = changed_ranks(
                encoded.embeddings, rows, changed.embeddings, stored_changed=True
            )
    n = len(encoded.names)
    return {name: retrieval_intervals(ranks, n) for name, ranks in rankings.items()}


def _itself(encoder: Encoder, paths: Mapping[str, Path], encoded: EncodedPictures) -> SelfRetrieval:
    """Query with the pictures themselves; equal scores of other pictures are checked by pixels."""
    n = len(encoded.names)
    asked = np.unique(np.linspace(0, n - 1, min(n, _OWN)).astype(np.int64))
    duplicates: list[tuple[str, str]] = []
    failures: list[tuple[str, str]] = []
    for start in range(0, len(asked), _BLOCK):
        rows = asked[start : start + _BLOCK]
        scores = encoded.embeddings[rows] @ encoded.embeddings.T
        own = scores[np.arange(len(rows)), rows].copy()
        scores[np.arange(len(rows)), rows] = -np.inf
        for row, line, least in zip(rows, scores, own - _ROUNDING, strict=True):
            nearest = int(line.argmax())
            if line[nearest] < least:
                continue
            pair = (encoded.names[row], encoded.names[nearest])
            one, other = (_pixels(encoder, paths[name]) for name in pair)
            (duplicates if np.array_equal(one, other) else failures).append(pair)
    return SelfRetrieval(len(asked), duplicates, failures)


def _pixels(encoder: Encoder, path: Path) -> NDArray[np.uint8]:
    return encoder.prepare(decode_image(path.read_bytes(), path.name)).pixels
