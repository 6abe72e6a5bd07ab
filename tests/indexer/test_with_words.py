"""Picture and words in one ranking, on both databases."""

from dataclasses import replace

import numpy as np
import pytest

from indexer.index.follower import Follower
from indexer.index.vectors import IndexChoice
from indexer.marks import EncodedMark, MarkRecord
from indexer.query import Filter, Hit, SearchQuery
from indexer.register import Register
from indexer.search.searcher import Searcher
from indexer.search.with_words import search_with_words
from indexer.words.forms import Words
from indexer.words.likeness import match_words
from models.encoder import Block, Embedding
from models.vienna import ViennaCode

BLOCKS = (Block("visual", 0, 8, 1.0), Block("concept", 8, 12, 0.5))
TEXTS = ("Google", "Gogle", "Star", "Goggles", "Lion", None)


def embedding(seed: int) -> Embedding:
    return Embedding.without_boxes(np.random.default_rng(seed).normal(size=(1, 12)).astype("f2"))


@pytest.fixture
def follower(register: Register) -> Follower:
    """300 marks; the words of number n are the n-th of the texts, over and over."""
    register.bind_fingerprint("test", 12)
    marks = [
        EncodedMark(
            MarkRecord(f"m{at}", text=TEXTS[at % len(TEXTS)], office=("EM", "US")[at % 2]),
            "d",
            embedding=embedding(at),
        )
        for at in range(300)
    ]
    register.add([*marks, EncodedMark(MarkRecord("no-picture", text="Google"), "d")])
    follower = Follower(register, None, 12, "test", IndexChoice("cpu"))
    follower.refresh()
    return follower


@pytest.fixture
def searcher(register: Register, follower: Follower) -> Searcher:
    return Searcher(register, follower, BLOCKS)


@pytest.mark.parametrize("wanted", [Filter(), Filter(office=frozenset({"EM"}))])
@pytest.mark.parametrize("weights", [{"words": 1.0}, {"words": 0.2, "visual": 2}, {"words": 9}])
def test_both_are_scored_as_the_documentation_says(
    register: Register, searcher: Searcher, wanted: Filter, weights: dict[str, float]
) -> None:
    blocks = {name: weight for name, weight in weights.items() if name != "words"}
    plain = SearchQuery(embedding(999), k=300, filter=wanted, weights=blocks)
    asked = replace(plain, k=20, weights=weights, filter=replace(wanted, text="gogle"))
    total = sum({"visual": 1.0, "concept": 0.5, **blocks}.values())
    expected = []
    for hit in searcher.search(plain).hits:  # every mark that has a picture and passes
        match = match_words(Words.of("gogle"), Words.of(hit.mark.record.text or ""))
        alike = 0.0 if match is None else match.score
        score = (total * (hit.score or 0) + weights["words"] * alike) / (total + weights["words"])
        expected.append((-score, hit.id))
    hits = search_with_words(register, searcher, asked).hits
    assert [(-(hit.score or 0), hit.id) for hit in hits] == sorted(expected)[:20]
    assert all(hit.picture is not None and "words" in hit.scores for hit in hits)
    best = hits[0]
    assert best.words is not None
    assert best.scores["words"] == best.words.score


def test_score_and_order_are_the_same_however_many_are_asked_for(register: Register) -> None:
    register.bind_fingerprint("test", 12)
    lion = ViennaCode.parse("03.01.01")
    marks = [
        MarkRecord(f"m{at}", text="Gogle" if at % 2 else "Lion", vienna=(lion,) * (at % 3 == 0))
        for at in range(900)
    ]
    register.add([EncodedMark(one, "d", embedding=embedding(at)) for at, one in enumerate(marks)])
    follower = Follower(register, None, 12, "test", IndexChoice("cpu"))
    follower.refresh()
    searcher = Searcher(register, follower, BLOCKS)
    asked = SearchQuery(
        embedding(999), filter=Filter(text="gogle"), weights={"words": 1.0}, shown={lion: 1.0}
    )
    *shorter, whole = (
        [(hit.id, hit.score) for hit in search_with_words(register, searcher, query).hits]
        for query in (replace(asked, k=k) for k in (20, 100, 250, 500, 900))
    )
    assert len(whole) == 900
    for hits in shorter:
        assert hits == whole[: len(hits)]


def test_a_word_far_down_by_picture_comes_up(
    register: Register, follower: Follower, searcher: Searcher
) -> None:
    opposite = Embedding.without_boxes(-embedding(7).vectors)
    far = EncodedMark(MarkRecord("far", text="Xylophon"), "d", embedding=opposite)
    register.add([far])
    follower.refresh()
    query = SearchQuery(embedding(7), k=3, filter=Filter(text="xylofon"), weights={"words": 50})

    def ids(hits: tuple[Hit, ...]) -> list[str]:
        return [hit.id for hit in hits]

    assert ids(search_with_words(register, searcher, query).hits)[0] == "far"
    little = replace(query, weights={"words": 0.01})
    assert "far" not in ids(search_with_words(register, searcher, little).hits)
    gone = replace(query, exclude=frozenset({"far"}))
    assert "far" not in ids(search_with_words(register, searcher, gone).hits)
