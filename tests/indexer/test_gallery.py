"""Pictures in memory are ranked as a register ranks its marks."""

from pathlib import Path

import numpy as np

from indexer.index.follower import Follower
from indexer.index.vectors import IndexChoice
from indexer.marks import EncodedMark, MarkRecord
from indexer.query import SearchQuery
from indexer.register import Register
from indexer.search.gallery import SearchGallery
from indexer.search.searcher import Searcher
from models.encoder import Block, Embedding
from models.network.places import Places, to_bytes

BLOCKS = (Block("visual", 0, 10, 1.0), Block("colour", 10, 16, 0.5))


def places(rng: np.random.Generator) -> Places:
    """Of one of a few drawings, somewhere in the picture."""
    vectors = np.random.default_rng(rng.integers(6)).integers(-127, 128, (16, 8), np.int8)
    down, across = np.divmod(np.arange(16), 4)
    cells = (down + rng.integers(8)) * 12 + across + rng.integers(8)
    return Places(vectors, cells.astype(np.uint16), 12, (0.0, 0.0, 1.0, 1.0))


def embeddings(count: int, seed: int = 0) -> list[Embedding]:
    """Of one to four vectors each, four of five with places."""
    rng = np.random.default_rng(seed)
    found = []
    for at in range(count):
        rows = rng.normal(size=(1 + at % 4, 16))
        for block in BLOCKS:
            part = rows[:, block.start : block.stop]
            part /= np.linalg.norm(part, axis=1, keepdims=True)
        boxes = np.tile(np.float32([0, 0, 1, 1]), (len(rows), 1))
        coded = to_bytes([places(rng) for _ in rows]) if at % 5 else b""
        found.append(Embedding(rows.astype(np.float16), boxes, coded))
    return found


def test_scores_are_those_of_a_search_of_a_register(tmp_path: Path) -> None:
    searched = embeddings(200)  # more than are ranked again
    gallery = SearchGallery(BLOCKS, searched)
    register = Register.open(f"sqlite:///{tmp_path / 'register.db'}")
    register.bind_fingerprint("tiny", 16)
    register.add(
        [
            EncodedMark(MarkRecord(str(at)), "0" * 64, embedding=one)
            for at, one in enumerate(searched)
        ]
    )
    follower = Follower(register, None, 16, "tiny", IndexChoice("cpu"))
    follower.refresh()
    searcher = Searcher(register, follower, BLOCKS)
    for query in (*searched[:8], *embeddings(8, seed=1)):
        result = searcher.search(SearchQuery(query, k=200))
        assert result.plan.reranked == (150 if query.places else 0)
        hits = result.hits
        scores = gallery.scores(query)
        assert {int(hit.id): hit.score for hit in hits} == dict(enumerate(scores.tolist()))
    assert gallery.scores(searched[7])[7] == 1.0
    follower.stop()
    register.close()


def test_what_is_left_out_or_beyond_the_best_has_no_score() -> None:
    searched = embeddings(9)
    gallery = SearchGallery(BLOCKS, searched)
    everything, without = gallery.scores(searched[3]), gallery.scores(searched[3], (3, 5))
    assert np.isneginf(without[[3, 5]]).all()
    others = [0, 1, 2, 4, 6, 7, 8]
    assert without[others].tolist() == everything[others].tolist()
    best = gallery.scores(searched[3], (3, 5), k=2)
    assert set(np.flatnonzero(np.isfinite(best))) == set(np.argsort(-without)[:2])
