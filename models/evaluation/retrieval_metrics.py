"""Retrieval metrics: whether pictures that belong together rank first."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.evaluation.intervals import Interval, mean_interval

_BLOCK = 256  # queries whose scores are in memory at a time


@dataclass(frozen=True)
class RetrievalMetrics:
    """The metrics of one set of queries.

    Attributes:
        mAP: mean average precision.
        mAP_100: the same over the first hundred places only; what is not there counts as missed.
        recall_at_1, recall_at_10, recall_at_50: share of what is relevant among the first so many
            (of the first place: whether it is relevant).
        bulls_eye: share of what is relevant among the first 2 n, where n is relevant. With the
            query counted and 20 pictures a class it is MPEG-7's measure for CE-Shape-1 (Latecki,
            Lakämper and Eckhardt, "Shape descriptors for non-rigid shapes with a single closed
            contour", CVPR 2000): those among the first 40, divided by 20.
        NAR: normalised average rank (Müller et al., "Performance evaluation in content-based image
            retrieval", Pattern Recognition Letters 2001); 0 is best, 0.5 is chance.
        queries: how many.
    """

    mAP: float  # noqa: N815 -- the metrics' names
    mAP_100: float  # noqa: N815
    recall_at_1: float
    recall_at_10: float
    recall_at_50: float
    bulls_eye: float
    NAR: float
    queries: int


Rankings = Sequence[NDArray[np.int64]]


def relevant_ranks(
    embeddings: NDArray[np.float32],
    groups: Sequence[Sequence[int]],
    gallery: Sequence[int],
    count_query: bool = False,
) -> Rankings:
    """Query with every member of every group; at which places stand the relevant rows?

    Args:
        embeddings: (n, d); inner products rank.
        groups: rows that belong together, at least two each.
        gallery: rows to search, all members among them.
        count_query: the query itself stays in the gallery and counts as relevant, as METU's
            official code has it; otherwise it is left out.

    Returns:
        For each query the sorted ranks, from 1, of what is relevant. Ties count the worst way.
    """
    place = np.full(len(embeddings), -1)
    place[np.asarray(gallery)] = np.arange(len(gallery))
    stored = embeddings[np.asarray(gallery)]
    asked = [(row, group) for group in groups for row in group]
    found: list[NDArray[np.int64]] = []
    for start in range(0, len(asked), _BLOCK):
        part = asked[start : start + _BLOCK]
        scores = embeddings[[row for row, _ in part]] @ stored.T
        for line, (query, group) in zip(scores, part, strict=True):
            if not count_query:
                line[place[query]] = -np.inf
            wanted = place[[row for row in group if count_query or row != query]]
            found.append(ranks_of(line, wanted))
    return found


def ranks_of(scores: NDArray[np.floating], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """At which places stand some rows? Ties count the worst way.

    Args:
        scores: (n,) of all rows; minus infinity for what is left out.
        wanted: rows.

    Returns:
        Their ranks, from 1, ascending.
    """
    ordered = np.sort(scores)
    # How many score at least as high: the last place of a tie.
    ranks = np.sort(len(ordered) - np.searchsorted(ordered, scores[wanted], "left"))
    # Rows that are tied share that place; each stands one before the next.
    steps = np.arange(len(ranks))
    found: NDArray[np.int64] = np.minimum.accumulate((ranks - steps)[::-1])[::-1] + steps
    return found


def changed_ranks(
    stored: NDArray[np.float32],
    rows: NDArray[np.int64],
    changed: NDArray[np.float32],
    stored_changed: bool = False,
) -> Rankings:
    """At which place stands the original of each changed picture? Ties count the worst way.

    Args:
        stored: (n, d), the gallery.
        rows: (m,) where each original stands in it.
        changed: (m, d) of the changed pictures.
        stored_changed: the other way round: the gallery holds this picture changed in place of the
            original, which is the query.

    Returns:
        For each picture its one rank, from 1.
    """
    found: list[NDArray[np.int64]] = []
    for start in range(0, len(rows), _BLOCK):
        part = rows[start : start + _BLOCK]
        ours = changed[start : start + _BLOCK]
        scores = (stored[part] if stored_changed else ours) @ stored.T
        own = (stored[part] * ours).sum(axis=1, keepdims=True) - 1e-6  # float32 rounding
        scores[np.arange(len(part)), part] = -np.inf
        found += list(1 + (scores >= own).sum(axis=1, keepdims=True))
    return found


def _per_query(rankings: Rankings, searched: int) -> dict[str, NDArray[np.float64]]:
    columns: dict[str, list[float]] = {name: [] for name in _NAMES}
    for ranks in rankings:
        n = len(ranks)
        precision = np.arange(1, n + 1) / ranks
        columns["mAP"].append(precision.mean())
        columns["mAP_100"].append(precision[ranks <= 100].sum() / min(n, 100))
        columns["recall_at_1"].append(float(ranks[0] == 1))
        columns["recall_at_10"].append((ranks <= 10).mean())
        columns["recall_at_50"].append((ranks <= 50).mean())
        columns["bulls_eye"].append((ranks <= 2 * n).mean())
        columns["NAR"].append((ranks.sum() - n * (n + 1) / 2) / (n * searched))
    return {name: np.asarray(values) for name, values in columns.items()}


_NAMES = ("mAP", "mAP_100", "recall_at_1", "recall_at_10", "recall_at_50", "bulls_eye", "NAR")


def retrieval_metrics(
    embeddings: NDArray[np.float32],
    groups: Sequence[Sequence[int]],
    gallery: Sequence[int],
    count_query: bool = False,
) -> RetrievalMetrics:
    """All metrics; arguments as :func:`relevant_ranks` has them."""
    rankings = relevant_ranks(embeddings, groups, gallery, count_query)
    columns = _per_query(rankings, len(gallery) - (not count_query))
    return RetrievalMetrics(
        **{name: float(values.mean()) for name, values in columns.items()}, queries=len(rankings)
    )


def retrieval_intervals(rankings: Rankings, searched: int) -> dict[str, Interval]:
    """All metrics with bootstrap intervals over queries.

    Args:
        rankings: from :func:`relevant_ranks`.
        searched: size of the gallery, without the query where it was left out.
    """
    return {name: mean_interval(values) for name, values in _per_query(rankings, searched).items()}


def average_precisions(rankings: Rankings) -> NDArray[np.float64]:
    """Average precision of each query: the lowest are the worst queries."""
    return np.asarray([(np.arange(1, len(ranks) + 1) / ranks).mean() for ranks in rankings])
