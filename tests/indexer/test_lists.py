"""Seeking lists: as good as FAISS' k-means, and given up whenever it is told to."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from threading import Event

import faiss
import numpy as np
import pytest

from indexer.index.merging import LiveView, Merger
from indexer.index.segments import SegmentDraft
from indexer.index.vectors import CpuBuilder, Kept, VectorIndex
from indexer.index.vectors.lists import find_lists, lists_for
from indexer.index.vectors.short import ShortForms
from indexer.marks import Change

ROWS, DIMENSION = 8_000, 32


@cache
def clustered() -> np.ndarray:
    rng = np.random.default_rng(3)
    vectors = rng.standard_normal((150, DIMENSION))[rng.integers(0, 150, ROWS)]
    vectors += 0.6 * rng.standard_normal(vectors.shape)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float16)


@cache
def short_forms() -> ShortForms:
    return ShortForms.of(clustered())


def mean_square(vectors: np.ndarray, centroids: np.ndarray) -> float:
    """Of the distances to the nearest centroid."""
    index = faiss.IndexFlatL2(DIMENSION)
    index.add(centroids)
    return float(index.search(vectors.astype(np.float32), 1)[0].mean())


def test_lists_are_as_tight_as_those_of_faiss() -> None:
    lists = find_lists(short_forms())
    theirs = faiss.Kmeans(DIMENSION, lists_for(ROWS), niter=8, seed=1, min_points_per_centroid=1)
    theirs.train(clustered().astype(np.float32))
    ours = mean_square(clustered(), lists.centroids)
    assert ours <= 1.01 * mean_square(clustered(), theirs.centroids)


def test_each_row_is_in_the_list_of_its_nearest_centroid() -> None:
    lists = find_lists(short_forms())
    list_of = np.empty(ROWS, int)
    list_of[lists.order] = np.repeat(np.arange(len(lists.centroids)), np.diff(lists.starts))
    vectors = short_forms().vectors_at(short_forms().points(np.arange(ROWS))).astype(np.float64)
    distances = ((vectors[:, None] - lists.centroids[None]) ** 2).sum(axis=2)
    own = distances[np.arange(ROWS), list_of]
    np.testing.assert_allclose(own, distances.min(axis=1), atol=1e-5)


def test_few_different_vectors_many_times_over_are_sorted_into_lists_too() -> None:
    vectors = np.repeat(clustered()[:5], 300, axis=0)
    lists = find_lists(ShortForms.of(vectors))
    assert np.isfinite(lists.centroids).all()
    filled = np.flatnonzero(np.diff(lists.starts))
    assert len(filled) == 5
    for number in filled:
        inside = vectors[lists.order[lists.starts[number] : lists.starts[number + 1]]]
        assert (inside == inside[0]).all()


class GivenUp(Exception):
    pass


@pytest.mark.parametrize("call", [1, 2, 9, 20, 30])
def test_seeking_lists_asks_often_whether_to_go_on_and_ends_at_once(call: int) -> None:
    asked = []

    def proceed() -> None:
        asked.append(len(asked))
        if len(asked) == call:
            raise GivenUp

    with pytest.raises(GivenUp):
        find_lists(short_forms(), proceed)
    assert len(asked) == call


@dataclass(frozen=True)
class Watched(CpuBuilder):
    """A builder that waits in the middle of seeking lists until it is told to give up."""

    begun: Event = field(default_factory=Event)
    asked: list[int] = field(default_factory=list)

    def merged(self, parts: Sequence[Kept], proceed: Callable[[], None]) -> VectorIndex:
        def watched() -> None:
            self.asked.append(1)
            if (
                len(self.asked) == 9
            ):  # rows are copied and shortened, and the second pass is under way
                self.begun.set()
                while True:
                    proceed()
                    time.sleep(0.002)

        return super().merged(parts, watched)


def test_stopping_while_lists_are_sought_ends_the_search_for_them() -> None:
    watched = Watched(most_exact=100)
    live = LiveView(watched)
    merger = Merger(live, watched, lambda rows: None)
    draft = SegmentDraft(DIMENSION)
    draft.add([Change(f"m{at}", at + 1, False, one) for at, one in enumerate(clustered())])
    live.advance(draft, ROWS)
    merger.start()
    assert watched.begun.wait(60)
    merger.stop()
    assert len(watched.asked) == 9
    assert live.now.parts[0].segment.vectors.is_exact, "no lists were found"
    assert live.now.total == ROWS
