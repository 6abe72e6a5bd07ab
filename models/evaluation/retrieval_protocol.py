"""`marklens evaluate retrieve`: does a search find what belongs together?"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.encoder import Block, Embedding, Encoder
from models.errors import BadLabels
from models.evaluation.changes import TRANSFORMATIONS, UNDONE
from models.evaluation.encoded_pictures import EncodedPictures, OnProgress, encode_files
from models.evaluation.groups import Groups
from models.evaluation.intervals import Interval
from models.evaluation.retrieval_metrics import Rankings, ranks_of, retrieval_intervals
from models.images import decode_image
from models.images.picture_folder import PictureFolder

_OWN = 5000  # pictures that are their own query, evenly chosen from larger galleries
_ROUNDING = 1e-3  # of float16 embeddings: scores nearer than this are equal


class Gallery(Protocol):
    """Pictures that can be searched."""

    def scores(
        self, query: Embedding, left_out: Sequence[int] = (), k: int | None = None
    ) -> NDArray[np.float64]:
        """Score all pictures: (n,); minus infinity for those left out and beyond the k best."""


class WholeSigns:
    """Pictures compared as MarkLens did before it compared parts: whole sign with whole sign."""

    def __init__(self, blocks: Sequence[Block], embeddings: Sequence[Embedding]) -> None:
        self._blocks = blocks
        self._rows = self._weighted(np.stack([one.whole for one in embeddings]))

    def _weighted(self, rows: NDArray[np.float16]) -> NDArray[np.float32]:
        """Scale each block so that inner products are the default scores."""
        total = sum(block.weight for block in self._blocks)
        scaled = rows.astype(np.float32)
        for block in self._blocks:
            scaled[:, block.start : block.stop] *= (block.weight / total) ** 0.5
        return scaled

    def scores(
        self, query: Embedding, left_out: Sequence[int] = (), k: int | None = None
    ) -> NDArray[np.float64]:
        """See `Gallery`; all are scored, whatever `k` is."""
        del k
        products = self._rows @ self._weighted(query.whole[None])[0]
        found: NDArray[np.float64] = products.astype(np.float64)
        found[list(left_out)] = -np.inf
        return found


MakeGallery = Callable[[Sequence[Block], Sequence[Embedding]], Gallery]


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
    """What the queries say of the network and the search.

    Attributes:
        metrics: each query left out of its own results.
        counted: the query counted as relevant, as METU's official code and MPEG-7 do.
        whole: as `metrics`, by whole signs alone; empty where it was not asked for.
        transformations: each changed picture must find its original.
        itself: see :class:`SelfRetrieval`.
        queries: how many.
        gallery: pictures searched.
        left_out: for each other picture, why.
    """

    metrics: Mapping[str, Interval]
    counted: Mapping[str, Interval]
    whole: Mapping[str, Interval]
    transformations: Mapping[str, Mapping[str, Interval]]
    itself: SelfRetrieval
    queries: int
    gallery: int
    left_out: Sequence[str]


@dataclass(frozen=True)
class RetrievalProtocol:
    """What is searched, and how.

    Attributes:
        groups: the pictures, and which belong together.
        gallery: makes what is searched of encoded pictures.
        distractors: folder of further pictures, relevant to no query.
        transformations: also query with each picture changed, for its original.
        whole: also compare whole signs alone.
    """

    groups: Groups
    gallery: MakeGallery = WholeSigns
    distractors: Path | None = None
    transformations: bool = False
    whole: bool = False


def measure_retrieval(
    encoder: Encoder, protocol: RetrievalProtocol, on_progress: OnProgress
) -> RetrievalResult:
    """Query with every picture of a group for the others, among all pictures.

    Args:
        encoder: the network.
        protocol: what is searched, and how.
        on_progress: called with how many pictures are encoded, of how many.

    Raises:
        BadLabels: no group keeps two readable members.
    """
    groups = protocol.groups
    further = PictureFolder(protocol.distractors).pictures() if protocol.distractors else []
    pictures = [*groups.pictures, *((f"distractor:{name}", path) for name, path in further)]
    encoded = encode_files(encoder, pictures, on_progress)
    row_of = {name: row for row, name in enumerate(encoded.names)}
    rows = [[row_of[one] for one in names if one in row_of] for names in groups.members.values()]
    rows = [group for group in rows if len(group) >= 2]
    if not rows:
        raise BadLabels("no group keeps two members that can be read; nothing can be found")
    n = len(encoded.names)
    gallery = protocol.gallery(encoder.blocks, encoded.embeddings)
    wholes = WholeSigns(encoder.blocks, encoded.embeddings)
    changed = (
        _transformed(encoder, protocol, encoded, on_progress) if protocol.transformations else {}
    )
    return RetrievalResult(
        metrics=_measured(gallery, encoded, rows),
        counted=_measured(gallery, encoded, rows, count_query=True),
        whole=_measured(wholes, encoded, rows) if protocol.whole else {},
        transformations=changed,
        itself=_itself(encoder, gallery, dict(pictures), encoded),
        queries=sum(map(len, rows)),
        gallery=n,
        left_out=(*groups.left_out, *encoded.left_out),
    )


def _measured(
    gallery: Gallery,
    encoded: EncodedPictures,
    groups: Sequence[Sequence[int]],
    count_query: bool = False,
) -> dict[str, Interval]:
    """Metrics of queries with every member of every group."""
    found: list[NDArray[np.int64]] = []
    for group in groups:
        for query in group:
            line = gallery.scores(encoded.embeddings[query], () if count_query else (query,))
            wanted = [row for row in group if count_query or row != query]
            found.append(ranks_of(line, np.array(wanted)))
    return retrieval_intervals(found, len(encoded.names) - (not count_query))


def _transformed(
    encoder: Encoder,
    protocol: RetrievalProtocol,
    encoded: EncodedPictures,
    on_progress: OnProgress,
) -> dict[str, dict[str, Interval]]:
    """Each changed picture must find its original; and the other way round where that differs."""
    n = len(encoded.names)
    row_of = {name: row for row, name in enumerate(encoded.names)}
    readable = [one for one in protocol.groups.pictures if one[0] in row_of]
    rankings: dict[str, Rankings] = {}
    for name, change in TRANSFORMATIONS.items():
        changed = encode_files(encoder, readable, on_progress, change)
        both = protocol.gallery(encoder.blocks, (*encoded.embeddings, *changed.embeddings))
        rows = [row_of[one] for one in changed.names]
        rankings[name] = [
            ranks_of(both.scores(query, range(n, n + len(rows))), np.array([row]))
            for row, query in zip(rows, changed.embeddings, strict=True)
        ]
        if name in UNDONE:  # the gallery holds this picture changed in place of the original
            others = set(range(n, n + len(rows)))
            rankings[UNDONE[name]] = [
                ranks_of(
                    both.scores(encoded.embeddings[row], (row, *(others - {n + at}))),
                    np.array([n + at]),
                )
                for at, row in enumerate(rows)
            ]
    return {name: retrieval_intervals(ranks, n) for name, ranks in rankings.items()}


def _itself(
    encoder: Encoder, gallery: Gallery, paths: Mapping[str, Path], encoded: EncodedPictures
) -> SelfRetrieval:
    """Query with the pictures themselves; equal scores of other pictures are checked by pixels."""
    n = len(encoded.names)
    asked = np.unique(np.linspace(0, n - 1, min(n, _OWN)).astype(np.int64))
    duplicates: list[tuple[str, str]] = []
    failures: list[tuple[str, str]] = []
    for row in asked:
        line = gallery.scores(encoded.embeddings[row], k=2)
        own, line[row] = line[row], -np.inf
        nearest = int(line.argmax())
        if line[nearest] < own - _ROUNDING:
            continue
        pair = (encoded.names[row], encoded.names[nearest])
        one, other = (_pixels(encoder, paths[name]) for name in pair)
        (duplicates if np.array_equal(one, other) else failures).append(pair)
    return SelfRetrieval(len(asked), duplicates, failures)


def _pixels(encoder: Encoder, path: Path) -> NDArray[np.uint8]:
    return encoder.prepare(decode_image(path.read_bytes(), path.name)).pixels
