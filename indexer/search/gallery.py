"""Pictures in memory, ranked as the marks of a register are: for measuring what users get."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from indexer.index.drafts import SegmentDraft
from indexer.index.row_sets import RowSet
from indexer.index.vectors import IndexChoice, open_builder
from indexer.marks import Change
from indexer.matches import Candidate
from indexer.query import RERANK
from indexer.search.ranking import AllowedRows, rank
from indexer.search.reranking import Reranking
from indexer.search.scoring import Query
from models.encoder import Block, Embedding
from models.vienna import ViennaCode


class SearchGallery:
    """Embedded pictures that are searched exactly, with the default weights."""

    def __init__(
        self,
        blocks: Sequence[Block],
        embeddings: Sequence[Embedding],
        borne: Sequence[tuple[ViennaCode, ...]] | None = None,
    ) -> None:
        """Index the pictures; their place is their number.

        Args:
            blocks: of a vector, with their default weights.
            embeddings: at least one.
            borne: codes of each picture; none by default.
        """
        self._blocks = tuple(blocks)
        draft = SegmentDraft(self._blocks[-1].stop, len(embeddings))
        draft.add(
            [
                Change(str(at), at + 1, deleted=False, number=at, embedding=one.vectors)
                for at, one in enumerate(embeddings)
            ]
        )
        self._size = len(embeddings)
        codes = borne or [()] * len(embeddings)
        places = [one.places for one in embeddings]
        self._candidates = [Candidate(*both) for both in zip(places, codes, strict=True)]
        self._segment = draft.segment(open_builder(IndexChoice(kind="exact")))

    def scores(
        self,
        query: Embedding,
        left_out: Sequence[int] = (),
        k: int | None = None,
        shown: Mapping[ViennaCode, float] = MappingProxyType({}),
    ) -> NDArray[np.float64]:
        """Score the pictures as a search scores marks.

        Args:
            query: what is searched with.
            left_out: pictures that are not searched.
            k: how many of the best are wanted; all by default.
            shown: how surely the query shows each code, 0 to 1.

        Returns:
            (n,); minus infinity for pictures left out, beyond the k best, or whose embedding is not
            finite.
        """
        found = np.full(self._size, -np.inf)
        segment = self._segment
        if segment is not None:
            rows = RowSet.all(len(segment)).without(segment.rows_of(np.array(left_out, np.int64)))
            compared = Query(self._blocks, query.vectors, None)
            wanted = max(k or self._size, RERANK)
            ranked = rank([AllowedRows(segment, rows, len(rows))], compared, wanted).best
            reranking = Reranking(query, shown, compared)
            if reranking.is_on:
                first = {one.sequence: self._candidates[one.number] for one in ranked[:RERANK]}
                ranked = reranking.apply(ranked, first)
            best = ranked[: k or self._size]
            found[[one.number for one in best]] = [one.score for one in best]
        return found
