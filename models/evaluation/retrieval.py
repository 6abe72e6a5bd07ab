"""Retrieval metrics: is what belongs together found first?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Retrieved:
    """The metrics of one set of queries; the query itself is left out of its results."""

    mAP: float  # noqa: N815 -- the metric's name
    recall_at_1: float
    recall_at_10: float
    NAR: float
    queries: int


def retrieval_metrics(
    embeddings: NDArray[np.float32], groups: Sequence[Sequence[int]], gallery: Sequence[int]
) -> Retrieved:
    """Query with every member of every group; its other members are relevant.

    Ties count the worst way. NAR is the normalised average rank (Müller et al., "Performance
    evaluation in content-based image retrieval", Pattern Recognition Letters 2001), 0 is best.

    Args:
        embeddings: (n, d); inner products rank.
        groups: rows that belong together, at least two each.
        gallery: rows to search, all members among them.
    """
    place = {row: at for at, row in enumerate(gallery)}
    stored = embeddings[list(gallery)]
    precisions, firsts, tens, nars = [], [], [], []
    for group in groups:
        for query in group:
            scores = stored @ embeddings[query]
            scores[place[query]] = -np.inf
            relevant = scores[[place[row] for row in group if row != query]]
            # How many others score at least as high; tied relevant ones rank behind each other.
            ranks = np.sort([(scores >= score).sum() for score in relevant])
            n = len(ranks)
            ranks = np.maximum(ranks, np.arange(1, n + 1))
            precisions.append(np.mean(np.arange(1, n + 1) / ranks))
            firsts.append(ranks[0] == 1)
            tens.append((ranks <= 10).mean())
            nars.append((ranks.sum() - n * (n + 1) / 2) / (n * (len(gallery) - 1)))
    return Retrieved(
        float(np.mean(precisions)),
        float(np.mean(firsts)),
        float(np.mean(tens)),
        float(np.mean(nars)),
        len(precisions),
    )
